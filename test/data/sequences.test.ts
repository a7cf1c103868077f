import { expect, test } from "vitest";
import { data } from "../../lib/index.js";

const sequences = [[5, 6, 7], [8], [], [1, 2, 3, 4, 5]];

test("padded to the longest, on the right", () => {
  const { inputIds, attentionMask } = data.padSequences(sequences);
  expect([inputIds.dtype, attentionMask.dtype]).toEqual(["int64", "int64"]);
  expect(inputIds.toArray()).toEqual([[5, 6, 7, 0, 0], [8, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]]);
  expect(attentionMask.toArray()).toEqual([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]);
});

test("cut and padded on the left, to a multiple, with another filler", () => {
  const { inputIds, attentionMask } = data.padSequences(sequences, { maxLength: 3, truncationSide: "left", paddingSide: "left", padTokenId: -100, padToMultipleOf: 4 });
  expect(inputIds.toArray()).toEqual([[-100, 5, 6, 7], [-100, -100, -100, 8], [-100, -100, -100, -100], [-100, 3, 4, 5]]);
  expect(attentionMask.toArray()).toEqual([[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]]);
  expect(data.padSequences(sequences, { maxLength: 2 }).inputIds.toArray()).toEqual([[5, 6], [8, 0], [0, 0], [1, 2]]);
});

test("numbers above 2^31 stay what they are", () => {
  expect(data.padSequences([[2 ** 40 + 1]]).inputIds.item()).toBe(2 ** 40 + 1);
});

test("wrong arguments", () => {
  expect(() => data.padSequences([])).toThrow("an array of sequences");
  expect(() => data.padSequences([[1, 0.5]])).toThrow("Expected integers for sequences[0] but received 0.5");
  expect(() => data.padSequences([[1], "a" as never])).toThrow("sequences[1]");
  expect(() => data.padSequences([[1]], { maxLength: 0 })).toThrow("a positive integer for maxLength");
  expect(() => data.padSequences([[1]], { paddingSide: "up" as never })).toThrow('"left" or "right"');
  expect(() => data.padSequences([[1]], { padTokenID: 3 } as never)).toThrow('Did you mean "padTokenId"?');
});
