import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { SteppeError, checkKeys, expected, suggest } from "../../errors.js";
import { dataFolders } from "../folders.js";
import { rows } from "../tables/rows.js";
import type { RowOptions } from "../tables/rows.js";
import { Fields } from "./fields.js";

/** Where a set is, and which part of it to read. */
export interface SetOptions<Split extends string = string> {
  /**
   * The folder with the files, or one that holds the set's own folder. By default it is looked for in `STEPPE_DATA`, then in the
   * project's and the user's cache.
   */
  folder?: string;
  /** Default "train". */
  split?: Split;
}

/** A part of a set in memory: examples for a loader. */
export interface TaskSet<Example, Name extends string = string> {
  /** "glue/mnli", "squad": what `data.textToText` and `data.classifierBatch` know it by. */
  readonly name: Name;
  /** "train", "validation", "test" and the like. */
  readonly split: string;
  /** The names of the classes, in the order of their numbers; null where labels are no classes. */
  readonly labels: readonly string[] | null;
  /** In the order of the files. */
  readonly examples: Example[];
  /** The files that were read. */
  readonly files: readonly string[];
}

/** What to look for. */
export interface Wanted {
  /** "GLUE's MNLI". */
  title: string;
  /** The folder of the benchmark in `STEPPE_DATA` and the caches: "glue". */
  home: string;
  /** Names of the set's folder in it: the publisher's, then the hub's. */
  folders: readonly string[];
  /** Names of other sets' folders, in which there are files of the same names. */
  others?: readonly string[];
  /** The publisher's files for the split: any of them will do. None where only Parquet files are published. */
  files: readonly string[];
  /** The split as the hub names it. */
  split: string;
  /** The publisher's page. */
  page: string;
}

/** Files of a split: one as published, or all parts of it in Parquet. */
export interface Found {
  kind: "published" | "parquet";
  paths: string[];
  /** The folder they are in. */
  folder: string;
}

/** Checks the options that all sets have. */
export function readSetOptions<Split extends string>(options: SetOptions<Split>, splits: readonly Split[], further: readonly string[] = []): { split: Split; folder: string | undefined } {
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, ["folder", "split", ...further]);
  const { folder, split = "train" as Split } = options;
  if (folder !== undefined && (typeof folder !== "string" || folder === "")) throw expected("the path of a folder", "folder", folder);
  if (!splits.includes(split)) throw expected(`one of ${splits.join(", ")}`, "split", split, typeof split === "string" ? meant(split, splits) : "");
  return { split, folder };
}

/** What other libraries call the validation set, and what MNLI's two are short for. */
function meant(split: string, splits: readonly string[]): string {
  const part = /^(dev|val|eval)/i.test(split) ? "validation" : split;
  const longer = splits.find((name) => part !== "" && name.startsWith(part));
  return longer === undefined ? suggest(split, splits).trim() : `Did you mean ${JSON.stringify(longer)}?`;
}

/** @throws SteppeError `IO` if there is none, with every folder that was looked into and where to get the set */
export function findFiles(wanted: Wanted, folder: string | undefined): Found {
  const roots = folder === undefined ? dataFolders(wanted.home) : [folder];
  // The folder of another task of the benchmark would do as well, and would be wrong.
  const isOthers = (root: string) => wanted.others?.includes(basename(root)) === true && !wanted.folders.includes(basename(root));
  const folders = roots.flatMap((root) => [...(isOthers(root) ? [] : [root]), ...wanted.folders.map((name) => join(root, name))]);
  for (const place of folders) {
    const file = wanted.files.map((name) => join(place, name)).find((path) => existsSync(path));
    if (file !== undefined) return { kind: "published", paths: [file], folder: place };
    const parts = parquetParts(place, wanted.split);
    if (parts.length > 0) return { kind: "parquet", paths: parts, folder: place };
  }
  const lines = [
    `Expected ${[...wanted.files, `${wanted.split}-00000-of-00001.parquet`].join(" or ")} of ${wanted.title} in one of these folders but found none:`,
    ...folders.map((place) => `  ${place}`),
    `Get the files from ${wanted.page}, and give their folder as \`folder\` or set STEPPE_DATA to the one around "${wanted.home}".`,
  ];
  throw new SteppeError("IO", lines.join("\n"));
}

/** Where a file stands in the place of a folder around it, there is no folder either. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** `train.parquet`, `train-00000-of-00002.parquet` and so on, or `train/0000.parquet`. */
function parquetParts(folder: string, split: string): string[] {
  if (!isFolder(folder)) return [];
  const inner = join(folder, split);
  const numbered = isFolder(inner) ? readdirSync(inner).filter((name) => /^\d{4}\.parquet$/.test(name)) : [];
  if (numbered.length > 0) return numbered.sort().map((name) => join(inner, name));
  const parts = readdirSync(folder).flatMap((name) => {
    const match = /^(.*?)(?:-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?)?\.parquet$/.exec(name);
    return match?.[1] === split ? [{ name, number: Number(match[2] ?? 0), of: Number(match[3] ?? 1) }] : [];
  });
  const missing = Array.from({ length: parts[0]?.of ?? 0 }, (_, i) => i).find((i) => !parts.some(({ number }) => number === i));
  if (missing !== undefined) throw new SteppeError("IO", `Expected ${parts[0]!.of} parts of ${split} in ${folder} but part ${missing} is missing.`);
  return parts.sort((a, b) => a.number - b.number).map(({ name }) => join(folder, name));
}

/**
 * The rows of all parts, as checked fields. A number counts them from 1 in each file.
 *
 * @throws SteppeError `FORMAT` if there is not a single row
 */
export async function* fieldsOf(found: Found, options: RowOptions): AsyncGenerator<Fields> {
  let total = 0;
  for (const path of found.paths) {
    let number = 0;
    for await (const row of rows(path, found.kind === "parquet" ? { format: "parquet" } : options)) yield new Fields(row, `row ${++number} of ${path}`);
    total += number;
  }
  if (total === 0) throw new SteppeError("FORMAT", `Expected at least one row in ${found.paths.join(", ")} but received none.`);
}
