import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { decompress as unpackZstd } from "fzstd";
import { snappyUncompress } from "hyparquet";
import { decompressLz4, decompressLz4Raw } from "hyparquet-compressors";

type Unpack = (packed: Uint8Array, size: number) => Uint8Array;

const codecs: Record<string, Unpack> = {
  UNCOMPRESSED: (packed) => new Uint8Array(packed), // a copy: what is read must end with the page
  SNAPPY: (packed, size) => into(size, (bytes) => snappyUncompress(packed, bytes)),
  GZIP: (packed, size) => gunzipSync(packed, { maxOutputLength: Math.max(1, size) }),
  BROTLI: (packed, size) => brotliDecompressSync(packed, { maxOutputLength: Math.max(1, size) }),
  ZSTD: (packed, size) => unpackZstd(packed, new Uint8Array(size)),
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
};

function into(size: number, fill: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(bytes);
  return bytes;
}

/** No codec makes more of a byte than this, beside the first MiB: a size that is larger is no size. */
const largestRatio = 2 ** 16;

/** The bytes of a page, in memory of their own: as many as its header says, or an error. */
export function unpackPage(packed: Uint8Array, size: number, codec: string | undefined): Uint8Array {
  const unpack = codec === undefined ? undefined : codecs[codec];
  if (unpack === undefined) throw new Error(`the codec ${codec ?? "of an unknown number"}`);
  if (size > 2 ** 20 + largestRatio * packed.length || size > 2 ** 30) throw new Error(`a page of ${size} bytes packed into ${packed.length}`);
  if (size === 0) return new Uint8Array(0);
  const bytes = unpack(packed, size);
  if (bytes.length !== size) throw new Error(`a page of ${bytes.length} instead of ${size} bytes`);
  return bytes;
}
