import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { metrics, torch } from "../../lib/index.js";
import { hasLibraries, runPython } from "../support/python.js";

// SuperGLUE's official evaluation of MultiRC and ReCoRD, its formulas in Python; accuracy of each task whose metric it is;
// calibration beside torchmetrics.

const generator = new torch.Generator().manualSeed(5);
const draw = (below: number, n: number) => torch.randint(0, below, [n], { generator, dtype: "int64" }).toArray() as number[];
const n = 300;

const there = hasLibraries("sklearn");
describe.skipIf(!there)(`SuperGLUE's official evaluation${there ? "" : " (skipped: not installed)"}`, () => {
  test("MultiRC: F1 over all answers, and exact match by question", { timeout: 120_000 }, () => {
    const [labels, guesses, paragraphs, questions] = [draw(2, n), draw(2, n), draw(8, n), draw(9, n)];
    // Most questions are all right.
    const predictions = labels.map((label, i) => ((paragraphs[i]! * 9 + questions[i]!) % 3 === 0 ? guesses[i]! : label));
    const { f1a, em } = runPython<{ f1a: number; em: number }>(
      `
from collections import defaultdict
from sklearn.metrics import f1_score
by_question = defaultdict(list)
for paragraph, question, label, prediction in zip(*inputs):
    by_question[paragraph, question].append(label == prediction)
outputs = {"f1a": f1_score(inputs[2], inputs[3]), "em": sum(all(right) for right in by_question.values()) / len(by_question)}`,
      [paragraphs, questions, labels, predictions],
    );
    expect([em > 0.3, em < 0.9]).toEqual([true, true]);
    const metric = metrics.superGlue("multirc");
    const targets = labels.map((label, i) => ({ label, idx: { paragraph: paragraphs[i]!, question: questions[i]! } }));
    for (let i = 0; i < n; i += 70) metric.update(predictions.slice(i, i + 70), targets.slice(i, i + 70));
    expect(metric.compute()).toEqual({ f1a: expect.closeTo(f1a, 12), exactMatch: expect.closeTo(em, 12), score: expect.closeTo((f1a + em) / 2, 12) });
    // Scores of both classes serve as well.
    metric.reset();
    metric.update(torch.tensor(predictions.map((label) => [1 - label, label]), { dtype: "float32" }), targets);
    expect(metric.compute().f1a).toBeCloseTo(f1a, 12);
  });

  test("ReCoRD: the best F1 and exact match over the answers", { timeout: 120_000 }, () => {
    const words = ["the", "Tracy", "Morgan", "a", "New", "Jersey", "Turnpike", "SNL!", "an", "U.K.", "'Jimmy", "Mack'", "Schumer,", "—", "é"];
    const text = () => draw(words.length, 1 + draw(3, 1)[0]!).map((i) => words[i]!).join(" ");
    const answers = Array.from({ length: n }, () => Array.from({ length: 1 + draw(4, 1)[0]! }, text));
    const predictions = answers.map((some, i) => (i % 3 === 0 ? some.at(-1)!.toLowerCase() : text()));
    const wanted = runPython<{ f1: number; em: number }>(
      `
import re, string
from collections import Counter
def words(text):
    return re.sub(r"\\b(a|an|the)\\b", " ", "".join(letter for letter in text.lower() if letter not in string.punctuation)).split()
def f1(prediction, truth):
    prediction, truth = words(prediction), words(truth)
    same = sum((Counter(prediction) & Counter(truth)).values())
    return 0 if same == 0 else 2 * (same / len(prediction)) * (same / len(truth)) / (same / len(prediction) + same / len(truth))
best = lambda score: sum(max(score(p, t) for t in truths) for p, truths in zip(*inputs)) / len(inputs[0])
outputs = {"f1": best(f1), "em": best(lambda p, t: words(p) == words(t))}`,
      [predictions, answers],
    );
    expect([wanted.em > 0.2, wanted.em < wanted.f1]).toEqual([true, true]);
    const metric = metrics.superGlue("record");
    for (let i = 0; i < n; i += 110) metric.update(predictions.slice(i, i + 110), answers.slice(i, i + 110).map((some) => ({ answers: some })));
    expect(metric.compute()).toEqual({ f1: expect.closeTo(wanted.f1, 12), exactMatch: expect.closeTo(wanted.em, 12), score: expect.closeTo((wanted.f1 + wanted.em) / 2, 12) });
  });
});

const accuracies = [metrics.glue("sst2"), metrics.glue("qnli"), metrics.glue("rte"), metrics.glue("wnli"), ...(["boolq", "copa", "rte", "wic", "wsc"] as const).map((task) => metrics.superGlue(task))];
test.each(["sst2", "qnli", "rte", "wnli", "boolq", "copa", "superglue rte", "wic", "wsc"].map((name, i) => [name, accuracies[i]!] as const))("%s: accuracy, over batches of classes and of scores", (_, metric) => {
  const [labels, guesses] = [draw(2, n), draw(2, n)];
  const right = labels.filter((label, i) => label === guesses[i]).length;
  metric.update(guesses.slice(0, 100), labels.slice(0, 100));
  metric.update(torch.tensor(guesses.slice(100, 200), { dtype: "int64" }), torch.tensor(labels.slice(100, 200), { dtype: "int64" }));
  metric.update(torch.tensor(guesses.slice(200).map((label) => (label === 1 ? [-2, 3] : [0.5, 0.25])), { dtype: "float32" }), labels.slice(200));
  expect(metric.compute()).toEqual({ accuracy: right / n, score: right / n });
  metric.reset();
  metric.update(labels, labels);
  expect(metric.compute().accuracy).toBe(1);
  expect(() => metric.update([0], [2])).toThrow("Expected labels from 0 to 1 for targets but received 2");
});

test("calibration errors as torchmetrics computes them (fixtures/metrics/calibration.py)", () => {
  const { logits, labels, errors } = JSON.parse(readFileSync(new URL("../fixtures/metrics/calibration.json", import.meta.url), "utf8")) as { logits: number[][]; labels: number[]; errors: Record<string, number> };
  const [all, right] = [torch.tensor(logits, { dtype: "float64" }), torch.tensor(labels, { dtype: "int64" })];
  for (const [bins, error] of Object.entries(errors)) {
    const [whole, parts] = [new metrics.CalibrationError({ bins: Number(bins) }), new metrics.CalibrationError({ bins: Number(bins), probabilities: true })];
    whole.update(all, right);
    for (const [start, end] of [[0, 64], [64, 150]] as const) parts.update(all.slice(0, start, end).softmax(1), right.slice(0, start, end));
    expect(whole.compute(), bins).toBeCloseTo(error, 6);
    expect(parts.compute(), bins).toBeCloseTo(error, 6);
  }
});
