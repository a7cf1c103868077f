import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { formatError } from "../io/file-errors.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import { readIdx } from "./idx.js";
import { labelledImages } from "./image-classes.js";
import type { ImageClasses, LabelledImages } from "./image-classes.js";

/** The four files of a set in the MNIST family, as it names them. */
export interface IdxFiles {
  trainImages: string;
  trainLabels: string;
  testImages: string;
  testLabels: string;
}

/** MNIST's names; EMNIST has a prefix and says "test". */
export function idxFiles(prefix = "", test = "t10k"): IdxFiles {
  const name = (part: string, what: string, dims: number) => `${prefix}${part}-${what}-idx${dims}-ubyte`;
  return { trainImages: name("train", "images", 3), trainLabels: name("train", "labels", 1), testImages: name(test, "images", 3), testLabels: name(test, "labels", 1) };
}

/** Where a file is in a folder: gzipped or not, with the dot that some copies have before "idx". */
export function idxFileIn(folder: string, file: string): string | undefined {
  const names = [file, file.replace("-idx", ".idx")].flatMap((name) => [name, `${name}.gz`]);
  return names.map((name) => join(folder, name)).find(existsSync);
}

export function hasIdxFiles(folder: string, files: IdxFiles): boolean {
  return Object.values(files).every((file) => idxFileIn(folder, file as string) !== undefined);
}

/** Reads one of the four files, and says where it is, for messages. */
export type IdxReader = (file: string) => Promise<readonly [tensor: Tensor, path: string]>;

export function fromFolder(folder: string): IdxReader {
  return async (file) => {
    const path = idxFileIn(folder, file)!;
    return [await readIdx(path), path];
  };
}

/** What is known of a set beforehand. */
export interface IdxLayout {
  name: string;
  /** Absent: as many as the largest label tells. */
  classes?: readonly string[];
  /** Height and width; absent: those of the training images. */
  size?: readonly [number, number];
  dtype?: "float32" | "uint8";
  /** Images are stored column by column, and wanted row by row. */
  transposed?: boolean;
}

/** The set of these four files. */
export async function readIdxImages(read: IdxReader, files: IdxFiles, { name, classes, size, dtype, transposed = false }: IdxLayout): Promise<ImageClasses> {
  const train = await readPair(read, files.trainImages, files.trainLabels, { classes: classes?.length, size, dtype, transposed });
  const sides = train.tensors[0].shape.slice(2) as [number, number];
  const count = classes?.length ?? Number(train.tensors[1].max().item()) + 1;
  const test = await readPair(read, files.testImages, files.testLabels, { classes: count, size: size ?? sides, dtype, transposed });
  return { name, classes: classes ?? Array.from({ length: count }, (_, i) => String(i)), train, test };
}

/**
 * Any set whose four files have MNIST's names (`train-images-idx3-ubyte` and so on, gzipped or not): images of any size, and
 * labels from 0 to 255.
 *
 * @param folder where the files are
 * @param options `classes`: their names, default "0", "1", …; `prefix`: what stands before the names, as "emnist-letters-"; `dtype`: as everywhere
 * @throws SteppeError `IO` for missing files, `FORMAT` for what is truncated, corrupt, or does not fit together
 */
export async function idxImages(folder: string, options: { classes?: readonly string[]; prefix?: string; dtype?: "float32" | "uint8" } = {}): Promise<ImageClasses> {
  if (typeof folder !== "string") throw expected("a folder", "folder", folder);
  checkKeys(options, ["classes", "prefix", "dtype"]);
  const { classes, prefix = "", dtype } = options;
  if (classes !== undefined && (!Array.isArray(classes) || classes.length === 0)) throw expected("an array of names", "classes", classes);
  const layouts = [idxFiles(prefix), idxFiles(prefix, "test")];
  const files = layouts.find((each) => hasIdxFiles(folder, each));
  if (files === undefined) {
    const missing = Object.values(layouts[0]!).filter((file) => idxFileIn(folder, file as string) === undefined);
    throw new SteppeError("IO", `Expected the files ${Object.values(layouts[0]!).join(", ")} (or .gz) in ${folder} but received no ${missing.join(", no ")}.`);
  }
  return readIdxImages(fromFolder(folder), files, { name: basename(folder), classes, dtype });
}

interface Known {
  classes: number | undefined;
  size: readonly [number, number] | undefined;
  dtype: "float32" | "uint8" | undefined;
  transposed: boolean;
}

async function readPair(read: IdxReader, imagesFile: string, labelsFile: string, known: Known): Promise<LabelledImages> {
  const [images, imagesPath] = await read(imagesFile);
  const [labels, labelsPath] = await read(labelsFile);
  const [n, height, width] = images.shape;
  const received = (dtype: string, shape: readonly number[]) => `${dtype} [${shape.join(", ")}]`;
  const [h, w] = known.size ?? [height, width];
  if (images.dtype !== "uint8" || images.dim() !== 3 || images.numel() === 0 || height !== h || width !== w) {
    throw formatError(imagesPath, 4, known.size === undefined ? "uint8 images" : `uint8 images of ${h}×${w}`, received(images.dtype, images.shape));
  }
  if (labels.dtype !== "uint8" || labels.dim() !== 1 || labels.shape[0] !== n) {
    throw formatError(labelsPath, 4, `${n} uint8 labels, one for each image`, received(labels.dtype, labels.shape));
  }
  const wrong = known.classes === undefined ? -1 : labels.toBytes().findIndex((label) => label >= known.classes!);
  if (wrong >= 0) throw formatError(labelsPath, 8 + wrong, `a label from 0 to ${known.classes! - 1}`, `${labels.toBytes()[wrong]}`);
  const set = torch.scope(() => labelledImages(known.transposed ? images.transpose(1, 2).contiguous() : images, 255, labels, known.dtype));
  images.dispose();
  labels.dispose();
  return set;
}
