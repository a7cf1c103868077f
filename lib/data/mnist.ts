import { join } from "node:path";
import { SteppeError } from "../errors.js";
import { verifyFile } from "./checksums.js";
import { download } from "./download.js";
import { dataFolders, downloadFolder } from "./folders.js";
import { fromFolder, hasIdxFiles, idxFileIn, idxFiles, readIdxImages } from "./idx-images.js";
import { baseUrl, checkImageSet } from "./image-classes.js";
import type { IdxFiles } from "./idx-images.js";
import type { ImageClasses, ImageSetOptions } from "./image-classes.js";

/** A set of the MNIST family, as its publisher has it. */
interface Published {
  name: string;
  title: string;
  classes: readonly string[];
  files: IdxFiles;
  /** Where the gzipped files are, and the MD5 of each as the publisher (or torchvision) gives it. */
  source?: { url: string; md5: Readonly<Record<keyof IdxFiles, string>> };
  /** The folder that torchvision makes for it in its root. */
  torchvision: string;
  /** Folders where a system's package puts it. */
  elsewhere?: readonly string[];
  /** How to get it, line by line. */
  hints: readonly string[];
}

const digits = Array.from({ length: 10 }, (_, i) => String(i));

const fashion: Published = {
  name: "fashion-mnist",
  title: "Fashion-MNIST",
  torchvision: "FashionMNIST",
  classes: ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
  files: idxFiles(),
  source: {
    url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    md5: {
      trainImages: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
      trainLabels: "25c81989df183df01b3e8a0aad5dffbe",
      testImages: "bef4ecab320f06d8554ea6380940ec79",
      testLabels: "bb300cfdad3c16e7a12a480ee83cd310",
    },
  },
  elsewhere: ["/usr/share/datasets/fashion-mnist"],
  hints: [
    "Either: sudo apt-get install dataset-fashion-mnist",
    "or: data.fashionMnist({ download: true })",
    "or download the files named at https://github.com/zalandoresearch/fashion-mnist and set STEPPE_DATA to their folder.",
  ],
};

const original: Published = {
  name: "mnist",
  title: "MNIST",
  torchvision: "MNIST",
  classes: digits,
  files: idxFiles(),
  source: {
    url: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    md5: {
      trainImages: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
      trainLabels: "d53e105ee54ea40749a09fcbcd1e9432",
      testImages: "9fb629c4189551a2d022fa330f9573f3",
      testLabels: "ec29112dd5afa0611ce80d1b7f02629c",
    },
  },
  hints: ["Either: data.mnist({ download: true })", "or download the files named at http://yann.lecun.com/exdb/mnist and set STEPPE_DATA to their folder."],
};

const kuzushiji: Published = {
  name: "kmnist",
  title: "Kuzushiji-MNIST",
  torchvision: "KMNIST",
  classes: ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
  files: idxFiles(),
  source: {
    url: "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    md5: {
      trainImages: "bdb82020997e1d708af4cf47b453dcf7",
      trainLabels: "e144d726b3acfaa3e44228e80efcd344",
      testImages: "5c965bf0a639b31b8f53240b1b52f4d7",
      testLabels: "7320c461ea6c1c855c0b718fb2a4b134",
    },
  },
  hints: ["Either: data.kmnist({ download: true })", "or download the files named at https://github.com/rois-codh/kmnist and set STEPPE_DATA to their folder."],
};

/**
 * MNIST (LeCun, Cortes, Burges): handwritten digits, 28×28, 60,000 for training and 10,000 for testing, 10 classes. Read from the
 * publisher's IDX files, gzipped or not; images [N, 1, 28, 28].
 *
 * @throws SteppeError `IO` if it is not found, with every folder looked into and how to get it
 * @throws SteppeError `FORMAT` for a file that is truncated, corrupt, or not of this data set
 */
export function mnist(options: ImageSetOptions = {}): Promise<ImageClasses> {
  return load(original, options);
}

/** Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): photos of clothes, otherwise as {@link mnist}. */
export function fashionMnist(options: ImageSetOptions = {}): Promise<ImageClasses> {
  return load(fashion, options);
}

/** Kuzushiji-MNIST (Clanuwat et al. 2018, arXiv 1812.01718): cursive Japanese characters, otherwise as {@link mnist}. */
export function kmnist(options: ImageSetOptions = {}): Promise<ImageClasses> {
  return load(kuzushiji, options);
}

/**
 * The folder in which Fashion-MNIST's four files are: `STEPPE_DATA` or its `fashion-mnist`, the project's or user's cache,
 * or where Debian's package `dataset-fashion-mnist` puts them. `undefined` if there is none.
 */
export function fashionMnistFolder(): string | undefined {
  return whereIn(candidates(fashion), fashion);
}

function candidates({ name, elsewhere = [] }: Published): string[] {
  return [...dataFolders(name), ...elsewhere];
}

/** A root of torchvision's has the files in FashionMNIST/raw. */
function whereIn(folders: readonly string[], { torchvision, files }: Published): string | undefined {
  return folders.flatMap((folder) => [folder, join(folder, torchvision, "raw")]).find((folder) => hasIdxFiles(folder, files));
}

async function load(set: Published, options: ImageSetOptions): Promise<ImageClasses> {
  checkImageSet(options);
  const folders = options.root === undefined ? candidates(set) : [options.root];
  let folder = whereIn(folders, set);
  if (folder === undefined && options.download === true && set.source !== undefined) {
    folder = options.root ?? downloadFolder(set.name);
    await downloadAll(set, set.source, folder, options);
  }
  if (folder === undefined) throw missing(set, folders);
  if (options.verify === true) await verify(set, folder);
  return readIdxImages(fromFolder(folder), set.files, { name: set.name, classes: set.classes, size: [28, 28], dtype: options.dtype });
}

async function downloadAll({ files }: Published, source: NonNullable<Published["source"]>, folder: string, options: ImageSetOptions): Promise<void> {
  const base = baseUrl(options, source.url);
  for (const [part, file] of Object.entries(files) as [keyof IdxFiles, string][]) {
    if (idxFileIn(folder, file) === undefined) await download(`${base}${file}.gz`, join(folder, `${file}.gz`), { md5: source.md5[part], signal: options.signal });
  }
}

/** Checksums are those of the publisher's gzipped files: what others packed anew differs. */
async function verify({ title, files, source }: Published, folder: string): Promise<void> {
  for (const [part, file] of Object.entries(files) as [keyof IdxFiles, string][]) {
    const path = idxFileIn(folder, file)!;
    if (source === undefined || !path.endsWith(".gz")) throw new SteppeError("ARGUMENT", `Expected published checksums for verify but received ${path}: for ${title} there are ${source === undefined ? "none" : "those of the gzipped files"}.`);
    await verifyFile(path, { md5: source.md5[part] });
  }
}

function missing({ title, files, hints }: Published, folders: readonly string[]): SteppeError {
  const lines = [
    `Expected the four files of ${title} (${files.trainImages}.gz and so on) in one of these folders but found none:`,
    ...folders.map((folder) => `  ${folder}`),
    ...hints,
  ];
  return new SteppeError("IO", lines.join("\n"));
}
