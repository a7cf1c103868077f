import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { io, models, torch } from "../../lib/index.js";
import type { Tensor, nn } from "../../lib/index.js";
import { hasLibraries, librariesPath, pack, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { expectClose, folderOfFile } from "./parity.js";
import { paddedBatch } from "./texts.js";

// Fresh models of every class, saved here, in Hugging Face's classes; and what loading makes of files of other models.

const encoder = { vocabSize: 50, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 24, maxPositionEmbeddings: 16 };
const distilled = { vocabSize: 50, dim: 16, nLayers: 1, nHeads: 2, hiddenDim: 24, maxPositionEmbeddings: 16 };
const decoder = { vocabSize: 50, nEmbd: 16, nLayer: 1, nHead: 2, nPositions: 16, eosTokenId: 49, padTokenId: 0 };
const both = { vocabSize: 50, dModel: 16, dKv: 4, dFf: 24, numLayers: 1, numHeads: 2 };
const five = { ...encoder, numLabels: 5 };

const patches = { hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 24, imageSize: 16, patchSize: 8 };
const stages = { embeddingSize: 4, hiddenSizes: [8, 12], depths: [1, 2] };

const made: Record<string, () => models.PretrainedModel> = {
  BertModel: () => new models.BertModel(encoder),
  BertForSequenceClassification: () => new models.BertForSequenceClassification({ ...five, id2label: { 0: "a", 1: "b", 2: "c", 3: "d", 4: "e" } }),
  BertForTokenClassification: () => new models.BertForTokenClassification(five),
  BertForQuestionAnswering: () => new models.BertForQuestionAnswering(encoder),
  BertForMaskedLM: () => new models.BertForMaskedLM(encoder),
  RobertaModel: () => new models.RobertaModel(encoder),
  RobertaForSequenceClassification: () => new models.RobertaForSequenceClassification(five),
  RobertaForMaskedLM: () => new models.RobertaForMaskedLM(encoder),
  DistilBertModel: () => new models.DistilBertModel({ ...distilled, sinusoidalPosEmbds: true }),
  DistilBertForSequenceClassification: () => new models.DistilBertForSequenceClassification({ ...distilled, numLabels: 5 }),
  DistilBertForMaskedLM: () => new models.DistilBertForMaskedLM(distilled),
  GPT2Model: () => new models.GPT2Model(decoder),
  GPT2LMHeadModel: () => new models.GPT2LMHeadModel(decoder),
  GPT2ForSequenceClassification: () => new models.GPT2ForSequenceClassification({ ...decoder, numLabels: 5 }),
  T5Model: () => new models.T5Model(both),
  T5EncoderModel: () => new models.T5EncoderModel(both),
  T5ForConditionalGeneration: () => new models.T5ForConditionalGeneration(both),
  MT5ForConditionalGeneration: () => new models.MT5ForConditionalGeneration({ ...both, decoderStartTokenId: 0 }),
  ViTModel: () => new models.ViTModel(patches),
  ViTForImageClassification: () => new models.ViTForImageClassification({ ...patches, imageSize: [16, 24], numLabels: 5 }),
  ResNetModel: () => new models.ResNetModel(stages),
  ResNetForImageClassification: () => new models.ResNetForImageClassification({ ...stages, layerType: "basic", numLabels: 5 }),
};

const { inputIds, attentionMask } = paddedBatch(1);
const read = { inputIds, attentionMask };
const imagesOf = (name: string) => torch.arange(2 * 3 * 16 * 24, { dtype: "float32" }).sin().reshape([2, 3, 16, 24]).narrow(3, 0, name === "ViTModel" ? 16 : 24);
const inputsOf = (name: string) => {
  if (/ViT|ResNet/.test(name)) return { pixelValues: imagesOf(name) };
  return /Conditional|^T5Model/.test(name) ? { ...read, decoderInputIds: inputIds } : read;
};
/** What a model of any class makes of the batch. */
function resultOf(model: models.PretrainedModel, name: string): Tensor {
  const { forward } = model as unknown as { forward(inputs: object): { logits?: Tensor; startLogits?: Tensor; lastHiddenState?: Tensor } };
  const output = forward.call(model, inputsOf(name));
  return (output.logits ?? output.startLogits ?? output.lastHiddenState)!;
}

const available = hasLibraries("transformers", "safetensors");
const title = available ? "transformers" : "skipped: no Python with transformers and safetensors";

describe.runIf(available)(`models saved here in Hugging Face's classes (${title})`, () => {
  const folder = folderOfFile();
  const fresh = new Map<string, models.PretrainedModel>();
  let references: Record<string, { result: Packed; labels: string[] }> = {};

  beforeAll(() => {
    torch.manualSeed(0);
    for (const [name, make] of Object.entries(made)) {
      const model = make().eval();
      fresh.set(name, model);
      model.savePretrained(join(folder, name));
    }
    const images = Object.fromEntries(Object.keys(made).filter((name) => /ViT|ResNet/.test(name)).map((name) => [name, pack(imagesOf(name))]));
    references = runPython(
      `${librariesPath}
import os, transformers
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
ids, mask = unpack(inputs["ids"]), unpack(inputs["mask"])
outputs = {}
for name in inputs["names"]:
    model, info = getattr(transformers, name).from_pretrained(os.path.join(inputs["folder"], name), output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], (name, info)
    given = {"input_ids": ids, "attention_mask": mask}
    if "Conditional" in name or name == "T5Model": given["decoder_input_ids"] = ids
    if name in inputs["images"]: given = {"pixel_values": unpack(inputs["images"][name])}
    out = model.eval()(**given)
    result = next(out[key] for key in ("logits", "start_logits", "last_hidden_state") if key in out)
    outputs[name] = {"result": pack(result), "labels": list(model.config.id2label.values())}
`,
      { folder, names: Object.keys(made), ids: pack(inputIds), mask: pack(attentionMask), images },
    );
  });

  test.each(Object.keys(made))("%s", (name) => {
    expectClose(resultOf(fresh.get(name)!, name), unpack(references[name]!.result), 1e-5, name);
  });

  test("the names of the classes", () => {
    expect(references.BertForSequenceClassification!.labels).toEqual(["a", "b", "c", "d", "e"]);
    expect(references.BertForTokenClassification!.labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"]);
  });
});

describe("folders", () => {
  const folder = folderOfFile();
  const saved = (name: string): string => {
    const path = join(folder, name);
    made[name]!().savePretrained(path);
    return path;
  };

  test.each(Object.keys(made))("%s comes back as it was, with no architecture asked for", async (name) => {
    const model = made[name]!().eval();
    const path = join(folder, `again-${name}`);
    model.savePretrained(path);
    const again = await models.fromPretrained(path);
    expect(again.constructor.name).toBe(name);
    expect(again.training).toBe(false);
    expect(Reflect.get(again, "options")).toEqual(Reflect.get(model, "options"));
    expectClose(resultOf(again, name), resultOf(model, name), 1e-12, name);
  });

  test("a head on a base model's files: the head is missing, and random with strict: false", async () => {
    const path = saved("BertModel");
    const asked = { architecture: "BertForSequenceClassification", config: { num_labels: 7 } } as const;
    await expect(models.fromPretrained(path, asked)).rejects.toThrow('missing: "classifier.weight", "classifier.bias"');
    let missing: string[] = [];
    const model = await models.fromPretrained(path, { ...asked, strict: false, report: ({ missingKeys }) => (missing = missingKeys) });
    expect(missing).toEqual(["classifier.weight", "classifier.bias"]);
    expect(model.forward(read).logits.shape).toEqual([3, 7]);
    const base = await models.fromPretrained(path, { architecture: "BertModel" });
    expectClose(model.bert.forward(read).lastHiddenState, base.forward(read).lastHiddenState, 1e-12, "states");
  });

  test("a base model in the files of a model with a head needs strict: false, a pooler is passed over", async () => {
    const path = saved("BertForMaskedLM");
    await expect(models.fromPretrained(path, { architecture: "BertModel" })).rejects.toThrow("cls.predictions.bias");
    const spans = await models.fromPretrained(saved("BertModel"), { architecture: "BertForQuestionAnswering", strict: false });
    expect(spans.bert.pooler).toBeNull();
  });

  test("a head of its own in mT5's files is kept apart, whatever the file says of tying", async () => {
    const path = join(folder, "untied");
    const model = new models.MT5ForConditionalGeneration({ ...both, tieWordEmbeddings: false }).eval();
    model.savePretrained(path);
    const config = JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as object;
    writeFileSync(join(path, "config.json"), JSON.stringify({ ...config, tie_word_embeddings: true }));
    const again = await models.fromPretrained(path, { architecture: "MT5ForConditionalGeneration" });
    expect(again.lm_head.weight).not.toBe(again.shared.weight);
    const inputs = { ...read, decoderInputIds: inputIds };
    expectClose(again.forward(inputs).logits, model.forward(inputs).logits, 1e-12, "logits");
  });

  test("names of older files: gamma and beta, numbers of places", async () => {
    const path = saved("BertForMaskedLM");
    const state = io.loadSafetensors(join(path, "model.safetensors"));
    const old = Object.entries(state).map(([name, tensor]): [string, Tensor] => [name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"), tensor]);
    const older = join(folder, "older");
    mkdirSync(older);
    writeFileSync(join(older, "config.json"), readFileSync(join(path, "config.json")));
    io.saveSafetensors(join(older, "model.safetensors"), { ...Object.fromEntries(old), "bert.embeddings.position_ids": torch.arange(16).unsqueeze(0) });
    const [a, b] = [await models.fromPretrained(path), await models.fromPretrained(older)];
    expectClose(resultOf(b, "BertForMaskedLM"), resultOf(a, "BertForMaskedLM"), 1e-12, "logits");
  });
});

describe("configurations", () => {
  test("options in camelCase, with defaults and derived ones", () => {
    const model = new models.BertForSequenceClassification({ ...encoder, numLabels: 4 });
    expect(model.options).toMatchObject({ hiddenSize: 16, hiddenAct: "gelu", hiddenDropoutProb: 0.1, numLabels: 4, padTokenId: 0, problemType: null });
    expect(model.config).toMatchObject({ model_type: "bert", hidden_size: 16, hidden_act: "gelu", id2label: { 0: "LABEL_0", 3: "LABEL_3" } });
  });

  test("a file's content: other keys are passed over, labels are counted", () => {
    const file = { model_type: "bert", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, transformers_version: "5.0", torch_dtype: "float32", id2label: { 0: "no", 1: "yes", 2: "so" } };
    const model = new models.BertForSequenceClassification(file);
    expect(model.options).toMatchObject({ hiddenSize: 16, numLabels: 3, vocabSize: 30522, id2label: { 2: "so" } });
    expect(model.config).toBe(file);
    expect(new models.BertForSequenceClassification({ ...file, num_labels: 5 }).options.numLabels).toBe(5);
  });

  const refused: [string, () => unknown, RegExp][] = [
    ["a misspelled option", () => new models.BertModel({ hiddenSiz: 16 } as never), /"hiddenSiz".*Did you mean "hiddenSize"/],
    ["snake_case in code", () => new models.T5ForConditionalGeneration({ d_model: 16 } as never), /"d_model".*Did you mean "dModel"/],
    ["a wrong type", () => new models.GPT2Model({ nLayer: "2" } as never), /a positive integer for nLayer/],
    ["a wrong type in a file", () => new models.BertModel({ model_type: "bert", hidden_size: "wide" }), /a positive integer for hiddenSize/],
    ["heads that do not divide the width", () => new models.BertModel({ ...encoder, numAttentionHeads: 3 }), /a divisor of hiddenSize \(16\)/],
    ["an unknown activation", () => new models.BertModel({ ...encoder, hiddenAct: "gelo" }), /for hiddenAct but received "gelo".*Did you mean "gelu"/],
    ["relative positions", () => new models.BertModel({ model_type: "bert", position_embedding_type: "relative_key" }), /"absolute"/],
    ["a decoder", () => new models.BertModel({ model_type: "bert", is_decoder: true }), /only BERT's encoder is here/],
    ["no object", () => new models.BertModel(3 as never), /Expected an object for the configuration of models.BertModel/],
  ];
  test.each(refused)("%s is refused", (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  });
});

describe("inputs", () => {
  const bert = new models.BertForSequenceClassification(encoder);
  const gpt2 = new models.GPT2LMHeadModel(decoder);
  const t5 = new models.T5ForConditionalGeneration(both);
  const refused: [string, () => unknown, RegExp][] = [
    ["a misspelled name", () => bert.forward({ inputIds, attention_mask: attentionMask } as never), /"attention_mask".*Did you mean "attentionMask"/],
    ["neither tokens nor vectors", () => bert.forward({ attentionMask }), /one of inputIds and inputsEmbeds/],
    ["both tokens and vectors", () => bert.forward({ inputIds, inputsEmbeds: torch.randn([3, 7, 16]) }), /one of inputIds and inputsEmbeds/],
    ["a text without a batch", () => bert.forward({ inputIds: inputIds.select(0, 0) }), /2 dimensions for inputIds/],
    ["a text that is too long", () => bert.forward({ inputIds: torch.ones([1, 17], { dtype: "int64" }) }), /at most 16 tokens \(maxPositionEmbeddings\)/],
    ["a mask of three dimensions", () => bert.forward({ inputIds, attentionMask: torch.ones([3, 7, 7]) }), /2 or 4 dimensions for attentionMask/],
    ["labels of int32", () => bert.forward({ inputIds, labels: torch.tensor([0, 1, 0], { dtype: "int32" }) }), /int64/],
    ["one half of a span", () => new models.BertForQuestionAnswering(encoder).forward({ inputIds, startPositions: torch.tensor([0, 1, 2]) }), /startPositions and endPositions together/],
    ["choices without their dimension", () => new models.BertForMultipleChoice(encoder).forward({ inputIds }), /3 dimensions/],
    ["several sequences of unknown ends", () => new models.GPT2ForSequenceClassification({ ...decoder, padTokenId: null }).forward({ inputIds }), /padTokenId/],
    ["nothing to be written", () => t5.forward({ inputIds }), /labels or decoderInputIds/],
    ["one token to learn from", () => gpt2.forward({ inputIds: inputIds.narrow(1, 0, 1), labels: inputIds.narrow(1, 0, 1) }), /at least 2 tokens/],
  ];
  test.each(refused)("%s is refused", (_, call, message) => {
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  });

  const options: [object, RegExp][] = [
    [{ maxNewToken: 3 }, /"maxNewToken".*Did you mean "maxNewTokens"/],
    [{ maxNewTokens: 0 }, /a positive integer for maxNewTokens/],
    [{ minNewTokens: 30 }, /at most maxNewTokens \(20\)/],
    [{ numReturnSequences: 2 }, /1, without beams and without doSample/],
    [{ numBeams: 2, numReturnSequences: 3 }, /at most numBeams \(2\)/],
    [{ doSample: true, temperature: 0 }, /a positive number for temperature/],
    [{ topP: 1.5 }, /a probability/],
    [{ earlyStopping: "always" }, /"never"/],
    [{ eosTokenId: "end" }, /a token or an array of tokens/],
  ];
  test.each(options)("generate refuses %j", async (given, message) => {
    await expect(t5.generate({ inputIds }, given)).rejects.toThrow(message);
    await expect(gpt2.generate({ inputIds }, given)).rejects.toThrow(message);
  });

  test("a query that sees nothing gives no NaN", () => {
    const nothing = torch.zeros([3, 7], { dtype: "int64" });
    const { logits, loss } = bert.forward({ inputIds, attentionMask: nothing, labels: torch.tensor([0, 1, 0]) });
    loss.backward();
    expect(logits.isfinite().all().item()).toBe(true);
    expect((bert as nn.Module).parameters().every(({ grad }) => grad === null || grad.isfinite().all().item() === true)).toBe(true);
  });
});
