import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

const { rnn } = nn.utils;
const sequences = [[1, 2], [3, 4, 5, 6], [7]].map((values) => torch.tensor(values, { dtype: "float32" }));

describe("packed sequences", () => {
  test("hold all first steps, then all second steps, ...", () => {
    const packed = rnn.packSequence(sequences, false);
    expect(packed.data.toArray()).toEqual([3, 1, 7, 4, 2, 5, 6]);
    expect(packed.batchSizes.toArray()).toEqual([3, 2, 1, 1]);
    expect(packed.sortedIndices!.toArray()).toEqual([1, 0, 2]);
    expect(packed.unsortedIndices!.toArray()).toEqual([1, 0, 2]);
    expect(packed.lengths).toEqual([2, 4, 1]);
    const { data, batchSizes, sortedIndices, unsortedIndices } = packed;
    expect(new rnn.PackedSequence(data, batchSizes, sortedIndices, unsortedIndices).lengths).toEqual([2, 4, 1]);
    expect(new rnn.PackedSequence(data, batchSizes).lengths).toEqual([4, 2, 1]);
  });

  test("come back padded, with their lengths, in their order", () => {
    const [padded, lengths] = rnn.padPackedSequence(rnn.packSequence(sequences, false), { batchFirst: true, paddingValue: -1, totalLength: 5 });
    expect(padded.toArray()).toEqual([[1, 2, -1, -1, -1], [3, 4, 5, 6, -1], [7, -1, -1, -1, -1]]);
    expect(lengths.toArray()).toEqual([2, 4, 1]);
    expect(rnn.unpackSequence(rnn.packSequence(sequences, false)).map((t) => t.toArray())).toEqual([[1, 2], [3, 4, 5, 6], [7]]);
  });

  test("sequences are padded at either end", () => {
    expect(rnn.padSequence(sequences.slice(0, 2)).toArray()).toEqual([[1, 3], [2, 4], [0, 5], [0, 6]]);
    expect(rnn.padSequence(sequences.slice(0, 2), true, 9, "left").toArray()).toEqual([[9, 9, 1, 2], [3, 4, 5, 6]]);
    expect(rnn.unpadSequence(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 2], { dtype: "int64" }), true).map((t) => t.toArray())).toEqual([[1], [3, 4]]);
  });

  test("what does not fit is refused", () => {
    const x = torch.zeros([4, 3, 2]);
    expect(() => rnn.packPaddedSequence(x, [1, 2, 3])).toThrow("Expected decreasing numbers for lengths of nn.utils.rnn.packPaddedSequence but received an array of 3. Or pass { enforceSorted: false }.");
    expect(() => rnn.packPaddedSequence(x, [4, 3])).toThrow("Expected 3 numbers, one per sequence, for lengths");
    expect(() => rnn.packPaddedSequence(x, [5, 3, 1])).toThrow("Expected numbers from 1 to 4 for lengths of nn.utils.rnn.packPaddedSequence but received 5 of type number.");
    expect(() => rnn.packPaddedSequence(x, [4, 3, 0])).toThrow("Expected numbers from 1 to 4");
    expect(() => rnn.packPaddedSequence(x, [4, 3, 0.5])).toThrow("Expected an array of integers or an int64 tensor [batch]");
    expect(() => rnn.padPackedSequence(rnn.packPaddedSequence(x, [3, 2, 1]), { totalLength: 2 })).toThrow("Expected at least 3, the longest sequence, for totalLength");
    expect(() => rnn.packSequence([])).toThrow("Expected an array of tensors for sequences of nn.utils.rnn.packSequence but received an array of 0.");
    expect(() => new nn.GRU(3, 4).forward(rnn.packPaddedSequence(x, [3, 2, 1]))).toThrow("Expected 2 dimensions, the last 3 for the input of nn.GRU");
    expect(() => new nn.GRU(2, 4).forward(rnn.packPaddedSequence(x, [3, 2, 1]), torch.zeros([1, 2, 4]))).toThrow("Expected shape [1, 3, 4] for the hidden state of nn.GRU");
  });

  test("a compiled step takes lengths as numbers, a program for each, and refuses them as a tensor", () => {
    const layer = new nn.GRU(2, 3);
    const optimizer = optim.create(layer, { method: "none", base: { name: "sgd", lr: 0.1 } });
    const loss = (x: Tensor, lengths: readonly number[] | Tensor) => layer.forward(rnn.packPaddedSequence(x, lengths))[0].data.square().sum();
    const x = torch.randn([4, 3, 2]);
    const step = optimizer.compile(loss);
    for (const lengths of [[4, 3, 1], [4, 4, 2]]) {
      const before = loss(x, lengths).item() as number;
      expect(step.sync(x, lengths).loss).toBeCloseTo(before, 5);
    }
    expect(step.programs.length).toBe(2);
    expect(() => optimizer.compile(loss).sync(x, torch.tensor([4, 3, 1], { dtype: "int64" }))).toThrow("toArray() was called in it, which reads values");
  });
});
