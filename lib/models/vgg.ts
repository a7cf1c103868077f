import { checkKeys, expected } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import type { Shapes } from "./architecture.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";
import type { ImageModelOptions } from "./vision.js";

// Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan and Zisserman, arXiv 1409.1556. Names in the
// state dict, and initial weights from the same seed, are torchvision's.

/** What a VGG network may vary. */
export interface VGGOptions extends ImageModelOptions {
  /** Probability of dropout in the classifier; default 0.5. */
  dropout?: number;
  /** Width of the classifier's two hidden layers; default 4096, with which they hold most of the parameters. */
  classifierWidth?: number;
}

/** Convolutions in each of the five stages, of 64, 128, 256, 512 and 512 channels; max pooling after each stage. */
const stages = { 11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4] } as const;
const channels = [64, 128, 256, 512, 512] as const;
const names = ["numClasses", "inChannels", "dropout", "classifierWidth"] as const;

/**
 * A VGG network: 3×3 convolutions, max pooling, three linear layers.
 *
 * @example models.vgg16(); models.vgg11Bn({ numClasses: 10, classifierWidth: 512 });
 */
export class VGG extends PretrainedModel {
  readonly features: nn.Sequential;
  readonly avgpool: nn.AdaptiveAvgPool2d;
  readonly classifier: nn.Sequential;

  /**
   * @param depth 11, 13, 16 or 19 layers with weights
   * @param batchNorm whether batch norm follows each convolution
   */
  constructor(depth: keyof typeof stages, batchNorm: boolean, options: VGGOptions = {}) {
    checkKeys(options, names);
    if (!Object.hasOwn(stages, depth)) throw expected("11, 13, 16 or 19", "depth", depth);
    const { numClasses = 1000, inChannels = 3, dropout = 0.5, classifierWidth = 4096 } = options;
    super(imageConfig(`vgg${depth}${batchNorm ? "_bn" : ""}`, { ...options, numClasses }));
    let from = inChannels;
    const layers = stages[depth].flatMap((count, stage) => {
      const convolutions = Array.from({ length: count }, () => {
        const conv = new nn.Conv2d(from, channels[stage]!, 3, { padding: 1 });
        from = channels[stage]!;
        return [conv, ...(batchNorm ? [new nn.BatchNorm2d(from)] : []), new nn.ReLU({ inplace: true })];
      });
      return [...convolutions.flat(), new nn.MaxPool2d(2)];
    });
    this.features = new nn.Sequential(...layers);
    this.avgpool = new nn.AdaptiveAvgPool2d(7);
    this.classifier = new nn.Sequential(
      new nn.Linear(512 * 7 * 7, classifierWidth),
      new nn.ReLU({ inplace: true }),
      new nn.Dropout(dropout),
      new nn.Linear(classifierWidth, classifierWidth),
      new nn.ReLU({ inplace: true }),
      new nn.Dropout(dropout),
      new nn.Linear(classifierWidth, numClasses),
    );
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
      else if (module instanceof nn.Linear) nn.init.normal_(module.weight, 0, 0.01);
      else continue;
      nn.init.zeros_(module.bias!);
    }
  }

  /** Logits [N, numClasses] of images [N, inChannels, H, W]; H and W from 32 up. */
  forward(images: Tensor): Tensor {
    const x = this.features.forward(images); // [N, 512, H/32, W/32]
    return this.classifier.forward(this.avgpool.forward(x).flatten(1));
  }
}

function guess(shapes: Shapes): VGGOptions {
  return {
    numClasses: shapes.get("classifier.6.weight")?.[0],
    inChannels: shapes.get("features.0.weight")?.[1],
    classifierWidth: shapes.get("classifier.0.weight")?.[0],
  };
}

const named = (depth: keyof typeof stages, batchNorm = false) => (options: VGGOptions = {}) => new VGG(depth, batchNorm, options);
/** torchvision's vgg11: a {@link VGG} of 11 layers for images [N, inChannels, H, W], with random weights. (arXiv 1409.1556) */
export const vgg11 = named(11);
/** torchvision's vgg13: a {@link VGG} of 13 layers for images [N, inChannels, H, W], with random weights. (arXiv 1409.1556) */
export const vgg13 = named(13);
/** torchvision's vgg16: a {@link VGG} of 16 layers for images [N, inChannels, H, W], with random weights. (arXiv 1409.1556) */
export const vgg16 = named(16);
/** torchvision's vgg19: a {@link VGG} of 19 layers for images [N, inChannels, H, W], with random weights. (arXiv 1409.1556) */
export const vgg19 = named(19);
/** torchvision's vgg11_bn: {@link vgg11} with batch normalization. */
export const vgg11Bn = named(11, true);
/** torchvision's vgg13_bn: {@link vgg13} with batch normalization. */
export const vgg13Bn = named(13, true);
/** torchvision's vgg16_bn: {@link vgg16} with batch normalization. */
export const vgg16Bn = named(16, true);
/** torchvision's vgg19_bn: {@link vgg19} with batch normalization. */
export const vgg19Bn = named(19, true);

const entry = (make: (options: VGGOptions) => VGG) => imageArchitecture(names, make, guess);
export const vggArchitectures = {
  vgg11: entry(vgg11),
  vgg13: entry(vgg13),
  vgg16: entry(vgg16),
  vgg19: entry(vgg19),
  vgg11_bn: entry(vgg11Bn),
  vgg13_bn: entry(vgg13Bn),
  vgg16_bn: entry(vgg16Bn),
  vgg19_bn: entry(vgg19Bn),
};
