import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, checkKeys } from "../errors.js";
import { formatError } from "../io/file-errors.js";
import { dataFolders } from "./folders.js";
import { readIdx } from "./idx.js";
import { labelledImages } from "./image-classes.js";
import type { ImageClasses, LabelledImages } from "./image-classes.js";

const files = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] as const;

const classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"] as const;

/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): photos of clothes, 28×28, 60,000 for training and 10,000 for
 * testing, 10 classes. Read from the publisher's IDX files, gzipped or not; images [N, 1, 28, 28].
 *
 * @param options `root`: the folder with the four files. Else it is looked for, see {@link fashionMnistFolder}.
 * @throws SteppeError `IO` if it is not found, with every folder looked into and how to get it
 * @throws SteppeError `FORMAT` for a file that is truncated, corrupt, or not of this data set
 */
export async function fashionMnist(options: { root?: string } = {}): Promise<ImageClasses> {
  checkKeys(options, ["root"]);
  const folder = options.root ?? fashionMnistFolder();
  if (folder === undefined || !hasFiles(folder)) throw missing(options.root === undefined ? candidates() : [options.root]);
  const [trainImages, trainLabels, testImages, testLabels] = files.map((file) => fileIn(folder, file)!);
  const train = await readPair(trainImages!, trainLabels!);
  const test = await readPair(testImages!, testLabels!);
  return { name: "fashion-mnist", classes, train, test };
}

/**
 * The folder in which Fashion-MNIST's four files are: `STEPPE_DATA` or its `fashion-mnist`, the project's or user's cache,
 * or where Debian's package `dataset-fashion-mnist` puts them. `undefined` if there is none.
 */
export function fashionMnistFolder(): string | undefined {
  return candidates().find(hasFiles);
}

function candidates(): string[] {
  return [...dataFolders("fashion-mnist"), "/usr/share/datasets/fashion-mnist"];
}

function hasFiles(folder: string): boolean {
  return files.every((file) => fileIn(folder, file) !== undefined);
}

function fileIn(folder: string, file: string): string | undefined {
  return [join(folder, file), join(folder, `${file}.gz`)].find((path) => existsSync(path));
}

function missing(folders: string[]): SteppeError {
  const lines = [
    `Expected the four files of Fashion-MNIST (${files[0]}.gz and so on) in one of these folders but found none:`,
    ...folders.map((folder) => `  ${folder}`),
    "Either: sudo apt-get install dataset-fashion-mnist",
    "or download the files named at https://github.com/zalandoresearch/fashion-mnist and set STEPPE_DATA to their folder.",
  ];
  return new SteppeError("IO", lines.join("\n"));
}

async function readPair(imagesPath: string, labelsPath: string): Promise<LabelledImages> {
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
  const [n, height, width] = images.shape;
  const received = (dtype: string, shape: readonly number[]) => `${dtype} [${shape.join(", ")}]`;
  if (images.dtype !== "uint8" || images.dim() !== 3 || n === 0 || height !== 28 || width !== 28) {
    throw formatError(imagesPath, 4, "uint8 images of 28×28", received(images.dtype, images.shape));
  }
  if (labels.dtype !== "uint8" || labels.dim() !== 1 || labels.shape[0] !== n) {
    throw formatError(labelsPath, 4, `${n} uint8 labels, one for each image`, received(labels.dtype, labels.shape));
  }
  const wrong = labels.toBytes().findIndex((label) => label >= classes.length);
  if (wrong >= 0) throw formatError(labelsPath, 8 + wrong, "a label from 0 to 9", `${labels.toBytes()[wrong]}`);
  const set = labelledImages(images, 255, labels);
  images.dispose();
  labels.dispose();
  return set;
}
