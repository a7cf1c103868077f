// What a Parquet file says of itself, checked before the library that decodes it believes it: its loops and allocations go by
// numbers from the file. Each function throws a plain Error that says what stands there; the caller adds where.

const deepest = 32;

/** Numbers of 7 bits a byte, from the lowest on; the highest bit says that more come. */
function varint(bytes: Uint8Array, at: number): { value: number; at: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at++];
    if (byte === undefined) throw new Error("an end within a number");
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, at };
  }
  throw new Error("a number of more than 10 bytes");
}

function ahead(bytes: Uint8Array, at: number, length: number): number {
  if (length > bytes.length - at) throw new Error(`${length} bytes where ${bytes.length - at} are left`);
  return at + length;
}

/**
 * Walks a structure of Thrift's compact protocol.
 *
 * @returns where it ends
 */
export function checkStruct(bytes: Uint8Array, at: number, depth = 0): number {
  if (depth > deepest) throw new Error("structures within structures without end");
  for (;;) {
    const head = bytes[at++];
    if (head === undefined) throw new Error("an end within a structure");
    const type = head & 15;
    if (type === 0) return at;
    if (head >> 4 === 0) at = varint(bytes, at).at; // the field's number
    at = checkElement(bytes, at, type, depth);
  }
}

function checkElement(bytes: Uint8Array, at: number, type: number, depth: number): number {
  if (type === 1 || type === 2) return at; // true, false
  if (type === 3) return ahead(bytes, at, 1);
  if (type >= 4 && type <= 6) return varint(bytes, at).at;
  if (type === 7) return ahead(bytes, at, 8);
  if (type === 8) {
    const length = varint(bytes, at);
    return ahead(bytes, length.at, length.value);
  }
  if (type === 12) return checkStruct(bytes, at, depth + 1);
  if (type !== 9) throw new Error(`a field of the unknown type ${type}`);
  const head = bytes[at++];
  if (head === undefined) throw new Error("an end within a list");
  const list = head >> 4 === 15 ? varint(bytes, at) : { value: head >> 4, at };
  // Every element has at least one byte.
  ahead(bytes, list.at, list.value);
  if (depth > deepest) throw new Error("lists within lists without end");
  at = list.at;
  const element = head & 15;
  for (let i = 0; i < list.value; i++) at = element === 1 || element === 2 ? ahead(bytes, at, 1) : checkElement(bytes, at, element, depth + 1);
  return at;
}

/**
 * Walks runs of the hybrid of run lengths and packed bits.
 *
 * @param width bits of a value
 * @param most there are no more values than this
 * @param exactly whether there must be as many
 */
export function checkRuns(bytes: Uint8Array, begin: number, end: number, width: number, most: number, exactly: boolean): void {
  if (width > 32) throw new Error(`values of ${width} bits`);
  if (end > bytes.length || begin > end) throw new Error(`${end - begin} bytes of runs where ${Math.max(0, bytes.length - begin)} are left`);
  const part = bytes.subarray(0, end);
  let seen = 0;
  for (let at = begin; at < end && seen < most; ) {
    const head = varint(part, at);
    const count = Math.floor(head.value / 2);
    const packed = head.value % 2 === 1;
    const values = packed ? count * 8 : count;
    // Packed values may be filled up: by DuckDB to blocks of 256. Their bytes must be there; without any, there is no other bound.
    const spare = !packed ? 0 : width > 0 ? Infinity : 2 ** 12;
    if (values > most - seen + spare) throw new Error(`a run of ${values} values where at most ${most - seen} are left`);
    if (packed && head.at + count * width > end + width) throw new Error(`a run of ${count * width} bytes where ${end - head.at} are left`);
    seen = Math.min(most, seen + values);
    at = head.at + (packed ? count * width : Math.ceil(width / 8));
  }
  if (exactly && seen < most) throw new Error(`${seen} values where ${most} were announced`);
}

/** The head of a block of DELTA_BINARY_PACKED values. */
export function checkDelta(bytes: Uint8Array, at: number, most: number): void {
  const block = varint(bytes, at);
  const parts = varint(bytes, block.at);
  const total = varint(bytes, parts.at);
  const fits = block.value > 0 && block.value <= 2 ** 16 && parts.value > 0 && parts.value <= block.value && block.value % parts.value === 0;
  if (!fits) throw new Error(`blocks of ${block.value} values in ${parts.value} parts`);
  if (total.value > most) throw new Error(`${total.value} values where at most ${most} were announced`);
}
