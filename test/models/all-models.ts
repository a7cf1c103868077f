import { models, torch } from "../../lib/index.js";
import type { Device, DType, Tensor, nn } from "../../lib/index.js";

export type Inputs = Record<string, Tensor | boolean | readonly unknown[]>;
export type AnyModel = nn.Module & {
  forward(inputs: unknown): unknown;
  generate?(inputs: Inputs, options: models.GenerateOptions): Promise<Tensor>;
};
export interface Row {
  make: () => nn.Module;
  /** What it is called with, each made anew in a dtype. */
  calls: (dtype: DType) => unknown[];
  /** What it continues or reads to write. */
  prompt?: () => Inputs;
}

/** Every model of the library, small, with what it is called with on a device. */
export function modelsOn(device: Device): Record<string, Row> {
  const [batch, length, width] = [2, 6, 16];
  const ids = (...shape: number[]) => torch.randint(2, 20, shape, { device });
  const random = (dtype: DType, ...shape: number[]) => torch.randn(shape, { dtype, device });
  const padding = (left = false) => torch.tensor(Array.from({ length: batch }, (_, i) => Array.from({ length }, (_, k) => Number(left ? k >= i : k < length - i))), { device });

  /** All forms of what an encoder reads. @param queries of masks of four dimensions */
  function texts(dtype: DType, labels: Inputs, more: Inputs = {}, queries = length): Inputs[] {
    const inputIds = ids(batch, length);
    const seen = torch.ones([batch, 1, queries, length], { dtype: "bool", device });
    return [
      { inputIds, ...labels },
      { inputIds, attentionMask: padding(), ...more, ...labels },
      { inputIds, attentionMask: seen, ...labels },
      { inputIds, attentionMask: random(dtype, batch, 1, queries, length), ...labels },
      { inputIds, attentionMask: padding(), ...labels, outputAttentions: true, outputHiddenStates: true },
      { inputsEmbeds: random(dtype, batch, length, width), positionIds: torch.arange(length, { device }).expand([batch, length]), ...labels },
    ];
  }
  const types = () => ({ tokenTypeIds: torch.randint(0, 2, [batch, length], { device }) });
  const classes = (...shape: number[]) => torch.randint(0, 3, shape, { device });

  /** A family of encoders with its heads. */
  function heads(family: string, config: object, more: () => Inputs): Record<string, Row> {
    const make = (name: string) => () => new (Reflect.get(models, name) as new (config: object) => AnyModel)(config);
    const row = (labels: (dtype: DType) => Inputs[]) => (name: string): [string, Row] => [name, { make: make(name), calls: (dtype) => labels(dtype).flatMap((each) => texts(dtype, each, more())) }];
    const choices = (dtype: DType) => texts(dtype, {}, more()).slice(0, 2).map((inputs) => ({ ...Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, (value as Tensor).unsqueeze(1).expand([batch, 3, length])])), labels: classes(batch) }));
    return Object.fromEntries([
      row(() => [{}])(`${family}Model`),
      row((dtype) => [{ labels: classes(batch) }, { labels: random(dtype, batch, 3) }])(`${family}ForSequenceClassification`),
      row(() => [{ labels: classes(batch, length) }])(`${family}ForTokenClassification`),
      row(() => [{ startPositions: classes(batch), endPositions: classes(batch) }])(`${family}ForQuestionAnswering`),
      row(() => [{ labels: ids(batch, length) }])(`${family}ForMaskedLM`),
      [`${family}ForMultipleChoice`, { make: make(`${family}ForMultipleChoice`), calls: choices }],
    ]);
  }
  const dropout = { hiddenDropoutProb: 0.1, attentionProbsDropoutProb: 0.1 };
  const bert = { vocabSize: 20, hiddenSize: width, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 24, maxPositionEmbeddings: 20, numLabels: 3, ...dropout };
  const gpt2 = { vocabSize: 20, nPositions: 30, nEmbd: width, nLayer: 2, nHead: 2, numLabels: 3, padTokenId: 0, eosTokenId: 1 };
  const t5 = { vocabSize: 20, dModel: width, dKv: 8, dFf: 24, numLayers: 2, numHeads: 2, decoderStartTokenId: 0 };

  /** What T5's encoder reads, each form with one of several things to write. */
  const sources = (dtype: DType, written: Inputs[]): Inputs[] => texts(dtype, {}, {}, 1).map(({ positionIds: _, ...inputs }, i) => ({ ...inputs, ...written[i % written.length] }));
  const t5Rows = (family: string, config: object): Record<string, Row> => {
    const make = (name: string) => () => new (Reflect.get(models, name) as new (config: object) => AnyModel)(config);
    const mask = () => torch.ones([batch, 4], { device });
    const read = (dtype: DType): Inputs[] => [{ decoderInputIds: ids(batch, 4) }, { decoderInputsEmbeds: random(dtype, batch, 4, width), decoderAttentionMask: mask() }];
    const written = (dtype: DType): Inputs[] => [
      { labels: ids(batch, 4) },
      { decoderInputIds: ids(batch, 4), decoderAttentionMask: mask() },
      { labels: ids(batch, 4), encoderLastHiddenState: random(dtype, batch, length, width) },
      { labels: ids(batch, 4), decoderInputIds: ids(batch, 4) },
    ];
    return {
      [`${family}EncoderModel`]: { make: make(`${family}EncoderModel`), calls: (dtype) => sources(dtype, [{}]) },
      [`${family}Model`]: { make: make(`${family}Model`), calls: (dtype) => sources(dtype, read(dtype)) },
      [`${family}ForConditionalGeneration`]: {
        make: make(`${family}ForConditionalGeneration`),
        calls: (dtype) => sources(dtype, written(dtype)),
        prompt: () => ({ inputIds: ids(batch, length), attentionMask: padding() }),
      },
    };
  };

  const image = (side: number) => (dtype: DType) => [random(dtype, batch, 3, side, side)];
  const pixels = (side: number, labels = true) => (dtype: DType) => {
    const pixelValues = random(dtype, batch, 3, side, side);
    return [{ pixelValues, outputHiddenStates: true, ...(labels ? { labels: classes(batch) } : {}) }];
  };
  const hfViT = { hiddenSize: width, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 24, imageSize: 8, patchSize: 4, numLabels: 3, ...dropout };
  const hfResNet = { embeddingSize: 8, hiddenSizes: [8, 16], depths: [1, 1], layerType: "basic" as const, numLabels: 3 };

  return {
    MLP: { make: () => new models.MLP({ inFeatures: 3 * 64, hidden: [8], dropout: 0.1, numClasses: 4 }), calls: image(8) },
    ConvNet: { make: () => new models.ConvNet({ channels: 3, size: 8, classes: 4, width: 4 }), calls: image(8) },
    LeNet5: { make: () => new models.LeNet5({ inChannels: 3 }), calls: image(28) },
    ResNet: { make: () => new models.ResNet({ block: "bottleneck", layers: [1, 1, 1, 1], numClasses: 4, stem: "small" }), calls: image(16) },
    CifarResNet: { make: () => new models.CifarResNet({ depth: 8, numClasses: 4 }), calls: image(8) },
    WideResNet: { make: () => new models.WideResNet({ depth: 10, widenFactor: 1, dropout: 0.3, numClasses: 4 }), calls: image(8) },
    VGG: { make: () => models.vgg11Bn({ numClasses: 4, classifierWidth: 8 }), calls: image(32) },
    ViT: {
      make: () => new models.ViT({ imgSize: 8, patchSize: 4, embedDim: width, depth: 2, numHeads: 2, numClasses: 4, dropRate: 0.1, posDropRate: 0.1, projDropRate: 0.1, attnDropRate: 0.1, dropPathRate: 0.5 }),
      calls: image(8),
    },
    ViTModel: { make: () => new models.ViTModel(hfViT), calls: (dtype) => [...pixels(8, false)(dtype), { pixelValues: random(dtype, batch, 3, 12, 12), interpolatePosEncoding: true, outputAttentions: true }] },
    ViTForImageClassification: { make: () => new models.ViTForImageClassification(hfViT), calls: pixels(8) },
    ResNetModel: { make: () => new models.ResNetModel(hfResNet), calls: pixels(32, false) },
    ResNetForImageClassification: { make: () => new models.ResNetForImageClassification(hfResNet), calls: pixels(32) },
    ...heads("Bert", bert, types),
    ...heads("Roberta", bert, types),
    ...heads("DistilBert", { vocabSize: 20, dim: width, nLayers: 2, nHeads: 2, hiddenDim: 24, maxPositionEmbeddings: 20, numLabels: 3 }, () => ({})),
    GPT2Model: { make: () => new models.GPT2Model(gpt2), calls: (dtype) => texts(dtype, {}, types()) },
    GPT2LMHeadModel: {
      make: () => new models.GPT2LMHeadModel(gpt2),
      calls: (dtype) => texts(dtype, { labels: ids(batch, length) }, types()),
      prompt: () => ({ inputIds: ids(batch, length), attentionMask: padding(true) }),
    },
    GPT2ForSequenceClassification: { make: () => new models.GPT2ForSequenceClassification(gpt2), calls: (dtype) => texts(dtype, { labels: classes(batch) }).slice(0, 5) },
    ...t5Rows("T5", t5),
    ...t5Rows("MT5", { ...t5, feedForwardProj: "gated-gelu", tieWordEmbeddings: false }),
    LSTMLanguageModel: {
      make: () => new models.LSTMLanguageModel({ vocabSize: 20, embeddingSize: 8, hiddenSize: 12, numLayers: 2, activationRegularization: 2, temporalRegularization: 1, eosTokenId: 1 }),
      calls: (dtype) => {
        const inputIds = ids(batch, length);
        const state = [12, 8].map((size) => [random(dtype, 1, batch, size), random(dtype, 1, batch, size)]);
        return [{ inputIds, labels: ids(batch, length) }, { inputIds, labels: ids(batch, length), state }];
      },
      prompt: () => ({ inputIds: ids(batch, length) }),
    },
    Seq2SeqLSTM: {
      make: () => new models.Seq2SeqLSTM({ sourceVocabSize: 20, targetVocabSize: 20, embeddingSize: 8, hiddenSize: 12, numLayers: 2 }),
      calls: () => [{ inputIds: ids(batch, length), labels: ids(batch, 4) }, { inputIds: ids(batch, length), attentionMask: padding(), decoderInputIds: ids(batch, 4) }],
      prompt: () => ({ inputIds: ids(batch, length), attentionMask: padding() }),
    },
  };
}

/** All tensors of an output, each with its path. */
export function tensors(value: unknown, path = ""): [string, Tensor][] {
  if (value instanceof torch.Tensor) return [[path, value]];
  return typeof value === "object" && value !== null ? Object.entries(value).flatMap(([key, each]) => tensors(each, `${path}/${key}`)) : [];
}
