import { checkKeys, expected } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import type { Architecture, Shapes } from "./architecture.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";
import type { ImageModelOptions } from "./vision.js";

// Deep Residual Learning for Image Recognition, He et al., arXiv 1512.03385. Names in the state dict, and initial weights from
// the same seed, are torchvision's; timm's files have the same names.

/** What a residual network may vary. */
export interface ResNetOptions extends ImageModelOptions {
  /** "imagenet" (default): a 7×7 convolution of stride 2 and max pooling. "small", for images of 32×32: a 3×3 convolution alone. */
  stem?: "imagenet" | "small";
  /** Start each block as the identity, its last batch norm's weight at 0 (arXiv 1706.02677); default false. */
  zeroInitResidual?: boolean;
}

/** What makes one residual network another. */
export interface ResNetShape {
  /** "basic": two 3×3 convolutions. "bottleneck": 1×1, 3×3, 1×1, with four times as many channels at its end. */
  block: "basic" | "bottleneck";
  /** Number of blocks in each of the four stages. */
  layers: readonly [number, number, number, number];
  /** Groups of the 3×3 convolutions in bottlenecks (ResNeXt, arXiv 1611.05431); default 1. */
  groups?: number;
  /** Channels per group and 64 channels of a stage; default 64. 128 makes the wide ResNet of arXiv 1605.07146. */
  widthPerGroup?: number;
}

const conv3x3 = (from: number, to: number, stride = 1, groups = 1) => new nn.Conv2d(from, to, 3, { stride, padding: 1, groups, bias: false });
const conv1x1 = (from: number, to: number, stride = 1) => new nn.Conv2d(from, to, 1, { stride, bias: false });

/** [N, from, H, W] -> [N, planes, H/stride, W/stride] */
class BasicBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(from: number, planes: number, stride: number, downsample: nn.Sequential | null) {
    super();
    this.conv1 = conv3x3(from, planes, stride);
    this.bn1 = new nn.BatchNorm2d(planes);
    this.conv2 = conv3x3(planes, planes);
    this.bn2 = new nn.BatchNorm2d(planes);
    this.downsample = downsample;
  }

  forward(x: Tensor): Tensor {
    const y = this.bn1.forward(this.conv1.forward(x)).relu();
    return this.bn2.forward(this.conv2.forward(y)).add(this.downsample?.forward(x) ?? x).relu();
  }

  get last(): nn.BatchNorm2d {
    return this.bn2;
  }
}

/** [N, from, H, W] -> [N, 4·planes, H/stride, W/stride]. The stride is the 3×3 convolution's, as in torchvision. */
class Bottleneck extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly conv3: nn.Conv2d;
  readonly bn3: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(from: number, planes: number, stride: number, downsample: nn.Sequential | null, groups: number, widthPerGroup: number) {
    super();
    const width = Math.floor((planes * widthPerGroup) / 64) * groups;
    this.conv1 = conv1x1(from, width);
    this.bn1 = new nn.BatchNorm2d(width);
    this.conv2 = conv3x3(width, width, stride, groups);
    this.bn2 = new nn.BatchNorm2d(width);
    this.conv3 = conv1x1(width, 4 * planes);
    this.bn3 = new nn.BatchNorm2d(4 * planes);
    this.downsample = downsample;
  }

  forward(x: Tensor): Tensor {
    const y = this.bn1.forward(this.conv1.forward(x)).relu();
    const z = this.bn2.forward(this.conv2.forward(y)).relu();
    return this.bn3.forward(this.conv3.forward(z)).add(this.downsample?.forward(x) ?? x).relu();
  }

  get last(): nn.BatchNorm2d {
    return this.bn3;
  }
}

/**
 * A residual network.
 *
 * @example models.resnet18({ numClasses: 10, stem: "small" }); models.resnet50(); new models.ResNet({ block: "basic", layers: [1, 1, 1, 1] });
 */
export class ResNet extends PretrainedModel {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly maxpool: nn.MaxPool2d | nn.Identity;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear;

  /** @param architecture the name under which `models.fromPretrained` makes it again */
  constructor(options: ResNetShape & ResNetOptions, architecture = "ResNet") {
    checkKeys(options, [...shapeNames, ...optionNames]);
    const { block, layers, groups = 1, widthPerGroup = 64, numClasses = 1000, inChannels = 3, stem = "imagenet", zeroInitResidual = false } = options;
    if (block !== "basic" && block !== "bottleneck") throw expected('"basic" or "bottleneck"', "block", block);
    if (!Array.isArray(layers) || layers.length !== 4 || !layers.every((blocks) => Number.isSafeInteger(blocks) && blocks > 0)) {
      throw expected("four numbers of blocks", "layers", layers);
    }
    if (stem !== "imagenet" && stem !== "small") throw expected('"imagenet" or "small"', "stem", stem);
    if (block === "basic" && (groups !== 1 || widthPerGroup !== 64)) throw expected('"bottleneck" (basic blocks have no groups and one width)', "block", block);
    super(imageConfig(architecture, architecture === "ResNet" ? { ...options } : { numClasses, ...pick(options) }));

    const small = stem === "small";
    this.conv1 = new nn.Conv2d(inChannels, 64, small ? 3 : 7, { stride: small ? 1 : 2, padding: small ? 1 : 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(64);
    this.maxpool = small ? new nn.Identity() : new nn.MaxPool2d(3, { stride: 2, padding: 1 });
    const expansion = block === "basic" ? 1 : 4;
    let from = 64;
    const stage = (planes: number, count: number, stride: number): nn.Sequential => {
      const blocks = Array.from({ length: count }, (_, i) => {
        const step = i === 0 ? stride : 1;
        const to = planes * expansion;
        const downsample = step !== 1 || from !== to ? new nn.Sequential(conv1x1(from, to, step), new nn.BatchNorm2d(to)) : null;
        const made = block === "basic" ? new BasicBlock(from, planes, step, downsample) : new Bottleneck(from, planes, step, downsample, groups, widthPerGroup);
        from = to;
        return made;
      });
      return new nn.Sequential(...blocks);
    };
    this.layer1 = stage(64, layers[0], 1);
    this.layer2 = stage(128, layers[1], 2);
    this.layer3 = stage(256, layers[2], 2);
    this.layer4 = stage(512, layers[3], 2);
    this.fc = new nn.Linear(512 * expansion, numClasses);

    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
      if (zeroInitResidual && (module instanceof BasicBlock || module instanceof Bottleneck)) nn.init.zeros_(module.last.weight!);
    }
  }

  /** Logits [N, numClasses] of images [N, inChannels, H, W], of any size from 32 up ("small": from 8 up). */
  forward(images: Tensor): Tensor {
    let x = this.maxpool.forward(this.bn1.forward(this.conv1.forward(images)).relu()); // [N, 64, H/4, W/4], "small": [N, 64, H, W]
    for (const stage of [this.layer1, this.layer2, this.layer3, this.layer4]) x = stage.forward(x); // H and W halve in all but the first
    return this.fc.forward(x.mean([2, 3]));
  }
}

const optionNames = ["numClasses", "inChannels", "stem", "zeroInitResidual"] as const;
const shapeNames = ["block", "layers", "groups", "widthPerGroup"] as const;

function pick(options: ResNetOptions): Partial<ResNetOptions> {
  return Object.fromEntries(optionNames.map((name) => [name, options[name]]));
}

function guess(shapes: Shapes): ResNetOptions {
  const [, inChannels, kernel] = shapes.get("conv1.weight") ?? [];
  return { numClasses: shapes.get("fc.weight")?.[0], inChannels, stem: kernel === 3 ? "small" : undefined };
}

const variants = {
  resnet18: { block: "basic", layers: [2, 2, 2, 2] },
  resnet34: { block: "basic", layers: [3, 4, 6, 3] },
  resnet50: { block: "bottleneck", layers: [3, 4, 6, 3] },
  resnet101: { block: "bottleneck", layers: [3, 4, 23, 3] },
  resnet152: { block: "bottleneck", layers: [3, 8, 36, 3] },
  wide_resnet50_2: { block: "bottleneck", layers: [3, 4, 6, 3], widthPerGroup: 128 },
  resnext50_32x4d: { block: "bottleneck", layers: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 },
} as const satisfies Record<string, ResNetShape>;

const named = (name: keyof typeof variants) => (options: ResNetOptions = {}) => new ResNet({ ...variants[name], ...options }, name);
/** torchvision's resnet18: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1512.03385) */
export const resnet18 = named("resnet18");
/** torchvision's resnet34: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1512.03385) */
export const resnet34 = named("resnet34");
/** torchvision's resnet50: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1512.03385) */
export const resnet50 = named("resnet50");
/** torchvision's resnet101: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1512.03385) */
export const resnet101 = named("resnet101");
/** torchvision's resnet152: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1512.03385) */
export const resnet152 = named("resnet152");
/** torchvision's wide_resnet50_2: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1605.07146) */
export const wideResnet50 = named("wide_resnet50_2");
/** torchvision's resnext50_32x4d: a {@link ResNet} for images [N, inChannels, H, W], with random weights. (arXiv 1611.05431) */
export const resnext50 = named("resnext50_32x4d");

const entries = Object.fromEntries(Object.keys(variants).map((name) => [name, imageArchitecture(optionNames, named(name as keyof typeof variants), guess)]));
export const resNetArchitectures = {
  ...(entries as Record<keyof typeof variants, Architecture<ResNet>>),
  ResNet: imageArchitecture([...shapeNames, ...optionNames], (options) => new ResNet(options as unknown as ResNetShape), guess),
};
