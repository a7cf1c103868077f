import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryFolder } from "../../support/folder.js";

// Files made for the tests in exactly the layout in which their publishers ship them: columns, headers, quotes and ends of lines
// are theirs, the sentences are not: they bring what is rare, and what is damaged on purpose. Real rows: published.test.ts.

/** Writes files into a new folder. */
export function folderOf(files: Record<string, string | Buffer>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const tsv = (...rows: (string | number)[][]) => rows.map((row) => `${row.join("\t")}\n`).join("");
const jsonl = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const parses = ["sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse", "sentence2_parse"];
const mnli = ["index", "promptID", "pairID", "genre", ...parses];
const mnliRow = (i: number, premise: string, hypothesis: string, ...labels: string[]) => [i, `${i}1n`, `${i}1n`, "fiction", "( a )", "( b )", "(ROOT a)", "(ROOT b)", premise, hypothesis, ...labels];
const stsb = ["index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2"];

export const glueFiles: Record<string, string> = {
  "CoLA/train.tsv": tsv(["gj04", 1, "", "The tide turned before \"we did."], ["gj04", 0, "*", "The tide before turned we."], ["cj99", 1, "", "She paints."]),
  "CoLA/dev.tsv": tsv(["gj04", 0, "*", "Paints she the."]),
  "CoLA/test.tsv": tsv(["index", "sentence"], [0, "Was it cold?"]),
  "SST-2/train.tsv": tsv(["sentence", "label"], ["a quiet , \"lovely film ", 1], ["dull ", 0]),
  "SST-2/dev.tsv": tsv(["sentence", "label"], ["it 's fun ", 1]),
  "SST-2/test.tsv": tsv(["index", "sentence"], [0, "who knows"]),
  "MRPC/msr_paraphrase_train.txt": `\ufeff${tsv(["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"], [1, 11, 12, "Rain fell on Monday.", "On Monday it rained."], [0, 21, 22, "\"Rain\" fell.", "Snow fell."], [1, 31, 32, "It rose.", "It went up."])}`.replaceAll("\n", "\r\n"),
  "MRPC/msr_paraphrase_test.txt": `\ufeff${tsv(["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"], [0, 41, 42, "It fell.", "It rose."])}`.replaceAll("\n", "\r\n"),
  "MRPC/dev_ids.tsv": tsv([21, 22]),
  "QQP/train.tsv": `${tsv(["id", "qid1", "qid2", "question1", "question2", "is_duplicate"], [5, 10, 11, "How far is it?", "What is the distance?", 1])}7\t12\thow long is\n${tsv([8, 14, 15, "Why?", "When?", 0])}`,
  "QQP/dev.tsv": tsv(["id", "qid1", "qid2", "question1", "question2", "is_duplicate"], [9, 1, 2, "Who?", "Whose?", 0]),
  "QQP/test.tsv": tsv(["id", "question1", "question2"], [0, "Where?", "Here?"]),
  "STS-B/train.tsv": tsv([...stsb, "score"], [0, "main-captions", "MSRvid", "2012test", "0001", "none", "none", "A plane lands.", "A plane touches down.", "4.750"], [1, "main-news", "x", "2013", "0002", "none", "none", "He sings.", "Cats sleep.", "0.000"]),
  "STS-B/dev.tsv": tsv([...stsb, "score"], [0, "main-captions", "MSRvid", "2012test", "0003", "none", "none", "A.", "B.", "2.500"]),
  "STS-B/test.tsv": tsv(stsb, [0, "main-captions", "MSRvid", "2012test", "0004", "none", "none", "C.", "D."]),
  "MNLI/train.tsv": tsv([...mnli, "sentence1", "sentence2", "label1", "gold_label"], mnliRow(0, "It is late.", "It is night.", "neutral", "neutral"), mnliRow(1, "He left.", "He stayed.", "contradiction", "contradiction")),
  "MNLI/dev_matched.tsv": tsv([...mnli, "sentence1", "sentence2", "label1", "label2", "label3", "label4", "label5", "gold_label"], mnliRow(0, "All came.", "Some came.", "entailment", "entailment", "neutral", "entailment", "entailment", "entailment")),
  "MNLI/dev_mismatched.tsv": tsv([...mnli, "sentence1", "sentence2", "label1", "label2", "label3", "label4", "label5", "gold_label"], mnliRow(0, "None came.", "All came.", "contradiction", "contradiction", "contradiction", "neutral", "contradiction", "contradiction")),
  "MNLI/test_matched.tsv": tsv([...mnli, "sentence1", "sentence2"], mnliRow(0, "P.", "H.")),
  "MNLI/test_mismatched.tsv": tsv([...mnli, "sentence1", "sentence2"], mnliRow(0, "P2.", "H2.")),
  "QNLI/train.tsv": tsv(["index", "question", "sentence", "label"], [0, "When did it open?", "It opened in 1903.", "entailment"], [1, "Who built it?", "It opened in 1903.", "not_entailment"]),
  "QNLI/dev.tsv": tsv(["index", "question", "sentence", "label"], [0, "Where is it?", "It is here.", "entailment"]),
  "QNLI/test.tsv": tsv(["index", "question", "sentence"], [0, "Q?", "S."]),
  "RTE/train.tsv": tsv(["index", "sentence1", "sentence2", "label"], [0, "Two ships sank.", "Ships sank.", "entailment"], [1, "Two ships sank.", "No ship sank.", "not_entailment"]),
  "RTE/dev.tsv": tsv(["index", "sentence1", "sentence2", "label"], [0, "A.", "B.", "not_entailment"]),
  "RTE/test.tsv": tsv(["index", "sentence1", "sentence2"], [0, "A.", "B."]),
  "WNLI/train.tsv": tsv(["index", "sentence1", "sentence2", "label"], [0, "The cup hit the floor and it broke.", "The cup broke.", 1], [1, "The cup hit the floor and it broke.", "The floor broke.", 0]),
  "WNLI/dev.tsv": tsv(["index", "sentence1", "sentence2", "label"], [0, "A.", "B.", 1]),
  "WNLI/test.tsv": tsv(["index", "sentence1", "sentence2"], [0, "A.", "B."]),
};

const gull = "A gull 🐦 took Ann's chips.\n@highlight\nBob saw the gull";

/** As ReCoRD counts: code points, and the last one belongs to the span. */
function spanOf(entity: string): { start: number; end: number } {
  const start = [...gull.slice(0, gull.indexOf(entity))].length;
  return { start, end: start + entity.length - 1 };
}

export const superGlueFiles: Record<string, string> = {
  "BoolQ/train.jsonl": jsonl({ question: "is the sea salt", passage: "Sea -- The sea is salt.", idx: 0, label: true }, { question: "is it sweet", passage: "Sea -- The sea is salt.", idx: 1, label: false }),
  "BoolQ/test.jsonl": jsonl({ question: "is it wet", passage: "Sea -- Yes.", idx: 0 }),
  "CB/train.jsonl": jsonl({ premise: "B: I think it rains.", hypothesis: "it rains", label: "neutral", idx: 0 }, { premise: "A: I know it rains.", hypothesis: "it rains", label: "entailment", idx: 1 }, { premise: "A: It does not rain.", hypothesis: "it rains", label: "contradiction", idx: 2 }),
  "COPA/train.jsonl": jsonl({ premise: "The lamp went out.", choice1: "The power failed.", choice2: "The sun rose.", question: "cause", label: 0, idx: 0 }),
  "MultiRC/train.jsonl": jsonl({
    idx: 4,
    version: 1.1,
    passage: {
      text: "<b>Sent 1: </b>Ann swims.<br><b>Sent 2: </b>Bob runs.<br>",
      questions: [
        { question: "Who moves?", answers: [{ text: "Ann", idx: 7, label: 1 }, { text: "Bob", idx: 8, label: 1 }, { text: "Cid", idx: 9, label: 0 }], idx: 2 },
        { question: "Who sits?", answers: [{ text: "Ann", idx: 10, label: 0 }], idx: 3 },
      ],
    },
  }),
  "ReCoRD/train.jsonl": jsonl({
    source: "Daily mail",
    passage: { text: gull, entities: [spanOf("Ann"), spanOf("Bob"), spanOf("Ann")] },
    qas: [{ query: "@placeholder was robbed", answers: [{ ...spanOf("Ann"), text: "Ann" }], idx: 6 }, { query: "@placeholder and Ann", answers: [{ ...spanOf("Bob"), text: "Bob" }, { ...spanOf("Ann"), text: "Ann" }], idx: 7 }],
    idx: 3,
  }),
  "RTE/train.jsonl": jsonl({ premise: "Two ships sank.", hypothesis: "Ships sank.", label: "entailment", idx: 0 }, { premise: "Two ships sank.", hypothesis: "None sank.", label: "not_entailment", idx: 1 }),
  "WiC/train.jsonl": jsonl({ word: "bank", sentence1: "🐟 by the bank .", sentence2: "The bank lends .", idx: 0, label: false, start1: 9, start2: 4, end1: 13, end2: 8, version: 1.1 }),
  "WSC/train.jsonl": jsonl({ text: "Tom asked Ben if he could stay .", target: { span1_index: 0, span1_text: "Tom", span2_index: 4, span2_text: "he" }, idx: 0, label: true }, { text: "Tom asked Ben if he could stay .", target: { span1_index: 2, span1_text: "Ben", span2_index: 4, span2_text: "he" }, idx: 1, label: false }),
};

const qas = [{ id: "q1", question: "Who won?", answers: [{ text: "Ann", answer_start: 2 }, { text: "Ann Lee", answer_start: 2 }] }];

export const questionFiles: Record<string, string> = {
  "squad/train-v1.1.json": JSON.stringify({ data: [{ title: "Races", paragraphs: [{ context: "🏃 Ann Lee won.", qas }] }], version: "1.1" }),
  "squad/dev-v2.0.json": JSON.stringify({
    version: "v2.0",
    data: [{ title: "Races", paragraphs: [{ context: "🏃 Ann Lee won.", qas: [{ ...qas[0], is_impossible: false }, { id: "q2", question: "Who lost?", answers: [], plausible_answers: [{ text: "Ann", answer_start: 2 }], is_impossible: true }] }] }],
  }),
  "tydiqa-goldp-v1.1-dev.json": JSON.stringify({ version: "TyDiQA-GoldP-1.1-for-SQuAD-1.1", data: [{ paragraphs: [{ context: "Kissa nukkuu.", qas: [{ id: "finnish-7-0", question: "Kuka nukkuu?", answers: [{ text: "Kissa", answer_start: 0 }] }] }] }, { paragraphs: [{ context: "Paka analala.", qas: [{ id: "swahili-8-1", question: "Nani analala?", answers: [{ text: "Paka", answer_start: 0 }] }] }] }] }),
  "webquestions.examples.train.json": JSON.stringify([{ url: "http://www.freebase.com/view/en/ann", targetValue: '(list (description "Ann \\"A\\" Lee") (description Bob))', utterance: "who ran?" }]),
  "NQ-open.train.jsonl": jsonl({ question: "who ran the race", answer: ["Ann", "Ann Lee"] }),
  "qa/wikipedia-dev.json": JSON.stringify({
    Data: [{ Answer: { Aliases: ["Ann Lee", "A. Lee"], MatchedWikiEntityName: "Ann", NormalizedAliases: ["ann lee", "lee"], NormalizedMatchedWikiEntityName: "ann", NormalizedValue: "ann lee", Type: "WikipediaEntity", Value: "Ann Lee", HumanAnswers: ["Ms Lee"] }, EntityPages: [{ DocSource: "TagMe", Filename: "Ann_Lee.txt", Title: "Ann Lee" }], Question: "Who ran?", QuestionId: "tc_3", QuestionSource: "http://www.triviacountry.com/", SearchResults: [] }],
    Domain: "Wikipedia",
    VerifiedEval: false,
    Version: 1.0,
  }),
  "triviaqa-unfiltered/unfiltered-web-test-without-answers.json": JSON.stringify({ Data: [{ EntityPages: [], Question: "Who sang?", QuestionId: "tc_4", QuestionSource: "x", SearchResults: [] }], Domain: "unfiltered-web", VerifiedEval: false, Version: 1.0 }),
};

/** Fields under the hub's names where ours differ: span1Text is span1_text there. */
export function snake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snake);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name.replace(/(Text|Index)$/, (end) => `_${end.toLowerCase()}`), snake(each)]));
}
