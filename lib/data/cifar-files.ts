import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, describe } from "../errors.js";
import { formatError } from "../io/file-errors.js";
import { ByteArray, unpickleArrays } from "../io/numpy-pickle.js";
import { readWhole } from "../io/read-whole.js";
import { readTarGz } from "./archive.js";
import { verifyFile } from "./checksums.js";

/** Bytes of an image: 32×32 reds, greens, blues. */
export const imageBytes = 3072;

/** Images and one kind of labels: uint8 [N, 3072], uint8 [N]. */
export interface Part {
  images: Uint8Array;
  labels: Uint8Array;
}

/** How one of the two sets is laid out in one of its two formats. */
export interface Layout {
  /** The archive that is published, and its MD5. */
  archive: string;
  md5: string;
  /** The folder in it. */
  folder: string;
  train: readonly string[];
  test: string;
  /** The file with the classes' names. */
  names: string;
  /** MD5 of each file of the unpacked archive, where they are known. */
  files?: Readonly<Record<string, string>>;
  /** Images in each file at most; the published ones have 10,000 or 50,000. */
  most: number;
  parse(file: Buffer, path: string): Part;
  parseNames(file: Buffer, path: string): string[];
}

/** Of a batch, with all that Python writes around the bytes: names of files, numbers. */
const mostBesides = 32 * 2 ** 20;

/** A layout's files in a place: an unpacked folder, or the archive. */
export interface Place {
  layout: Layout;
  path: string;
  packed: boolean;
}

/** Where in a folder one of the layouts is; a path that is an archive itself is one, too. */
export function findCifar(folder: string, layouts: readonly Layout[]): Place | undefined {
  const places = layouts.flatMap((layout) => [
    { layout, path: folder, packed: false },
    { layout, path: join(folder, layout.folder), packed: false },
    { layout, path: join(folder, layout.archive), packed: true },
    ...(folder.endsWith(layout.archive) ? [{ layout, path: folder, packed: true }] : []),
  ]);
  return places.find(({ layout, path, packed }) => (packed ? existsSync(path) : namesOf(layout).every((name) => existsSync(join(path, name)))));
}

function namesOf({ train, test, names }: Layout): string[] {
  return [...train, test, names];
}

/** @throws SteppeError `FORMAT` unless the files are the published ones, `ARGUMENT` where no checksums are published */
export async function verifyCifar({ layout, path, packed }: Place): Promise<void> {
  if (packed) return verifyFile(path, { md5: layout.md5 });
  if (layout.files === undefined) throw new SteppeError("ARGUMENT", `Expected published checksums for verify but received ${path}: there are those of ${layout.archive} alone.`);
  for (const [name, md5] of Object.entries(layout.files)) await verifyFile(join(path, name), { md5 });
}

/** All of a set: the parts of the training set one after the other. */
export async function readCifar(place: Place): Promise<{ names: string[]; train: Part; test: Part }> {
  const { layout, path, packed } = place;
  const packedFiles = packed ? await readTarGz(path, new Map(namesOf(layout).map((name) => [name, layout.most * (imageBytes + 2) + mostBesides]))) : null;
  const read = async (name: string): Promise<[Buffer, string]> => {
    if (packedFiles === null) return [await readWhole(join(path, name)), join(path, name)];
    const file = packedFiles.get(name);
    if (file === undefined) throw formatError(path, 0, `the file ${name} in the archive`, "none");
    return [file, `${path}:${name}`];
  };
  const parts: Part[] = [];
  for (const name of layout.train) {
    parts.push(layout.parse(...(await read(name))));
    packedFiles?.delete(name); // its images are here now
  }
  const train = parts.length === 1 ? parts[0]! : { images: Buffer.concat(parts.map(({ images }) => images)), labels: Buffer.concat(parts.map(({ labels }) => labels)) };
  return { names: layout.parseNames(...(await read(layout.names))), train, test: layout.parse(...(await read(layout.test))) };
}

/** Rows of label bytes, of which `at` is the one that is wanted, and an image. */
export function parseBinary(file: Buffer, path: string, labelBytes: number, at: number, classes: readonly number[]): Part {
  const row = labelBytes + imageBytes;
  const count = Math.floor(file.length / row);
  if (count === 0 || file.length !== count * row) throw formatError(path, count * row, `rows of ${row} bytes, one or more`, `${file.length - count * row} bytes at the end`);
  const part = { images: new Uint8Array(count * imageBytes), labels: new Uint8Array(count) };
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < labelBytes; k++) {
      const label = file[i * row + k]!;
      if (label >= classes[k]!) throw formatError(path, i * row + k, `a label from 0 to ${classes[k]! - 1}`, `${label}`);
    }
    part.labels[i] = file[i * row + at]!;
    part.images.set(file.subarray(i * row + labelBytes, (i + 1) * row), i * imageBytes);
  }
  return part;
}

/** One name in a line. */
export function parseLines(file: Buffer, path: string, count: number): string[] {
  const names = file.toString("utf8").split(/\r?\n/).map((name) => name.trim()).filter((name) => name !== "");
  if (names.length !== count) throw formatError(path, 0, `${count} names of classes, one in a line`, `${names.length}`);
  return names;
}

/** A dict with "data", an array [N, 3072] of uint8, and a list of labels under `key`. */
export function parsePickle(file: Buffer, path: string, key: string, classes: number): Part {
  const dict = unpickleArrays(file, path);
  const images = dict.get("data");
  const labels = dict.get(key);
  if (!(images instanceof ByteArray)) throw formatError(path, 0, 'an array under "data" of the pickled dict', describe(images));
  const [count, width] = images.shape;
  if (images.shape.length !== 2 || width !== imageBytes || count === 0) throw formatError(path, 0, `images of the shape [N, ${imageBytes}]`, `[${images.shape.join(", ")}]`);
  if (!Array.isArray(labels) || labels.length !== count) throw formatError(path, 0, `a list of ${count} labels under ${JSON.stringify(key)}`, Array.isArray(labels) ? `${labels.length}` : describe(labels));
  const wrong = labels.findIndex((label) => !Number.isSafeInteger(label) || (label as number) < 0 || (label as number) >= classes);
  if (wrong >= 0) throw formatError(path, 0, `labels from 0 to ${classes - 1}`, `${describe(labels[wrong])} for image ${wrong}`);
  return { images: images.bytes, labels: Uint8Array.from(labels as number[]) };
}

/** A dict with a list of names under `key`. */
export function parsePickledNames(file: Buffer, path: string, key: string, count: number): string[] {
  const names = unpickleArrays(file, path).get(key);
  if (!Array.isArray(names) || names.length !== count || !names.every((name) => typeof name === "string")) {
    throw formatError(path, 0, `a list of ${count} names under ${JSON.stringify(key)}`, Array.isArray(names) ? `a list of ${names.length}` : describe(names));
  }
  return names as string[];
}
