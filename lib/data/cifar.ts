import { join } from "node:path";
import { SteppeError, expected } from "../errors.js";
import { torch } from "../torch.js";
import { findCifar, imageBytes, parseBinary, parseLines, parsePickle, parsePickledNames, readCifar, verifyCifar } from "./cifar-files.js";
import { download } from "./download.js";
import { dataFolders, downloadFolder } from "./folders.js";
import { baseUrl, checkImageSet, labelledImages } from "./image-classes.js";
import type { Layout, Part } from "./cifar-files.js";
import type { ImageClasses, ImageSetOptions, LabelledImages } from "./image-classes.js";

/** Where both sets are published: https://www.cs.toronto.edu/~kriz/cifar.html, with the archives' MD5. */
const publisher = "https://www.cs.toronto.edu/~kriz/";

const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`);

const ten: Layout[] = [
  {
    archive: "cifar-10-binary.tar.gz",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    folder: "cifar-10-batches-bin",
    train: batches.map((name) => `${name}.bin`),
    test: "test_batch.bin",
    names: "batches.meta.txt",
    most: 10_000,
    parse: (file, path) => parseBinary(file, path, 1, 0, [10]),
    parseNames: (file, path) => parseLines(file, path, 10),
  },
  {
    archive: "cifar-10-python.tar.gz",
    md5: "c58f30108f718f92721af3b95e74349a",
    folder: "cifar-10-batches-py",
    train: batches,
    test: "test_batch",
    names: "batches.meta",
    files: {
      data_batch_1: "c99cafc152244af753f735de768cd75f",
      data_batch_2: "d4bba439e000b95fd0a9bffe97cbabec",
      data_batch_3: "54ebc095f3ab1f0389bbae665268c751",
      data_batch_4: "634d18415352ddfa80567beed471001a",
      data_batch_5: "482c414d41f54cd18b22e5b47cb7c3cb",
      test_batch: "40351d587109b95175f43aff81a1287e",
      "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    most: 10_000,
    parse: (file, path) => parsePickle(file, path, "labels", 10),
    parseNames: (file, path) => parsePickledNames(file, path, "label_names", 10),
  },
];

/** The superclass's byte stands before the class's. */
function hundred(kind: "fine" | "coarse"): Layout[] {
  const count = kind === "fine" ? 100 : 20;
  return [
    {
      archive: "cifar-100-binary.tar.gz",
      md5: "03b5dce01913d631647c71ecec9e9cb8",
      folder: "cifar-100-binary",
      train: ["train.bin"],
      test: "test.bin",
      names: `${kind}_label_names.txt`,
      most: 50_000,
      parse: (file, path) => parseBinary(file, path, 2, kind === "fine" ? 1 : 0, [20, 100]),
      parseNames: (file, path) => parseLines(file, path, count),
    },
    {
      archive: "cifar-100-python.tar.gz",
      md5: "eb9058c3a382ffc7106e4002c42a8d85",
      folder: "cifar-100-python",
      train: ["train"],
      test: "test",
      names: "meta",
      files: { train: "16019d7e3df5f24257cddd939b257f8d", test: "f0ef6b0ae62326f3e7ffdfab6717acfc", meta: "7973b15100ade9c7d40fb424638fde48" },
      most: 50_000,
      parse: (file, path) => parsePickle(file, path, `${kind}_labels`, count),
      parseNames: (file, path) => parsePickledNames(file, path, `${kind}_label_names`, count),
    },
  ];
}

/**
 * CIFAR-10 (Krizhevsky 2009): photos of 10 classes, 32×32 in colours, 50,000 for training and 10,000 for testing; images [N, 3, 32, 32].
 * Read from the publisher's archives or what they unpack to, the binary or the Python version; a `root` may be the archive itself.
 *
 * @throws SteppeError `IO` if it is not found, with every folder looked into and how to get it
 * @throws SteppeError `FORMAT` for a file that is truncated, corrupt, or not of this data set
 * @example const set = await data.cifar10({ download: true, dtype: "uint8" }); // floats of all of it take 740 MB
 */
export async function cifar10(options: ImageSetOptions = {}): Promise<ImageClasses> {
  checkImageSet(options);
  return load("cifar-10", "CIFAR-10", ten, options);
}

/**
 * CIFAR-100, in the same way as {@link cifar10}: 100 classes in 20 superclasses.
 *
 * @param options `labels`: "fine" for the classes, "coarse" for the superclasses; default "fine"
 */
export async function cifar100(options: ImageSetOptions & { labels?: "fine" | "coarse" } = {}): Promise<ImageClasses> {
  checkImageSet(options, ["labels"]);
  const { labels = "fine", ...rest } = options;
  if (labels !== "fine" && labels !== "coarse") throw expected('"fine" or "coarse"', "labels", labels);
  return load("cifar-100", "CIFAR-100", hundred(labels), rest);
}

async function load(name: string, title: string, layouts: readonly Layout[], options: ImageSetOptions): Promise<ImageClasses> {
  const folders = options.root === undefined ? dataFolders(name) : [options.root];
  const find = () => folders.map((folder) => findCifar(folder, layouts)).find((place) => place !== undefined);
  let place = find();
  if (place === undefined && options.download === true) {
    const { archive, md5 } = layouts[0]!;
    await download(baseUrl(options, publisher) + archive, join(options.root ?? downloadFolder(name), archive), { md5, signal: options.signal });
    place = find();
  }
  if (place === undefined) throw missing(name, title, layouts, folders);
  if (options.verify === true) await verifyCifar(place);
  const { names, train, test } = await readCifar(place);
  return { name, classes: names, train: toSet(train, options.dtype), test: toSet(test, options.dtype) };
}

function toSet({ images, labels }: Part, dtype: "float32" | "uint8" | undefined): LabelledImages {
  return torch.scope(() => {
    const pixels = torch.fromBuffer(images, "uint8", [images.length / imageBytes, 3, 32, 32]);
    return labelledImages(pixels, 255, torch.fromBuffer(labels, "uint8", [labels.length]), dtype);
  });
}

function missing(name: string, title: string, layouts: readonly Layout[], folders: readonly string[]): SteppeError {
  const lines = [
    `Expected ${layouts.map(({ archive }) => archive).join(" or ")}, or what it unpacks to, in one of these folders for ${title} but found neither:`,
    ...folders.map((folder) => `  ${folder}`),
    `Either: data.${name.replace("-", "")}({ download: true })`,
    `or download one of them from ${publisher}cifar.html and set STEPPE_DATA to its folder.`,
  ];
  return new SteppeError("IO", lines.join("\n"));
}
