import { checkKeys, expected } from "../errors.js";
import { count } from "../nn/arguments.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";

const activations = { relu: () => new nn.ReLU(), gelu: () => new nn.GELU(), tanh: () => new nn.Tanh(), silu: () => new nn.SiLU() };

/** What a multilayer perceptron may vary. */
export interface MLPOptions {
  /** Numbers per sample: 784 for images of 28×28. */
  inFeatures: number;
  /** Widths of the hidden layers; default [512, 512]. [] leaves a linear model. */
  hidden?: readonly number[];
  /** Number of outputs; default 10. */
  numClasses?: number;
  /** After each hidden layer; default "relu". */
  activation?: keyof typeof activations;
  /** Probability of dropout after each activation; default 0. */
  dropout?: number;
}

const names = ["inFeatures", "hidden", "numClasses", "activation", "dropout"] as const;

/**
 * A multilayer perceptron: linear layers with an activation after each but the last. Samples of any shape are flattened.
 *
 * @example new models.MLP({ inFeatures: 784, hidden: [256], numClasses: 10 })
 */
export class MLP extends PretrainedModel {
  readonly layers: nn.Sequential;

  constructor(options: MLPOptions) {
    checkKeys(options, names);
    const { inFeatures, hidden = [512, 512], numClasses = 10, activation = "relu", dropout = 0 } = options;
    count.read(inFeatures, "inFeatures");
    if (!Array.isArray(hidden)) throw expected("an array of widths", "hidden", hidden);
    hidden.forEach((width, i) => count.read(width, `hidden[${i}]`));
    if (!Object.hasOwn(activations, activation)) throw expected(`one of ${Object.keys(activations).join(", ")}`, "activation", activation);
    super(imageConfig("MLP", { ...options, numClasses }));
    const widths = [inFeatures, ...(hidden as number[])];
    const inner = widths.slice(1).flatMap((width, i) => [new nn.Linear(widths[i]!, width), activations[activation](), ...(dropout > 0 ? [new nn.Dropout(dropout)] : [])]);
    this.layers = new nn.Sequential(...inner, new nn.Linear(widths.at(-1)!, numClasses));
  }

  /** @param x [N, ...] with inFeatures numbers per sample @returns logits [N, numClasses] */
  forward(x: Tensor): Tensor {
    return this.layers.forward(x.flatten(1));
  }
}

export const mlpArchitectures = { MLP: imageArchitecture(names, (options) => new MLP(options as unknown as MLPOptions)) };
