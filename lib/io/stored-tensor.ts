import { dtypes } from "../dtype.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { DType } from "../types.js";

/** A tensor in an open file: what is known of it before its elements are read. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Reads it into memory of its own, on the CPU. */
  read(): Tensor;
  /** Copies its elements into a tensor of the same shape and of any dtype and device, a piece at a time. */
  copyInto(target: Tensor): void;
}

/** An open file of tensors by name. They can be read until it is closed. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): void;
}

/** How much is read at a time, in bytes. */
const pieceSize = 2 ** 24;

/** A tensor whose elements stand one after the other in a file, in row-major order. */
export class ContiguousTensor implements StoredTensor {
  /** @param bytes reads bytes of the tensor, counted from its first one, into a buffer that fits */
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    private readonly bytes: (begin: number, length: number, into: Buffer) => Buffer,
  ) {}

  read(): Tensor {
    const tensor = torch.empty([...this.shape], { dtype: this.dtype });
    try {
      this.copyInto(tensor);
    } catch (error) {
      tensor.dispose();
      throw error;
    }
    return tensor;
  }

  copyInto(target: Tensor): void {
    const width = dtypes[this.dtype]!.size;
    const count = this.shape.reduce((product, n) => product * n, 1);
    const step = Math.min(count, Math.floor(pieceSize / width));
    const buffer = Buffer.allocUnsafe(step * width);
    torch.noGrad(() =>
      torch.scope(() => {
        // Another order in memory (channels_last) is left to one copy at the end.
        const direct = target.isContiguous();
        const whole = direct ? target.detach() : torch.empty([...this.shape], { dtype: target.dtype, device: target.device });
        const flat = whole.view([-1]);
        for (let done = 0; done < count; done += step) {
          const length = Math.min(step, count - done);
          const piece = torch.fromBuffer(this.bytes(done * width, length * width, buffer), this.dtype, [length]);
          flat.narrow(0, done, length).copy_(piece);
          piece.dispose();
        }
        if (!direct) target.copy_(whole);
      }),
    );
  }
}
