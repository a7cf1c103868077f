import { SteppeError, expected } from "../../errors.js";
import { Fields } from "./fields.js";
import { readJson } from "../../io/json-file.js";
import { fieldsOf, findFiles, readSetOptions } from "./files.js";
import type { Found, SetOptions, TaskSet } from "./files.js";

/** A question without a text in which the answer stands. */
export interface OpenQuestion {
  question: string;
  /** Any of them is right. */
  answers: string[];
}

function checkAny<Example>(examples: Example[], found: Found): Example[] {
  if (examples.length === 0) throw new SteppeError("FORMAT", `Expected at least one question in ${found.paths.join(", ")} but received none.`);
  return examples;
}

/** `(list (description "Jaxon Bieber") (description Jazmyn))`, as SEMPRE writes answers. */
function descriptions(fields: Fields): string[] {
  const target = fields.text("targetValue");
  const answers = [...target.matchAll(/\(description (?:"((?:[^"\\]|\\.)*)"|([^()"]*))\)/g)].map(([, quoted, bare]) => (quoted === undefined ? bare! : quoted.replace(/\\(.)/g, "$1")));
  if (answers.length === 0) throw fields.wrong("a list of descriptions", "targetValue");
  return answers;
}

/**
 * WebQuestions (Berant et al. 2013): questions that people asked a search engine, answered from Freebase; from the publisher's
 * JSON or the hub's Parquet files. It has no validation set of its own.
 *
 * @param options `folder`; `split`: "train" (default) or "test"
 * @throws SteppeError `IO` if the file is not found, with where to get it; `FORMAT` with the place of what is not as published
 */
export async function webQuestions(options: SetOptions<"train" | "test"> = {}): Promise<TaskSet<OpenQuestion & { url: string }, "web_questions">> {
  const { split, folder } = readSetOptions(options, ["train", "test"]);
  const files = [`webquestions.examples.${split}.json`];
  const found = findFiles({ title: "WebQuestions", home: "web_questions", folders: ["default", "data"], files, split, page: "https://nlp.stanford.edu/software/sempre" }, folder);
  const examples: (OpenQuestion & { url: string })[] = [];
  if (found.kind === "published") {
    const path = found.paths[0]!;
    const all = readJson(path);
    if (!Array.isArray(all)) throw new SteppeError("FORMAT", `Expected a list of questions in ${path}.`);
    for (const [i, each] of all.entries()) {
      const fields = Fields.of(each, `question ${i} of ${path}`);
      examples.push({ question: fields.text("utterance"), answers: descriptions(fields), url: fields.text("url") });
    }
  } else for await (const fields of fieldsOf(found, {})) examples.push({ question: fields.text("question"), answers: fields.texts("answers"), url: fields.text("url") });
  return { name: "web_questions", split, labels: null, examples: checkAny(examples, found), files: found.paths };
}

/**
 * Natural Questions in the open domain (Lee et al. 2019, arXiv 1906.00300): questions that people asked a search engine, with
 * short answers from Wikipedia; from the publisher's JSON lines or the hub's Parquet files.
 *
 * @param options `folder`; `split`: "train" (default) or "validation"
 * @throws SteppeError `IO` if the file is not found, with where to get it; `FORMAT` with file, row and column for what is not as published
 */
export async function naturalQuestions(options: SetOptions<"train" | "validation"> = {}): Promise<TaskSet<OpenQuestion, "natural_questions">> {
  const { split, folder } = readSetOptions(options, ["train", "validation"]);
  const files = [`NQ-open.${split === "train" ? "train" : "dev"}.jsonl`];
  const page = "https://github.com/google-research-datasets/natural-questions/tree/master/nq_open";
  const found = findFiles({ title: "Natural Questions (open)", home: "nq_open", folders: ["nq_open"], files, split, page }, folder);
  const examples: OpenQuestion[] = [];
  for await (const fields of fieldsOf(found, { format: "jsonl" })) {
    const answers = fields.texts("answer");
    if (answers.length === 0) throw fields.wrong("at least one answer", "answer");
    examples.push({ question: fields.text("question"), answers });
  }
  return { name: "natural_questions", split, labels: null, examples, files: found.paths };
}

/** A document in which an answer to a trivia question may stand. */
export interface TriviaDocument {
  title: string;
  /** The file's name in the publisher's `evidence` folder. */
  filename: string;
  /** The text, where the file has it: only the hub's do. */
  text: string | null;
}

/** A question of TriviaQA. `answers`: the value and its other names; none in test sets without answers. */
export interface TriviaQuestion extends OpenQuestion {
  id: string;
  /** The answer as it was given. */
  value: string;
  /** The answers that the official evaluation compares with, already normalised. */
  normalizedAnswers: string[];
  wikipedia: TriviaDocument[];
  web: TriviaDocument[];
}

/** Where the documents are from: Wikipedia, the web, or the web with those that do not have the answer, too. */
export type TriviaVariant = "wikipedia" | "web" | "unfiltered";
/** A part of TriviaQA; "verified": questions of the validation set that people checked, which "unfiltered" has not. */
export type TriviaSplit = "train" | "validation" | "test" | "verified";

const variants: Record<TriviaVariant, { files: Partial<Record<TriviaSplit, string>>; folders: string[] }> = {
  wikipedia: {
    files: { train: "wikipedia-train.json", validation: "wikipedia-dev.json", verified: "verified-wikipedia-dev.json", test: "wikipedia-test-without-answers.json" },
    folders: ["qa", "rc.wikipedia", "rc.wikipedia.nocontext"],
  },
  web: {
    files: { train: "web-train.json", validation: "web-dev.json", verified: "verified-web-dev.json", test: "web-test-without-answers.json" },
    folders: ["qa", "rc.web", "rc.web.nocontext"],
  },
  unfiltered: {
    files: { train: "unfiltered-web-train.json", validation: "unfiltered-web-dev.json", test: "unfiltered-web-test-without-answers.json" },
    folders: ["triviaqa-unfiltered", "unfiltered", "unfiltered.nocontext"],
  },
};

const unique = (texts: readonly string[]) => [...new Set(texts)];

function published(fields: Fields): TriviaQuestion {
  const answer = fields.has("Answer") ? fields.object("Answer") : null;
  const people = answer?.has("HumanAnswers") === true ? answer.texts("HumanAnswers") : [];
  const documents = (name: string) =>
    (fields.has(name) ? fields.objects(name) : []).map((page): TriviaDocument => ({ title: page.has("Title") ? page.text("Title") : "", filename: page.has("Filename") ? page.text("Filename") : "", text: null }));
  return {
    id: fields.text("QuestionId"),
    question: fields.text("Question"),
    value: answer?.text("Value") ?? "",
    answers: answer === null ? [] : unique([answer.text("Value"), ...answer.texts("Aliases"), ...people]),
    normalizedAnswers: answer === null ? [] : unique([...answer.texts("NormalizedAliases"), ...people]),
    wikipedia: documents("EntityPages"),
    web: documents("SearchResults"),
  };
}

function ofHub(fields: Fields, lacks: boolean): TriviaQuestion {
  const answer = fields.object("answer");
  const documents = (name: string, text: string): TriviaDocument[] => {
    if (!fields.has(name)) return [];
    const pages = fields.object(name);
    const texts = pages.has(text) ? pages.texts(text) : [];
    const titles = pages.texts("title");
    return pages.texts("filename").map((filename, i) => ({ title: titles[i] ?? "", filename, text: texts[i] ?? null }));
  };
  return {
    id: fields.text("question_id"),
    question: fields.text("question"),
    value: lacks ? "" : answer.text("value"),
    answers: lacks ? [] : unique([answer.text("value"), ...answer.texts("aliases")]),
    normalizedAnswers: lacks ? [] : unique(answer.texts("normalized_aliases")),
    wikipedia: documents("entity_pages", "wiki_context"),
    web: documents("search_results", "search_context"),
  };
}

/**
 * TriviaQA (Joshi et al. 2017, arXiv 1705.03551): questions of trivia fans with the documents in which answers were found; from
 * the publisher's JSON or the hub's Parquet files.
 *
 * @param options `variant`: "wikipedia" (default), "web", or "unfiltered" for questions without texts; `folder`; `split`: "train"
 * (default), "validation", "test", or "verified", those of validation that people looked through (JSON only)
 * @throws SteppeError `IO` if the file is not found, with where to get it; `FORMAT` with the place of what is not as published
 */
export async function triviaQa(options: SetOptions<TriviaSplit> & { variant?: TriviaVariant } = {}): Promise<TaskSet<TriviaQuestion, "trivia_qa">> {
  const { variant = "wikipedia" } = options;
  if (!Object.hasOwn(variants, variant)) throw expected(`one of ${Object.keys(variants).join(", ")}`, "variant", variant);
  const { files, folders } = variants[variant];
  const { split, folder } = readSetOptions(options, Object.keys(files) as TriviaSplit[], ["variant"]);
  const found = findFiles({ title: `TriviaQA (${variant})`, home: "trivia_qa", folders, files: [files[split]!], split, page: "https://nlp.cs.washington.edu/triviaqa" }, folder);
  const examples: TriviaQuestion[] = [];
  if (found.kind === "published") {
    const path = found.paths[0]!;
    const all = Fields.of(readJson(path), `the content of ${path}`).list("Data");
    for (const [i, each] of all.entries()) {
      const fields = Fields.of(each, `Data[${i}] of ${path}`);
      if (split !== "test") fields.object("Answer");
      examples.push(published(fields));
    }
  } else for await (const fields of fieldsOf(found, {})) examples.push(ofHub(fields, split === "test"));
  return { name: "trivia_qa", split, labels: null, examples: checkAny(examples, found), files: found.paths };
}
