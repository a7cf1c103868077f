import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected, suggest } from "../errors.js";
import { formatError } from "../io/file-errors.js";
import { readZip } from "./archive.js";
import { verifyFile } from "./checksums.js";
import { download } from "./download.js";
import { dataFolders, downloadFolder } from "./folders.js";
import { parseIdx } from "./idx.js";
import { fromFolder, hasIdxFiles, idxFiles, readIdxImages } from "./idx-images.js";
import { baseUrl, checkImageSet } from "./image-classes.js";
import type { IdxFiles, IdxReader } from "./idx-images.js";
import type { ImageClasses, ImageSetOptions } from "./image-classes.js";

/** The publisher's one archive with the files of all parts, and its MD5 as torchvision gives it. */
const archive = { publisher: "https://biometrics.nist.gov/cs_links/EMNIST/", name: "gzip.zip", md5: "58c8d27c78d21e728a6bc7b3cc06412e" } as const;

/** The largest part has 697,932 images of 784 bytes, which gzip makes smaller: no file in the archive is longer. */
const mostBytes = 697_932 * 784 + 1024;

const digits = Array.from({ length: 10 }, (_, i) => String(i));
const alphabet = [..."abcdefghijklmnopqrstuvwxyz"];
/** Small letters that EMNIST takes for the same as capital ones. */
const merged = new Set("cijklmopsuvwxyz");
const all = [...digits, ...alphabet.map((letter) => letter.toUpperCase()), ...alphabet];

/** The parts and their classes. Labels of "letters" begin at 1. */
const parts = {
  byclass: all,
  bymerge: all.filter((each) => !merged.has(each)),
  balanced: all.filter((each) => !merged.has(each)),
  letters: ["N/A", ...alphabet],
  digits,
  mnist: digits,
} as const;

/** Which part of EMNIST is read, and how. */
export interface EmnistOptions extends ImageSetOptions {
  /** Which part: all characters, with alike small and capital letters merged, as many of each, letters alone, digits alone, as MNIST. */
  split: keyof typeof parts;
  /** Turns the images as one reads them. Default false: with rows and columns changed, as they are stored and as torchvision has them. */
  upright?: boolean;
}

/**
 * EMNIST (Cohen et al. 2017, arXiv 1702.05373): handwritten letters and digits, 28×28, in six parts. Read from the publisher's
 * `gzip.zip` as it is, or from the IDX files in it, gzipped or not; images [N, 1, 28, 28].
 *
 * @throws SteppeError `IO` if it is not found, with every folder looked into and how to get it
 * @throws SteppeError `FORMAT` for a file or an archive that is truncated, corrupt, or not of this data set
 * @example const { train, classes } = await data.emnist({ split: "letters", download: true, upright: true });
 */
export async function emnist(options: EmnistOptions): Promise<ImageClasses> {
  const { split, upright = false, ...rest } = options ?? {};
  const names = Object.keys(parts);
  if (typeof split !== "string" || !Object.hasOwn(parts, split)) throw expected(`one of ${names.join(", ")}`, "split", split, suggest(String(split), names).trim());
  if (typeof upright !== "boolean") throw expected("true or false", "upright", upright);
  checkImageSet(rest, ["split", "upright"]);
  const files = idxFiles(`emnist-${split}-`, "test");
  const read = await locate(files, `EMNIST ${split}`, rest);
  return readIdxImages(read, files, { name: "emnist", classes: parts[split], size: [28, 28], dtype: rest.dtype, transposed: upright });
}

/**
 * Loose files come first, in the folder that unpacking makes, too; then the archive; then the publisher. Where files are to be verified,
 * the archive comes first: it alone has a checksum, and torchvision leaves it beside what it unpacks.
 */
async function locate(files: IdxFiles, title: string, options: ImageSetOptions): Promise<IdxReader> {
  const folders = options.root === undefined ? dataFolders("emnist") : [options.root];
  const places = folders.flatMap((folder) => [folder, join(folder, "gzip"), join(folder, "EMNIST", "raw")]);
  const loose = places.find((folder) => hasIdxFiles(folder, files));
  let zip = places.map((folder) => join(folder, archive.name)).find(existsSync);
  if (loose !== undefined && (zip === undefined || options.verify !== true)) {
    if (options.verify === true) throw new SteppeError("ARGUMENT", `Expected ${archive.name} for verify but received its files alone, in ${loose}: there is a published checksum of the archive only.`);
    return fromFolder(loose);
  }
  if (zip === undefined && options.download === true) {
    zip = join(options.root ?? downloadFolder("emnist"), archive.name);
    await download(baseUrl(options, archive.publisher) + archive.name, zip, { md5: archive.md5, signal: options.signal });
  } else if (zip !== undefined && options.verify === true) {
    await verifyFile(zip, { md5: archive.md5 });
  }
  if (zip === undefined) throw missing(files, title, folders);
  return fromArchive(zip, files);
}

async function fromArchive(zip: string, files: IdxFiles): Promise<IdxReader> {
  const names = Object.values(files).map((file: string) => `${file}.gz`);
  const content = await readZip(zip, new Map(names.map((name) => [name, mostBytes])));
  const absent = names.filter((name) => !content.has(name));
  if (absent.length > 0) throw formatError(zip, 0, `an archive with ${names.join(", ")}`, `one without ${absent.join(", ")}`);
  return async (file) => {
    const path = `${zip}:${file}.gz`;
    return [await parseIdx(content.get(`${file}.gz`)!, path), path];
  };
}

function missing(files: IdxFiles, title: string, folders: readonly string[]): SteppeError {
  const lines = [
    `Expected ${archive.name}, or the four files of ${title} in it (${files.trainImages}.gz and so on), in one of these folders but found none:`,
    ...folders.map((folder) => `  ${folder}`),
    "Either: data.emnist({ split, download: true })",
    `or download ${archive.publisher}${archive.name} (562 MB) and set STEPPE_DATA to its folder.`,
  ];
  return new SteppeError("IO", lines.join("\n"));
}
