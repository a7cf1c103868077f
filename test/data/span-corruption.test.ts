import { describe, expect, test } from "vitest";
import { data, models, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

const [firstSentinelId, eosTokenId] = [999, 1];
const corrupt = data.corruptSpans({ firstSentinelId, eosTokenId });
const generator = (seed = 3) => new torch.Generator().manualSeed(seed);
/** A text of tokens that are told from sentinels: 2, 3, 4, … */
const textOf = (length: number, from = 2) => Array.from({ length }, (_, i) => from + i);

/** The text that inputs and labels tell together, and the lengths of the stretches of text and of the spans. */
function restore(read: number[], told: number[]): { text: number[]; kept: number[]; spans: number[] } {
  const isSentinel = (id: number) => id > 900;
  const spans = new Map<number, number[]>();
  for (const id of told.slice(0, -1)) {
    if (isSentinel(id)) spans.set(id, []);
    else [...spans.values()].at(-1)!.push(id);
  }
  const kept: number[] = [];
  let stretch = 0;
  const text = read.slice(0, -1).flatMap((id) => {
    if (!isSentinel(id)) return stretch++, [id];
    kept.push(stretch);
    stretch = 0;
    return spans.get(id)!;
  });
  expect(stretch).toBe(0); // T5's texts end with a span
  return { text, kept, spans: [...spans.values()].map((span) => span.length) };
}

test("inputs and labels together tell the text, with sentinels in order and </s> at both ends", () => {
  const texts = [textOf(100), textOf(100, 300), textOf(37)];
  const { inputIds, attentionMask, labels } = corrupt(texts, generator());
  // 100 tokens: 15 taken out in 5 spans. 37: round(5.55) = 6 in 2.
  expect([inputIds.shape, labels.shape]).toEqual([[3, 100 - 15 + 5 + 1], [3, 15 + 5 + 1]]);
  const [reads, tells] = [inputIds.toArray(), labels.toArray()] as [number[][], number[][]];
  expect(attentionMask.sum(1).toArray()).toEqual([91, 91, 37 - 6 + 2 + 1]);
  texts.forEach((text, i) => {
    const read = reads[i]!.slice(0, i === 2 ? 34 : 91);
    const told = tells[i]!.filter((id) => id !== -100);
    expect([read.at(-1), told.at(-1)]).toEqual([eosTokenId, eosTokenId]);
    const restored = restore(read, told);
    expect(restored.text).toEqual(text);
    const count = i === 2 ? 2 : 5;
    expect(read.filter((id) => id > 900)).toEqual(Array.from({ length: count }, (_, k) => firstSentinelId - k));
    expect(told.filter((id) => id > 900)).toEqual(Array.from({ length: count }, (_, k) => firstSentinelId - k));
  });
});

test("borders of spans are drawn evenly from all that are possible", () => {
  // 12 tokens at density 0.5 with spans of 2: 6 taken out in 3 spans. 6 falls into three parts of at least 1 in C(5, 2) = 10 ways.
  const many = data.corruptSpans({ firstSentinelId, eosTokenId, noiseDensity: 0.5, meanSpanLength: 2 });
  const { inputIds, labels } = many(Array.from({ length: 4000 }, () => textOf(12)), generator(8));
  const counts = new Map<string, number>();
  const tells = labels.toArray() as number[][];
  (inputIds.toArray() as number[][]).forEach((read, i) => {
    const { kept, spans } = restore(read, tells[i]!);
    for (const key of [`text ${kept.join()}`, `spans ${spans.join()}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  expect(counts.size).toBe(20);
  // Chi-squared with 9 degrees of freedom: above 33.7 one time in 10,000.
  for (const kind of ["text", "spans"]) {
    const found = [...counts].filter(([key]) => key.startsWith(kind)).map(([, count]) => count);
    expect(found.reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0)).toBeLessThan(33.7);
  }
});

test("T5's lengths: 568 tokens become 512 and 114", () => {
  expect(data.spanCorruptionLength(512)).toBe(568); // mesh_tensorflow's random_spans_helper for 512, 0.15 and 3
  const { inputIds, labels } = data.corruptSpans({ firstSentinelId: 32099, eosTokenId })(torch.arange(2, 570, { dtype: "int64" }).unsqueeze(0), generator());
  expect([inputIds.shape, labels.shape]).toEqual([[1, 512], [1, 114]]);
  expect(data.spanCorruptionLength(128)).toBe(141);
});

test("the longest text for so many tokens of inputs, whatever the noise", () => {
  for (const options of [{}, { noiseDensity: 0.5 }, { noiseDensity: 0.9, meanSpanLength: 1 }, { noiseDensity: 0.02, meanSpanLength: 20 }, { noiseDensity: 0.97, meanSpanLength: 8.5 }]) {
    const corrupt = data.corruptSpans({ firstSentinelId: 32099, eosTokenId, ...options });
    const inputsOf = (length: number) => corrupt(torch.arange(2, length + 2, { dtype: "int64" }).unsqueeze(0), generator()).inputIds.shape[1]!;
    for (const wanted of [3, 4, 7, 30, 101]) {
      const length = data.spanCorruptionLength(wanted, options);
      expect(inputsOf(length), `${JSON.stringify(options)}, ${wanted}`).toBeLessThanOrEqual(wanted);
      expect(inputsOf(length + 1), `${JSON.stringify(options)}, ${wanted}`).toBeGreaterThan(wanted);
    }
  }
  expect(data.spanCorruptionLength(1e15) / 1e15).toBeCloseTo(568 / 512, 2);
});

test("as a loader's transform: another corruption in every pass, the same for the same seed", () => {
  const set = data.blocks(torch.arange(2, 802, { dtype: "int64" }), 100);
  const passes = (seed: number) => {
    const batches = data.loader(set, { batchSize: 4, seed, transform: corrupt });
    return [1, 2].map(() => [...batches].map(({ inputIds, labels }) => [inputIds.toArray(), labels.toArray()]));
  };
  const [first, second] = passes(1);
  expect(first).not.toEqual(second);
  expect(passes(1)).toEqual([first, second]);
  expect(passes(2)[0]).not.toEqual(first);
});

test("T5 and BERT take such batches as they are, and SAM makes their losses smaller", async () => {
  torch.manualSeed(1);
  const text = data.blocks(torch.arange(4, 164, { dtype: "int64" }).remainder(20).add(4), 40); // one token tells the next
  const t5 = new models.T5ForConditionalGeneration({ vocabSize: 64, dModel: 32, dKv: 16, dFf: 64, numLayers: 1, numHeads: 2, dropoutRate: 0 });
  const bert = new models.BertForMaskedLM({ vocabSize: 64, hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64, maxPositionEmbeddings: 40 });
  const spans = data.loader(text, { batchSize: 4, transform: data.corruptSpans({ firstSentinelId: 63, eosTokenId: 1 }) });
  const mask = data.maskTokens({ maskTokenId: 2, specialTokenIds: [0, 1, 2], vocabularySize: 64 });
  const masked = data.loader(text, { batchSize: 4, transform: ([inputIds], random) => mask({ inputIds, attentionMask: torch.onesLike(inputIds) }, random) });
  type Batch = { inputIds: Tensor; attentionMask: Tensor; labels: Tensor };
  const cases = [
    { model: t5, batches: spans, loss: (batch: Batch) => t5.forward(batch).loss },
    { model: bert, batches: masked, loss: (batch: Batch) => bert.forward(batch).loss },
  ];
  for (const { model, batches, loss } of cases) {
    const step = optim
      .create(model, { method: "sam", rho: 0.01, base: { name: "adamw", lr: 0.01 } })
      .compile((inputIds: Tensor, attentionMask: Tensor, labels: Tensor) => loss({ inputIds, attentionMask, labels }));
    const losses: number[] = [];
    for (let epoch = 0; epoch < 40; epoch++) for await (const { inputIds, attentionMask, labels } of batches) losses.push((await step(inputIds, attentionMask, labels)).loss);
    const mean = (some: number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.75 * mean(losses.slice(0, 5)));
  }
});

describe("refused", () => {
  test("what is too short, too long or no text", () => {
    expect(() => corrupt([[5]])).toThrow("at least 2 tokens");
    expect(() => data.corruptSpans({ firstSentinelId: 1, eosTokenId: 0 })([textOf(100)])).toThrow("at most 2 spans");
    expect(() => corrupt(torch.zeros([2, 3]))).toThrow("integers of two dimensions");
    expect(() => corrupt("text" as never)).toThrow("a tensor or arrays of tokens");
  });

  test("wrong options", () => {
    expect(() => data.corruptSpans({ firstSentinelId, eosTokenId, noiseDensity: 0 })).toThrow("a number between 0 and 1");
    expect(() => data.corruptSpans({ firstSentinelId, eosTokenId, meanSpanLength: 0.5 })).toThrow("a number of at least 1");
    expect(() => data.corruptSpans({ eosTokenId } as never)).toThrow("firstSentinelId");
    expect(() => data.spanCorruptionLength(2)).toThrow("an integer of at least 3");
    expect(() => data.spanCorruptionLength(2 ** 53 - 1)).toThrow("a length that texts of less than 2⁵³ tokens have");
  });
});
