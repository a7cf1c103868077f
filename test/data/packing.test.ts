import { describe, expect, test } from "vitest";
import { data, models, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { hasLibraries, needsPython, python, runPython } from "../support/python.js";

const documents = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10, 11, 12, 13, 14], [15]];
const all = (packed: data.Dataset<data.PackedBatch>) => packed.batch(torch.arange(packed.length, { dtype: "int64" })) as data.PackedBatch;
const values = (tensor: Tensor) => tensor.toArray();

test("blocks: over borders of documents, the rest left out", () => {
  const [inputIds, labels] = data.blocks(documents, 4).tensors;
  expect(values(inputIds)).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]);
  expect(values(labels)).toEqual(values(inputIds));
  expect(inputIds.dtype).toBe("int64");
  expect(values(data.blocks(torch.arange(7, { dtype: "int64" }), 3).tensors[0])).toEqual([[0, 1, 2], [3, 4, 5]]);
});

test("isolate: the next document begins where the last ended, and a long one goes on in the next block", () => {
  const packed = data.packDocuments(documents, { blockSize: 4, padTokenId: 99 });
  const [inputIds, attentionMask, positionIds, labels] = all(packed);
  expect(values(inputIds)).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 99]]);
  expect(values(positionIds)).toEqual([[0, 1, 2, 3], [0, 0, 1, 0], [0, 1, 2, 3], [0, 1, 0, 0]]);
  expect(values(labels)).toEqual([[-100, 2, 3, 4], [-100, -100, 7, -100], [-100, 10, 11, 12], [-100, 14, -100, -100]]);
  expect([attentionMask.shape, attentionMask.dtype]).toEqual([[4, 1, 4, 4], "bool"]);
  const [x, o] = [true, false];
  expect(values(attentionMask.select(1, 0).select(0, 1))).toEqual([[x, o, o, o], [o, x, o, o], [o, x, x, o], [o, o, o, x]]);
  expect(values(attentionMask.select(1, 0).select(0, 3))).toEqual([[x, o, o, o], [x, x, o, o], [o, o, x, o], [o, o, o, x]]);
});

test("pad: one document a block, or a piece of one", () => {
  const [inputIds, attentionMask, positionIds, labels] = all(data.packDocuments(documents, { blockSize: 4, borders: "pad" }));
  expect(values(inputIds)).toEqual([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0], [8, 9, 10, 11], [12, 13, 14, 0], [15, 0, 0, 0]]);
  expect(values(attentionMask)).toEqual([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]]);
  expect(values(positionIds)).toEqual([[0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 2, 3], [0, 1, 2, 0], [0, 0, 0, 0]]);
  expect(values(labels)).toEqual([[-100, 2, 3, 4], [-100, -100, -100, -100], [-100, 7, -100, -100], [-100, 9, 10, 11], [-100, 13, 14, -100], [-100, -100, -100, -100]]);
});

test("a model makes of a packed document what it makes of the document alone", () => {
  torch.manualSeed(1);
  const model = new models.GPT2LMHeadModel({ vocabSize: 20, nPositions: 16, nEmbd: 16, nLayer: 2, nHead: 2 }).eval();
  const [inputIds, attentionMask, positionIds, labels] = all(data.packDocuments(documents, { blockSize: 16 }));
  torch.noGrad(() => {
    const { logits, loss } = model.forward({ inputIds, attentionMask, positionIds, labels });
    let [at, sum, count] = [0, 0, 0];
    for (const document of documents) {
      const ids = torch.tensor([document], { dtype: "int64" });
      const alone = model.forward({ inputIds: ids });
      expect(Number(alone.logits.sub(logits.narrow(1, at, document.length)).abs().max().item())).toBeLessThan(1e-5);
      if (document.length > 1) sum += (document.length - 1) * Number(model.forward({ inputIds: ids, labels: ids }).loss!.item());
      at += document.length;
      count += document.length - 1;
    }
    expect(Number(loss!.item())).toBeCloseTo(sum / count, 5);
  });
});

describe.skipIf(python === null || !hasLibraries("transformers"))(`beside Hugging Face's DataCollatorWithFlattening (${needsPython}, transformers)`, () => {
  test("the same tokens, positions and labels", { timeout: 120_000 }, () => {
    const script = `
from transformers import DataCollatorWithFlattening
batch = DataCollatorWithFlattening()([{"input_ids": ids} for ids in inputs])
outputs = [batch[name].tolist() for name in ("input_ids", "position_ids", "labels")]
`;
    const [inputIds, , positionIds, labels] = all(data.packDocuments(documents, { blockSize: documents.flat().length }));
    expect([inputIds, positionIds, labels].map(values)).toEqual(runPython(script, documents));
  });
});

test("packed documents in a loader, shuffled the same way each time", () => {
  const packed = data.packDocuments(documents, { blockSize: 4 });
  const pass = () => [...data.loader(packed, { batchSize: 3, shuffle: true, seed: 4 })].map(([ids]) => values(ids));
  expect(pass()).toEqual(pass());
  expect(pass().flat().length).toBe(4);
});

test("wrong arguments", () => {
  expect(() => data.blocks(documents, 16)).toThrow("Expected at least 16 tokens for ids but received 15");
  expect(() => data.blocks([], 4)).toThrow("an array of documents");
  expect(() => data.packDocuments([[1], []], { blockSize: 4 })).toThrow("documents[1]");
  expect(() => data.packDocuments([[1, -1]], { blockSize: 4 })).toThrow("non-negative integers");
  expect(() => data.packDocuments([[1]], { blockSize: 1 })).toThrow("an integer of at least 2 for blockSize");
  expect(() => data.packDocuments([[1]], { blockSize: 4, borders: "cross" as never })).toThrow('"isolate" or "pad"');
});
