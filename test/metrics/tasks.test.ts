import { describe, expect, test } from "vitest";
import { metrics, torch } from "../../lib/index.js";
import { awkwardTexts } from "../data/awkward.js";
import { hasLibraries, runPython } from "../support/python.js";

// The official metrics of GLUE, SuperGLUE and sets of questions: beside scikit-learn, beside SQuAD's evaluation as transformers
// has it, and counted by hand.

const generator = new torch.Generator().manualSeed(3);
const n = 120;
const draw = (classes: number) => torch.randint(0, classes, [n], { generator, dtype: "int64" }).toArray() as number[];
const [y2, p2, y3, p3] = [draw(2), draw(2), draw(3), draw(2)]; // class 2 is never predicted
const scores = torch.randn([n, 3], { generator });
const [similar, guessed] = [draw(6).map((value) => value / 1.2), torch.randn([n], { generator, dtype: "float64" }).toArray() as number[]];

const there = hasLibraries("sklearn", "scipy");
describe.skipIf(!there)(`beside scikit-learn and SciPy${there ? "" : " (skipped: not installed)"}`, () => {
  const theirs = !there
    ? {}
    : runPython<Record<string, number>>(
        `
from sklearn.metrics import accuracy_score, f1_score, fbeta_score, matthews_corrcoef
from scipy.stats import pearsonr, spearmanr
y2, p2, y3, p3, p, similar, guessed = (inputs[k] for k in ["y2", "p2", "y3", "p3", "p", "similar", "guessed"])
outputs = {"matthews": matthews_corrcoef(y2, p2), "f1": f1_score(y2, p2), "accuracy": accuracy_score(y2, p2), "mnli": accuracy_score(y3, p), "macro": fbeta_score(y3, p3, beta=1, labels=range(3), average="macro"), "accuracy3": accuracy_score(y3, p3), "pearson": pearsonr(similar, guessed)[0], "spearman": spearmanr(similar, guessed)[0]}
`,
        { y2, p2, y3, p3, p: scores.argmax(1).toArray(), similar, guessed },
      );
  test("GLUE", () => {
    const cola = metrics.glue("cola");
    for (let start = 0; start < n; start += 50) cola.update(p2.slice(start, start + 50), y2.slice(start, start + 50));
    expect(cola.compute().matthews).toBeCloseTo(theirs["matthews"]!, 12);
    for (const task of ["mrpc", "qqp"] as const) {
      const metric = metrics.glue(task);
      metric.update(torch.tensor(p2, { dtype: "int64" }), y2);
      expect(metric.compute().f1).toBeCloseTo(theirs["f1"]!, 12);
      expect(metric.compute().score).toBeCloseTo((theirs["f1"]! + theirs["accuracy"]!) / 2, 12);
    }
    const mnli = metrics.glue("mnli");
    mnli.update(scores, torch.tensor(y3, { dtype: "int64" }));
    expect(mnli.compute()).toEqual({ accuracy: expect.closeTo(theirs["mnli"]!, 12), score: expect.closeTo(theirs["mnli"]!, 12) });
    const stsb = metrics.glue("stsb");
    stsb.update(guessed, similar);
    expect(stsb.compute().pearson).toBeCloseTo(theirs["pearson"]!, 10);
    expect(stsb.compute().spearman).toBeCloseTo(theirs["spearman"]!, 10);
  });

  test("SuperGLUE: CB's F1 is over three classes, predicted or not", () => {
    const cb = metrics.superGlue("cb");
    cb.update(p3, y3);
    expect(cb.compute().f1).toBeCloseTo(theirs["macro"]!, 12);
    expect(cb.compute().accuracy).toBeCloseTo(theirs["accuracy3"]!, 12);
    cb.reset();
    // Class 2 neither occurs nor is predicted: it counts as 0.
    cb.update([0, 1, 1], [0, 1, 0]);
    expect(cb.compute().f1).toBeCloseTo((2 / 3 + 2 / 3 + 0) / 3, 12);
  });
});

test("texts that are no label are wrong", () => {
  const metric = metrics.glue("mrpc");
  metric.update([-1, -1, 1, 0], [1, 0, 1, 0]);
  // As if 0 and 1 had been said: one right of two found, one right of two to find.
  expect(metric.compute()).toEqual({ f1: 0.5, accuracy: 0.5, score: 0.5 });
  const rte = metrics.superGlue("rte");
  rte.update([-1, 1], [0, 1]);
  expect(rte.compute().accuracy).toBe(0.5);
});

test("MultiRC: F1 over all answers, and questions that are all right, over batches", () => {
  const example = (paragraph: number, question: number, label: number) => ({ label, idx: { paragraph, question } });
  const metric = metrics.superGlue("multirc");
  metric.update([1, 0], [example(0, 0, 1), example(0, 0, 0)]);
  metric.update([1, 1, 0], [example(0, 0, 1), example(0, 1, 0), example(1, 0, 1)]);
  // Three 1 predicted, two of them right; three to find.
  expect(metric.compute()).toEqual({ f1a: expect.closeTo(2 / 3, 12), exactMatch: expect.closeTo(1 / 3, 12), score: expect.closeTo(1 / 2, 12) });
});

test("ReCoRD: the best of several answers", () => {
  const metric = metrics.superGlue("record");
  metric.update(["Ann Lee", "bob", "Cid"], [{ answers: ["Dan", "ann"] }, { answers: ["The Bob!"] }, { answers: ["Eve"] }]);
  expect(metric.compute()).toEqual({ f1: expect.closeTo((2 / 3 + 1) / 3, 12), exactMatch: expect.closeTo(1 / 3, 12), score: expect.closeTo((2 / 3 + 2) / 6, 12) });
});

test("overall scores: every task counts once, GLUE's as T5-11B's 90.3 came about (arXiv 1910.10683)", () => {
  const pair = (a: number, b: number) => ({ score: (a + b) / 2 });
  const glue = metrics.glueScore({ cola: 71.6, sst2: 97.5, mrpc: pair(92.8, 90.4), stsb: pair(93.1, 92.8), qqp: pair(75.1, 90.6), mnli: [92.2, 91.9], qnli: 96.9, rte: 92.8, wnli: 94.5 });
  expect(glue.toFixed(1)).toBe("90.3");
  const superGlue = metrics.superGlueScore({ boolq: 0.9, cb: pair(0.8, 1), copa: 0.5, multirc: pair(0.8, 0.4), record: pair(0.9, 0.8), rte: 0.7, wic: 0.6, wsc: 0.95 });
  expect(superGlue).toBeCloseTo((0.9 + 0.9 + 0.5 + 0.6 + 0.85 + 0.7 + 0.6 + 0.95) / 8, 12);
  expect(() => metrics.glueScore({ cola: 1 } as never)).toThrow("Expected results of cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte, wnli for GLUE but received none of sst2, mrpc");
});

const words = ["the", "red", "a", "boat", "sank", "in", "1851", "off", "Cape", "Horn", "!"];
const text = (length: number) => Array.from({ length }, () => words[torch.randint(0, words.length, [], { generator }).item() as number]!).join(" ");
const questions = Array.from({ length: 60 }, (_, i) => ({ id: `q${i}`, answers: i % 3 === 0 ? [] : Array.from({ length: 1 + (i % 2) }, () => ({ text: i % 20 === 7 ? "the" : text(1 + (i % 4)) })) }));
const predictions = questions.map(({ id, answers }, i) => ({ id, text: i % 5 === 0 ? "" : i % 4 === 0 ? (answers[0]?.text ?? "") : text(1 + (i % 3)), noAnswerScore: (i * 7) % 11 }));

const hasEvaluation = hasLibraries("transformers");
test.skipIf(!hasEvaluation)(`SQuAD 2.0 beside transformers' evaluation${hasEvaluation ? "" : " (skipped: not installed)"}`, { timeout: 300_000 }, () => {
  const theirs = runPython<Record<string, number>[]>(
    `
from types import SimpleNamespace
from transformers.data.metrics.squad_metrics import squad_evaluate
examples = [SimpleNamespace(qas_id=q["id"], answers=q["answers"]) for q in inputs["questions"]]
preds = {p["id"]: p["text"] for p in inputs["predictions"]}
probs = {p["id"]: p["noAnswerScore"] for p in inputs["predictions"]}
outputs = [squad_evaluate(examples, preds, probs, threshold) for threshold in [1e9, 6]]
`,
    { questions, predictions },
  );
  [Infinity, 6].forEach((threshold, i) => {
    const metric = new metrics.Squad({ noAnswer: true, threshold });
    for (let start = 0; start < 60; start += 25) metric.update(predictions.slice(start, start + 25), questions.slice(start, start + 25));
    const ours = metric.compute();
    const expected = theirs[i]!;
    const close = (value: number, name: string) => expect(100 * value, name).toBeCloseTo(expected[name]!, 9);
    close(ours.exactMatch, "exact");
    close(ours.f1, "f1");
    close(ours.hasAnswer.exactMatch, "HasAns_exact");
    close(ours.hasAnswer.f1, "HasAns_f1");
    close(ours.noAnswer.exactMatch, "NoAns_exact");
    close(ours.noAnswer.f1, "NoAns_f1");
    close(ours.best.exactMatch, "best_exact");
    close(ours.best.f1, "best_f1");
    expect([ours.questions, ours.hasAnswer.questions, ours.best.exactMatchThreshold, ours.best.f1Threshold]).toEqual([expected["total"], expected["HasAns_total"], expected["best_exact_thresh"], expected["best_f1_thresh"]]);
  });
});

test.skipIf(!hasEvaluation)(`answers normalised as in transformers' evaluation${hasEvaluation ? "" : " (skipped: not installed)"}`, { timeout: 300_000 }, () => {
  const awkward = [...awkwardTexts(400, 51), "a\u001cb the\u0085end", "\ufeffthe\ufeff a", "x\u2028an\u00a0The z", "\u00e9a the\u0301 a_b an1"];
  const theirs = runPython<string[]>("from transformers.data.metrics.squad_metrics import normalize_answer\noutputs = [normalize_answer(text) for text in inputs]", awkward);
  expect(awkward.map((text) => metrics.normalizeAnswer(text))).toEqual(theirs);
});

test("SQuAD's rules, by hand", () => {
  const [first, second] = [new metrics.Squad(), new metrics.Squad({ noAnswer: true })];
  const examples = [
    { id: "1", answers: [{ text: "the Cape" }, { text: "Cape Horn" }] },
    { id: "2", answers: [{ text: "The" }] }, // nothing is left of it
    { id: "3", answers: [] },
  ];
  const answers = [{ id: "1", text: "a cape, Horn!" }, { id: "2", text: "a" }, { id: "3", text: "Horn", noAnswerScore: 2 }];
  first.update(answers.slice(0, 2), examples.slice(0, 2));
  // 1.1: no word in common is an F1 of 0, though both are empty and match.
  expect(first.compute()).toEqual({ exactMatch: 1, f1: 0.5, questions: 2 });
  second.update(answers, examples);
  const { exactMatch, f1, hasAnswer, noAnswer, best } = second.compute();
  expect([exactMatch, f1]).toEqual([2 / 3, 2 / 3]);
  expect([hasAnswer, noAnswer]).toEqual([{ exactMatch: 1, f1: 1, questions: 2 }, { exactMatch: 0, f1: 0, questions: 1 }]);
  // With "" to all whose score is above 0, all three are right.
  expect(best).toEqual({ exactMatch: 1, exactMatchThreshold: 0, f1: 1, f1Threshold: 0 });
  const cautious = new metrics.Squad({ noAnswer: true, threshold: 1 });
  cautious.update(answers, examples);
  expect(cautious.compute().exactMatch).toBe(1);
  expect(() => first.update([{ id: "9", text: "" }], [examples[0]!])).toThrow('Expected the answer to question 1 for predictions[0].id but received "9"');
  expect(new metrics.Squad().compute().f1).toBeNaN();
});

test("TyDi QA: the mean over languages but English", () => {
  const metric = new metrics.TydiQa();
  const question = (id: string, language: string, text: string) => ({ id, language, answers: [{ text }] });
  metric.update([{ id: "a", text: "kissa" }, { id: "b", text: "koira" }], [question("a", "finnish", "Kissa"), question("b", "finnish", "kissa")]);
  metric.update([{ id: "c", text: "paka" }, { id: "d", text: "no" }], [question("c", "swahili", "Paka."), question("d", "english", "yes")]);
  expect(metric.compute()).toMatchObject({ exactMatch: 0.75, f1: 0.75, languages: { english: { exactMatch: 0 }, finnish: { questions: 2 } } });
});

test("answers as TriviaQA and the open Natural Questions normalise them", () => {
  expect(metrics.normalizeAnswer("The_Red `Sea’s´ (shore)", "triviaQa")).toBe("red sea s shore");
  expect(metrics.normalizeAnswer("The_Red Sea’s", "squad")).toBe("thered sea’s");
  const trivia = new metrics.ExactMatch({ normalization: "triviaQa" });
  trivia.update(["rock-n-roll", "rocknroll"], [["Rock n Roll"], ["Rock n Roll"]]);
  expect(trivia.compute()).toBe(0.5);
  const natural = new metrics.ExactMatch({ normalization: "naturalQuestions" });
  natural.update(["Beyonce\u0301"], [["Beyonc\u00e9"]]);
  expect(natural.compute()).toBe(1);
  const squad = new metrics.ExactMatch();
  squad.update(["Beyonce\u0301"], [["Beyonc\u00e9"]]);
  expect(squad.compute()).toBe(0);
});

test("wrong arguments", () => {
  expect(() => metrics.glue("cloa" as never)).toThrow('Did you mean "cola"?');
  expect(() => metrics.superGlue("mnli" as never)).toThrow("Expected one of boolq, cb, copa, multirc, record, rte, wic, wsc for task");
  expect(() => metrics.glue("sst2").update([0, 1], [0])).toThrow("Expected 1 classes, or scores of them for predictions");
  expect(() => metrics.glue("sst2").update(["positive"] as never, [0])).toThrow("Expected a tensor or an array of numbers for predictions");
  expect(() => metrics.superGlue("multirc").update([1], [{ label: 1 } as never])).toThrow("Expected an example with label and idx for targets[0]");
  expect(() => new metrics.ExactMatch({ normalization: "trivia" as never })).toThrow("Expected one of squad, naturalQuestions, triviaQa for normalization");
  expect(() => new metrics.F1({ classes: 0 })).toThrow("Expected a positive integer for classes");
});
