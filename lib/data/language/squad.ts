import { SteppeError, expected } from "../../errors.js";
import { Fields, unitsOf } from "./fields.js";
import { readJson } from "../../io/json-file.js";
import { fieldsOf, findFiles, readSetOptions } from "./files.js";
import type { Found, SetOptions, TaskSet } from "./files.js";

/** An answer that stands in its context: `context.slice(start, start + text.length)`. */
export interface SpanAnswer {
  text: string;
  /** An index of JavaScript's strings; files count code points. */
  start: number;
}

/** A question to a text in which the answer stands. */
export interface SpanQuestion {
  id: string;
  title: string;
  context: string;
  question: string;
  /** The answers of several people; none if the context does not have it (SQuAD 2.0). */
  answers: SpanAnswer[];
}

/** A part of SQuAD or TyDi QA; their test sets are not published. */
export type SpanSplit = "train" | "validation";

function questionOf(fields: Fields, title: string, context: string, answers: () => SpanAnswer[]): SpanQuestion {
  return { id: fields.text("id"), title, context, question: fields.text("question"), answers: answers() };
}

function answerOf(context: string, text: string, place: number, wrong: () => SteppeError): SpanAnswer {
  const start = unitsOf(context, place);
  if (start + text.length > context.length) throw wrong();
  return { text, start };
}

/** Questions of a file in SQuAD's JSON: articles, paragraphs, questions. */
function* fromJson(path: string): Generator<SpanQuestion> {
  const file = Fields.of(readJson(path), `the content of ${path}`);
  for (const [a, article] of file.list("data").entries()) {
    const about = Fields.of(article, `data[${a}] of ${path}`);
    const title = about.has("title") ? about.text("title") : "";
    for (const [p, paragraph] of about.list("paragraphs").entries()) {
      const { where } = about;
      const part = Fields.of(paragraph, `paragraphs[${p}] of ${where}`);
      const context = part.text("context");
      for (const fields of part.objects("qas")) {
        const lacks = fields.values["is_impossible"] === true;
        yield questionOf(fields, title, context, () =>
          lacks
            ? []
            : fields.objects("answers").map((answer) => answerOf(context, answer.text("text"), answer.integer("answer_start"), () => answer.wrong("the place of an answer in its context", "answer_start"))),
        );
      }
    }
  }
}

function fromHub(fields: Fields): SpanQuestion {
  const context = fields.text("context");
  return questionOf(fields, fields.has("title") ? fields.text("title") : "", context, () => {
    const answers = fields.object("answers");
    const [texts, starts] = [answers.texts("text"), answers.integers("answer_start")];
    if (texts.length !== starts.length) throw answers.wrong(`${texts.length} places`, "answer_start");
    return texts.map((text, i) => {
      const wrong = () => answers.wrong("the place of an answer in its context", "answer_start", starts[i]);
      if (starts[i]! < 0) throw wrong();
      return answerOf(context, text, starts[i]!, wrong);
    });
  });
}

async function read(found: Found): Promise<SpanQuestion[]> {
  const examples: SpanQuestion[] = [];
  if (found.kind === "published") for (const question of fromJson(found.paths[0]!)) examples.push(question);
  else for await (const fields of fieldsOf(found, {})) examples.push(fromHub(fields));
  if (examples.length === 0) throw new SteppeError("FORMAT", `Expected at least one question in ${found.paths.join(", ")} but received none.`);
  return examples;
}

/**
 * SQuAD: questions whose answers are spans of a paragraph (1.1: arXiv 1606.05250; 2.0, where some have no answer: arXiv
 * 1806.03822), from the publisher's JSON or the hub's Parquet files.
 *
 * @param options `version`: "1.1" (default) or "2.0"; `folder`; `split`: "train" (default) or "validation"
 * @throws SteppeError `IO` if the file is not found, with where to get it; `FORMAT` with the place of what is not as published
 * @example const { examples } = await data.squad({ version: "2.0", split: "validation", folder: "squad" });
 */
export async function squad(options: SetOptions<SpanSplit> & { version?: "1.1" | "2.0" } = {}): Promise<TaskSet<SpanQuestion, "squad" | "squad_v2">> {
  const { split, folder } = readSetOptions(options, ["train", "validation"], ["version"]);
  const { version = "1.1" } = options;
  if (version !== "1.1" && version !== "2.0") throw expected('"1.1" or "2.0"', "version", version);
  const published = `${split === "train" ? "train" : "dev"}-v${version}.json`;
  const folders = version === "1.1" ? ["squad", "plain_text"] : ["squad_v2", "squad"];
  const found = findFiles({ title: `SQuAD ${version}`, home: "squad", folders, files: [published], split, page: "https://rajpurkar.github.io/SQuAD-explorer" }, folder);
  const examples = await read(found);
  const lacks = version === "1.1" ? examples.find(({ answers }) => answers.length === 0) : undefined;
  if (lacks !== undefined) throw new SteppeError("FORMAT", `Expected at least one answer to question ${lacks.id} of ${found.paths[0]!} but received none: only SQuAD 2.0 has such questions.`);
  return { name: version === "1.1" ? "squad" : "squad_v2", split, labels: null, examples, files: found.paths };
}

/** A question of TyDi QA, with the language that its number begins with: "finnish". */
export interface TydiQuestion extends SpanQuestion {
  language: string;
}

/**
 * The gold passage task of TyDi QA (Clark et al. 2020, arXiv 2003.05002): answers are spans of a paragraph, in nine languages, in
 * SQuAD's layout; from the publisher's JSON or the hub's Parquet files.
 *
 * @param options `folder`; `split`: "train" (default) or "validation"; `languages`: those to keep, by default all
 * @throws SteppeError `IO` if the file is not found, with where to get it; `FORMAT` with the place of what is not as published
 */
export async function tydiQa(options: SetOptions<SpanSplit> & { languages?: readonly string[] } = {}): Promise<TaskSet<TydiQuestion, "tydiqa">> {
  const { split, folder } = readSetOptions(options, ["train", "validation"], ["languages"]);
  const { languages } = options;
  if (languages !== undefined && (!Array.isArray(languages) || languages.length === 0)) throw expected("an array of languages", "languages", languages);
  const files = [`tydiqa-goldp-v1.1-${split === "train" ? "train" : "dev"}.json`];
  const found = findFiles({ title: "TyDi QA's gold passage task", home: "tydiqa", folders: ["secondary_task"], files, split, page: "https://github.com/google-research-datasets/tydiqa" }, folder);
  const all = (await read(found)).map((question) => ({ ...question, language: question.id.split("-")[0]! }));
  const unknown = languages?.find((language) => !all.some((question) => question.language === language));
  if (unknown !== undefined) throw expected(`some of ${[...new Set(all.map(({ language }) => language))].join(", ")}`, "languages", unknown);
  return { name: "tydiqa", split, labels: null, examples: all.filter(({ language }) => languages?.includes(language) ?? true), files: found.paths };
}
