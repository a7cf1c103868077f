import fc from "fast-check";
import { expect, test } from "vitest";
import { data } from "../../lib/index.js";

/** Item i has this many tokens. */
const lengths = Array.from({ length: 300 }, (_, i) => 1 + ((i * 37) % 61));
const items = lengths.map((length, i) => ({ i, length }));
type Item = (typeof items)[number];
const length = (item: Item) => item.length;

const tokens = (batch: readonly Item[]) => batch.length * Math.max(...batch.map(length));

test("no batch has more than maxTokens, padding counted; every sample comes once", () => {
  const batches = [...data.tokenLoader(items, { length, maxTokens: 256 })];
  expect(Math.max(...batches.map(tokens))).toBeLessThanOrEqual(256);
  expect(batches.flat().map(({ i }) => i).sort((a, b) => a - b)).toEqual([...items.keys()]);
  // Little is padding, and batches are full: one more sample of the next batch would be too much.
  const real = lengths.reduce((sum, each) => sum + each, 0);
  expect(batches.reduce((sum, batch) => sum + tokens(batch), 0) / real).toBeLessThan(1.05);
  batches.slice(1).forEach((next, k) => expect((batches[k]!.length + 1) * next[0]!.length).toBeGreaterThan(256));
});

test("the bounds hold for any lengths", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 60 }), fc.integer({ min: 56, max: 200 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 7 }), (sizes, maxTokens, maxSamples, multiple) => {
      const loader = data.tokenLoader(sizes.map((size, i) => ({ i, length: size })), { length, maxTokens, maxSamples, padToMultipleOf: multiple, shuffle: true });
      const batches = [...loader];
      expect(loader.length).toBe(batches.length);
      for (const batch of batches) {
        expect(batch.length).toBeLessThanOrEqual(maxSamples);
        expect(batch.length * Math.max(1, Math.ceil(Math.max(...batch.map(length)) / multiple)) * multiple).toBeLessThanOrEqual(maxTokens);
      }
      expect(batches.flat().map(({ i }) => i).sort((a, b) => a - b)).toEqual([...sizes.keys()]);
    }),
    { numRuns: 60 },
  );
});

test("shuffled: another order and other company in each pass, the same for the same seed", () => {
  const make = (seed: number) => data.tokenLoader(items, { length, maxTokens: 256, shuffle: true, seed });
  const passes = (seed: number) => {
    const loader = make(seed);
    return [1, 2].map(() => [...loader].map((batch) => batch.map(({ i }) => i)));
  };
  const [first, second] = passes(1);
  expect(passes(1)).toEqual([first, second]);
  expect(passes(2)[0]).not.toEqual(first);
  const companies = (pass: number[][]) => new Set(pass.map((batch) => [...batch].sort().join()));
  const kept = [...companies(first!)].filter((company) => companies(second!).has(company)).length;
  expect(kept).toBeLessThan(first!.length / 2);
  expect(first!.map((batch) => tokens(batch.map((i) => items[i]!))).every((count) => count <= 256)).toBe(true);
});

test("goes on in the middle of a pass", async () => {
  const make = () => data.tokenLoader(items, { length, maxTokens: 300, shuffle: true, seed: 3, collate: (some) => some.map(({ i }) => i) });
  const loader = make();
  const all = [[...loader], [...loader]];
  const again = make();
  again.loadStateDict({ epoch: 1, batch: 4 });
  const rest: number[][] = [];
  for await (const batch of again) rest.push(batch);
  expect(rest).toEqual(all[1]!.slice(4));
  expect(again.stateDict()).toEqual({ epoch: 2, batch: 0 });
});

test("padded tensors, and a transform that depends on seed and pass alone", () => {
  const sequences = lengths.map((n) => Array.from({ length: n }, (_, k) => 5 + k));
  const make = () =>
    data.tokenLoader(sequences, {
      length: (sequence) => sequence.length,
      maxTokens: 512,
      padToMultipleOf: 8,
      collate: (some) => data.padSequences(some, { padToMultipleOf: 8 }),
      transform: data.maskTokens({ maskTokenId: 3, specialTokenIds: [0], vocabularySize: 100 }),
    });
  const [first, second] = [make(), make()].map((loader) => [...loader].map(({ inputIds, labels }) => [inputIds.toArray(), labels.toArray()]));
  expect(first).toEqual(second);
  const shapes = [...make()].map(({ inputIds }) => inputIds.shape);
  expect(shapes.every(([rows, columns]) => columns! % 8 === 0 && rows! * columns! <= 512)).toBe(true);
});

test("wrong arguments", () => {
  expect(() => data.tokenLoader(items, { length, maxTokens: 60 })).toThrow(/^Expected at most 60 tokens for length of item \d+ but received 61/);
  expect(() => data.tokenLoader([], { length, maxTokens: 60 })).toThrow("at least one item");
  expect(() => data.tokenLoader(items, { length: () => 1.5, maxTokens: 60 })).toThrow("a non-negative integer for length of item 0");
  expect(() => data.tokenLoader(items, { maxTokens: 60 } as never)).toThrow("a function of an item for length");
  expect(() => data.tokenLoader(items, { length, maxToken: 60 } as never)).toThrow('Did you mean "maxTokens"?');
});
