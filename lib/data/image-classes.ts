import { torch } from "../torch.js";
import { TensorDataset } from "./tensor-dataset.js";
import type { Tensor } from "../tensor.js";

/** Images (float32 [N, channels, height, width], from 0 to 1) and the numbers of their classes (int64 [N]). */
export type LabelledImages = TensorDataset<[images: Tensor, labels: Tensor]>;

/** A data set of images in classes, split for training and testing. */
export interface ImageClasses {
  /** "fashion-mnist", "digits" */
  readonly name: string;
  /** The names of the classes; a label is an index into it. */
  readonly classes: readonly string[];
  readonly train: LabelledImages;
  readonly test: LabelledImages;
}

/**
 * @param images uint8 [N, height, width]
 * @param white the value that becomes 1
 * @param labels uint8 [N]
 */
export function labelledImages(images: Tensor, white: number, labels: Tensor): LabelledImages {
  return torch.scope(() => new TensorDataset(images.to("float32").div(white).unsqueeze(1), labels.to("int64")));
}
