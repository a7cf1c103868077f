import { checkInteger } from "../../checks.js";
import { SteppeError, checkKeys, expected } from "../../errors.js";
import { lineBlocks } from "./lines.js";
import { wordsOf } from "./words.js";

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

/** Where the two languages stand in a file, and which pairs stay. */
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
  const blocks = typeof files === "string" ? tsvPairs(files, columns as [number, number]) : alignedPairs(files);
  for await (const block of blocks) {
    for (const pair of block) if (keeps(pair)) yield pair;
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
  return wordsOf(text).length;
}

async function* tsvPairs(path: string, [source, target]: readonly [number, number]): AsyncGenerator<TextPair[]> {
  const most = Math.max(source, target);
  let number = 0;
  for await (const block of lineBlocks(path)) {
    const pairs: TextPair[] = [];
    for (const line of block) {
      number++;
      if (line === "") continue;
      const fields = line.split("\t");
      if (fields.length <= most) throw new SteppeError("FORMAT", `Expected at least ${most + 1} fields in line ${number} of ${path} but received ${fields.length}.`);
      pairs.push(pairOf(fields[source]!, fields[target]!));
    }
    yield pairs;
  }
}

/** A file's lines, a block at a time. */
interface Reader {
  blocks: AsyncGenerator<string[], void, undefined>;
  block: string[];
  /** The line of the block that comes next. */
  at: number;
  /** Lines so far. */
  count: number;
}

/** Lines of two files side by side, many pairs at once. `skip` leaves out a line of a file, before lines are counted. */
export async function* alignedPairs({ source, target }: AlignedFiles, skip: (line: string) => boolean = () => false): AsyncGenerator<TextPair[]> {
  const reader = (path: string): Reader => ({ blocks: lineBlocks(path), block: [], at: 0, count: 0 });
  const [a, b] = [reader(source), reader(target)];
  /** How many lines there are before the file must be read on; 0 at its end. */
  const ready = async (from: Reader): Promise<number> => {
    while (from.at === from.block.length) {
      const read = await from.blocks.next();
      if (read.done === true) return 0;
      from.block = read.value.filter((line) => !skip(line));
      from.at = 0;
      from.count += from.block.length;
    }
    return from.block.length - from.at;
  };
  try {
    for (;;) {
      const [first, second] = [await ready(a), await ready(b)];
      if (first === 0 && second === 0) return;
      if (first === 0 || second === 0) {
        for (const from of [a, b]) for (from.at = from.block.length; (await ready(from)) > 0; ) from.at = from.block.length;
        throw new SteppeError("FORMAT", `Expected as many lines in ${target} as in ${source} but received ${b.count} and ${a.count}.`);
      }
      const count = Math.min(first, second);
      yield Array.from({ length: count }, (_, i) => pairOf(a.block[a.at + i]!, b.block[b.at + i]!));
      a.at += count;
      b.at += count;
    }
  } finally {
    for (const { blocks } of [a, b]) await blocks.return();
  }
}

function pairOf(source: string, target: string): TextPair {
  return { source: source.trim(), target: target.trim() };
}
