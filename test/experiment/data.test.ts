import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { data, io, models, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { build } from "../../lib/experiment/build.js";
import type { Config } from "../../lib/experiment/config.js";
import { checkConfig } from "../../lib/experiment/check.js";
import { trainConfig } from "../../lib/experiment/run.js";
import { temporaryFolder } from "../support/folder.js";

torch.setNumThreads(1);

const sgd = { method: "sam", rho: 0.05, base: { name: "adam", lr: 0.02 } } as const;

/** A configuration that stands in a folder, checked. */
const loaded = (folder: string, config: Config) => ({ config: checkConfig(config, "x.json"), folder, path: null, name: "x" });

/** Trains in the folder and gives the last record. */
async function last(folder: string, config: Config) {
  const { end, final } = await trainConfig(loaded(folder, config), { folder: join(folder, "run") });
  expect(end).toBe("finished");
  return final!;
}

/** Vectors in the plane, class by class apart from one another. */
function points(n: number, classes: number, seed: number): { x: Tensor; y: Tensor } {
  const generator = new torch.Generator().manualSeed(seed);
  const y = torch.arange(n, { dtype: "int64" }).remainder(classes) as Tensor;
  const centres = torch.randn([classes, 4], { generator: new torch.Generator().manualSeed(0) }).mul(4);
  return { x: centres.indexSelect(0, y).add(torch.randn([n, 4], { generator })), y };
}

describe("safetensors", () => {
  test("classes: parts, noise and fractions as the library makes them; validation is clean", async () => {
    const folder = temporaryFolder();
    const { x, y } = points(200, 4, 1);
    io.saveSafetensors(join(folder, "train.safetensors"), { x, y: y.to("int32") });
    const test_ = points(40, 4, 2);
    io.saveSafetensors(join(folder, "test.safetensors"), test_);
    const config: Config = {
      data: { name: "safetensors", train: "train.safetensors", test: "test.safetensors", validationShare: 0.25, fraction: 0.5, labelNoise: 0.2, seed: 3 },
      model: { name: "MLP", hidden: [16] },
      optimizer: sgd,
      epochs: 8,
      batchSize: 16,
    };
    const { data: made, model } = await build(loaded(folder, config));
    expect((model as models.MLP).config).toMatchObject({ num_classes: 4, model_args: { in_features: 4 } });
    const [rest, split] = data.randomSplit(new data.TensorDataset(x, y), [0.75, 0.25], { seed: 3 }) as [data.TensorDataset<[Tensor, Tensor]>, data.TensorDataset<[Tensor, Tensor]>];
    const noisy = data.labelNoise(data.fractionPerClass(rest, { fraction: 0.5, seed: 3 }), { rate: 0.2, classes: 4, seed: 3 });
    const labels = (set: unknown) => (set as { dataset: data.TensorDataset<[Tensor, Tensor]> }).dataset.tensors[1].toArray();
    expect(labels(made.train)).toEqual(noisy.tensors[1].toArray());
    expect(labels(made.validation)).toEqual(split.tensors[1].toArray());
    expect(labels(made.test)).toEqual(test_.y.toArray());
    expect((await last(folder, config))["accuracy"]).toBeGreaterThan(0.8);
  });

  test("numbers: mean squared error by default", async () => {
    const folder = temporaryFolder();
    const { x } = points(120, 3, 1);
    io.saveSafetensors(join(folder, "train.safetensors"), { inputs: x, sums: x.sum([1]) });
    const config: Config = {
      data: { name: "safetensors", train: "train.safetensors", inputs: "inputs", targets: "sums", validationShare: 0.2 },
      model: { name: "MLP", hidden: [], numClasses: 1 },
      optimizer: { ...sgd, rho: 0, base: { name: "adam", lr: 0.1 } },
      metrics: ["pearson"],
      predict: (model: models.MLP, inputs: Tensor) => model.forward(inputs).squeeze(1),
      epochs: 50,
      batchSize: 16,
    };
    const { pearson, validationLoss } = await last(folder, config);
    expect(pearson).toBeGreaterThan(0.99);
    expect(validationLoss).toBeLessThan(2);
  });

  test("a tensor that is not there, and options that the targets rule out", async () => {
    const folder = temporaryFolder();
    const { x } = points(20, 2, 1);
    io.saveSafetensors(join(folder, "a.safetensors"), { x, z: x });
    const config: Config = { data: { name: "safetensors", train: "a.safetensors" }, model: { name: "MLP" }, optimizer: sgd, epochs: 1 };
    await expect(build(loaded(folder, config))).rejects.toThrow(/Expected a tensor "y" in .*a\.safetensors but received x, z\./);
    const numbers: Config = { ...config, data: { name: "safetensors", train: "a.safetensors", targets: "z", labelNoise: 0.1 } };
    await expect(build(loaded(folder, numbers))).rejects.toThrow("data.labelNoise: expected nothing, as the targets are numbers, not classes.");
    await expect(build(loaded(folder, { ...numbers, data: { name: "safetensors", train: "a.safetensors", targets: "z" } }))).rejects.toThrow("Expected at least batchSize, 64, training samples but received 20.");
  });
});

test("folders of images: two colours are told apart, with wrong labels in training alone", async () => {
  const folder = temporaryFolder();
  for (const part of ["train", "test"]) {
    for (const [colour, [r, g, b]] of Object.entries({ blue: [20, 30, 220], red: [230, 40, 10] })) {
      mkdirSync(join(folder, part, colour), { recursive: true });
      for (let i = 0; i < 12; i++) await sharp({ create: { width: 10 + i, height: 12, channels: 3, background: { r: r! + i, g: g!, b: b! } } }).png().toFile(join(folder, part, colour, `${i}.png`));
    }
  }
  const config: Config = {
    data: { name: "image-folder", train: "train", test: "test", size: 8, labelNoise: 0.1, normalize: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] }, augment: [{ name: "randomHorizontalFlip" }] },
    model: { name: "ConvNet", width: 4 },
    optimizer: sgd,
    epochs: 6,
    batchSize: 8,
  };
  const { data: made, model } = await build(loaded(folder, config));
  expect(model.stateDict()["features.0.weight"]!.shape).toEqual([4, 3, 3, 3]);
  const labels: number[] = [];
  for await (const [, y] of made.train) labels.push(...(y!.toArray() as number[]));
  expect(labels).toHaveLength(24);
  for await (const [, y] of made.test!) expect(y!.toArray()).toEqual([...Array<number>(12).fill(0), ...Array<number>(12).fill(1)]);
  const wrong: number[] = [];
  const set = await data.imageFolder(join(folder, "train"), { size: 8 });
  const trained = await made.train.dataset.batch(torch.arange(24, { dtype: "int64" }) as Tensor);
  (trained[1]!.toArray() as number[]).forEach((label, i) => label !== set.labels[i] && wrong.push(i));
  expect(wrong).toHaveLength(2); // a tenth of 24
  expect((await last(folder, config))["accuracy"]).toBe(1);
});

const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "book", "the", "was", "a"];

/** A tokenizer of words. */
function writeTokenizer(folder: string): void {
  const special = words.slice(0, 5).map((content, id) => ({ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }));
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab: Object.fromEntries(words.map((word, i) => [word, i])) },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ tokenizer_class: "BertTokenizer", pad_token: "[PAD]", model_max_length: 32 }));
}

describe("texts", () => {
  const bert = { name: "BertForSequenceClassification", hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 16, maxPositionEmbeddings: 32, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };

  test("classes by word in CSV and JSON lines, padded to few lengths; fine-tuning from a folder with a new head", async () => {
    const folder = temporaryFolder();
    writeTokenizer(folder);
    const rows = Array.from({ length: 48 }, (_, i) => ({ sentence: `the ${i % 3 === 0 ? "film" : "book"} was ${"a ".repeat(i % 5)}${i % 2 === 0 ? "good" : "bad"}`, mood: i % 2 === 0 ? "well" : "ill" }));
    writeFileSync(join(folder, "train.csv"), `sentence,mood\n${rows.map(({ sentence, mood }) => `${sentence},${mood}`).join("\n")}\n`);
    writeFileSync(join(folder, "dev.jsonl"), rows.slice(0, 10).map((row) => `${JSON.stringify(row)}\n`).join(""));
    const config: Config = {
      data: { name: "text", train: "train.csv", validation: "dev.jsonl", tokenizer: ".", text: "sentence", label: "mood", maxLength: 32, padToMultipleOf: 8 },
      model: bert,
      optimizer: sgd,
      epochs: 20,
      batchSize: 8,
    };
    const { data: made, model, objective } = await build(loaded(folder, config));
    expect((model as models.BertForSequenceClassification).options).toMatchObject({ vocabSize: words.length, numLabels: 2 });
    const [inputIds, attentionMask, tokenTypeIds, labels] = [...made.validation!][0] as [Tensor, Tensor, Tensor, Tensor];
    // Classes are numbered in the order of their names: "ill", "well".
    expect(labels.toArray()).toEqual(rows.slice(0, 10).map(({ mood }) => (mood === "well" ? 1 : 0)));
    expect(inputIds.shape).toEqual([10, 16]);
    expect((inputIds.toArray() as number[][])[1]!.slice(0, 8)).toEqual([2, 9, 8, 10, 11, 6, 3, 0]); // [CLS] the book was a bad [SEP] [PAD]
    const eval_ = model.eval() as models.BertForSequenceClassification;
    expect(objective.predict(inputIds, attentionMask, tokenTypeIds, labels).toArray()).toEqual(eval_.forward({ inputIds, attentionMask, tokenTypeIds }).logits.toArray());
    expect((await last(folder, config))["accuracy"]).toBe(1);

    const saved = join(folder, "pretrained");
    new models.BertModel({ vocabSize: words.length, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 16 }).savePretrained(saved);
    const told: string[] = [];
    const tuned = await build(loaded(folder, { ...config, model: { name: "BertForSequenceClassification", from: "pretrained", hiddenDropoutProb: 0 } }), { tell: (text) => told.push(text) });
    expect((tuned.model as models.BertForSequenceClassification).options).toMatchObject({ numLabels: 2, hiddenDropoutProb: 0 });
    expect(told).toEqual([`Not in ${saved}, and random: classifier.weight, classifier.bias.`]);
    expect(tuned.model.stateDict()["bert.embeddings.word_embeddings.weight"]!.toArray()).toEqual(io.loadSafetensors(join(saved, "model.safetensors"))["embeddings.word_embeddings.weight"]!.toArray());
  });

  test("a column that is not there", async () => {
    const folder = temporaryFolder();
    writeTokenizer(folder);
    writeFileSync(join(folder, "train.csv"), "txt,label\ngood,1\nbad,0\n");
    const config: Config = { data: { name: "text", train: "train.csv", tokenizer: "." }, model: bert, optimizer: sgd, epochs: 1 };
    await expect(build(loaded(folder, config))).rejects.toThrow(/Expected a column "text" in row 1 of .*train\.csv but received txt, label\. Did you mean "txt"\?/);
  });
});

describe("language", () => {
  test.each<[string, Config["model"]]>([
    ["an LSTM, with the loss of its own", { name: "LSTMLanguageModel", embeddingSize: 16, hiddenSize: 16, numLayers: 1, dropout: 0, hiddenDropout: 0, inputDropout: 0, embeddingDropout: 0, weightDropout: 0 }],
    ["GPT-2", { name: "GPT2LMHeadModel", nEmbd: 16, nLayer: 1, nHead: 2, nPositions: 16 }],
  ])("%s, learns to count by characters", async (_, model) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "text.txt"), "abcdefgh".repeat(200));
    const config: Config = { data: { name: "language", train: "text.txt", length: 16, validationShare: 0.2 }, model, optimizer: sgd, epochs: 6, batchSize: 8 };
    const { data: made } = await build(loaded(folder, config));
    const [inputs, targets] = [...made.train][0] as [Tensor, Tensor];
    expect(inputs.shape).toEqual([8, 16]);
    expect(targets.toArray()).toEqual(inputs.add(1).remainder(8).toArray());
    const { perplexity, validationLoss } = await last(folder, config);
    expect(perplexity).toBeLessThan(1.5);
    expect(Math.log(perplexity!)).toBeCloseTo(validationLoss!, 3);
  });

  test("characters that training did not have", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.txt"), "abc".repeat(100));
    writeFileSync(join(folder, "b.txt"), "abd".repeat(100));
    const config: Config = { data: { name: "language", train: "a.txt", validation: "b.txt" }, model: { name: "GPT2LMHeadModel" }, optimizer: sgd, epochs: 1 };
    await expect(build(loaded(folder, config))).rejects.toThrow(/Expected characters of .*a\.txt for .*b\.txt but received "d"/);
  });
});
