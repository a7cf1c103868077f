import type { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { checkFlag, checkInteger } from "../../checks.js";
import { SteppeError, checkKeys, describe, expected } from "../../errors.js";
import { jsonPlace } from "../../io/json-place.js";
import { lineBlocks } from "../text/lines.js";
import { readText } from "./text-file.js";

/** One row of a table, by column. Fields of CSV and TSV are strings; of JSON lines and Parquet whatever stands there. */
export type Row = Record<string, unknown>;

/** Commas, tabs, JSON lines, Apache Parquet. */
export type TableFormat = "csv" | "tsv" | "jsonl" | "parquet";

/** How a table's file is read. */
export interface RowOptions {
  /** Default by the file's name: .csv, .tsv or .txt, .jsonl or .ndjson, each also with .gz behind it; .parquet. */
  format?: TableFormat;
  /** The columns of a CSV or TSV file that has no line of their names; of a Parquet file those to read, by default all. */
  columns?: readonly string[];
  /** Whether fields may stand in double quotes; default in CSV, not in TSV: GLUE's files have lone quotes in them. */
  quotes?: boolean;
  /**
   * Whether rows of CSV and TSV may have other numbers of fields than there are columns, as some of GLUE's QQP: what is missing is
   * null, what is too much is left out. Default false.
   */
  ragged?: boolean;
  /** Bytes that a row of CSV or TSV has at most. Default 16 MiB: the parser goes through one without end at a megabyte or so a second. */
  maxRowBytes?: number;
}

const formats: Record<string, TableFormat> = { csv: "csv", tsv: "tsv", txt: "tsv", jsonl: "jsonl", ndjson: "jsonl", parquet: "parquet" };

/**
 * The rows of a table, one after the other: a file may be larger than memory.
 *
 * @param path CSV (RFC 4180), TSV, or JSON lines, in UTF-8, gzipped ones are unpacked; or Parquet, of which one row group is in
 * memory at a time: uncompressed, Snappy, gzip, Brotli, Zstandard, LZ4; 64-bit integers are numbers where those are exact, else bigints
 * @throws SteppeError `IO` if the file system refuses; `FORMAT` with the line, or the byte, for broken UTF-8, a row with too many
 * or too few fields or of more than `maxRowBytes`, two columns of one name, and a line that is no JSON object; with column and row group for
 * broken Parquet
 * @example for await (const { sentence, label } of data.rows("sst2/train.tsv")) …
 */
export async function* rows(path: string, options: RowOptions = {}): AsyncGenerator<Row, void, undefined> {
  const settings = readOptions(path, options);
  const { format, columns } = settings;
  if (format === "parquet") {
    // Loaded with the first file: its decoders take a while.
    const { parquetRows } = await import("./parquet.js");
    return yield* parquetRows(path, columns);
  }
  if (format === "jsonl") return yield* jsonLines(path);
  try {
    yield* readText(path, (bytes) => delimited(bytes, path, settings));
  } catch (error) {
    throw asSteppe(error, path, settings);
  }
}

/**
 * All rows of a table at once. See {@link rows}.
 *
 * @example const mails = await data.readRows("spam.csv");
 */
export async function readRows(path: string, options: RowOptions = {}): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of rows(path, options)) all.push(row);
  return all;
}

interface Settings {
  format: TableFormat;
  columns: readonly string[] | null;
  quotes: boolean;
  ragged: boolean;
  maxRowBytes: number;
}

function readOptions(path: unknown, options: RowOptions): Settings {
  if (typeof path !== "string" || path === "") throw expected("a path", "path", path);
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, ["format", "columns", "quotes", "ragged", "maxRowBytes"]);
  const extension = /\.([a-z]+)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  const format = options.format ?? formats[extension];
  if (format === undefined) throw expected("one of csv, tsv, jsonl, parquet", "format", options.format, `The name of ${path} does not tell.`);
  if (!Object.values(formats).includes(format)) throw expected("one of csv, tsv, jsonl, parquet", "format", format);
  const { columns = null, quotes = format === "csv", ragged = false, maxRowBytes = 2 ** 24 } = options;
  if (columns !== null && (!Array.isArray(columns) || !columns.every((name) => typeof name === "string"))) throw expected("an array of names", "columns", columns);
  checkFlag(quotes, "quotes");
  checkFlag(ragged, "ragged");
  checkInteger(maxRowBytes, "maxRowBytes", 1);
  return { format, columns, quotes, ragged, maxRowBytes };
}

/** The library's parser on a stream; `each` sees every row with the number of its last line. */
function parserOf(source: Readable, { format, quotes, maxRowBytes }: Settings, each?: (fields: string[], about: { lines: number }) => string[]) {
  const parser = source.pipe(
    parse({ delimiter: format === "csv" ? "," : "\t", quote: quotes ? '"' : null, skip_empty_lines: true, max_record_size: maxRowBytes, relax_column_count: true, ...(each === undefined ? {} : { on_record: each }) }),
  );
  source.on("error", (error) => parser.destroy(error));
  return parser as AsyncIterable<string[]>;
}

async function* delimited(source: Readable, path: string, settings: Settings): AsyncGenerator<Row> {
  let names = settings.columns;
  let row = 0;
  for await (const fields of parserOf(source, settings)) {
    row++;
    if (names === null) {
      const doubled = fields.find((name, i) => fields.indexOf(name) !== i);
      if (doubled !== undefined) throw new SteppeError("FORMAT", `Expected columns of different names in line 1 of ${path} but received ${JSON.stringify(doubled)} twice.`);
      names = fields;
      continue;
    }
    if (fields.length !== names.length && !settings.ragged) {
      throw new SteppeError("FORMAT", `Expected ${names.length} fields in line ${await lineOf(row, path, settings)} of ${path} but received ${fields.length}.`);
    }
    yield Object.fromEntries(names.map((name, i) => [name, fields[i] ?? null]));
  }
  if (names === null) throw new SteppeError("FORMAT", `Expected a line with the names of columns in ${path} but received an empty file.`);
}

/** In which line a row ends: gone through once more, because to know it of every row takes as long as to read it. */
async function lineOf(row: number, path: string, settings: Settings): Promise<number> {
  let [line, seen, twice] = [row, 0, 0];
  const each = (fields: string[], { lines }: { lines: number }): string[] => {
    // The library counts an end of a line in a field as two if it is one of Windows'.
    if (seen++ < row) for (const field of fields) twice += field.split("\r\n").length - 1;
    if (seen === row) line = lines - twice;
    return fields;
  };
  const reading = readText(path, async function* (bytes) {
    for await (const _ of parserOf(bytes, settings, each)) yield _;
  });
  for await (const _ of reading) if (seen >= row) break;
  return line;
}

async function* jsonLines(path: string): AsyncGenerator<Row, void, undefined> {
  let number = 0;
  for await (const block of lineBlocks(path)) {
    for (const line of block) {
      number++;
      if (line.trim() === "") continue;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (error) {
        const { column, said } = jsonPlace(error, line);
        throw new SteppeError("FORMAT", `Expected JSON in line ${number}, column ${column} of ${path} but received: ${said}.`, { cause: error });
      }
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SteppeError("FORMAT", `Expected a JSON object in line ${number} of ${path} but received ${describe(value)}.`);
      yield value as Row;
    }
  }
}

/** The error of the library that parses, as one of ours. */
function asSteppe(error: unknown, path: string, { maxRowBytes }: Settings): unknown {
  if (!(error instanceof CsvError)) return error;
  if (error.code === "CSV_MAX_RECORD_SIZE") {
    const { lines } = error as unknown as { lines: number };
    return new SteppeError("FORMAT", `Expected rows of at most ${maxRowBytes} bytes in ${path} but received a longer one that reaches line ${lines}: see the option maxRowBytes.`, { cause: error });
  }
  return new SteppeError("FORMAT", `Expected a table in ${path} but received: ${error.message}.`, { cause: error });
}
