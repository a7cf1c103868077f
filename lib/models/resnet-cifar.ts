import { checkKeys, expected } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";

// Deep Residual Learning for Image Recognition, He et al., arXiv 1512.03385, section 4.2: the networks for images of 32×32.

/** What a residual network for small images may vary. */
export interface CifarResNetOptions {
  /** 6n + 2 layers: 20, 32, 44, 56, 110; default 20. */
  depth?: number;
  /** Number of outputs; default 10. */
  numClasses?: number;
  /** Channels of the images; default 3. */
  inChannels?: number;
}

const names = ["depth", "numClasses", "inChannels"] as const;
const conv3x3 = (from: number, to: number, stride = 1) => new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false });

/** [N, from, H, W] -> [N, channels, H/stride, W/stride] */
class Block extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;

  constructor(
    from: number,
    private readonly channels: number,
    private readonly stride: number,
  ) {
    super();
    this.conv1 = conv3x3(from, channels, stride);
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = conv3x3(channels, channels);
    this.bn2 = new nn.BatchNorm2d(channels);
  }

  forward(x: Tensor): Tensor {
    const y = this.bn2.forward(this.conv2.forward(this.bn1.forward(this.conv1.forward(x)).relu()));
    return y.add(this.#shortcut(x)).relu();
  }

  // Option A of the paper, without parameters: every other pixel, and zeros for the channels that are new, half on each side.
  #shortcut(x: Tensor): Tensor {
    const added = this.channels - x.shape[1]!;
    if (added === 0 && this.stride === 1) return x;
    return nn.functional.pad(x.slice(2, null, null, this.stride).slice(3, null, null, this.stride), [0, 0, 0, 0, added / 2, added / 2]);
  }
}

/**
 * A residual network for images of 32×32: a convolution, three stages of 16, 32 and 64 channels, a linear layer.
 *
 * @example models.cifarResnet20(); models.cifarResnet56({ numClasses: 100 }); new models.CifarResNet({ depth: 110 });
 */
export class CifarResNet extends PretrainedModel {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly fc: nn.Linear;

  constructor(options: CifarResNetOptions = {}) {
    checkKeys(options, names);
    const { depth = 20, numClasses = 10, inChannels = 3 } = options;
    const count = (depth - 2) / 6;
    if (!Number.isInteger(count) || count < 1) throw expected("6n + 2 layers, such as 20, 32 or 56", "depth", depth);
    super(imageConfig("CifarResNet", { ...options, depth, numClasses }));
    const stage = (from: number, to: number, stride: number) =>
      new nn.Sequential(...Array.from({ length: count }, (_, i) => (i === 0 ? new Block(from, to, stride) : new Block(to, to, 1))));
    this.conv1 = conv3x3(inChannels, 16);
    this.bn1 = new nn.BatchNorm2d(16);
    this.layer1 = stage(16, 16, 1);
    this.layer2 = stage(16, 32, 2);
    this.layer3 = stage(32, 64, 2);
    this.fc = new nn.Linear(64, numClasses);
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
    }
  }

  /** Logits [N, numClasses] of images [N, inChannels, H, W]; H and W are 32 in the paper. */
  forward(images: Tensor): Tensor {
    const x = this.bn1.forward(this.conv1.forward(images)).relu(); // [N, 16, H, W]
    const y = this.layer3.forward(this.layer2.forward(this.layer1.forward(x))); // [N, 64, H/4, W/4]
    return this.fc.forward(y.mean([2, 3]));
  }
}

const named = (depth: number) => (options: Omit<CifarResNetOptions, "depth"> = {}) => new CifarResNet({ depth, ...options });
/** A {@link CifarResNet} of 20 layers. (arXiv 1512.03385, section 4.2) */
export const cifarResnet20 = named(20);
/** A {@link CifarResNet} of 32 layers. (arXiv 1512.03385, section 4.2) */
export const cifarResnet32 = named(32);
/** A {@link CifarResNet} of 56 layers. (arXiv 1512.03385, section 4.2) */
export const cifarResnet56 = named(56);

export const cifarResNetArchitectures = {
  CifarResNet: imageArchitecture(names, (options) => new CifarResNet(options), (shapes) => {
    const blocks = [...shapes.keys()].filter((name) => /^layer1\.\d+\.conv1\.weight$/.test(name)).length;
    return { depth: blocks > 0 ? 6 * blocks + 2 : undefined, numClasses: shapes.get("fc.weight")?.[0], inChannels: shapes.get("conv1.weight")?.[1] };
  }),
};
