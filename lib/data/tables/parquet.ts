import { parquetMetadata, parquetSchema } from "hyparquet";
import type { FileMetaData } from "hyparquet";
import { assembleNested } from "hyparquet/src/assemble.js";
import { DEFAULT_PARSERS } from "hyparquet/src/convert.js";
import { getTreePath } from "hyparquet/src/schema.js";
import { setImmediate } from "node:timers/promises";
import { SteppeError, suggest } from "../../errors.js";
import { formatError } from "../../io/file-errors.js";
import { OpenFile } from "../../io/open-file.js";
import { checkStruct } from "./parquet-checks.js";
import { readChunk } from "./parquet-pages.js";
import type { Values } from "./parquet-pages.js";
import type { Row } from "./rows.js";

type Tree = ReturnType<typeof parquetSchema>;
type Group = FileMetaData["row_groups"][number];

const magic = 0x31524150; // PAR1
/** More rows than this in a row group are no rows: writers begin a new one long before. */
const mostRows = 2 ** 26;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const parsers = {
  ...DEFAULT_PARSERS,
  stringFromBytes: (bytes: Uint8Array) => {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new Error("text that is no UTF-8");
    }
  },
};

/**
 * The rows of a Parquet file, row group by row group: one of them is in memory at a time.
 *
 * Integers of 64 bits are numbers where those are exact, else bigints; dates and times are `Date`s, binary columns
 * `Uint8Array`s, lists arrays, structures and maps objects; what is missing is null.
 *
 * @param columns the top-level columns to read; null for all
 */
export async function* parquetRows(path: string, columns: readonly string[] | null): AsyncGenerator<Row, void, undefined> {
  const file = new OpenFile(path);
  try {
    const { metadata, tree } = readFooter(file);
    const wanted = columns === null ? tree.children : columns.map((name) => childOf(tree, name, path));
    for (const [number, group] of metadata.row_groups.entries()) {
      const n = Number(group.num_rows);
      if (!(n >= 0 && n <= mostRows)) throw new SteppeError("FORMAT", `Expected at most ${mostRows} rows in row group ${number} of ${path} but received ${group.num_rows}.`);
      if (n === 0) continue;
      const values: ArrayLike<unknown>[] = [];
      for (const column of wanted) {
        try {
          values.push(readColumn(file, metadata, tree, column, group, n));
        } catch (error) {
          if (error instanceof SteppeError) throw error;
          throw new SteppeError("FORMAT", `Expected Parquet data in column ${JSON.stringify(column.element.name)}, row group ${number} of ${path} but received: ${reasonOf(error)}.`, { cause: error });
        }
        await setImmediate(); // a column takes a while: other work of the event loop runs in between
      }
      for (let i = 0; i < n; i++) yield Object.fromEntries(wanted.map(({ element }, c) => [element.name, plain(values[c]![i])]));
    }
  } finally {
    file.close();
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message.replace(/\.$/, "") : String(error));

function childOf(tree: Tree, name: string, path: string): Tree {
  const found = tree.children.find(({ element }) => element.name === name);
  const names = tree.children.map(({ element }) => element.name);
  if (found === undefined) throw new SteppeError("FORMAT", `Expected the column ${JSON.stringify(name)} in ${path} but received ${names.join(", ")}.${suggest(name, names)}`);
  return found;
}

function readFooter(file: OpenFile): { metadata: FileMetaData; tree: Tree } {
  const { path, size } = file;
  if (size < 12) throw formatError(path, 0, "a Parquet file", size === 0 ? "nothing" : `${size} bytes`);
  if (file.read(0, 4).readUInt32LE() !== magic) throw formatError(path, 0, "PAR1, with which Parquet files begin", "something else");
  const end = file.read(size - 8, 8);
  if (end.readUInt32LE(4) !== magic) throw formatError(path, size - 4, "PAR1, with which Parquet files end", "something else: it may be truncated");
  const length = end.readUInt32LE();
  if (length > size - 12) throw formatError(path, size - 8, `at most ${size - 12} bytes of metadata`, `${length}`);
  const footer = file.read(size - 8 - length, length + 8, Buffer.alloc(length + 8));
  try {
    checkStruct(footer.subarray(0, length), 0);
    const metadata = parquetMetadata(footer, { geoparquet: false });
    return { metadata, tree: parquetSchema(metadata) };
  } catch (error) {
    throw formatError(path, size - 8 - length, "Parquet's metadata", reasonOf(error), error);
  }
}

/** The values of a top-level column, one for each row. */
function readColumn(file: OpenFile, metadata: FileMetaData, tree: Tree, column: Tree, group: Group, n: number): ArrayLike<unknown> {
  const chunks = new Map<string, Values>();
  for (const chunk of group.columns) {
    const about = chunk.meta_data;
    if (about === undefined) throw new Error("no metadata of a column: the file may be encrypted");
    if (about.path_in_schema[0] !== column.element.name) continue;
    chunks.set(about.path_in_schema.join("."), readLeaf(file, metadata, tree, about, n));
  }
  if (column.children.length > 0) assembleNested(chunks, column, parsers);
  const values = chunks.get(column.path.join("."));
  if (values === undefined) throw new Error("no such column in the row group");
  if (values.length !== n) throw new Error(`${values.length} values for ${n} rows`);
  return values;
}

function readLeaf(file: OpenFile, metadata: FileMetaData, tree: Tree, about: NonNullable<Group["columns"][number]["meta_data"]>, n: number): Values {
  const schemaPath = getTreePath(tree, about.path_in_schema);
  const { element } = schemaPath.at(-1)!;
  if (element.type === undefined || element.type !== about.type) throw new Error(`the type ${about.type ?? "of an unknown number"} where the schema has ${element.type ?? "a group"}`);
  const [data, dictionary] = [Number(about.data_page_offset), about.dictionary_page_offset === undefined ? null : Number(about.dictionary_page_offset)];
  // Some writers set 0 for no dictionary.
  const begin = dictionary === null || dictionary <= 0 ? data : Math.min(data, dictionary);
  const [length, count] = [Number(about.total_compressed_size), Number(about.num_values)];
  const end = file.size - 8 - metadata.metadata_length;
  if (!(begin >= 4 && length >= 0 && begin + length <= end)) throw new Error(`${length} bytes at byte ${begin} of ${end}`);
  if (!(count >= n && count <= mostRows * 16)) throw new Error(`${count} values for ${n} rows`);
  const repeated = schemaPath.some(({ element }) => element.repetition_type === "REPEATED");
  if (!repeated && count !== n) throw new Error(`${count} values for ${n} rows`);
  const decoder = { pathInSchema: about.path_in_schema, type: about.type, element, schemaPath, codec: about.codec, parsers, utf8: false };
  const chunks = readChunk(file.read(begin, length, Buffer.alloc(length)), decoder, count);
  return chunks.length === 1 ? chunks[0]! : chunks.flatMap((chunk) => Array.from(chunk as ArrayLike<unknown>));
}

/** Numbers instead of bigints where they are exact; null for what is missing. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  if (value === undefined || value === null) return null;
  if (typeof value !== "object" || value instanceof Date || value instanceof Uint8Array) return value;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<unknown>, plain);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}
