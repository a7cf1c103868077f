import { checkKeys, expected } from "../errors.js";
import { torch } from "../torch.js";
import { TensorDataset } from "./tensor-dataset.js";
import type { Tensor } from "../tensor.js";

/** Images [N, channels, height, width] (float32 from 0 to 1, or uint8) and the numbers of their classes (int64 [N]). */
export type LabelledImages = TensorDataset<[images: Tensor, labels: Tensor]>;

/** A data set of images in classes, split for training and testing. */
export interface ImageClasses {
  /** "fashion-mnist", "digits" */
  readonly name: string;
  /** The names of the classes; a label is an index into it. */
  readonly classes: readonly string[];
  /** The publisher's images for training. */
  readonly train: LabelledImages;
  /** Those that are held out. */
  readonly test: LabelledImages;
}

/** How a published set of images is read. */
export interface ImageSetOptions {
  /** The folder with its files. Else it is looked for: `STEPPE_DATA` and in it the set's own folder, the project's cache, the user's. */
  root?: string;
  /** "uint8" keeps bytes, a quarter of the memory: `transforms.toFloat()` makes floats of each batch. Default "float32", from 0 to 1. */
  dtype?: "float32" | "uint8";
  /** Gets what is missing from the publisher, checked, into `root` or the cache; default false. */
  download?: boolean;
  /** Another place to download from: a URL under which the publisher's file names stand. */
  mirror?: string;
  /** Compares the files with the publisher's checksums before they are read; default false. Downloads are always checked. */
  verify?: boolean;
  /** Breaks a download off. */
  signal?: AbortSignal;
}

/** The URL under which a set's files stand: the mirror's if there is one, else the publisher's, which ends in "/". */
export function baseUrl({ mirror }: ImageSetOptions, publisher: string): string {
  return mirror === undefined ? publisher : mirror.replace(/\/?$/, "/");
}

export const imageSetKeys = ["root", "dtype", "download", "mirror", "verify", "signal"] as const;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong types */
export function checkImageSet(options: ImageSetOptions, more: readonly string[] = []): void {
  checkKeys(options, [...imageSetKeys, ...more]);
  for (const name of ["root", "mirror"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "string") throw expected("a string", name, options[name]);
  }
  for (const name of ["download", "verify"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "boolean") throw expected("true or false", name, options[name]);
  }
  if (options.dtype !== undefined && options.dtype !== "float32" && options.dtype !== "uint8") throw expected('"float32" or "uint8"', "dtype", options.dtype);
}

/**
 * @param images uint8 [N, height, width] or [N, channels, height, width]
 * @param white the value that becomes 1
 * @param labels uint8 [N]
 */
export function labelledImages(images: Tensor, white: number, labels: Tensor, dtype: "float32" | "uint8" = "float32"): LabelledImages {
  return torch.scope(() => {
    const shaped = images.dim() === 3 ? images.unsqueeze(1) : images;
    return new TensorDataset(dtype === "uint8" ? shaped.clone() : shaped.to("float32").div_(white), labels.to("int64"));
  });
}
