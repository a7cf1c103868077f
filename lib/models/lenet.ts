import { checkKeys } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";

/** What LeNet-5 may vary. */
export interface LeNet5Options {
  /** Number of outputs; default 10. */
  numClasses?: number;
  /** Channels of the images; default 1. */
  inChannels?: number;
}

const names = ["numClasses", "inChannels"] as const;

/**
 * LeNet-5: two 5×5 convolutions with average pooling, then three linear layers, tanh between them.
 * LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998. As is usual today, the second convolution sees
 * all channels, and the output is a linear layer.
 *
 * @example new models.LeNet5() // 61,706 parameters
 */
export class LeNet5 extends PretrainedModel {
  readonly conv1: nn.Conv2d;
  readonly conv2: nn.Conv2d;
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;
  readonly fc3: nn.Linear;

  constructor(options: LeNet5Options = {}) {
    checkKeys(options, names);
    const { numClasses = 10, inChannels = 1 } = options;
    super(imageConfig("LeNet5", { ...options, numClasses }));
    this.conv1 = new nn.Conv2d(inChannels, 6, 5, { padding: 2 });
    this.conv2 = new nn.Conv2d(6, 16, 5);
    this.fc1 = new nn.Linear(16 * 5 * 5, 120);
    this.fc2 = new nn.Linear(120, 84);
    this.fc3 = new nn.Linear(84, numClasses);
  }

  /** @param images [N, inChannels, 28, 28] @returns logits [N, numClasses] */
  forward(images: Tensor): Tensor {
    const c1 = this.conv1.forward(images).tanh(); // [N, 6, 28, 28]
    const c3 = this.conv2.forward(c1.avgPool2d(2)).tanh(); // [N, 16, 10, 10]
    const f = this.fc1.forward(c3.avgPool2d(2).flatten(1)).tanh(); // [N, 120]
    return this.fc3.forward(this.fc2.forward(f).tanh());
  }
}

export const leNetArchitectures = { LeNet5: imageArchitecture(names, (options) => new LeNet5(options)) };
