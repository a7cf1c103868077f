import { checkInteger } from "../../checks.js";
import { SteppeError, checkKeys, expected } from "../../errors.js";
import { lineBlocks } from "./lines.js";

/** A text and its translation. */
export interface TextPair {
  readonly source: string;
  readonly target: string;
}

/** Which pairs stay. */
export interface PairFilter {
  /** Words of either text at least; default 0: empty lines stay. */
  minLength?: number;
  /** Words of either text at most; default any number. */
  maxLength?: number;
  /** How often the longer text may be as long as the shorter one; default any number. */
  maxRatio?: number;
  /** Counts a text's words; default: what stands between white space. */
  count?: (text: string) => number;
}

export interface ParallelOptions extends PairFilter {
  /** In a TSV file, the columns of source and target, from 0; default [0, 1]. */
  columns?: readonly [source: number, target: number];
}

/** Two files of which a line of one is the translation of the other's line of the same number. */
export interface AlignedFiles {
  readonly source: string;
  readonly target: string;
}

/**
 * The pairs of a parallel text, one after the other: a file may be larger than memory. Texts are trimmed.
 *
 * @param files two files with a text a line; or one TSV file without a header. Unpacked if they end with .gz
 * @throws SteppeError `IO` if the file system refuses; `FORMAT` for broken UTF-8, for files of different numbers of lines, and for a row
 * that lacks a column
 * @example for await (const { source, target } of data.parallelText({ source: "train.de", target: "train.en" }, { minLength: 1, maxLength: 80, maxRatio: 9 })) …
 * @example for await (const pair of data.parallelText("deu-eng.tsv", { columns: [1, 0] })) …
 */
export async function* parallelText(files: AlignedFiles | string, options: ParallelOptions = {}): AsyncGenerator<TextPair, void, undefined> {
  checkKeys(options, ["minLength", "maxLength", "maxRatio", "count", "columns"]);
  const { columns = [0, 1], ...filter } = options;
  const keeps = readFilter(filter);
  if (!Array.isArray(columns) || columns.length !== 2 || !columns.every((column) => Number.isSafeInteger(column) && column >= 0)) throw expected("two numbers of columns", "columns", columns);
  if (typeof files !== "string") {
    checkKeys(files, ["source", "target"], "files");
    if (options.columns !== undefined) throw expected("nothing", "columns", columns, "Two files have none.");
  }
  const pairs = typeof files === "string" ? tsvPairs(files, columns as [number, number]) : alignedPairs(files);
  for await (const [first, second] of pairs) {
    const pair = { source: first.trim(), target: second.trim() };
    if (keeps(pair)) yield pair;
  }
}

/**
 * All pairs of a parallel text at once. See {@link parallelText}.
 *
 * @example const pairs = await data.readParallelText({ source: "train.de", target: "train.en" });
 */
export async function readParallelText(files: AlignedFiles | string, options: ParallelOptions = {}): Promise<TextPair[]> {
  const all: TextPair[] = [];
  for await (const pair of parallelText(files, options)) all.push(pair);
  return all;
}

/** Checks a filter's options. @returns whether a pair stays */
export function readFilter(filter: PairFilter): (pair: TextPair) => boolean {
  const { minLength = 0, maxLength = Infinity, maxRatio = Infinity, count = words } = filter;
  checkInteger(minLength, "minLength", 0);
  if (maxLength !== Infinity) checkInteger(maxLength, "maxLength", 1);
  if (typeof maxRatio !== "number" || !(maxRatio >= 1)) throw expected("a number of at least 1", "maxRatio", maxRatio);
  if (typeof count !== "function") throw expected("a function of a text", "count", count);
  if (filter.minLength === undefined && filter.maxLength === undefined && filter.maxRatio === undefined) return () => true;
  return ({ source, target }) => {
    const [a, b] = [count(source), count(target)];
    const [shorter, longer] = [Math.min(a, b), Math.max(a, b)];
    return shorter >= minLength && longer <= maxLength && (longer <= maxRatio * shorter || maxRatio === Infinity);
  };
}

function words(text: string): number {
  return text.trim() === "" ? 0 : text.trim().split(/\s+/u).length;
}

async function* tsvPairs(path: string, [source, target]: readonly [number, number]): AsyncGenerator<readonly [string, string]> {
  let number = 0;
  for await (const block of lineBlocks(path)) {
    for (const line of block) {
      number++;
      if (line === "") continue;
      const fields = line.split("\t");
      const most = Math.max(source, target);
      if (fields.length <= most) throw new SteppeError("FORMAT", `Expected at least ${most + 1} fields in line ${number} of ${path} but received ${fields.length}.`);
      yield [fields[source]!, fields[target]!];
    }
  }
}

/** Lines of two files side by side. `skip` leaves out a line of a file, before lines are counted. */
export async function* alignedPairs({ source, target }: AlignedFiles, skip: (line: string) => boolean = () => false): AsyncGenerator<readonly [string, string]> {
  const readers = [source, target].map((path) => ({ blocks: lineBlocks(path), block: [] as string[], at: 0, count: 0 }));
  type Reader = (typeof readers)[number];
  const next = async (reader: Reader): Promise<string | undefined> => {
    for (;;) {
      while (reader.at < reader.block.length) {
        const line = reader.block[reader.at++]!;
        if (skip(line)) continue;
        reader.count++;
        return line;
      }
      const read = await reader.blocks.next();
      if (read.done === true) return undefined;
      reader.block = read.value;
      reader.at = 0;
    }
  };
  try {
    for (;;) {
      const [first, second] = [await next(readers[0]!), await next(readers[1]!)];
      if (first === undefined && second === undefined) return;
      if (first === undefined || second === undefined) {
        for (const reader of readers) while ((await next(reader)) !== undefined);
        const counts = readers.map(({ count }) => count);
        throw new SteppeError("FORMAT", `Expected as many lines in ${target} as in ${source} but received ${counts[1]} and ${counts[0]}.`);
      }
      yield [first, second];
    }
  } finally {
    for (const { blocks } of readers) await blocks.return();
  }
}
