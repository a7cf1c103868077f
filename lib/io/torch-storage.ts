import { crc32 } from "node:zlib";
import { dtypes } from "../dtype.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { DType } from "../types.js";
import { formatError } from "./file-errors.js";
import { ContiguousTensor } from "./stored-tensor.js";
import type { OpenFile } from "./open-file.js";
import type { StoredTensor } from "./stored-tensor.js";
import type { ZipEntry } from "./zip.js";

/** The memory of one or several tensors, as an entry of a zip archive. */
export class TorchStorage {
  /** Number of elements. */
  readonly length: number;
  #checked = false;

  constructor(
    readonly file: OpenFile,
    readonly name: string,
    readonly entry: ZipEntry,
    readonly dtype: DType,
    readonly bigEndian: boolean,
  ) {
    this.length = (entry.end - entry.begin) / dtypes[dtype]!.size;
  }

  /** All of it as one row. */
  get whole(): ContiguousTensor {
    return this.part(0, [this.length]);
  }

  /** A tensor whose elements follow each other from the given one on. */
  part(offset: number, shape: readonly number[]): ContiguousTensor {
    const start = offset * dtypes[this.dtype]!.size;
    return new ContiguousTensor(this.dtype, shape, (begin, length, into) => {
      this.#check();
      return this.#decode(this.file.read(this.entry.begin + start + begin, length, into), start + begin);
    });
  }

  /** The checksum of the entry, before the first of it is used. */
  #check(): void {
    if (this.#checked) return;
    this.#checked = true;
    const { begin, end, crc } = this.entry;
    const buffer = Buffer.allocUnsafe(Math.min(2 ** 20, end - begin));
    let sum = 0;
    for (let at = begin; at < end; at += buffer.length) sum = crc32(this.file.read(at, Math.min(buffer.length, end - at), buffer), sum);
    if (crc !== 0 && sum !== crc) throw formatError(this.file.path, begin, `bytes of ${JSON.stringify(this.name)} with the checksum ${crc}`, `${sum}: the file is damaged`);
  }

  #decode(bytes: Buffer, position: number): Buffer {
    if (this.dtype === "bool") {
      // Compiled code may rely on 0 and 1 being the only values of a bool.
      const wrong = bytes.findIndex((byte) => byte > 1);
      if (wrong >= 0) throw formatError(this.file.path, this.entry.begin + position + wrong, "0 or 1 in a bool tensor", `${bytes[wrong]}`);
    }
    if (!this.bigEndian) return bytes;
    const { size, complex } = dtypes[this.dtype]!;
    const width = complex ? size / 2 : size;
    return width === 8 ? bytes.swap64() : width === 4 ? bytes.swap32() : width === 2 ? bytes.swap16() : bytes;
  }
}

/** A tensor as torch.save describes it: a view of a storage. */
export class TorchTensor implements StoredTensor {
  /** Sizes, strides and offset must lie within the storage. */
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  get dtype(): DType {
    return this.storage.dtype;
  }

  read(): Tensor {
    if (this.#contiguous) return this.storage.part(this.offset, this.shape).read();
    return torch.scope(() => this.view(this.storage.whole.read()));
  }

  copyInto(target: Tensor): void {
    if (this.#contiguous) return this.storage.part(this.offset, this.shape).copyInto(target);
    torch.scope(() => torch.noGrad(() => void target.copy_(this.read())));
  }

  /** It over its storage, which was read as a whole. */
  view(memory: Tensor): Tensor {
    return memory.asStrided(this.shape, this.strides, this.offset);
  }

  get #contiguous(): boolean {
    let step = 1;
    for (let i = this.shape.length - 1; i >= 0; i--) {
      if (this.shape[i] !== 1 && this.strides[i] !== step) return this.shape.includes(0);
      step *= this.shape[i]!;
    }
    return true;
  }
}
