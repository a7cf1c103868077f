import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { data } from "../../../lib/index.js";
import { snake } from "./files.js";

// Rows of the real sets in their publishers' layout, and what other libraries read there: where they come from, see the README of
// the folder.

const folder = fileURLToPath(new URL("../../fixtures/language", import.meta.url));
const at = (...names: string[]) => join(folder, ...names);

interface SquadReference {
  id: string;
  title: string;
  context: string;
  question: string;
  answers: { text: string; answer_start: number }[];
  first: string | null;
  impossible: boolean;
}
interface TriviaReference {
  QuestionId: string;
  Question: string;
  Answer: { Value: string; Aliases: string[]; NormalizedAliases: string[] };
  EntityPages: { Title: string; Filename: string }[];
  SearchResults?: { Title: string; Filename: string }[];
}
interface References {
  glue: Record<string, [first: string, second: string | null, label: string | null][]>;
  squad: Record<"1.1" | "2.0" | "tydiqa", SquadReference[]>;
  trivia: Record<"web-dev" | "wikipedia-dev", TriviaReference[]>;
  tables: Record<string, data.Row[]>;
  hub: Record<string, data.Row[]>;
  t5: { padded: [string, string][]; multilingual: [string, string][]; highlights: [string, string][]; rounded: [number, string][] };
  "language models": Record<string, string[]>;
  iwslt: Record<"train" | "tst2013", { de: string[]; en: string[] }>;
}
const references = JSON.parse(readFileSync(at("references.json"), "utf8")) as References;

const glueNames: Record<string, data.GlueTask> = { "sst-2": "sst2", "sts-b": "stsb", "mnli-mm": "mnli" };
const mnliSplits: Record<string, data.GlueSplit> = { "mnli/dev": "validation_matched", "mnli/test": "test_matched", "mnli-mm/dev": "validation_mismatched", "mnli-mm/train": "train", "mnli/train": "train" };
const splits: Record<string, data.GlueSplit> = { train: "train", dev: "validation", test: "test" };

describe("GLUE, value for value as transformers' processors read the files", () => {
  test.each(Object.entries(references.glue))("%s", async (name, wanted) => {
    const [theirs, part] = name.split("/") as [string, string];
    const task = glueNames[theirs] ?? (theirs as data.GlueTask);
    const { examples, labels } = await data.glue(task, { folder: at("glue"), split: mnliSplits[name] ?? splits[part]! });
    const ours = (examples as unknown as Record<string, unknown>[]).map(({ label, idx, ...texts }) => [...Object.values(texts), label, idx]);
    expect(ours).toEqual(
      wanted.map(([first, second, label], i) => {
        const number = label === null || part === "test" ? -1 : labels === null ? Number(label) : /^\d$/.test(label) ? Number(label) : labels.indexOf(label);
        return [first, ...(second === null ? [] : [second]), number, i];
      }),
    );
  });

  test("every task is among them", () => {
    const tasks = new Set(Object.keys(references.glue).map((name) => name.split("/")[0]!));
    expect([...tasks].sort()).toEqual(["cola", "mnli", "mnli-mm", "mrpc", "qnli", "qqp", "rte", "sst-2", "sts-b", "wnli"]);
  });

  test("MRPC from its corpus: a mark in front, ends of lines as on Windows, the split from a file of its own", async () => {
    const { examples } = await data.glue("mrpc", { folder: at("mrpc") });
    expect(examples.map(({ label, sentence1 }) => [label, sentence1])).toEqual([
      [1, 'Amrozi accused his brother, whom he called "the witness", of deliberately distorting his evidence.'],
      [0, "Yucaipa owned Dominick's before selling the chain to Safeway in 1998 for $2.5 billion."],
      [1, "The Washington Post said Airlite would shut down its first shift and parts of the second shift Monday to accommodate the president’s appearance."],
    ]);
    const held = await data.glue("mrpc", { folder: at("mrpc"), split: "validation" });
    expect(held.examples).toEqual([{ sentence1: "He said the foodservice pie business doesn't fit the company's long-term growth strategy.", sentence2: '"The foodservice pie business does not fit our long-term growth strategy.', label: 1, idx: 0 }]);
  });
});

test.each(Object.entries(references.tables))("rows of %s, as Hugging Face's datasets reads them", async (name, wanted) => {
  const rows = await data.readRows(at(name), name === "glue/CoLA/train.tsv" ? { columns: ["source", "label", "mark", "sentence"] } : {});
  expect(rows).toEqual(wanted);
});

test.each(Object.entries(references.hub))("rows of %s, which datasets wrote with the hub's types", async (name, wanted) => {
  expect(await data.readRows(at("hub", name))).toEqual(wanted);
});

describe("the hub's Parquet files: the same examples as from the publisher's", () => {
  const hub = { folder: at("hub") };
  const own = (task: data.SuperGlueTask, split: data.SuperGlueSplit) => Promise.all([data.superGlue(task, { folder: at("hub", "super_glue"), split }), data.superGlue(task, { folder: at("super_glue"), split })]);
  test("GLUE", async () => {
    for (const [task, split] of [["cola", "train"], ["mnli", "validation_matched"]] as const) expect((await data.glue(task, { ...hub, split })).examples).toEqual((await data.glue(task, { folder: at("glue"), split })).examples);
    // The hub has float32.
    const stsb = (await data.glue("stsb", { folder: at("glue") })).examples.map((example) => ({ ...example, label: Math.fround(example.label) }));
    expect((await data.glue("stsb", hub)).examples).toEqual(stsb);
  });

  test("SuperGLUE", async () => {
    for (const [task, split] of [["boolq", "train"], ["multirc", "train"], ["record", "validation"], ["wsc", "test"]] as const) {
      const [theirs, ours] = await own(task, split);
      expect(theirs.files[0]).toMatch(/\.parquet$/);
      expect(theirs.examples).toEqual(ours.examples);
      expect(snake(theirs.examples)).toEqual(references.hub[`super_glue/${task}/${split}-00000-of-00001.parquet`]);
    }
  });

  test("questions", async () => {
    for (const version of ["1.1", "2.0"] as const) {
      const [theirs, ours] = [await data.squad({ ...hub, version, split: "validation" }), await data.squad({ folder: at("squad"), version, split: "validation" })];
      expect(theirs.examples).toEqual(ours.examples);
    }
    const tydi = await data.tydiQa({ ...hub, split: "validation" });
    expect(tydi.files[0]).toMatch(/\.parquet$/);
    expect(tydi.examples).toEqual((await data.tydiQa({ folder: at("tydiqa"), split: "validation" })).examples);
    expect((await data.naturalQuestions({ ...hub, split: "validation" })).examples).toEqual((await data.naturalQuestions({ folder: at("nq_open"), split: "validation" })).examples);
  });
});

describe("SuperGLUE, from the benchmark's lines", () => {
  const read = async <Task extends data.SuperGlueTask>(task: Task, split: data.SuperGlueSplit) => (await data.superGlue(task, { folder: at("super_glue"), split })).examples;

  test("BoolQ, CB, COPA, RTE", async () => {
    const boolq = await read("boolq", "train");
    expect(boolq.map(({ question, label, idx }) => [question, label, idx])).toEqual([["do iran and afghanistan speak the same language", 1, 0], ["can you use oyster card at epsom station", 0, 5]]);
    expect(boolq[0]!.passage).toContain("Persian (/ˈpɜːrʒən, -ʃən/), also known by its endonym Farsi (فارسی fārsi");
    const [peeled, ...others] = await read("cb", "train");
    expect(peeled).toEqual({ premise: "It was a complex language. Not written down but handed down. One might say it was peeled down.", hypothesis: "the language was peeled down", label: 0, idx: 0 });
    const named = ({ hypothesis, label, idx }: { hypothesis: string; label: number; idx: number }) => [hypothesis, label, idx];
    expect(others.map(named)).toEqual([["she couldn't lie in bed with her clothes on", 1, 23], ["the cat was well", 2, 33]]);
    expect((await read("cb", "validation")).map(named)).toEqual([["Valence was helping", 1, 0], ["there is a shipment", 2, 1], ["he's been to America", 0, 13]]);
    expect(await read("copa", "train")).toEqual([{ premise: "My eyes became red and puffy.", choice1: "I was sobbing.", choice2: "I was laughing.", question: "cause", label: 0, idx: 7 }]);
    expect(await read("copa", "validation")).toEqual([{ premise: "The man turned on the faucet.", choice1: "The toilet filled with water.", choice2: "Water flowed from the spout.", question: "effect", label: 1, idx: 0 }]);
    expect((await read("rte", "validation")).map(named)).toEqual([["Christopher Reeve had an accident.", 1, 0]]);
    expect((await read("rte", "train")).map(({ hypothesis, label, idx }) => [hypothesis, label, idx])).toEqual([["Weapons of Mass Destruction Found in Iraq.", 1, 0], ["Herceptin can be used to treat breast cancer.", 0, 2]]);
  });

  test("MultiRC, ReCoRD, WiC, WSC", async () => {
    const multirc = await read("multirc", "train");
    expect(multirc.map(({ answer, label, idx }) => [answer, label, idx.question, idx.answer])).toEqual([["Children, Gerd, or Dorian Popa", 0, 0, 0], ["225 men", 1, 41, 178], ["225", 1, 41, 179], ["525 men", 0, 41, 180], ["235", 0, 41, 181], ["255 men", 0, 41, 182]]);
    expect(multirc[0]!.paragraph).toMatch(/^While this process moved along, .*"Under the Taliban, .* help us get  Bin Laden and deal with another issue or two\." The U\.S\. effort continued\.$/);
    const record = await read("record", "validation");
    expect(record.map(({ entities, answers, idx }) => [entities, answers, idx])).toEqual([
      [["Amy Schumer", "James", "Jimmy Mack", "McNair", "Miley Cyrus", "Morgan", "NBC", "New Jersey", "New Jersey Turnpike", "Night Live", "SNL", "Season 41", "Tracy Morgan", "Twitter"], ["Morgan", "Tracy Morgan"], { passage: 0, query: 0 }],
      [["China", "Edinburgh Zoo", "Sweetie", "Tian Tian", "UK", "Yang Guang"], ["China"], { passage: 1, query: 1 }],
    ]);
    const [wic] = await read("wic", "train");
    expect([wic!.sentence1.slice(wic!.start1, wic!.end1), wic!.sentence2.slice(wic!.start2, wic!.end2), wic!.label]).toEqual(["class", "class", 0]);
    const [brush] = await read("wic", "validation");
    expect([brush!.sentence1.slice(brush!.start1, brush!.end1), brush!.sentence2.slice(brush!.start2, brush!.end2), brush!.label]).toEqual(["brush", "brushes", 1]);
    expect((await read("wsc", "validation")).map(({ span1Text, span2Text, label }) => [span1Text, span2Text, label])).toEqual([["The table", "it", 1]]);
    expect(await read("wsc", "train")).toEqual([{ text: "I tried to paint a picture of an orchard, with lemons in the lemon trees , but they came out looking more like light bulbs.", span1Text: "lemon trees", span1Index: 13, span2Text: "they", span2Index: 17, label: 0, idx: 2 }]);
  });

  test("test sets, whose labels are kept back", async () => {
    expect((await read("cb", "test")).map(({ hypothesis, label, idx }) => [hypothesis, label, idx])).toEqual([["Polly was not an experienced ocean sailor", -1, 0]]);
    expect((await read("copa", "test")).map(({ choice2, label, idx }) => [choice2, label, idx])).toEqual([["The light flickered.", -1, 397], ["They wore camouflage uniforms.", -1, 399]]);
    expect(await read("rte", "test")).toEqual([{ premise: "No Weapons of Mass Destruction Found in Iraq Yet.", hypothesis: "Weapons of Mass Destruction Found in Iraq.", label: -1, idx: 0 }]);
    const wic = await read("wic", "test");
    expect(wic.map((example) => [example.sentence1.slice(example.start1, example.end1), example.sentence2.slice(example.start2, example.end2), example.label])).toEqual([["Answer", "Answer", -1], ["invasion", "invasion", -1]]);
    expect((await read("wsc", "test")).map(({ span1Text, label }) => [span1Text, label])).toEqual([["The girl", -1], ["Fred and Alice", -1], ["food", -1]]);
    const multirc = await read("multirc", "test");
    expect(multirc.map(({ label }) => label)).toEqual(Array(15).fill(-1));
    expect(multirc.at(-1)).toMatchObject({ answer: "The middle east", idx: { paragraph: 358, question: 4132, answer: 21958 } });
  });
});

describe("questions", () => {
  const readers: Record<keyof References["squad"], () => Promise<{ examples: data.SpanQuestion[] }>> = {
    "1.1": () => data.squad({ folder: at("squad"), split: "validation" }),
    "2.0": () => data.squad({ folder: at("squad"), version: "2.0", split: "validation" }),
    tydiqa: () => data.tydiQa({ folder: at("tydiqa"), split: "validation" }),
  };
  test.each(["1.1", "2.0", "tydiqa"] as const)("SQuAD 1.1, 2.0 and TyDi QA, as transformers' processors read them: %s", async (name) => {
    const { examples } = await readers[name]();
    const wanted = references.squad[name];
    expect(examples).toMatchObject(
      wanted.map(({ id, title, context, question, answers }) => ({ id, title, context, question, answers: answers.map(({ text, answer_start }) => ({ text, start: [...context].slice(0, answer_start).join("").length })) })),
    );
    expect(examples.map(({ answers }) => answers[0]?.text ?? null)).toEqual(wanted.map(({ first, impossible }) => (impossible ? null : first)));
    for (const { context, answers } of examples) for (const { text, start } of answers) expect(context.slice(start, start + text.length)).toBe(text);
  });

  test("TyDi QA: a question in each of its nine languages", async () => {
    const { examples } = await data.tydiQa({ folder: at("tydiqa"), split: "validation" });
    expect(examples.map(({ language }) => language)).toEqual(["arabic", "bengali", "english", "finnish", "indonesian", "korean", "russian", "swahili", "telugu"]);
    expect((await data.tydiQa({ folder: at("tydiqa"), split: "validation", languages: ["telugu", "finnish"] })).examples).toEqual([examples[3], examples[8]]);
  });

  test.each(["web", "wikipedia"] as const)("TriviaQA's %s, as datasets reads the file", async (variant) => {
    const { examples } = await data.triviaQa({ folder: at("trivia_qa"), variant, split: "validation" });
    const documents = (pages: { Title: string; Filename: string }[] = []) => pages.map(({ Title, Filename }) => ({ title: Title, filename: Filename, text: null }));
    expect(examples).toEqual(
      references.trivia[`${variant}-dev`].map(({ QuestionId, Question, Answer, EntityPages, SearchResults }) => ({
        id: QuestionId,
        question: Question,
        value: Answer.Value,
        answers: [...new Set([Answer.Value, ...Answer.Aliases])],
        normalizedAnswers: Answer.NormalizedAliases,
        wikipedia: documents(EntityPages),
        web: documents(SearchResults),
      })),
    );
  });

  test("WebQuestions, Natural Questions, TriviaQA", async () => {
    expect((await data.webQuestions({ folder: at("web_questions") })).examples).toEqual([
      { question: "what is the name of justin bieber brother?", answers: ["Jazmyn Bieber", "Jaxon Bieber"], url: "http://www.freebase.com/view/en/justin_bieber" },
      { question: "what character did natalie portman play in star wars?", answers: ["Padmé Amidala"], url: "http://www.freebase.com/view/en/natalie_portman" },
      { question: "what does jamaican people speak?", answers: ["Jamaican Creole English Language", "Jamaican English"], url: "http://www.freebase.com/view/en/jamaica" },
      { question: "where is the fukushima daiichi nuclear plant located?", answers: ["Japan", "Okuma"], url: "http://www.freebase.com/view/en/fukushima_i_nuclear_power_plant" },
    ]);
    expect((await data.naturalQuestions({ folder: at("nq_open"), split: "validation" })).examples.map(({ answers }) => answers)).toEqual([["Eydie Gormé"], ["lighter fluid", "butane"], ["15\u00a0December\u00a02017"], ["ecological regions"]]);
    expect((await data.triviaQa({ folder: at("trivia_qa"), variant: "web", split: "validation" })).examples).toEqual([
      {
        id: "tc_33",
        question: "Which Lloyd Webber musical premiered in the US on 10th December 1993?",
        value: "Sunset Boulevard",
        answers: ["Sunset Boulevard", "Sunset Blvd", "West Sunset Boulevard", "Sunset Bulevard", "Sunset Blvd."],
        normalizedAnswers: ["west sunset boulevard", "sunset blvd", "sunset boulevard", "sunset bulevard"],
        wikipedia: [{ title: "Andrew Lloyd Webber", filename: "Andrew_Lloyd_Webber.txt", text: null }],
        web: [{ title: "Andrew Lloyd Webber | The official website for Andrew ...", filename: "35/35_995.txt", text: null }],
      },
    ]);
  });
});

test.each(["ptb", "wikitext-2"])("%s: the words of word_language_model", async (name) => {
  const text = await data.languageText(at(name));
  const wanted = Object.entries(references["language models"]).flatMap(([path, words]) => (path.startsWith(name) ? [words] : []));
  const known = new Set(wanted[0]);
  expect([...text.vocabulary.tokens].sort()).toEqual([...new Set(["<unk>", ...known])].sort());
  const seen = (word: string) => (known.has(word) ? word : "<unk>");
  expect([text.train, text.validation!, text.test!].map((ids) => text.vocabulary.decode(ids))).toEqual(wanted.map((words) => words.map(seen)));
});

test("translations: two files, and a TSV of three columns", async () => {
  const lines = (name: string) => readFileSync(at(name), "utf8").trimEnd().split("\n");
  const [de, en] = [lines("multi30k/train.de"), lines("multi30k/train.en")];
  expect(await data.readParallelText({ source: at("multi30k", "train.de"), target: at("multi30k", "train.en") })).toEqual(de.map((source, i) => ({ source, target: en[i]! })));
  expect(await data.readParallelText(at("tatoeba", "deu.txt"), { columns: [1, 0] })).toEqual([
    { source: "Geh.", target: "Go." },
    { source: "Hallo!", target: "Hi." },
    { source: "Ruf mich an.", target: "Call me." },
    { source: "Lauf!", target: "Run!" },
  ]);
  const [first] = await data.readRows(at("tatoeba", "deu.txt"), { columns: ["english", "german", "attribution"] });
  expect(first!["attribution"]).toBe("CC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM) & #8597805 (Roujin)");
});

test("IWSLT: lines between the tags, and segments, in both directions", async () => {
  const pairs = ({ de, en }: { de: string[]; en: string[] }) => de.map((source, i) => ({ source, target: en[i]! }));
  const { train, sets } = await data.iwslt(at("iwslt"), { source: "de", target: "en" });
  expect({ train, sets }).toEqual({ train: pairs(references.iwslt.train), sets: { tst2013: pairs(references.iwslt.tst2013) } });
  const back = await data.iwslt(at("iwslt"), { source: "en", target: "de" });
  expect(back.sets["tst2013"]).toEqual(sets["tst2013"]!.map(({ source, target }) => ({ source: target, target: source })));
});

describe("T5's text-to-text forms", () => {
  test("spaces around punctuation, as TensorFlow's regular expressions put them", () => {
    const form = data.textToText("squad");
    for (const [text, padded] of references.t5.padded) {
      expect(form.references({ id: "", title: "", context: "", question: "", answers: [{ text, start: 0 }] })).toEqual([padded]);
      const joined = `question: ${padded} context: ${padded}`.replace(/[\t\n\f\r ]+/g, " ");
      expect(form.pairs([{ id: "", title: "", context: text, question: text, answers: [] }])[0]!.inputs).toBe(joined);
    }
  });

  test("around punctuation of any script, as mT5 puts them for TyDi QA", () => {
    const form = data.textToText("tydiqa");
    for (const [text, padded] of references.t5.multilingual) {
      expect(form.references({ id: "", title: "", context: "", question: "", answers: [{ text, start: 0 }], language: "" })).toEqual([padded]);
    }
  });

  test("ReCoRD's highlights, and STS-B's numbers, as TensorFlow rounds them", async () => {
    const record = data.textToText("superglue/record");
    const { examples } = await data.superGlue("record", { folder: at("super_glue"), split: "validation" });
    const ends = record.pairs(examples).map(({ inputs }) => inputs.slice(inputs.indexOf(" passage: ") + " passage: ".length));
    expect(ends).toEqual(references.t5.highlights.map(([, text]) => text));
    const similarity = data.textToText("glue/stsb");
    for (const [label, text] of references.t5.rounded) expect(similarity.pairs([{ sentence1: "", sentence2: "", label, idx: 0 }])[0]!.targets, String(label)).toBe(text);
  });

  test("the examples of T5's own tests (t5/data/preprocessors_test.py)", () => {
    const [qqp] = data.textToText("glue/qqp").pairs([{ question1: "How so?", question2: "Why not?", label: 0, idx: 10 }]);
    expect(qqp).toMatchObject({ inputs: "qqp question1: How so? question2: Why not?", targets: "not_duplicate" });
    const [multirc] = data.textToText("superglue/multirc").pairs([
      {
        paragraph: "<b>Sent 1: </b>Once upon a time, there was a squirrel named Joey.<br><b>Sent 2: </b>Joey loved to go outside and play with his cousin Jimmy.",
        question: "Why was Joey surprised the morning he woke up for breakfast?",
        answer: "There was only pie to eat",
        label: 1,
        idx: { paragraph: 5, question: 1, answer: 3 },
      },
    ]);
    expect(multirc).toMatchObject({
      inputs:
        "multirc question: Why was Joey surprised the morning he woke up for breakfast? answer: There was only pie to eat paragraph: Sent 1: Once upon a time, there was a squirrel named Joey. Sent 2: Joey loved to go outside and play with his cousin Jimmy.",
      targets: "True",
    });
    const stsb = (label: number) => data.textToText("glue/stsb").pairs([{ sentence1: "Big news.", sentence2: "No idea.", label, idx: 10 }])[0]!;
    expect([stsb(2.8), stsb(1.66)].map(({ inputs, targets }) => [inputs, targets])).toEqual([["stsb sentence1: Big news. sentence2: No idea.", "2.8"], ["stsb sentence1: Big news. sentence2: No idea.", "1.6"]]);
    const squad = data.textToText("squad");
    const question = { id: "testid", title: "", context: "Some context.", question: "A question?", answers: [{ text: "The answer.", start: 0 }, { text: "Another answer.", start: 0 }] };
    expect(squad.pairs([question])[0]).toMatchObject({ inputs: "question: A question ? context: Some context . ", targets: "The answer . " });
    expect(squad.references(question)).toEqual(["The answer . ", "Another answer . "]);
    expect(squad.references({ ...question, answers: [{ text: '"This  is a string with "punctuation (1845-1986) ".', start: 0 }] })).toEqual([' " This is a string with " punctuation ( 1845 - 1986 ) " . ']);
    const wsc = data.textToText("superglue/wsc");
    const mitchell = { text: "Mitchell asked Tom if he could lend some money.", span1Text: "Tom", span1Index: 2, span2Text: "he", span2Index: 4, label: 1, idx: 1 };
    const form = { inputs: "wsc: Mitchell asked Tom if *he* could lend some money.", targets: "Tom" };
    expect(wsc.pairs([mitchell])[0]).toMatchObject(form);
    expect(wsc.trainingPairs([mitchell, { ...mitchell, span1Text: "Mitchell", span1Index: 0, label: 0, idx: 2 }])).toEqual([{ ...form, example: mitchell }]);
  });
});
