import { assembleLists } from "hyparquet/src/assemble.js";
import { parquetHeader } from "hyparquet/src/column.js";
import { convert, convertWithDictionary } from "hyparquet/src/convert.js";
import { readDataPage } from "hyparquet/src/datapage.js";
import { readPlain } from "hyparquet/src/plain.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";
import { checkDelta, checkRuns, checkStruct } from "./parquet-checks.js";
import { unpackPage } from "./parquet-codecs.js";

type Header = ReturnType<typeof parquetHeader>;
export type Decoder = Parameters<typeof readDataPage>[2];
export type Values = ReturnType<typeof convert>;

/** Bytes of a value in a PLAIN page: of those whose length varies, the length's own. */
const plainBytes: Record<string, number> = { BOOLEAN: 1 / 8, INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8, BYTE_ARRAY: 4 };

/**
 * The values of a column chunk, lists assembled: one element for each row.
 *
 * @param bytes the chunk as it stands in the file
 * @param valuesInChunk as many as the footer announces
 */
export function readChunk(bytes: Uint8Array, decoder: Decoder, valuesInChunk: number): Values[] {
  const chunks: Values[] = [];
  let dictionary: Values | undefined;
  let seen = 0;
  for (let at = 0; seen < valuesInChunk; ) {
    if (at >= bytes.length) throw new Error(`${seen} values where ${valuesInChunk} were announced`);
    const begin = checkStruct(bytes, at);
    const header = parquetHeader({ view: viewOf(bytes), offset: at });
    const [packed, size] = [header.compressed_page_size, header.uncompressed_page_size];
    if (!(packed >= 0 && packed <= bytes.length - begin) || !(size >= 0)) throw new Error(`a page of ${packed} bytes where ${bytes.length - begin} are left`);
    const page = bytes.subarray(begin, begin + packed);
    at = begin + packed;
    if (header.type === "DICTIONARY_PAGE") dictionary = readDictionary(page, header, decoder);
    else if (header.type === "DATA_PAGE" || header.type === "DATA_PAGE_V2") {
      const count = (header.data_page_header ?? header.data_page_header_v2)?.num_values ?? -1;
      if (!(count >= 0 && count <= valuesInChunk - seen)) throw new Error(`a page of ${count} values where ${valuesInChunk - seen} are left`);
      seen += count;
      if (count > 0) addPage(chunks, header.type === "DATA_PAGE" ? readPage(page, header, decoder) : readPageV2(page, header, decoder), dictionary, decoder);
    } else if (header.type !== "INDEX_PAGE") throw new Error("a page of an unknown type");
  }
  return chunks;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What a data page holds, before its numbers are looked up in the dictionary. */
interface Page extends ReturnType<typeof readDataPage> {
  encoding: string;
}

function addPage(chunks: Values[], { definitionLevels, repetitionLevels, dataPage, encoding }: Page, dictionary: Values | undefined, decoder: Decoder): void {
  if (encoding.endsWith("_DICTIONARY")) {
    const size = dictionary?.length ?? 0;
    for (let i = 0; i < dataPage.length; i++) if (!((dataPage[i] as number) < size)) throw new Error(`the entry ${String(dataPage[i])} of a dictionary of ${size}`);
  }
  const values = convertWithDictionary(dataPage, dictionary, encoding as Parameters<typeof convertWithDictionary>[2], decoder);
  const last = chunks.at(-1);
  // A row's list may go on from one page to the next.
  const added = assembleLists(Array.isArray(last) ? last : [], definitionLevels, repetitionLevels, values, decoder.schemaPath);
  if (added !== last && added.length > 0) chunks.push(added);
}

function readDictionary(packed: Uint8Array, header: Header, decoder: Decoder): Values {
  const page = unpackPage(packed, header.uncompressed_page_size, decoder.codec);
  const count = header.dictionary_page_header?.num_values ?? -1;
  checkPlain(page, 0, count, decoder);
  return convert(readPlain({ view: viewOf(page), offset: 0 }, decoder.type, count, decoder.element.type_length), decoder);
}

function checkPlain(page: Uint8Array, at: number, count: number, { type, element }: Decoder): void {
  const each = type === "FIXED_LEN_BYTE_ARRAY" ? (element.type_length ?? 0) : (plainBytes[type] ?? NaN);
  if (!(each > 0)) throw new Error(`values of the type ${type} without a length`);
  if (!(count >= 0 && count * each <= page.length - at)) throw new Error(`${count} values in ${page.length - at} bytes`);
}

const bitsFor = (level: number) => 32 - Math.clz32(level);

/** A page of the first version: levels, each with its length in front, and values, packed together. */
function readPage(packed: Uint8Array, header: Header, decoder: Decoder): Page {
  return decode(unpackPage(packed, header.uncompressed_page_size, decoder.codec), header.data_page_header!, decoder);
}

/**
 * A page of the second version, made one of the first: lengths of levels stand in its header, and only the values are packed.
 * The header's number of nulls is not used: writers disagree about whether empty lists count.
 */
function readPageV2(packed: Uint8Array, header: Header, decoder: Decoder): Page {
  const { num_values, encoding, is_compressed, repetition_levels_byte_length: first, definition_levels_byte_length: second } = header.data_page_header_v2!;
  const levels = first + second;
  const size = header.uncompressed_page_size - levels;
  if (!(first >= 0 && second >= 0 && levels <= packed.length && size >= 0)) throw new Error(`levels of ${levels} bytes in a page of ${packed.length}`);
  const values = unpackPage(packed.subarray(levels), size, is_compressed === false ? "UNCOMPRESSED" : decoder.codec);
  const parts = [packed.subarray(0, first), packed.subarray(first, levels)];
  const levelled = [getMaxRepetitionLevel(decoder.schemaPath), getMaxDefinitionLevel(decoder.schemaPath)].flatMap((level, i) => (level === 0 ? [] : [lengthOf(parts[i]!), parts[i]!]));
  return decode(new Uint8Array(Buffer.concat([...levelled, values])), { num_values, encoding, definition_level_encoding: "RLE", repetition_level_encoding: "RLE" }, decoder);
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, length, true);
  return bytes;
}

function decode(page: Uint8Array, header: NonNullable<Header["data_page_header"]>, decoder: Decoder): Page {
  const { num_values: count, encoding, definition_level_encoding: definitions, repetition_level_encoding: repetitions } = header;
  let at = 0;
  for (const [level, coding] of [[getMaxRepetitionLevel(decoder.schemaPath), repetitions], [getMaxDefinitionLevel(decoder.schemaPath), definitions]] as const) {
    if (level === 0) continue;
    if (coding !== "RLE") throw new Error(`levels of the encoding ${coding ?? "of an unknown number"}`);
    if (page.length - at < 4) throw new Error("a page that ends within its levels");
    const length = viewOf(page).getUint32(at, true);
    checkRuns(page, at + 4, at + 4 + length, bitsFor(level), count, true);
    at += 4 + length;
  }
  checkValues(page, at, count, encoding, decoder);
  return { ...readDataPage(page, header, decoder), encoding };
}

/** Checks what the library's loops over the values of a page go by. `count`: values, those that are null counted. */
function checkValues(page: Uint8Array, at: number, count: number, encoding: string | undefined, decoder: Decoder): void {
  const required = getMaxDefinitionLevel(decoder.schemaPath) === 0;
  if (encoding === "PLAIN") {
    if (required) checkPlain(page, at, count, decoder);
  } else if (encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY") {
    if (at < page.length) checkRuns(page, at + 1, page.length, page[at]!, count, false);
  } else if (encoding === "RLE" && decoder.type === "BOOLEAN") {
    checkRuns(page, at + (page.length > at ? 4 : 0), page.length, 1, count, false);
  } else if (encoding === "DELTA_BINARY_PACKED" || encoding === "DELTA_LENGTH_BYTE_ARRAY") {
    if (at < page.length) checkDelta(page, at, count);
  } else if (encoding === "BYTE_STREAM_SPLIT" && decoder.type !== "FIXED_LEN_BYTE_ARRAY") {
    if (required) checkPlain(page, at, count, decoder);
  } else throw new Error(`the encoding ${encoding ?? "of an unknown number"}`);
}
