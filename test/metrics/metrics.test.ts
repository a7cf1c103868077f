import { describe, expect, test } from "vitest";
import { metrics, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { awkwardTexts } from "../data/awkward.js";
import { hasLibraries, runPython } from "../support/python.js";

// Beside scikit-learn, SciPy and sacreBLEU, over several batches; and closed forms.

const generator = new torch.Generator().manualSeed(11);
const n = 203;
const logits = torch.randn([n, 5], { generator, dtype: "float64" });
const labels = torch.randint(0, 5, [n], { generator, dtype: "int64" });
const binary = torch.randint(0, 2, [n], { generator, dtype: "int64" });
const probability = torch.rand([n], { generator, dtype: "float64" });
const rounded = probability.mul(8).round(); // with ties
const related = probability.mul(2).add(torch.randn([n], { generator, dtype: "float64" }));
const sentences = ["the cat sat on the mat .", "There's a 3.5% rise, isn't there?", "&quot;Yes&quot;, he said - \"no\" 10-20 times", "it is", "completely unrelated words here now"];
const references = [["the cat is on the mat .", "a cat sat on the mat"], ["There is a 3.5% rise, is there not?", "A rise of 3.5%."], ["\"Yes\", she said -- 10-20 times.", "yes he said"], ["it is so", "so it is"], ["nothing of the kind at all", "not this"]];
const answers = ["The Whale!", "a captain", "", "in  1851,", "Moby", "éa the"];
const right = [["whale"], ["the captain Ahab", "Ahab"], [], ["1851"], ["dick"], ["éa"]];

/** In batches of 50, as a run would. */
function over(metric: metrics.Metric, predictions: Tensor, targets: Tensor): number {
  metric.reset();
  for (let start = 0; start < n; start += 50) metric.update(predictions.slice(0, start, start + 50), targets.slice(0, start, start + 50));
  return metric.compute();
}

/** Texts from all over Unicode, with white space of every kind; half of them in other words, too. */
const awkward = awkwardTexts(250, 41).concat(["a\u001cb the\u0085end", "\ufeffmark\ufeff a", "x\u2028y\u00a0z"]);
const changed = awkward.map((text, i) => (i % 2 === 0 ? `${text} the end.` : `${awkward[(i * 7) % 250]!} ${text}`));

const libraries = ["sklearn", "scipy", "sacrebleu"];
const there = hasLibraries(...libraries);

describe.skipIf(!there)(`beside ${libraries.join(", ")}${there ? "" : " (skipped: not installed)"}`, () => {
  const theirs: Record<string, number> & { bleu_awkward: number[] } = !there
    ? ({} as never)
    : runPython<Record<string, number> & { bleu_awkward: number[] }>(
        `
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, top_k_accuracy_score
from scipy.stats import pearsonr, spearmanr
import sacrebleu
d = {name: np.array(value) for name, value in inputs["numbers"].items()}
y, p = d["labels"], d["logits"].argmax(1)
b, q = d["binary"], (d["probability"] > 0.5).astype(int)
outputs = {
    "accuracy": accuracy_score(y, p), "top3": top_k_accuracy_score(y, d["logits"], k=3),
    "binary": f1_score(b, q), "macro": f1_score(y, p, average="macro"), "micro": f1_score(y, p, average="micro"),
    "matthews": matthews_corrcoef(y, p), "matthews2": matthews_corrcoef(b, q),
    "pearson": pearsonr(d["probability"], d["related"])[0], "spearman": spearmanr(d["rounded"], d["related"])[0],
    "perplexity": float(torch.exp(F.cross_entropy(torch.tensor(d["logits"]), torch.tensor(y)))),
    "bleu": sacrebleu.corpus_bleu(inputs["sentences"], list(map(list, zip(*inputs["references"])))).score,
    "bleu_short": sacrebleu.corpus_bleu(inputs["sentences"][3:], list(map(list, zip(*inputs["references"][3:])))).score,
    "bleu_awkward": [sacrebleu.corpus_bleu([a], [[b]]).score for a, b in inputs["awkward"]],
    "bleu_one": sacrebleu.corpus_bleu(inputs["sentences"][:1], [[inputs["references"][0][0]]]).score,
}
`,
        {
          numbers: Object.fromEntries(Object.entries({ logits, labels, binary, probability, rounded, related }).map(([name, tensor]) => [name, tensor.toArray()])),
          sentences,
          references,
          awkward: awkward.map((text, i) => [text, changed[i]]),
        },
      );
  const bleu = (predictions: string[], truth: (string | string[])[]) => {
    const metric = new metrics.Bleu();
    predictions.forEach((each, i) => metric.update([each], [truth[i]!]));
    return metric.compute();
  };
  test("BLEU of awkward texts", () => {
    const ours = awkward.map((text, i) => bleu([text], [changed[i]!]));
    expect(ours).toEqual(theirs.bleu_awkward.map((score) => expect.closeTo(score, 9)));
  });

  test.each<[string, () => number]>([
    ["accuracy", () => over(new metrics.Accuracy(), logits, labels)],
    ["top3", () => over(new metrics.Accuracy({ topK: 3 }), logits, labels)],
    ["binary", () => over(new metrics.F1(), probability, binary)],
    ["macro", () => over(new metrics.F1({ average: "macro" }), logits, labels)],
    ["micro", () => over(new metrics.F1({ average: "micro" }), logits.argmax(1), labels)],
    ["matthews", () => over(new metrics.MatthewsCorrelation(), logits, labels)],
    ["matthews2", () => over(new metrics.MatthewsCorrelation(), probability, binary)],
    ["pearson", () => over(new metrics.PearsonCorrelation(), probability, related)],
    ["spearman", () => over(new metrics.SpearmanCorrelation(), rounded.unsqueeze(1), related)],
    ["perplexity", () => over(new metrics.Perplexity(), logits, labels)],
    ["bleu", () => bleu(sentences, references)],
    ["bleu_short", () => bleu(sentences.slice(3), references.slice(3))],
    ["bleu_one", () => bleu(sentences.slice(0, 1), [references[0]![0]!])],
  ])("%s", (name, ours) => {
    expect(ours()).toBeCloseTo(theirs[name]!, 10);
  });
});

test("calibration error, counted by hand", () => {
  const probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55], [0.3, 0.7]]);
  const metric = new metrics.CalibrationError({ bins: 2, probabilities: true });
  metric.update(probabilities, torch.tensor([0, 1, 1, 0], { dtype: "int64" }));
  // All four are in the upper bin: mean confidence 0.7375, accuracy 0.5.
  expect(metric.compute()).toBeCloseTo(0.2375, 6);
  const fine = new metrics.CalibrationError({ bins: 3, probabilities: true });
  fine.update(probabilities, torch.tensor([0, 1, 1, 0], { dtype: "int64" }));
  expect(fine.compute()).toBeCloseTo((Math.abs(0.9 + 0.8 + 0.7 - 1) + Math.abs(0.55 - 1)) / 4, 6);
  const logits = new metrics.CalibrationError({ bins: 2 });
  logits.update(probabilities.log(), torch.tensor([0, 1, 1, 0], { dtype: "int64" }));
  expect(logits.compute()).toBeCloseTo(0.2375, 6);
});

test("answers as SQuAD counts them", () => {
  const [exact, f1] = [new metrics.ExactMatch(), new metrics.TokenF1()];
  for (const metric of [exact, f1]) metric.update(answers, right);
  expect(exact.compute()).toBeCloseTo(3 / 6);
  // 1, "captain" against "captain ahab" 2/3, both empty 1, "in 1851" against "1851" 2/3, 0, 1
  expect(f1.compute()).toBeCloseTo((1 + 2 / 3 + 1 + 2 / 3 + 0 + 1) / 6);
  expect(metrics.normalizeAnswer("  The quick,  BROWN an fox's ")).toBe("quick brown foxs");
});

test("padding does not count", () => {
  const tokens = torch.tensor([[1, 2, -100], [0, -100, -100]], { dtype: "int64" });
  const logits = torch.oneHot(tokens.clamp(0), 3).to("float32").mul(5);
  const accuracy = new metrics.Accuracy({ ignoreIndex: -100 });
  accuracy.update(logits.transpose(1, 2), tokens);
  expect(accuracy.compute()).toBe(1);
  const perplexity = new metrics.Perplexity();
  perplexity.update(logits, tokens);
  expect(perplexity.compute()).toBeCloseTo((Math.exp(5) + 2) / Math.exp(5), 6);
});

test("nothing at all", () => {
  for (const metric of [new metrics.Accuracy(), new metrics.F1(), new metrics.MatthewsCorrelation(), new metrics.PearsonCorrelation(), new metrics.CalibrationError(), new metrics.Perplexity(), new metrics.Bleu(), new metrics.ExactMatch()]) {
    expect(metric.compute()).toBeNaN();
  }
});

test("wrong arguments", () => {
  const [scores, labels] = [torch.randn([4, 3]), torch.zeros([4], { dtype: "int64" })];
  expect(() => new metrics.Accuracy({ topK: 0 })).toThrow("Expected a positive integer for topK but received 0");
  expect(() => new metrics.Accuracy({ topk: 2 } as never)).toThrow('Did you mean "topK"?');
  expect(() => new metrics.Accuracy({ topK: 4 }).update(scores, labels)).toThrow("Expected at least 4 classes for predictions but received 3");
  expect(() => new metrics.Accuracy().update(scores, labels.slice(0, 0, 3))).toThrow("Expected labels of shape [4] for targets but received a tensor of int64 [3].");
  const label = (value: number) => torch.tensor([0, value, 2, 1], { dtype: "int64" });
  for (const metric of [new metrics.Accuracy(), new metrics.CalibrationError()]) {
    expect(() => metric.update(scores, label(3))).toThrow("Expected labels from 0 to 2 for targets but received 3");
    expect(() => metric.update(scores, label(-100))).toThrow("Expected labels from 0 to 2 for targets but received -100");
    expect(() => metric.update(scores, labels.to("float32"))).toThrow("Expected labels that are integers for targets but received a tensor of float32 [4].");
    expect(metric.compute()).toBeNaN();
  }
  expect(() => new metrics.Accuracy({ ignoreIndex: -100 }).update(scores, label(-1))).toThrow("Expected labels from 0 to 2, or -100 for targets but received -1");
  expect(() => new metrics.F1({ average: "macro", classes: 3 }).update(scores, label(7))).toThrow("Expected labels from 0 to 2 for targets but received 7");
  expect(() => new metrics.Perplexity().update(scores, labels.slice(0, 0, 3))).toThrow("Expected tokens of shape [4] for targets but received a tensor of int64 [3].");
  expect(() => new metrics.Perplexity().update(labels, labels)).toThrow("Expected logits of shape [N, length, vocabulary] or [N, vocabulary] for predictions but received a tensor of int64 [4].");
  expect(() => new metrics.MatthewsCorrelation().update(scores, labels.slice(0, 0, 3))).toThrow("Expected 4 labels for targets but received a tensor of int64 [3].");
  expect(() => new metrics.F1({ average: "weighted" as never })).toThrow('Expected one of "binary", "macro", "micro" for average');
  expect(() => new metrics.PearsonCorrelation().update(scores, labels)).toThrow("Expected a tensor of shape [N] or [N, 1] for predictions");
  expect(() => new metrics.Bleu().update(["a"], [])).toThrow("Expected references of 1 sentences for references");
  expect(() => new metrics.ExactMatch().update([5 as never], ["a"])).toThrow("Expected a string for predictions[0] but received 5");
});
