import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { data, nn, torch } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { wordPieceOf } from "./language/tokenizers.js";

// What is easily done wrongly with data: each is an error that says what to do.

const language = fileURLToPath(new URL("../fixtures/language", import.meta.url));
const set = new data.TensorDataset(torch.arange(30).reshape([10, 3]), torch.zeros([10], { dtype: "int64" }));
const pass = async (loader: AsyncIterable<unknown>) => {
  let count = 0;
  for await (const _batch of loader) count++;
  return count;
};

/** The error of what is called, which may be a promise's. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("There was no error.");
}

function folderWith(name: string, content: string): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, name), content);
  return folder;
}
function folderAround(name: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, name));
  return folder;
}
const glue = (options: object) => data.glue("mrpc", { folder: join(language, "glue"), ...options });

type Case = [what: string, call: () => unknown, code: string, message: RegExp];

describe("sets", () => {
  test.each<Case>([
    ["a folder that is not there", () => data.glue("mrpc", { folder: "/nowhere" }), "IO", /^Expected train\.tsv .* of GLUE's MRPC in one of these folders but found none:\n {2}\/nowhere\n/],
    ["a file in place of the folder", () => data.glue("mrpc", { folder: join(folderWith("train.csv", "text,label\na,1\n"), "train.csv") }), "IO", /of GLUE's MRPC in one of these folders but found none:\n {2}.*train\.csv\n/],
    ["the folder in place of the options", () => data.glue("mrpc", language as never), "ARGUMENT", /^Expected an object for options/],
    ["a task's name in capitals", () => data.glue("MRPC" as never), "ARGUMENT", /Did you mean "mrpc"\?$/],
    ["a split by another library's name", () => glue({ split: "dev" }), "ARGUMENT", /^Expected one of train, validation, test for split but received "dev" of type string\. Did you mean "validation"\?$/],
    ["and another", () => glue({ split: "val" }), "ARGUMENT", /Did you mean "validation"\?$/],
    ["a misspelled split", () => glue({ split: "tran" }), "ARGUMENT", /Did you mean "train"\?$/],
    ["MNLI's validation set, of which there are two", () => data.glue("mnli", { folder: join(language, "glue"), split: "validation" }), "ARGUMENT", /Did you mean "validation_matched"\?$/],
    ["a split that SQuAD has not", () => data.squad({ split: "test" as never }), "ARGUMENT", /^Expected one of train, validation for split but received "test"/],
    ["SQuAD's version as a number", () => data.squad({ version: 2 as never }), "ARGUMENT", /^Expected "1\.1" or "2\.0" for version/],
    ["a column that is not there", () => data.readRows(join(language, "hub/cola/train-00000-of-00001.parquet"), { columns: ["text"] }), "FORMAT", /^Expected the column "text" in /],
    ["a file without labels", () => data.glue("sst2", { folder: folderWith("train.tsv", "sentence\nfine .\n") }), "FORMAT", /label/],
    ["a label out of range", () => data.glue("sst2", { folder: folderWith("train.tsv", "sentence\tlabel\nfine .\t2\n") }), "FORMAT", /label.* received "2"/],
    ["labels that no class has", () => nn.functional.crossEntropy(torch.zeros([2, 3]), torch.tensor([0, 5], { dtype: "int64" })), "OPERATOR", /^Target 5 is out of bounds/],
    ["items without labels", () => data.fractionPerClass([{ text: "a" }], { fraction: 0.5 }), "ARGUMENT", /Say where it is with `labels`\.$/],
    ["a folder of classes that is empty", () => data.imageFolder(temporaryFolder()), "FORMAT", /^Expected a folder for each class in .* but found none\.$/],
    ["one that has no images", () => data.imageFolder(folderAround("cats")), "FORMAT", /^Expected an image \(\.jpg, .*\) in .*cats but found none\.$/],
    ["a tokenizer's name in place of its folder", () => data.tokenizer("bert-base-uncased"), "IO", /^Expected tokenizer\.json in bert-base-uncased but received no such file\. Python's `tokenizer\.save_pretrained\(folder\)`/],
    ["a folder without a tokenizer", () => data.tokenizer(temporaryFolder()), "IO", /^Expected tokenizer\.json in /],
    ["tensors of different lengths", () => new data.TensorDataset(torch.zeros([3]), torch.zeros([4])), "ARGUMENT", /^Expected tensors of the same length for a TensorDataset but received lengths of 3 and 4\.$/],
    ["no tensors", () => new data.TensorDataset(...([] as never as [ReturnType<typeof torch.zeros>])), "ARGUMENT", /^Expected one or more tensors for a TensorDataset/],
  ])("%s", async (_, call, code, message) => {
    expect(await errorOf(call)).toMatchObject({ name: "SteppeError", code, message: expect.stringMatching(message) });
  });
});

describe("text", () => {
  const boolq = async () => (await data.superGlue("boolq", { folder: join(language, "super_glue") })).examples;
  const cb = data.textToText("superglue/cb");
  const premise = { premise: "It rains.", hypothesis: "It is wet.", label: 0, idx: 0 };
  const tokenizer = () => wordPieceOf(["it rains . is wet"]);
  test.each<Case>([
    ["a task without its benchmark", () => data.textToText("cb" as never), "ARGUMENT", /Did you mean "superglue\/cb"\?$/],
    ["a misspelled task", () => data.textToText("glue/mnil" as never), "ARGUMENT", /Did you mean "glue\/mnli"\?$/],
    ["examples of another set", async () => cb.pairs((await boolq()) as never), "ARGUMENT", /^Expected a text under hypothesis, as examples of superglue\/cb have it, for examples\[0\]/],
    ["to train on", async () => cb.trainingPairs((await boolq()) as never), "ARGUMENT", /^Expected a text under hypothesis/],
    ["no examples", () => cb.trainingPairs(undefined as never), "ARGUMENT", /^Expected an array of examples for examples but received nothing/],
    ["a hole among them", () => data.textToText("superglue/record").pairs([null] as never), "ARGUMENT", /^Expected a text under query, .* for examples\[0\] but received null/],
    ["a label that is none of the set's", () => cb.pairs([{ ...premise, label: 3 }]), "ARGUMENT", /^Expected a label from 0 to 2, or -1 for none, for label of an example of cb but received 3/],
    ["examples of another set for an encoder", async () => data.classifierBatch(await tokenizer(), "superglue/multirc")((await boolq()) as never), "ARGUMENT", /^Expected a text under answer, as examples of superglue\/multirc/],
    ["a set that an encoder does not classify", async () => data.classifierBatch(await tokenizer(), "boolq" as never), "ARGUMENT", /Did you mean "superglue\/boolq"\?$/],
    ["examples in place of pairs", async () => data.textToTextBatch(await tokenizer())([premise] as never), "ARGUMENT", /^Expected what data\.textToText\(name\)\.pairs\(examples\) gives for pairs\[0\]/],
    ["a list of texts to encode", async () => (await tokenizer()).encode(["it", "rains"] as never), "ARGUMENT", /^Expected a string for text but received an array of 2/],
    ["an option by Python's name", async () => (await tokenizer()).encode("it", { max_length: 5 } as never), "ARGUMENT", /Did you mean "maxLength"\?$/],
    ["a token that is none", async () => (await tokenizer()).decode([1e6]), "ARGUMENT", /^Expected a token's number for ids but received 1000000/],
  ])("%s", async (_, call, code, message) => {
    expect(await errorOf(call)).toMatchObject({ name: "SteppeError", code, message: expect.stringMatching(message) });
  });

  test("what is not known is not asked for: examples without labels", () => {
    const { label: _label, ...unlabelled } = premise;
    expect(cb.pairs([unlabelled as never])[0]).toMatchObject({ inputs: "cb hypothesis: It is wet. premise: It rains.", targets: "<unk>" });
  });
});

describe("loaders", () => {
  const load = (options: object, from: unknown = set) => data.loader(from as never, { batchSize: 2, ...options });
  test.each<Case>([
    ["batchSize 0", () => load({ batchSize: 0 }), "ARGUMENT", /^Expected a positive integer for batchSize but received 0/],
    ["no batchSize", () => data.loader(set, undefined as never), "ARGUMENT", /^Expected an object with batchSize for options/],
    ["an option by PyTorch's name", () => load({ batch_size: 2 }), "ARGUMENT", /Did you mean "batchSize"\?$/],
    ["training and test set at once", async () => load({}, await data.digits()), "ARGUMENT", /^Expected a data set or an array for dataset .*\. Give one of its parts, such as train\.$/],
    ["a task's set in place of its examples", async () => load({}, await glue({})), "ARGUMENT", /Give its examples\.$/],
    ["a set that is not awaited", () => load({}, glue({})), "ARGUMENT", /Await it\.$/],
    ["a tensor", () => load({}, torch.zeros([4, 2])), "ARGUMENT", /Give new data\.TensorDataset\(tensor, …\)\.$/],
    ["no items", () => load({}, []), "ARGUMENT", /^Expected at least one sample for dataset/],
    ["a sampler for a larger set", () => pass(load({ sampler: new data.RandomSampler(20) })), "ARGUMENT", /^Expected samples' numbers from 0 to 9 for sampler\.order but received 1\d /],
    ["weights for another set", () => load({ sampler: new data.WeightedRandomSampler([1, 2, 3]) }), "ARGUMENT", /^Expected a sampler for 10 samples, as many as the data set has, but received one for 3\.$/],
    ["labels of another set", () => load({ sampler: new data.BalancedSampler([0, 1]) }), "ARGUMENT", /^Expected a sampler for 10 samples/],
    ["lengths of another set", () => load({ sampler: new data.BucketSampler([5, 3, 9], { batchSize: 2 }) }), "ARGUMENT", /^Expected a sampler for 10 samples/],
    ["a share of another set", () => load({ sampler: new data.DistributedSampler(11, { numReplicas: 2, rank: 0 }) }), "ARGUMENT", /^Expected a sampler for 10 samples/],
    ["an array in place of a sampler", () => load({ sampler: [0, 1] }), "ARGUMENT", /^Expected a sampler for sampler but received an array of 2/],
    ["a sampler that is to be shuffled", () => load({ shuffle: true, sampler: new data.RandomSampler(10) }), "ARGUMENT", /The sampler decides the order\.$/],
    ["a device to pin for", () => load({ pin: "cuda" }), "ARGUMENT", /^Expected true or false for pin/],
    ["ragged items", () => pass(load({ collate: (items: number[][]) => torch.tensor(items) }, [[1, 2], [3]])), "ARGUMENT", /^Expected an array of 2 for data\[1\], as its siblings are, but received an array of 1/],
    ["a collate that forgets to return", () => pass(load({ collate: () => {} }, [1, 2])), "ARGUMENT", /^Expected a batch for what collate returns but received nothing/],
    ["a state from further on than a pass", () => load({}).loadStateDict({ epoch: 0, batch: 100 }), "ARGUMENT", /^Expected an integer from 0 to 5 for state\.batch/],
    ["nothing for a state", () => load({}).loadStateDict(undefined as never), "ARGUMENT", /for state/],
  ])("%s", async (_, call, code, message) => {
    expect(await errorOf(call)).toMatchObject({ name: "SteppeError", code, message: expect.stringMatching(message) });
  });

  test("what looks wrong and is not: a pass broken off, two at a time, a shorter sampler", async () => {
    const loader = data.loader(set, { batchSize: 2 });
    for await (const _ of loader) break;
    expect(await Promise.all([pass(loader), pass(loader)])).toEqual([5, 5]);
    expect(await pass(data.loader(set, { batchSize: 2, sampler: new data.SequentialSampler(4) }))).toBe(2);
    expect(await pass(data.loader(set, { batchSize: 2, sampler: new data.WeightedRandomSampler(Array(10).fill(1), { numSamples: 30 }) }))).toBe(15);
  });
});
