import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../../lib/index.js";
import { hasLibraries, runPython } from "../../support/python.js";
import { folderOf, glueFiles, questionFiles, snake, superGlueFiles } from "./files.js";

const glueTasks = ["cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"] as const;
const superGlueTasks = ["boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"] as const;

describe("GLUE, from the benchmark's TSV", () => {
  test("all nine tasks, what is in them", async () => {
    const folder = folderOf(glueFiles);
    const read = async (task: (typeof glueTasks)[number], split?: data.GlueSplit) => (await data.glue(task, { folder, ...(split === undefined ? {} : { split }) })).examples;
    expect(await read("cola")).toEqual([
      { sentence: 'The tide turned before "we did.', label: 1, idx: 0 },
      { sentence: "The tide before turned we.", label: 0, idx: 1 },
      { sentence: "She paints.", label: 1, idx: 2 },
    ]);
    expect(await read("cola", "test")).toEqual([{ sentence: "Was it cold?", label: -1, idx: 0 }]);
    expect(await read("sst2")).toEqual([{ sentence: 'a quiet , "lovely film ', label: 1, idx: 0 }, { sentence: "dull ", label: 0, idx: 1 }]);
    expect(await read("sst2", "test")).toEqual([{ sentence: "who knows", label: -1, idx: 0 }]);
    expect(await read("mrpc")).toEqual([
      { sentence1: "Rain fell on Monday.", sentence2: "On Monday it rained.", label: 1, idx: 0 },
      { sentence1: "It rose.", sentence2: "It went up.", label: 1, idx: 1 },
    ]);
    expect(await read("mrpc", "validation")).toEqual([{ sentence1: '"Rain" fell.', sentence2: "Snow fell.", label: 0, idx: 0 }]);
    expect(await read("mrpc", "test")).toEqual([{ sentence1: "It fell.", sentence2: "It rose.", label: 0, idx: 0 }]);
    // The broken row is counted, but left out.
    expect(await read("qqp")).toEqual([{ question1: "How far is it?", question2: "What is the distance?", label: 1, idx: 0 }, { question1: "Why?", question2: "When?", label: 0, idx: 2 }]);
    expect(await read("stsb")).toEqual([{ sentence1: "A plane lands.", sentence2: "A plane touches down.", label: 4.75, idx: 0 }, { sentence1: "He sings.", sentence2: "Cats sleep.", label: 0, idx: 1 }]);
    expect(await read("stsb", "test")).toEqual([{ sentence1: "C.", sentence2: "D.", label: -1, idx: 0 }]);
    expect(await read("mnli")).toEqual([{ premise: "It is late.", hypothesis: "It is night.", label: 1, idx: 0 }, { premise: "He left.", hypothesis: "He stayed.", label: 2, idx: 1 }]);
    expect(await read("mnli", "validation_matched")).toEqual([{ premise: "All came.", hypothesis: "Some came.", label: 0, idx: 0 }]);
    expect(await read("mnli", "validation_mismatched")).toEqual([{ premise: "None came.", hypothesis: "All came.", label: 2, idx: 0 }]);
    expect(await read("mnli", "test_mismatched")).toEqual([{ premise: "P2.", hypothesis: "H2.", label: -1, idx: 0 }]);
    expect(await read("qnli")).toEqual([{ question: "When did it open?", sentence: "It opened in 1903.", label: 0, idx: 0 }, { question: "Who built it?", sentence: "It opened in 1903.", label: 1, idx: 1 }]);
    expect(await read("rte")).toEqual([{ sentence1: "Two ships sank.", sentence2: "Ships sank.", label: 0, idx: 0 }, { sentence1: "Two ships sank.", sentence2: "No ship sank.", label: 1, idx: 1 }]);
    expect((await read("wnli")).map(({ label }) => label)).toEqual([1, 0]);
  });

  test("found in STEPPE_DATA", async () => {
    const folder = folderOf(Object.fromEntries(Object.entries(glueFiles).map(([name, content]) => [`glue/${name}`, content])));
    const before = process.env.STEPPE_DATA;
    process.env.STEPPE_DATA = folder;
    try {
      expect((await data.glue("wnli")).files).toEqual([join(folder, "glue", "WNLI", "train.tsv")]);
    } finally {
      if (before === undefined) delete process.env.STEPPE_DATA;
      else process.env.STEPPE_DATA = before;
    }
  });

  test("names of labels, files, and the task's own folder", async () => {
    const folder = folderOf(glueFiles);
    const { labels, files, name, split } = await data.glue("qnli", { folder: join(folder, "QNLI"), split: "validation" });
    expect({ labels, files, name, split }).toEqual({ labels: ["entailment", "not_entailment"], files: [join(folder, "QNLI", "dev.tsv")], name: "glue/qnli", split: "validation" });
    expect((await data.glue("stsb", { folder })).labels).toBeNull();
  });
});

describe("SuperGLUE, from the benchmark's JSON lines", () => {
  test("all eight tasks, what is in them", async () => {
    const folder = folderOf(superGlueFiles);
    expect((await data.superGlue("boolq", { folder })).examples).toEqual([{ question: "is the sea salt", passage: "Sea -- The sea is salt.", idx: 0, label: 1 }, { question: "is it sweet", passage: "Sea -- The sea is salt.", idx: 1, label: 0 }]);
    expect((await data.superGlue("boolq", { folder, split: "test" })).examples).toEqual([{ question: "is it wet", passage: "Sea -- Yes.", idx: 0, label: -1 }]);
    const cb = await data.superGlue("cb", { folder });
    expect(cb.examples.map(({ label }) => cb.labels![label])).toEqual(["neutral", "entailment", "contradiction"]);
    expect((await data.superGlue("copa", { folder })).examples).toEqual([{ premise: "The lamp went out.", choice1: "The power failed.", choice2: "The sun rose.", question: "cause", label: 0, idx: 0 }]);
    const multirc = (await data.superGlue("multirc", { folder })).examples;
    expect(multirc.map(({ answer, label, idx }) => [answer, label, idx.question, idx.answer])).toEqual([["Ann", 1, 2, 7], ["Bob", 1, 2, 8], ["Cid", 0, 2, 9], ["Ann", 0, 3, 10]]);
    expect(multirc[0]).toMatchObject({ paragraph: "<b>Sent 1: </b>Ann swims.<br><b>Sent 2: </b>Bob runs.<br>", question: "Who moves?", idx: { paragraph: 4 } });
    expect((await data.superGlue("record", { folder })).examples).toEqual([
      { passage: "A gull 🐦 took Ann's chips.\n@highlight\nBob saw the gull", query: "@placeholder was robbed", entities: ["Ann", "Bob"], answers: ["Ann"], idx: { passage: 3, query: 6 } },
      { passage: "A gull 🐦 took Ann's chips.\n@highlight\nBob saw the gull", query: "@placeholder and Ann", entities: ["Ann", "Bob"], answers: ["Ann", "Bob"], idx: { passage: 3, query: 7 } },
    ]);
    expect((await data.superGlue("rte", { folder })).examples.map(({ label }) => label)).toEqual([0, 1]);
    const [wic] = (await data.superGlue("wic", { folder })).examples;
    expect([wic!.sentence1.slice(wic!.start1, wic!.end1), wic!.sentence2.slice(wic!.start2, wic!.end2), wic!.label]).toEqual(["bank", "bank", 0]);
    expect((await data.superGlue("wsc", { folder })).examples[1]).toEqual({ text: "Tom asked Ben if he could stay .", span1Text: "Ben", span1Index: 2, span2Text: "he", span2Index: 4, label: 0, idx: 1 });
  });
});

test("SuperGLUE's validation and test sets: in the latter of every task labels and answers are missing, or -1", async () => {
  const without = (value: unknown, gone: unknown): unknown => {
    if (Array.isArray(value)) return value.map((each) => without(each, gone));
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value as Record<string, unknown>).flatMap(([name, each]): [string, unknown][] => (name === "label" || (name === "answers" && "query" in value) ? (gone === undefined ? [] : name === "label" ? [[name, gone]] : []) : [[name, without(each, gone)]]));
    return Object.fromEntries(entries);
  };
  const files = Object.entries(superGlueFiles).filter(([name]) => name.endsWith("train.jsonl"));
  for (const gone of [undefined, -1]) {
    const changed = files.flatMap(([name, content]): [string, string][] => {
      const lines = content.trimEnd().split("\n").map((line) => JSON.stringify(without(JSON.parse(line), gone)));
      return [[name.replace("train", "test"), `${lines.join("\n")}\n`], [name.replace("train", "val"), content], [name, content]];
    });
    const folder = folderOf(Object.fromEntries(changed));
    for (const task of superGlueTasks) {
      const [train, validation, test] = await Promise.all((["train", "validation", "test"] as const).map((split) => data.superGlue(task, { folder, split })));
      expect(validation!.examples, task).toEqual(train!.examples);
      const bare = (train!.examples as object[]).map((example) => ({ ...example, ...("label" in example ? { label: -1 } : { answers: [] }) }));
      expect(test!.examples, task).toEqual(bare);
    }
  }
});

describe("questions", () => {
  test("SQuAD 1.1 and 2.0: places are those of JavaScript", async () => {
    const folder = folderOf(questionFiles);
    const [one] = (await data.squad({ folder })).examples;
    expect(one).toEqual({ id: "q1", title: "Races", context: "🏃 Ann Lee won.", question: "Who won?", answers: [{ text: "Ann", start: 3 }, { text: "Ann Lee", start: 3 }] });
    expect(one!.answers.map(({ text, start }) => one!.context.slice(start, start + text.length))).toEqual(["Ann", "Ann Lee"]);
    const { examples, name } = await data.squad({ folder, version: "2.0", split: "validation" });
    expect(name).toBe("squad_v2");
    expect(examples.map(({ id, answers }) => [id, answers.length])).toEqual([["q1", 2], ["q2", 0]]);
  });

  test("TyDi QA, WebQuestions, Natural Questions, TriviaQA", async () => {
    const folder = folderOf(questionFiles);
    const tydi = await data.tydiQa({ folder, split: "validation" });
    expect(tydi.examples.map(({ language, answers }) => [language, answers[0]!.text])).toEqual([["finnish", "Kissa"], ["swahili", "Paka"]]);
    expect((await data.tydiQa({ folder, split: "validation", languages: ["swahili"] })).examples).toHaveLength(1);
    await expect(data.tydiQa({ folder, split: "validation", languages: ["latin"] })).rejects.toThrow("Expected some of finnish, swahili for languages");
    // Files count code points: of letters outside the Basic Multilingual Plane, one in the middle of an answer.
    const gothic = "\u{10330}\u{1033f} 𐌱ird \u{1f426}s fly, \u{1f426}.";
    const qas = [{ id: "english-9-0", question: "What flies?", answers: [{ text: "𐌱ird \u{1f426}s", answer_start: [..."\u{10330}\u{1033f} "].length }, { text: "\u{1f426}", answer_start: [...gothic].length - 2 }] }];
    const far = folderOf({ "tydiqa-goldp-v1.1-train.json": JSON.stringify({ version: "TyDiQA-GoldP-1.1-for-SQuAD-1.1", data: [{ title: "", paragraphs: [{ context: gothic, qas }] }] }) });
    const [bird] = (await data.tydiQa({ folder: far })).examples;
    expect(bird!.answers.map(({ text, start }) => [start, bird!.context.slice(start, start + text.length)])).toEqual([[5, "𐌱ird \u{1f426}s"], [20, "\u{1f426}"]]);
    expect((await data.webQuestions({ folder })).examples).toEqual([{ question: "who ran?", answers: ['Ann "A" Lee', "Bob"], url: "http://www.freebase.com/view/en/ann" }]);
    expect((await data.naturalQuestions({ folder })).examples).toEqual([{ question: "who ran the race", answers: ["Ann", "Ann Lee"] }]);
    expect((await data.triviaQa({ folder, split: "validation" })).examples).toEqual([
      { id: "tc_3", question: "Who ran?", value: "Ann Lee", answers: ["Ann Lee", "A. Lee", "Ms Lee"], normalizedAnswers: ["ann lee", "lee", "Ms Lee"], wikipedia: [{ title: "Ann Lee", filename: "Ann_Lee.txt", text: null }], web: [] },
    ]);
    expect((await data.triviaQa({ folder, split: "test", variant: "unfiltered" })).examples).toEqual([{ id: "tc_4", question: "Who sang?", value: "", answers: [], normalizedAnswers: [], wikipedia: [], web: [] }]);
  });
});

const there = hasLibraries("pyarrow");
describe.skipIf(!there)(`the same from the hub's Parquet files, which pyarrow writes${there ? "" : " (skipped: not installed)"}`, () => {
  const codePoints = (text: string, units: number) => [...text.slice(0, units)].length;

  test("GLUE, SuperGLUE and the questions", { timeout: 300_000 }, async () => {
    const published = folderOf({ ...glueFiles, ...Object.fromEntries(Object.entries(superGlueFiles).map(([name, content]) => [`super/${name}`, content])), ...questionFiles });
    const hub = folderOf({});
    const tables: Record<string, unknown[]> = {};
    const checks: [string, unknown, () => Promise<data.TaskSet<unknown>>][] = [];
    for (const task of glueTasks) {
      const split = task === "mnli" ? "validation_mismatched" : "validation";
      const { examples } = await data.glue(task, { folder: published, split });
      tables[`${task}/${split}-00000-of-00001`] = examples;
      checks.push([task, examples, () => data.glue(task, { folder: hub, split })]);
    }
    for (const task of superGlueTasks) {
      const { examples } = await data.superGlue(task, { folder: join(published, "super") });
      const inCodePoints = task === "wic" ? (examples as data.SuperGlueExamples["wic"][]).map((each) => ({ ...each, start1: codePoints(each.sentence1, each.start1), end1: codePoints(each.sentence1, each.end1) })) : examples;
      // In two parts: the second comes after the first.
      tables[`super/${task}/train-00001-of-00002`] = [snake(inCodePoints.at(-1))];
      tables[`super/${task}/train-00000-of-00002`] = inCodePoints.slice(0, -1).map(snake);
      if (examples.length === 1) tables[`super/${task}/train-00000-of-00002`] = [snake(inCodePoints[0])];
      checks.push([task, examples.length === 1 ? [examples[0], examples[0]] : examples, () => data.superGlue(task, { folder: join(hub, "super") })]);
    }
    const squad = (await data.squad({ folder: published, version: "2.0", split: "validation" })).examples;
    tables["squad_v2/validation/0000"] = squad.map(({ answers, ...rest }) => ({ ...rest, answers: { text: answers.map(({ text }) => text), answer_start: answers.map(({ start }) => codePoints(rest.context, start)) } }));
    checks.push(["squad", squad, () => data.squad({ folder: hub, version: "2.0", split: "validation" })]);
    const tydi = (await data.tydiQa({ folder: published, split: "validation" })).examples;
    tables["secondary_task/validation-00000-of-00001"] = tydi.map(({ id, title, context, question, answers }) => ({ id, title, context, question, answers: { text: answers.map(({ text }) => text), answer_start: answers.map(({ start }) => start) } }));
    checks.push(["tydi", tydi, () => data.tydiQa({ folder: hub, split: "validation" })]);
    const web = (await data.webQuestions({ folder: published })).examples;
    tables["default/train-00000-of-00001"] = web;
    checks.push(["web", web, () => data.webQuestions({ folder: hub })]);
    const natural = (await data.naturalQuestions({ folder: published })).examples;
    tables["nq_open/train-00000-of-00001"] = natural.map(({ question, answers }) => ({ question, answer: answers }));
    checks.push(["natural", natural, () => data.naturalQuestions({ folder: hub })]);
    tables["rc.wikipedia/validation-00000-of-00001"] = [
      { question: "Who ran?", question_id: "tc_3", question_source: "x", entity_pages: { doc_source: ["TagMe"], filename: ["Ann_Lee.txt"], title: ["Ann Lee"], wiki_context: ["Ann Lee ran."] }, search_results: { description: [], filename: [], rank: [], title: [], url: [], search_context: [] }, answer: { aliases: ["Ann Lee", "A. Lee"], normalized_aliases: ["ann lee", "lee"], matched_wiki_entity_name: "", normalized_matched_wiki_entity_name: "", normalized_value: "ann lee", type: "WikipediaEntity", value: "Ann Lee" } },
    ];
    const trivia = [{ id: "tc_3", question: "Who ran?", value: "Ann Lee", answers: ["Ann Lee", "A. Lee"], normalizedAnswers: ["ann lee", "lee"], wikipedia: [{ title: "Ann Lee", filename: "Ann_Lee.txt", text: "Ann Lee ran." }], web: [] }];
    checks.push(["trivia", trivia, () => data.triviaQa({ folder: hub, split: "validation" })]);
    runPython(
      `
import os, pyarrow as pa, pyarrow.parquet as pq
for name, rows in inputs["tables"].items():
    path = os.path.join(inputs["folder"], name + ".parquet")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
outputs = 0`,
      { tables, folder: hub },
    );
    for (const [name, wanted, read] of checks) expect((await read()).examples, name).toEqual(wanted);
    writeFileSync(join(hub, "cola", "train-00000-of-00003.parquet"), "");
    await expect(data.glue("cola", { folder: hub })).rejects.toThrow(`Expected 3 parts of train in ${join(hub, "cola")} but part 1 is missing.`);
  });
});

describe("what is not as published", () => {
  const wrong = (files: Record<string, string | Buffer>, read: (folder: string) => Promise<unknown>, code: string, message: RegExp) =>
    expect(read(folderOf(files))).rejects.toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));

  test.each<[string, Record<string, string | Buffer>, (folder: string) => Promise<unknown>, RegExp]>([
    ["empty", { "train.tsv": "" }, (folder) => data.glue("sst2", { folder }), /Expected a line with the names of columns in .*train\.tsv but received an empty file/],
    ["no rows", { "train.tsv": "sentence\tlabel\n" }, (folder) => data.glue("sst2", { folder }), /Expected at least one row in .*train\.tsv but received none/],
    ["a header and no more", { "train.tsv": "sentence\tlabel\n" }, (folder) => data.glue("sst2", { folder }), /Expected at least one row in .*train\.tsv/],
    ["a missing column", { "train.tsv": "text\tlabel\nfine\t1\n" }, (folder) => data.glue("sst2", { folder }), /Expected the column "sentence" in row 1 of .*train\.tsv but received text, label/],
    ["no labels to train on", { "train.tsv": "index\tsentence\n0\tfine\n" }, (folder) => data.glue("sst2", { folder }), /Expected the column "label" in row 1/],
    ["a label out of range", { "train.tsv": "sentence\tlabel\nfine\t1\nodd\t2\n" }, (folder) => data.glue("sst2", { folder }), /Expected one of negative, positive, or 0 to 1 in the column "label" of row 2 of .*train\.tsv but received "2"/],
    ["-1 as a label to train on", { "train.tsv": "sentence\tlabel\nfine\t-1\n" }, (folder) => data.glue("sst2", { folder }), /Expected one of negative, positive/],
    ["another word as a label", { "train.tsv": glueFiles["RTE/train.tsv"]!.replace("not_entailment", "contradiction") }, (folder) => data.glue("rte", { folder }), /Expected one of entailment, not_entailment, or 0 to 1 in the column "label" of row 2/],
    ["a score out of range", { "train.tsv": glueFiles["STS-B/train.tsv"]!.replace("4.750", "5.2") }, (folder) => data.glue("stsb", { folder }), /Expected a number from 0 to 5 in the column "score" of row 1/],
    ["a score that is none", { "train.tsv": glueFiles["STS-B/train.tsv"]!.replace("4.750", "much") }, (folder) => data.glue("stsb", { folder }), /Expected a number in the column "score" of row 1/],
    ["a ragged row", { "train.tsv": "sentence\tlabel\nfine\t1\nodd\n" }, (folder) => data.glue("sst2", { folder }), /Expected 2 fields in line 3 of .*train\.tsv but received 1\./],
    ["a ragged row without a header", { "train.tsv": "gj04\t1\t\tA.\ngj04\t0\t*\n" }, (folder) => data.glue("cola", { folder }), /Expected 4 fields in line 2 of .*train\.tsv but received 3\./],
    ["a file cut off in a row", { "train.tsv": glueFiles["MNLI/train.tsv"]!.slice(0, -40) }, (folder) => data.glue("mnli", { folder }), /Expected .*fields.*train\.tsv/],
    ["broken UTF-8", { "train.tsv": Buffer.concat([Buffer.from("sentence\tlabel\nfine"), Buffer.from([0xff]), Buffer.from("\t1\n")]) }, (folder) => data.glue("sst2", { folder }), /Expected UTF-8 at byte 19 of .*train\.tsv but received the byte 0xff/],
    ["JSON that is cut off", { "train.jsonl": superGlueFiles["BoolQ/train.jsonl"]!.slice(0, -9) }, (folder) => data.superGlue("boolq", { folder }), /Expected JSON in line 2, column \d+ of .*train\.jsonl/],
    ["a text that is a number", { "train.jsonl": '{"question": 5, "passage": "p", "idx": 0, "label": true}\n' }, (folder) => data.superGlue("boolq", { folder }), /Expected a string in the column "question" of row 1 of .*train\.jsonl but received 5/],
    ["a label that is null", { "train.jsonl": '{"question": "q", "passage": "p", "idx": 0, "label": null}\n' }, (folder) => data.superGlue("boolq", { folder }), /Expected one of False, True, or 0 to 1 in the column "label" of row 1/],
    ["no answers", { "train.jsonl": '{"idx": 0, "passage": {"text": "t", "questions": [{"question": "q", "idx": 0}]}}\n' }, (folder) => data.superGlue("multirc", { folder }), /Expected the column "answers" in questions\[0\] of passage of row 1/],
    ["an entity outside the text", { "train.jsonl": '{"idx": 0, "passage": {"text": "abc", "entities": [{"start": 1, "end": 3}]}, "qas": []}\n' }, (folder) => data.superGlue("record", { folder }), /Expected an end from 1 to 2 in the column "end" of entities\[0\] of passage of row 1/],
    ["a word outside its sentence", { "train.jsonl": superGlueFiles["WiC/train.jsonl"]!.replace('"end2":8', '"end2":80') }, (folder) => data.superGlue("wic", { folder }), /Expected a place in its sentence of 16 in the column "end2" of row 1/],
    ["an answer outside its context", { "train-v1.1.json": questionFiles["squad/train-v1.1.json"]!.replace('"answer_start":2', '"answer_start":12') }, (folder) => data.squad({ folder }), /Expected the place of an answer in its context in the column "answer_start" of answers\[0\] of qas\[0\] of paragraphs\[0\] of data\[0\]/],
    ["an answer before its context", { "train-v1.1.json": questionFiles["squad/train-v1.1.json"]!.replace('"answer_start":2', '"answer_start":-2') }, (folder) => data.squad({ folder }), /Expected an integer of at least 0 in the column "answer_start"/],
    ["SQuAD cut off", { "train-v1.1.json": questionFiles["squad/train-v1.1.json"]!.slice(0, 80) }, (folder) => data.squad({ folder }), /Expected JSON at byte 82 of .*train-v1\.1\.json/],
    ["SQuAD without questions", { "train-v1.1.json": '{"data": []}' }, (folder) => data.squad({ folder }), /Expected at least one question in/],
    ["SQuAD with a word that is none", { "train-v1.1.json": '{"version": "é",\n "data": [nothing]}' }, (folder) => data.squad({ folder }), /Expected JSON at byte 29 of .*train-v1\.1\.json but received Unexpected token 'o', .* in line 2\.$/],
    ["SQuAD in broken UTF-8", { "train-v1.1.json": Buffer.from([0x7b, 0xc3, 0x7d]) }, (folder) => data.squad({ folder }), /Expected UTF-8 at byte 1 of/],
    ["2.0's questions under 1.1's name", { "train-v1.1.json": questionFiles["squad/dev-v2.0.json"]! }, (folder) => data.squad({ folder }), /Expected at least one answer to question q2/],
    ["descriptions that are none", { "webquestions.examples.train.json": '[{"url": "u", "targetValue": "(list)", "utterance": "q"}]' }, (folder) => data.webQuestions({ folder }), /Expected a list of descriptions in the column "targetValue" of question 0/],
    ["a question without answers", { "NQ-open.train.jsonl": '{"question": "q", "answer": []}\n' }, (folder) => data.naturalQuestions({ folder }), /Expected at least one answer in the column "answer" of row 1/],
    ["a trivia question without its answer", { "wikipedia-train.json": '{"Data": [{"Question": "q", "QuestionId": "1"}]}' }, (folder) => data.triviaQa({ folder }), /Expected the column "Answer" in Data\[0\] of/],
    ["Parquet that is none", { "train-00000-of-00001.parquet": "PAR1" }, (folder) => data.glue("cola", { folder }), /Expected a Parquet file/],
  ])("%s", async (_, files, read, message) => wrong(files, read, "FORMAT", message));

  test("JSON that is too large for a string, and what has no end", async () => {
    const message = (bytes: number) => new RegExp(`Expected JSON of at most 512 MiB, as much as a string holds, at byte 0 of .*train-v1\\.1\\.json but received ${bytes} bytes: JSON lines and Parquet`);
    // Files of zeros that take no room on the disk: the second is not even read.
    for (const bytes of [2 ** 29, 2 ** 33]) {
      const folder = folderOf({ "train-v1.1.json": "" });
      truncateSync(join(folder, "train-v1.1.json"), bytes);
      await expect(data.squad({ folder })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message(bytes)) }));
    }
    const folder = folderOf({});
    symlinkSync("/dev/zero", join(folder, "train-v1.1.json"));
    await expect(data.squad({ folder })).rejects.toMatchObject({ code: "FORMAT", message: `Expected a file at byte 0 of ${join(folder, "train-v1.1.json")} but received a device or a pipe.` });
  });

  test("files that are not there: where they were looked for, and where to get them", async () => {
    await wrong({}, (folder) => data.glue("sst2", { folder }), "IO", /Expected train\.tsv or train-00000-of-00001\.parquet of GLUE's SST-2 in one of these folders but found none:\n {2}\S+\n {2}\S+SST-2\n {2}\S+sst2\nGet the files from https:\/\/gluebenchmark\.com\/tasks/);
    await wrong({ "msr_paraphrase_train.txt": "Quality\n1\n" }, (folder) => data.glue("mrpc", { folder }), "IO", /Expected dev_ids\.tsv beside/);
    await wrong(glueFiles, (folder) => data.glue("rte", { folder: join(folder, "QNLI") }), "IO", /GLUE's RTE in one of these folders but found none:\n {2}\S+QNLI\/RTE\n {2}\S+QNLI\/rte\n/);
    await wrong({}, (folder) => data.superGlue("wsc", { folder }), "IO", /super\.gluebenchmark\.com/);
    await wrong({}, (folder) => data.squad({ folder }), "IO", /train-v1\.1\.json or .* of SQuAD 1\.1/);
  });

  test("wrong arguments", async () => {
    await expect(data.glue("sst" as never)).rejects.toThrow('Expected one of cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte, wnli for task but received "sst" of type string. Did you mean "sst2"?');
    await expect(data.glue("mnli", { split: "validation" })).rejects.toThrow('Expected one of train, validation_matched, validation_mismatched, test_matched, test_mismatched for split but received "validation"');
    await expect(data.superGlue("boolq", { spilt: "test" } as never)).rejects.toThrow('Did you mean "split"?');
    await expect(data.squad({ version: "2" as never })).rejects.toThrow('Expected "1.1" or "2.0" for version');
    await expect(data.triviaQa({ variant: "all" as never })).rejects.toThrow("Expected one of wikipedia, web, unfiltered for variant");
  });
});
