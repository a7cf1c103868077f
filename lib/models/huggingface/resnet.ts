import { expected } from "../../errors.js";
import { count, flag, oneOf, or } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { activation } from "../activation.js";
import { readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";
import { LanguageModel } from "../language-model.js";
import { sequenceLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Judged, Labelled, LogitsOutput, MayBeLabelled } from "../outputs.js";
import { checkImages, counts, imageFields, imageKeys, word } from "./image-model.js";
import type { ImageInputs } from "./image-model.js";

// ResNet under Hugging Face's names; models.ResNet is the same network under torchvision's. arXiv 1512.03385.

/** ResNet's configuration. Defaults are those of resnet-50. */
const fields = {
  /** Channels after the first convolution. */
  embeddingSize: or(count, 64),
  /** Channels after each stage. */
  hiddenSizes: or(counts, [256, 512, 1024, 2048]),
  /** Blocks in each stage. */
  depths: or(counts, [3, 4, 6, 3]),
  /** Blocks of two 3×3 convolutions, or of a 3×3 one between two 1×1. */
  layerType: or(oneOf("basic", "bottleneck"), "bottleneck"),
  /** Activation after the first convolution and after each block; within a block it is ReLU. */
  hiddenAct: or(word, "relu"),
  /** Whether the first stage halves height and width, as the others do. */
  downsampleInFirstStage: or(flag, false),
  /** Whether a bottleneck's first convolution has the stride rather than its second. */
  downsampleInBottleneck: or(flag, false),
  ...imageFields,
};
type ResNetConfig = Values<typeof fields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type ResNetConfigInput = ConfigInput<typeof fields>;

/** What ResNet makes of an image. */
export interface ResNetOutput {
  /** [batch, channels, height / 32, width / 32] */
  lastHiddenState: Tensor;
  /** Its mean over all places, [batch, channels, 1, 1]. */
  poolerOutput: Tensor;
  /** What the stages read, and what the last one gives. */
  hiddenStates?: Tensor[];
}

function read(owner: string, given: ResNetConfigInput): ReadConfig<ResNetConfig> {
  const config = readConfig(owner, "resnet", fields, given);
  const { hiddenSizes, depths } = config.options;
  if (hiddenSizes.length !== depths.length) throw expected(`an array of ${hiddenSizes.length}, as hiddenSizes,`, `depths of ${owner}`, depths);
  return config;
}

interface ConvSettings {
  kernel?: number;
  stride?: number;
  /** Hugging Face's name of an activation, or null for none. */
  act: string | null;
}

class ResNetConvLayer extends nn.Module {
  convolution: nn.Conv2d;
  normalization: nn.BatchNorm2d;
  readonly #activation: ((x: Tensor) => Tensor) | null;

  constructor(from: number, to: number, { kernel = 3, stride = 1, act }: ConvSettings) {
    super();
    this.convolution = new nn.Conv2d(from, to, kernel, { stride, padding: Math.floor(kernel / 2), bias: false });
    this.normalization = new nn.BatchNorm2d(to);
    this.#activation = act === null ? null : activation(act, "hiddenAct");
  }

  forward(x: Tensor): Tensor {
    const y = this.normalization.forward(this.convolution.forward(x));
    return this.#activation === null ? y : this.#activation(y);
  }
}

class ResNetShortCut extends nn.Module {
  convolution: nn.Conv2d;
  normalization: nn.BatchNorm2d;

  constructor(from: number, to: number, stride: number) {
    super();
    this.convolution = new nn.Conv2d(from, to, 1, { stride, bias: false });
    this.normalization = new nn.BatchNorm2d(to);
  }

  forward(x: Tensor): Tensor {
    return this.normalization.forward(this.convolution.forward(x));
  }
}

/** A residual block: [N, from, H, W] -> [N, to, H / stride, W / stride]. */
class ResNetBlock extends nn.Module {
  shortcut: ResNetShortCut | nn.Identity;
  layer: nn.Sequential;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(from: number, to: number, stride: number, { layerType, hiddenAct, downsampleInBottleneck }: ResNetConfig) {
    super();
    this.shortcut = from !== to || stride !== 1 ? new ResNetShortCut(from, to, stride) : new nn.Identity();
    const [first, second, narrow] = [downsampleInBottleneck ? stride : 1, downsampleInBottleneck ? 1 : stride, Math.floor(to / 4)];
    this.layer =
      layerType === "basic"
        ? new nn.Sequential(new ResNetConvLayer(from, to, { stride, act: "relu" }), new ResNetConvLayer(to, to, { act: null }))
        : new nn.Sequential(
            new ResNetConvLayer(from, narrow, { kernel: 1, stride: first, act: "relu" }),
            new ResNetConvLayer(narrow, narrow, { stride: second, act: "relu" }),
            new ResNetConvLayer(narrow, to, { kernel: 1, act: null }),
          );
    this.#activation = activation(hiddenAct, "hiddenAct");
  }

  forward(x: Tensor): Tensor {
    return this.#activation(this.layer.forward(x).add(this.shortcut.forward(x)));
  }
}

class ResNetStage extends nn.Module {
  layers: nn.Sequential;

  constructor(from: number, to: number, depth: number, stride: number, config: ResNetConfig) {
    super();
    this.layers = new nn.Sequential(...Array.from({ length: depth }, (_, i) => (i === 0 ? new ResNetBlock(from, to, stride, config) : new ResNetBlock(to, to, 1, config))));
  }

  forward(x: Tensor): Tensor {
    return this.layers.forward(x);
  }
}

class ResNetEncoder extends nn.Module {
  stages: nn.ModuleList<ResNetStage>;

  constructor(config: ResNetConfig) {
    super();
    const { hiddenSizes, depths, embeddingSize, downsampleInFirstStage } = config;
    const from = [embeddingSize, ...hiddenSizes];
    this.stages = new nn.ModuleList(
      hiddenSizes.map((to, i) => new ResNetStage(from[i]!, to, depths[i]!, i > 0 || downsampleInFirstStage ? 2 : 1, config)),
    );
  }
}

class ResNetEmbeddings extends nn.Module {
  embedder: ResNetConvLayer;
  pooler = new nn.MaxPool2d(3, 2, 1);

  constructor({ numChannels, embeddingSize, hiddenAct }: ResNetConfig) {
    super();
    this.embedder = new ResNetConvLayer(numChannels, embeddingSize, { kernel: 7, stride: 2, act: hiddenAct });
  }

  /** [N, C, H, W] -> [N, embeddingSize, H / 4, W / 4] */
  forward(images: Tensor): Tensor {
    return this.pooler.forward(this.embedder.forward(images));
  }
}

/** Hugging Face's ResNet without a head. */
export class ResNetModel extends LanguageModel<ResNetConfig> {
  embedder: ResNetEmbeddings;
  encoder: ResNetEncoder;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: ResNetConfigInput = {}) {
    super(read("models.ResNetModel", config));
    this.embedder = new ResNetEmbeddings(this.options);
    this.encoder = new ResNetEncoder(this.options);
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
    }
  }

  forward(inputs: ImageInputs): ResNetOutput {
    checkImages("models.ResNetModel", inputs, imageKeys, this.options.numChannels, null);
    let lastHiddenState = this.embedder.forward(inputs.pixelValues);
    const hiddenStates = [lastHiddenState];
    for (const stage of this.encoder.stages) hiddenStates.push((lastHiddenState = stage.forward(lastHiddenState)));
    const poolerOutput = nn.functional.adaptiveAvgPool2d(lastHiddenState, 1);
    return { lastHiddenState, poolerOutput, ...(inputs.outputHiddenStates === true ? { hiddenStates } : {}) };
  }
}

/** Hugging Face's ResNet that classifies images. */
export class ResNetForImageClassification extends LanguageModel<ResNetConfig> {
  resnet: ResNetModel;
  classifier: nn.Sequential;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: ResNetConfigInput = {}) {
    super(read("models.ResNetForImageClassification", config));
    this.resnet = new ResNetModel(this.config);
    this.classifier = new nn.Sequential(new nn.Flatten(), new nn.Linear(this.options.hiddenSizes.at(-1)!, this.options.numLabels));
  }

  /**
   * @param inputs `labels`: classes [batch], int64
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<ImageInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<ImageInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<ImageInputs>): LogitsOutput {
    const { poolerOutput, hiddenStates } = this.resnet.forward(inputs);
    const logits = this.classifier.forward(poolerOutput);
    return { ...judged(logits, labels, (scores, wanted) => sequenceLoss(scores, wanted, this.options.problemType)), ...(hiddenStates ? { hiddenStates } : {}) };
  }
}
