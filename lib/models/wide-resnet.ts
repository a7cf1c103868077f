import { checkKeys, expected } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";

/** What a wide residual network may vary. */
export interface WideResNetOptions {
  /** 6n + 4 layers; default 28. */
  depth?: number;
  /** How many times as many channels as the narrowest network; default 10. */
  widenFactor?: number;
  /** Probability of dropout between the two convolutions of a block; default 0. */
  dropout?: number;
  /** Number of outputs; default 10. */
  numClasses?: number;
  /** Channels of the images; default 3. */
  inChannels?: number;
}

const names = ["depth", "widenFactor", "dropout", "numClasses", "inChannels"] as const;
const conv3x3 = (from: number, to: number, stride: number) => new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false });

/** [N, from, H, W] -> [N, to, H/stride, W/stride]; normalisation and activation come before each convolution. */
class Block extends nn.Module {
  readonly bn1: nn.BatchNorm2d;
  readonly conv1: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly convShortcut: nn.Conv2d | null;

  constructor(
    from: number,
    to: number,
    stride: number,
    private readonly dropout: number,
  ) {
    super();
    this.bn1 = new nn.BatchNorm2d(from);
    this.conv1 = conv3x3(from, to, stride);
    this.bn2 = new nn.BatchNorm2d(to);
    this.conv2 = conv3x3(to, to, 1);
    this.convShortcut = from === to ? null : new nn.Conv2d(from, to, 1, { stride, bias: false });
  }

  forward(x: Tensor): Tensor {
    const active = this.bn1.forward(x).relu();
    const y = this.bn2.forward(this.conv1.forward(active)).relu();
    const dropped = this.dropout > 0 ? nn.functional.dropout(y, { p: this.dropout, training: this.training }) : y;
    return this.conv2.forward(dropped).add(this.convShortcut?.forward(active) ?? x);
  }
}

/** [N, from, H, W] -> [N, to, H/stride, W/stride] */
class Stage extends nn.Module {
  readonly layer: nn.Sequential;

  constructor(count: number, from: number, to: number, stride: number, dropout: number) {
    super();
    this.layer = new nn.Sequential(...Array.from({ length: count }, (_, i) => (i === 0 ? new Block(from, to, stride, dropout) : new Block(to, to, 1, dropout))));
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

/**
 * A wide residual network for images of 32×32. Zagoruyko and Komodakis, arXiv 1605.07146. WRN-28-10 is the network with which
 * the papers of the SAM family compare on CIFAR.
 *
 * @example new models.WideResNet(); new models.WideResNet({ depth: 16, widenFactor: 4, numClasses: 100 });
 */
export class WideResNet extends PretrainedModel {
  readonly conv1: nn.Conv2d;
  readonly block1: Stage;
  readonly block2: Stage;
  readonly block3: Stage;
  readonly bn1: nn.BatchNorm2d;
  readonly fc: nn.Linear;

  constructor(options: WideResNetOptions = {}) {
    checkKeys(options, names);
    const { depth = 28, widenFactor = 10, dropout = 0, numClasses = 10, inChannels = 3 } = options;
    const count = (depth - 4) / 6;
    if (!Number.isInteger(count) || count < 1) throw expected("6n + 4 layers, such as 16, 28 or 40", "depth", depth);
    if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1)) throw expected("a probability from 0 to below 1", "dropout", dropout);
    super(imageConfig("WideResNet", { ...options, depth, widenFactor, numClasses }));
    const widths = [16, 16 * widenFactor, 32 * widenFactor, 64 * widenFactor] as const;
    this.conv1 = conv3x3(inChannels, widths[0], 1);
    this.block1 = new Stage(count, widths[0], widths[1], 1, dropout);
    this.block2 = new Stage(count, widths[1], widths[2], 2, dropout);
    this.block3 = new Stage(count, widths[2], widths[3], 2, dropout);
    this.bn1 = new nn.BatchNorm2d(widths[3]);
    this.fc = new nn.Linear(widths[3], numClasses);
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
    }
    nn.init.zeros_(this.fc.bias!);
  }

  /** Logits [N, numClasses] of images [N, inChannels, H, W]; H and W are 32 in the paper. */
  forward(images: Tensor): Tensor {
    const x = this.block1.forward(this.conv1.forward(images)); // [N, 16·k, H, W]
    const y = this.block3.forward(this.block2.forward(x)); // [N, 64·k, H/4, W/4]
    return this.fc.forward(this.bn1.forward(y).relu().mean([2, 3]));
  }
}

export const wideResNetArchitectures = {
  WideResNet: imageArchitecture(names, (options) => new WideResNet(options), (shapes) => {
    const blocks = [...shapes.keys()].filter((name) => /^block1\.layer\.\d+\.conv1\.weight$/.test(name)).length;
    const width = shapes.get("bn1.weight")?.[0];
    return {
      depth: blocks > 0 ? 6 * blocks + 4 : undefined,
      widenFactor: width === undefined ? undefined : width / 64,
      numClasses: shapes.get("fc.weight")?.[0],
      inChannels: shapes.get("conv1.weight")?.[1],
    };
  }),
};
