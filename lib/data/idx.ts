import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { dtypes } from "../dtype.js";
import { formatError } from "../io/file-errors.js";
import { readWhole } from "../io/read-whole.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { DType } from "../types.js";

// The format of the MNIST family, numbers big-endian: two zero bytes, the element type, the number of dimensions,
// each dimension in 4 bytes, the elements. http://yann.lecun.com/exdb/mnist

const elementTypes: ReadonlyMap<number, DType> = new Map([
  [0x08, "uint8"],
  [0x09, "int8"],
  [0x0b, "int16"],
  [0x0c, "int32"],
  [0x0d, "float32"],
  [0x0e, "float64"],
]);

/** DEFLATE cannot shrink further than this. */
const maxRatio = 1032;

const inflate = promisify(gunzip);

interface Header {
  dtype: DType;
  shape: number[];
  /** Bytes before the elements. */
  begin: number;
  /** Bytes of the whole file, unpacked. */
  end: number;
}

/**
 * Reads an IDX file, gzipped or not, into a tensor of the file's dtype and shape.
 *
 * @throws SteppeError `FORMAT` for a file that is truncated, corrupt, longer than it says, or no IDX file at all; no more is unpacked than its header says
 * @throws SteppeError `IO` if it cannot be read
 * @example const images = await data.readIdx("train-images-idx3-ubyte.gz"); // uint8 [60000, 28, 28]
 */
export async function readIdx(path: string): Promise<Tensor> {
  return parseIdx(await readWhole(path), path);
}

/** The tensor in the bytes of an IDX file, gzipped or not. `path` is for messages. */
export async function parseIdx(file: Buffer, path: string): Promise<Tensor> {
  const zipped = file[0] === 0x1f && file[1] === 0x8b;
  const bytes = zipped ? await unpack(file, path) : file;
  const { dtype, shape, begin, end } = parseHeader(bytes, path);
  if (bytes.length !== end) {
    throw formatError(path, begin, `${end - begin} bytes of ${dtype} for the shape [${shape.join(", ")}]`, `${bytes.length - begin}`);
  }
  return torch.fromBuffer(littleEndian(bytes.subarray(begin), dtypes[dtype]!.size), dtype, shape);
}

function parseHeader(bytes: Buffer, path: string): Header {
  if (bytes.length < 4) throw formatError(path, 0, "an IDX header", `a file of ${bytes.length} bytes`);
  const dtype = elementTypes.get(bytes[2]!);
  if (bytes[0] !== 0 || bytes[1] !== 0 || dtype === undefined) {
    const magic = bytes.subarray(0, 4).toString("hex");
    throw formatError(path, 0, "the magic number of an IDX file (0000, a type from 08 to 0e, the number of dimensions)", magic);
  }
  const dims = bytes[3]!;
  const begin = 4 + 4 * dims;
  if (dims === 0) throw formatError(path, 3, "at least one dimension", "0");
  if (bytes.length < begin) throw formatError(path, 4, `the sizes of ${dims} dimensions`, "the end of the file");
  const shape = Array.from({ length: dims }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const end = begin + shape.reduce((product, n) => product * n, dtypes[dtype]!.size);
  if (!Number.isSafeInteger(end)) throw formatError(path, 4, "a shape that fits into memory", `[${shape.join(", ")}]`);
  return { dtype, shape, begin, end };
}

/** The content of a gzipped file, of which the header is looked at first: it says how much there may be. */
async function unpack(file: Buffer, path: string): Promise<Buffer> {
  const inflated = async (bytes: Buffer, options: object) => {
    try {
      return await inflate(bytes, options);
    } catch (error) {
      const tooLong = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      const reason = tooLong ? "more than that" : `corrupt or truncated data (${(error as Error).message})`;
      const what = "maxOutputLength" in options ? `${String(options.maxOutputLength)} bytes in gzip` : "data in gzip";
      throw formatError(path, 0, what, reason, error);
    }
  };
  // Z_SYNC_FLUSH: the end of these bytes need not be the end of the data. At most 4 MiB come out.
  const head = await inflated(file.subarray(0, 4096), { finishFlush: 2 });
  const { end, shape } = parseHeader(head, path);
  if (end > file.length * maxRatio + head.length) {
    throw formatError(path, 0, `data for the shape [${shape.join(", ")}] (${end} bytes)`, `${file.length} bytes in gzip`);
  }
  return inflated(file, { maxOutputLength: end });
}

function littleEndian(bytes: Buffer, width: number): Buffer {
  if (width === 1) return bytes;
  const copy = Buffer.from(bytes);
  return width === 2 ? copy.swap16() : width === 4 ? copy.swap32() : copy.swap64();
}
