import { expected } from "../../errors.js";
import { count, flag, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { attend, mergeHeads, splitHeads } from "../attention.js";
import { readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";
import { initialize } from "../initialize.js";
import { LanguageModel } from "../language-model.js";
import { sequenceLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Insights, Judged, Labelled, LogitsOutput, MayBeLabelled } from "../outputs.js";
import { checkImages, imageFields, imageKeys, sides, word } from "./image-model.js";
import type { ImageInputs } from "./image-model.js";
import { oldName } from "./vit-names.js";

// ViT under Hugging Face's names; models.ViT is the same network under timm's. arXiv 2010.11929.

/** ViT's configuration. Defaults are those of vit-base-patch16-224. */
const fields = {
  /** Width of a token. */
  hiddenSize: or(count, 768),
  /** Number of blocks. */
  numHiddenLayers: or(count, 12),
  /** Divides hiddenSize. */
  numAttentionHeads: or(count, 12),
  /** Width of the feed-forward networks. */
  intermediateSize: or(count, 3072),
  /** Activation of the feed-forward networks, by Hugging Face's name. */
  hiddenAct: or(word, "gelu"),
  /** Dropout of the embedded patches and after the linear layers of a block. */
  hiddenDropoutProb: or(probability, 0),
  /** Dropout of attention weights. */
  attentionProbsDropoutProb: or(probability, 0),
  /** Standard deviation of fresh weights. */
  initializerRange: or(real, 0.02),
  /** What the layer norms add to variances. */
  layerNormEps: or(real, 1e-12),
  /** Height and width of the images. */
  imageSize: or(sides, 224),
  /** Height and width of the patches that become tokens. */
  patchSize: or(sides, 16),
  /** Whether queries, keys and values have a bias. */
  qkvBias: or(flag, true),
  /** Width of the pooler: hiddenSize if null. */
  poolerOutputSize: orNull(count),
  /** Activation of the pooler, by Hugging Face's name. */
  poolerAct: or(word, "tanh"),
  ...imageFields,
};
type ViTConfig = Values<typeof fields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type ViTConfigInput = ConfigInput<typeof fields>;

/** What ViT reads. */
export interface ViTInputs extends ImageInputs {
  /** Images of another size than the configuration's: the places are interpolated; default false. */
  interpolatePosEncoding?: boolean;
  /** Whether the attention weights of each layer come back, too; default false. */
  outputAttentions?: boolean;
}

/** What ViT makes of an image. */
export interface ViTOutput extends Insights {
  /** [batch, 1 + patches, hiddenSize] */
  lastHiddenState: Tensor;
  /** The class token's state through the pooler, [batch, poolerOutputSize]; absent in models without one. */
  poolerOutput?: Tensor;
}

const keys = [...imageKeys, "interpolatePosEncoding", "outputAttentions"];

function read(owner: string, given: ViTConfigInput): ReadConfig<ViTConfig> {
  const config = readConfig(owner, "vit", fields, given);
  const { hiddenSize, numAttentionHeads } = config.options;
  if (hiddenSize % numAttentionHeads !== 0) throw expected(`a divisor of hiddenSize (${hiddenSize})`, `numAttentionHeads of ${owner}`, numAttentionHeads);
  if ("model_type" in given) return config;
  const { imageSize, patchSize } = config.options;
  const one = ([height, width]: readonly [number, number]) => (height === width ? height : [height, width]); // as most files have it
  return { ...config, file: { ...config.file, image_size: one(imageSize), patch_size: one(patchSize) } };
}

class ViTPatchEmbeddings extends nn.Module {
  projection: nn.Conv2d;

  constructor({ numChannels, hiddenSize, patchSize }: ViTConfig) {
    super();
    this.projection = new nn.Conv2d(numChannels, hiddenSize, patchSize, { stride: patchSize });
  }

  /** [batch, channels, height, width] -> [batch, patches, hiddenSize] */
  forward(images: Tensor): Tensor {
    return this.projection.forward(images).flatten(2).transpose(1, 2);
  }
}

class ViTEmbeddings extends nn.Module {
  cls_token: nn.Parameter;
  position_embeddings: nn.Parameter;
  patch_embeddings: ViTPatchEmbeddings;
  dropout: nn.Dropout;
  readonly #grid: [number, number];
  readonly #patch: readonly [number, number];

  constructor(config: ViTConfig) {
    super();
    const { hiddenSize, imageSize, patchSize, initializerRange: std } = config;
    this.#grid = [0, 1].map((i) => Math.floor(imageSize[i]! / patchSize[i]!)) as [number, number];
    this.#patch = patchSize;
    this.cls_token = nn.parameter(torch.zeros([1, 1, hiddenSize]));
    this.position_embeddings = nn.parameter(torch.zeros([1, 1 + this.#grid[0] * this.#grid[1], hiddenSize]));
    this.patch_embeddings = new ViTPatchEmbeddings(config);
    this.dropout = new nn.Dropout(config.hiddenDropoutProb);
    for (const weight of [this.cls_token, this.position_embeddings]) nn.init.truncNormal_(weight, { std });
  }

  /** @returns [batch, 1 + patches, hiddenSize] */
  forward(images: Tensor, interpolate: boolean): Tensor {
    const { projection } = this.patch_embeddings;
    const patches = this.patch_embeddings.forward(images.to(projection.weight.dtype));
    const tokens = torch.cat([this.cls_token.expand([images.shape[0]!, -1, -1]), patches], 1);
    const [height, width] = images.shape.slice(2) as [number, number];
    return this.dropout.forward(tokens.add(interpolate ? this.#places(height, width) : this.position_embeddings));
  }

  /** The places' vectors for images of another size. */
  #places(height: number, width: number): Tensor {
    const [rows, columns] = [Math.floor(height / this.#patch[0]), Math.floor(width / this.#patch[1])];
    if (rows === this.#grid[0] && columns === this.#grid[1]) return this.position_embeddings;
    const [first, others] = [this.position_embeddings.narrow(1, 0, 1), this.position_embeddings.slice(1, 1)];
    const grid = others.unflatten(1, this.#grid).permute([0, 3, 1, 2]);
    const resized = nn.functional.interpolate(grid, { size: [rows, columns], mode: "bicubic", alignCorners: false });
    return torch.cat([first, resized.permute([0, 2, 3, 1]).flatten(1, 2)], 1);
  }
}

class ViTAttention extends nn.Module {
  q_proj: nn.Linear;
  k_proj: nn.Linear;
  v_proj: nn.Linear;
  o_proj: nn.Linear;
  readonly #heads: number;
  readonly #dropout: number;

  constructor({ hiddenSize, numAttentionHeads, qkvBias, attentionProbsDropoutProb }: ViTConfig) {
    super();
    const linear = (bias: boolean) => new nn.Linear(hiddenSize, hiddenSize, { bias });
    [this.q_proj, this.k_proj, this.v_proj, this.o_proj] = [linear(qkvBias), linear(qkvBias), linear(qkvBias), linear(true)];
    this.#heads = numAttentionHeads;
    this.#dropout = attentionProbsDropoutProb;
  }

  forward(states: Tensor, outputAttentions: boolean): { states: Tensor; weights: Tensor | null } {
    const [q, k, v] = [this.q_proj, this.k_proj, this.v_proj].map((each) => splitHeads(each.forward(states), this.#heads)) as [Tensor, Tensor, Tensor];
    const scale = (states.shape[2]! / this.#heads) ** -0.5;
    const { context, weights } = attend(q, k, v, { mask: null, scale, dropout: this.training ? this.#dropout : 0, outputAttentions });
    return { states: this.o_proj.forward(mergeHeads(context)), weights };
  }
}

class ViTMLP extends nn.Module {
  fc1: nn.Linear;
  fc2: nn.Linear;
  readonly #activation: (x: Tensor) => Tensor;

  constructor({ hiddenSize, intermediateSize, hiddenAct }: ViTConfig) {
    super();
    this.fc1 = new nn.Linear(hiddenSize, intermediateSize);
    this.fc2 = new nn.Linear(intermediateSize, hiddenSize);
    this.#activation = activation(hiddenAct, "hiddenAct");
  }

  forward(states: Tensor): Tensor {
    return this.fc2.forward(this.#activation(this.fc1.forward(states)));
  }
}

/** Each branch is normalized first and added. */
class ViTLayer extends nn.Module {
  attention: ViTAttention;
  layernorm_before: nn.LayerNorm;
  layernorm_after: nn.LayerNorm;
  mlp: ViTMLP;
  dropout: nn.Dropout;

  constructor(config: ViTConfig) {
    super();
    this.attention = new ViTAttention(config);
    this.layernorm_before = new nn.LayerNorm(config.hiddenSize, config.layerNormEps);
    this.layernorm_after = new nn.LayerNorm(config.hiddenSize, config.layerNormEps);
    this.mlp = new ViTMLP(config);
    this.dropout = new nn.Dropout(config.hiddenDropoutProb);
  }

  forward(input: Tensor, outputAttentions: boolean): { states: Tensor; weights: Tensor | null } {
    const { states, weights } = this.attention.forward(this.layernorm_before.forward(input), outputAttentions);
    const attended = this.dropout.forward(states).add(input);
    return { states: this.dropout.forward(this.mlp.forward(this.layernorm_after.forward(attended))).add(attended), weights };
  }
}

class ViTPooler extends nn.Module {
  dense: nn.Linear;
  readonly #activation: (x: Tensor) => Tensor;

  constructor({ hiddenSize, poolerOutputSize, poolerAct }: ViTConfig) {
    super();
    this.dense = new nn.Linear(hiddenSize, poolerOutputSize ?? hiddenSize);
    this.#activation = activation(poolerAct, "poolerAct");
  }

  forward(states: Tensor): Tensor {
    return this.#activation(this.dense.forward(states.select(1, 0)));
  }
}

/**
 * Hugging Face's ViT without a head.
 *
 * @example const { lastHiddenState } = new models.ViTModel({ imageSize: 32, patchSize: 4, hiddenSize: 64, … }).forward({ pixelValues });
 */
export class ViTModel extends LanguageModel<ViTConfig> {
  embeddings: ViTEmbeddings;
  layers: nn.ModuleList<ViTLayer>;
  layernorm: nn.LayerNorm;
  pooler: ViTPooler | null;

  /**
   * @param config options in camelCase, or the content of a config.json
   * @param options `addPoolingLayer` (true by default): whether there is a pooler
   */
  constructor(config: ViTConfigInput = {}, { addPoolingLayer = true } = {}) {
    super(read("models.ViTModel", config));
    const { options } = this;
    this.embeddings = new ViTEmbeddings(options);
    this.layers = new nn.ModuleList(Array.from({ length: options.numHiddenLayers }, () => new ViTLayer(options)));
    this.layernorm = new nn.LayerNorm(options.hiddenSize, options.layerNormEps);
    this.pooler = addPoolingLayer ? new ViTPooler(options) : null;
    initialize(this, options.initializerRange);
  }

  forward(inputs: ViTInputs): ViTOutput {
    const { pixelValues, interpolatePosEncoding = false, outputHiddenStates = false, outputAttentions = false } = inputs;
    const { numChannels, imageSize } = this.options;
    checkImages("models.ViTModel", inputs, keys, numChannels, interpolatePosEncoding ? null : imageSize);
    let states = this.embeddings.forward(pixelValues, interpolatePosEncoding);
    const [hiddenStates, attentions]: Tensor[][] = [[states], []];
    for (const layer of this.layers) {
      const result = layer.forward(states, outputAttentions);
      states = result.states;
      hiddenStates!.push(states);
      if (result.weights !== null) attentions!.push(result.weights);
    }
    const lastHiddenState = this.layernorm.forward(states);
    return {
      lastHiddenState,
      ...(this.pooler === null ? {} : { poolerOutput: this.pooler.forward(lastHiddenState) }),
      ...(outputHiddenStates ? { hiddenStates: hiddenStates! } : {}),
      ...(outputAttentions ? { attentions: attentions! } : {}),
    };
  }

  override fileName(name: string): string {
    return oldName(name);
  }
}

/** Hugging Face's ViT that classifies images. */
export class ViTForImageClassification extends LanguageModel<ViTConfig> {
  vit: ViTModel;
  classifier: nn.Linear;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: ViTConfigInput = {}) {
    super(read("models.ViTForImageClassification", config));
    this.vit = new ViTModel(this.config, { addPoolingLayer: false });
    this.classifier = new nn.Linear(this.options.hiddenSize, this.options.numLabels);
    initialize(this.classifier, this.options.initializerRange);
  }

  /**
   * @param inputs `labels`: classes [batch], int64
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<ViTInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<ViTInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<ViTInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.vit.forward(inputs);
    const logits = this.classifier.forward(lastHiddenState.select(1, 0));
    return { ...judged(logits, labels, (scores, wanted) => sequenceLoss(scores, wanted, this.options.problemType)), ...insights };
  }

  override fileName(name: string): string {
    return oldName(name);
  }
}
