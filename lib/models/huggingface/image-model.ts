import { checkKeys, expected, expectedTensor } from "../../errors.js";
import { count, kind, oneOf, or, orNull } from "../../nn/arguments.js";
import type { Argument } from "../../nn/arguments.js";
import { Tensor } from "../../tensor.js";
import { labelFields } from "../config.js";

// What Hugging Face's image models share.

/** What they read. */
export interface ImageInputs {
  /** Images [batch, channels, height, width], as `models.imageProcessor` makes them. */
  pixelValues: Tensor;
  /** Whether the states after each layer or stage come back, too; default false. */
  outputHiddenStates?: boolean;
}

export const imageKeys = ["pixelValues", "outputHiddenStates"];

/** Fields that every configuration of an image model has. */
export const imageFields = {
  numChannels: or(count, 3),
  /** What the labels of a classifier are: told from them if null. */
  problemType: orNull(oneOf("regression", "single_label_classification", "multi_label_classification")),
  ...labelFields,
};

export const word = kind<string>("a string", (value) => typeof value === "string");
export const counts = kind<readonly number[]>("an array of positive integers", (value) => Array.isArray(value) && value.length > 0 && value.every((each) => Number.isSafeInteger(each) && each > 0));

/** Height and width, or one number for both. Read as both. */
export const sides: Argument<readonly [number, number], number | readonly number[], false> = {
  optional: false,
  read(value, name) {
    const both = Array.isArray(value) ? (value as unknown[]) : [value, value];
    if (both.length !== 2) throw expected("a height and a width", name, value);
    return [count.read(both[0], name), count.read(both[1], name)];
  },
};

/** @throws SteppeError `ARGUMENT` for unknown names, and for images that the model does not take */
export function checkImages(owner: string, inputs: ImageInputs, keys: readonly string[], channels: number, size: readonly [number, number] | null): void {
  checkKeys(inputs, keys, `the inputs of ${owner}`);
  const { pixelValues } = inputs;
  const wanted = `[batch, ${channels}, ${size === null ? "height, width" : size.join(", ")}]`;
  if (!(pixelValues instanceof Tensor)) throw expected(`a tensor of ${wanted}`, `pixelValues of ${owner}`, pixelValues);
  const [, depth, ...sizes] = pixelValues.shape;
  if (depth !== channels || sizes.length !== 2 || (size !== null && String(sizes) !== String(size))) {
    throw expectedTensor(`a tensor of ${wanted}`, `pixelValues of ${owner}`, pixelValues);
  }
}
