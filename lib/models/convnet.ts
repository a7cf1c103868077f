import { checkKeys, expected } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";

/**
 * A small convolutional network for small images: two blocks of convolution, batch norm, ReLU and pooling, then a linear layer.
 *
 * @example new ConvNet({ channels: 1, size: 28, classes: 10 }) // 20,538 parameters
 */
export class ConvNet extends nn.Module {
  readonly features: nn.Sequential;
  readonly classifier: nn.Linear;

  /**
   * @param options `channels` of the images; `size`: their height and width, a multiple of 4; `classes`: the number of outputs;
   *   `width`: channels after the first block, twice as many after the second, default 16
   */
  constructor(options: { channels: number; size: number; classes: number; width?: number }) {
    super();
    checkKeys(options, ["channels", "size", "classes", "width"]);
    const { channels, size, classes, width = 16 } = options;
    if (!Number.isSafeInteger(size / 4) || size < 4) throw expected("a multiple of 4", "size", size);
    this.features = new nn.Sequential(
      new nn.Conv2d(channels, width, 3, { padding: 1, bias: false }), // [N, width, size, size]
      new nn.BatchNorm2d(width),
      new nn.ReLU(),
      new nn.MaxPool2d(2), // [N, width, size/2, size/2]
      new nn.Conv2d(width, 2 * width, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(2 * width),
      new nn.ReLU(),
      new nn.MaxPool2d(2), // [N, 2·width, size/4, size/4]
      new nn.Flatten(),
    );
    this.classifier = new nn.Linear(2 * width * (size / 4) ** 2, classes);
  }

  /** Logits [N, classes] of images [N, channels, size, size]. */
  forward(images: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(images));
  }
}
