import { readdir, stat } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { checkInteger } from "../checks.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { native } from "../native.js";
import { adopt } from "../scope.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { decodeImage } from "./decode.js";
import { loadSharp } from "./sharp.js";
import { TensorDataset } from "./tensor-dataset.js";
import type { DecodeSettings, Pixels } from "./decode.js";
import type { LabelledImages } from "./image-classes.js";
import type { LabelledDataset } from "./tensor-dataset.js";

/** Which files of a folder are images, and what is made of them. */
export interface ImageFolderOptions {
  /** Height and width that images are brought to, one number for both. Default: their own, which all of a batch must share. */
  size?: number | readonly [number, number];
  /** What happens to images of another shape: "cover" cuts off what is too much on both sides, "fill" stretches, "contain" puts black around. Default "cover". */
  fit?: "cover" | "fill" | "contain";
  /** 1 for grey, 3 for colours, 4 for colours and alpha; default 3. */
  channels?: 1 | 3 | 4;
  /** "uint8" keeps bytes: `transforms.toFloat()` makes floats of each batch. Default "float32", from 0 to 1. */
  dtype?: "float32" | "uint8";
  /** Endings of files that are images, in small letters; default .jpg, .jpeg, .png, .webp, .gif, .avif, .tif, .tiff, .svg. */
  extensions?: readonly string[];
  /** "throw": a corrupt image is an error that names it. "skip": it is left out. Default "throw". */
  corrupt?: "throw" | "skip";
  /** Called with each image that is left out. */
  onSkip?: (path: string, error: SteppeError) => void;
}

const extensionsByDefault = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".tif", ".tiff", ".svg"];

type Settings = DecodeSettings & Required<Pick<ImageFolderOptions, "dtype" | "corrupt" | "onSkip">>;

/** Images that are decoded at the same time: libvips has threads of its own. */
const atOnce = 8;

/**
 * Images in folders, one folder per class: each batch is decoded when its turn comes, so that a set may be larger than memory.
 * Made by {@link imageFolder}. Its batches are promises: a loader gives them with `for await`, several under way at a time.
 */
export class ImageFolder implements LabelledDataset<[images: Tensor, labels: Tensor]> {
  readonly root: string;
  /** Names of the folders, sorted. */
  readonly classes: readonly string[];
  /** Of each image, in the order of the classes and then of the paths. */
  readonly paths: readonly string[];
  /** Of each image, a number into `classes`. */
  readonly labels: readonly number[];
  readonly #settings: Settings;

  /** @internal */
  constructor(root: string, classes: readonly string[], files: readonly { path: string; label: number }[], settings: Settings) {
    this.root = root;
    this.classes = classes;
    this.paths = files.map(({ path }) => path);
    this.labels = files.map(({ label }) => label);
    this.#settings = settings;
  }

  get length(): number {
    return this.paths.length;
  }

  /** Some of the images, by number and in that order: see {@link LabelledDataset}. */
  take(indices: readonly number[], labels: readonly number[] = indices.map((i) => this.labels[i]!)): ImageFolder {
    const files = indices.map((index, i) => ({ path: this.paths[index]!, label: labels[i]! }));
    return new ImageFolder(this.root, this.classes, files, this.#settings);
  }

  /**
   * Images [n, channels, height, width] and labels (int64 [n]); fewer than asked for where corrupt ones are skipped.
   *
   * @throws SteppeError `FORMAT` for a corrupt image, for images of several sizes without `size`, and where every image is corrupt
   */
  async batch(indices: Tensor): Promise<[images: Tensor, labels: Tensor]> {
    const batch = await this.#make(indices.toArray() as number[]);
    if (batch === null) throw this.#none("a batch");
    return batch;
  }

  /** Null where all are corrupt and left out. */
  async #make(indices: readonly number[]): Promise<[images: Tensor, labels: Tensor] | null> {
    const { channels, dtype } = this.#settings;
    const decoded = await this.#decode(indices);
    if (decoded.length === 0) return null;
    const { height, width } = decoded[0]!.pixels;
    const pixels = torch.fromBuffer(Buffer.concat(decoded.map((each) => each.pixels.data)), "uint8", [decoded.length, height, width, channels]);
    const labels = torch.tensor(decoded.map(({ index }) => this.labels[index]!), { dtype: "int64" });
    try {
      const [handle] = await native.loadBatch([pixels.handle], 0, 0, 0, dtype === "uint8" ? [["channelsFirst"]] : [["channelsFirst"], ["toFloat"]], 0, false);
      const images = new Tensor(handle!);
      adopt([images]);
      return [images, labels];
    } finally {
      pixels.dispose();
    }
  }

  /**
   * All images in memory, decoded once.
   *
   * @param options `batchSize`: decoded at a time, default 256
   */
  async load(options: { batchSize?: number } = {}): Promise<LabelledImages> {
    checkKeys(options, ["batchSize"]);
    const { batchSize = 256 } = options;
    checkInteger(batchSize, "batchSize", 1);
    const labels: number[] = [];
    let whole: Tensor | null = null;
    for (let start = 0; start < this.length; start += batchSize) {
      const part = await this.#make(Array.from({ length: Math.min(batchSize, this.length - start) }, (_, i) => start + i));
      if (part === null) continue;
      const [images, ofPart] = part;
      whole ??= torch.empty([this.length, ...images.shape.slice(1)], { dtype: images.dtype });
      if (String(images.shape.slice(1)) !== String(whole.shape.slice(1))) throw this.#sizes(this.paths[start]!, images.shape.slice(2), whole.shape.slice(2));
      const place = whole.narrow(0, labels.length, images.shape[0]!);
      place.copy_(images);
      labels.push(...(ofPart.toArray() as number[]));
      for (const tensor of [place, images, ofPart]) tensor.dispose();
    }
    if (whole === null) throw this.#none("all");
    const images = labels.length === this.length ? whole : whole.narrow(0, 0, labels.length);
    return new TensorDataset(images, torch.tensor(labels, { dtype: "int64" }));
  }

  async #decode(indices: readonly number[]): Promise<{ index: number; pixels: Pixels }[]> {
    const { corrupt, onSkip, ...settings } = this.#settings;
    const results = new Array<{ index: number; pixels: Pixels } | undefined>(indices.length);
    let next = 0;
    const work = async () => {
      while (next < indices.length) {
        const place = next++;
        const index = indices[place]!;
        const path = this.paths[index];
        if (path === undefined) throw expected(`indices from 0 to ${this.length - 1}`, "batch", index);
        try {
          results[place] = { index, pixels: await decodeImage(path, settings) };
        } catch (error) {
          if (corrupt === "throw" || !(error instanceof SteppeError) || error.code !== "FORMAT") throw error;
          onSkip(path, error);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const decoded = results.filter((result) => result !== undefined);
    const [first] = decoded;
    for (const { index, pixels } of decoded) {
      const { height, width } = first!.pixels;
      if (pixels.height !== height || pixels.width !== width) throw this.#sizes(this.paths[index]!, [pixels.height, pixels.width], [height, width]);
    }
    return decoded;
  }

  #none(of: string): SteppeError {
    return new SteppeError("FORMAT", `Expected at least one image of ${of} in ${this.root} that can be decoded but received none.`);
  }

  #sizes(path: string, found: readonly number[], wanted: readonly number[]): SteppeError {
    return formatError(path, 0, `an image of ${wanted[1]}×${wanted[0]} as the others (or a size for all of them: the option size)`, `one of ${found[1]}×${found[0]}`);
  }
}

/**
 * Opens a folder with one folder of images per class, images in it at any depth. Classes are in the order of their names; nothing
 * is decoded yet. Images are turned as their cameras were held (EXIF) and come in sRGB.
 *
 * @throws SteppeError `IO` if the folder cannot be read, or the package sharp is not installed
 * @throws SteppeError `FORMAT` for no class, or a class without an image
 * @example
 * const set = await data.imageFolder("flowers", { size: 224 });
 * for await (const [x, y] of data.loader(set, { batchSize: 32, shuffle: true, transform: randomHorizontalFlip() })) await step(x, y);
 * const small = await set.load(); // in memory
 */
export async function imageFolder(root: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
  if (typeof root !== "string") throw expected("a folder", "root", root);
  checkKeys(options, ["size", "fit", "channels", "dtype", "extensions", "corrupt", "onSkip"]);
  const { size, fit = "cover", channels = 3, dtype = "float32", extensions = extensionsByDefault, corrupt = "throw", onSkip = () => {} } = options;
  const sides: readonly unknown[] | null = size === undefined ? null : Array.isArray(size) ? size : [size, size];
  if (sides !== null && sides.length !== 2) throw expected("a height and a width", "size", size);
  sides?.forEach((side) => checkInteger(side, "size", 1));
  if (fit !== "cover" && fit !== "fill" && fit !== "contain") throw expected('"cover", "fill" or "contain"', "fit", fit);
  if (channels !== 1 && channels !== 3 && channels !== 4) throw expected("1, 3 or 4", "channels", channels);
  if (dtype !== "float32" && dtype !== "uint8") throw expected('"float32" or "uint8"', "dtype", dtype);
  if (corrupt !== "throw" && corrupt !== "skip") throw expected('"throw" or "skip"', "corrupt", corrupt);
  if (typeof onSkip !== "function") throw expected("a function", "onSkip", onSkip);
  if (!Array.isArray(extensions) || extensions.length === 0 || !extensions.every((each) => typeof each === "string" && each.startsWith("."))) throw expected('endings like ".png"', "extensions", extensions);
  await loadSharp();

  const isFolder = async (name: string) => (await stat(join(root, name)).catch(() => null))?.isDirectory() === true;
  const names = (await list(root)).filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
  const folders = await Promise.all(names.map(isFolder));
  const classes = names.filter((_, i) => folders[i]).sort(byCode);
  if (classes.length === 0) throw new SteppeError("FORMAT", `Expected a folder for each class in ${root} but found none.`);
  const files: { path: string; label: number }[] = [];
  for (const [label, name] of classes.entries()) {
    const folder = join(root, name);
    const found = (await list(folder, true))
      .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && (extensions as readonly string[]).includes(extname(entry.name).toLowerCase()))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort((a, b) => byCode(relative(folder, a), relative(folder, b)));
    if (found.length === 0) throw new SteppeError("FORMAT", `Expected an image (${(extensions as readonly string[]).join(", ")}) in ${folder} but found none.`);
    for (const path of found) files.push({ path, label });
  }
  return new ImageFolder(root, classes, files, { size: sides as [number, number] | null, fit, channels, dtype, corrupt, onSkip });
}

async function list(folder: string, recursive = false) {
  try {
    return await readdir(folder, { withFileTypes: true, recursive });
  } catch (error) {
    throw ioError("read", folder, error);
  }
}

/** By code units: the same everywhere, and Python's order for everything but rare characters. */
function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
