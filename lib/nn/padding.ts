import { expected, expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { real, requireTensors } from "./arguments.js";
import type { Argument, Signature } from "./arguments.js";
import { pad } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** Left and right of the last dimension, then of the one before, ...; or one width for all. Negative widths cut off. */
export type Widths = number | readonly number[];

function widths(dims: number, least: number): Argument<readonly number[], Widths, false> {
  const fits = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;
  return {
    optional: false,
    read(value, name) {
      if (fits(value)) return Array<number>(2 * dims).fill(value as number);
      if (Array.isArray(value) && value.length === 2 * dims && value.every(fits)) return [...value];
      throw expected(`${least === 0 ? "a non-negative integer" : "an integer"} or an array of ${2 * dims}`, name, value);
    },
  };
}

const shapes = { 1: "[N, C, L] or [C, L]", 2: "[N, C, H, W] or [C, H, W]", 3: "[N, C, D, H, W] or [C, D, H, W]" };

/** What padding layers of all kinds share. */
abstract class Pad extends Stateless {
  declare readonly padding: readonly number[];
  declare readonly value: number;

  constructor(
    private readonly name: string,
    private readonly dims: 1 | 2 | 3,
    private readonly mode: "constant" | "reflect" | "replicate" | "circular",
    args: readonly unknown[],
    others: Signature = {},
  ) {
    // Constant borders may be of any input, others repeat what stands in the last dimensions.
    super(`nn.${name}`, { padding: widths(dims, mode === "constant" ? -Infinity : 0), ...others }, args);
  }

  forward(input: Tensor): Tensor {
    if (this.mode === "constant") return pad(input, this.padding, "constant", this.value ?? 0);
    requireTensors(`nn.${this.name}`, { input });
    if (input.dim() !== this.dims + 1 && input.dim() !== this.dims + 2) {
      throw expectedTensor(`shape ${shapes[this.dims]}`, `the input of nn.${this.name}`, input);
    }
    return pad(input, this.padding, this.mode);
  }
}

type ValueArgs = [padding: Widths, value: number] | [padding: Widths, options: { value: number }] | [options: { padding: Widths; value: number }];
type PadArgs = [padding: Widths] | [options: { padding: Widths }];

/** A border of one value around a sequence. @example new nn.ConstantPad1d(2, 3.5) */
export class ConstantPad1d extends Pad {
  constructor(...args: ValueArgs) {
    super("ConstantPad1d", 1, "constant", args, { value: real });
  }
}

/** A border of zeros around a sequence. @example new nn.ZeroPad1d(2) */
export class ZeroPad1d extends Pad {
  constructor(...args: PadArgs) {
    super("ZeroPad1d", 1, "constant", args);
  }
}

/** A border around a sequence that mirrors it, without its edge. @example new nn.ReflectionPad1d(2) */
export class ReflectionPad1d extends Pad {
  constructor(...args: PadArgs) {
    super("ReflectionPad1d", 1, "reflect", args);
  }
}

/** A border around a sequence that repeats its edge. @example new nn.ReplicationPad1d(2) */
export class ReplicationPad1d extends Pad {
  constructor(...args: PadArgs) {
    super("ReplicationPad1d", 1, "replicate", args);
  }
}

/** A border around a sequence that goes on at its other end. @example new nn.CircularPad1d(2) */
export class CircularPad1d extends Pad {
  constructor(...args: PadArgs) {
    super("CircularPad1d", 1, "circular", args);
  }
}

/** A border of one value around an image. @example new nn.ConstantPad2d(2, 3.5) */
export class ConstantPad2d extends Pad {
  constructor(...args: ValueArgs) {
    super("ConstantPad2d", 2, "constant", args, { value: real });
  }
}

/** A border of zeros around an image. @example new nn.ZeroPad2d(2) */
export class ZeroPad2d extends Pad {
  constructor(...args: PadArgs) {
    super("ZeroPad2d", 2, "constant", args);
  }
}

/** A border around an image that mirrors it, without its edge. @example new nn.ReflectionPad2d(2) */
export class ReflectionPad2d extends Pad {
  constructor(...args: PadArgs) {
    super("ReflectionPad2d", 2, "reflect", args);
  }
}

/** A border around an image that repeats its edge. @example new nn.ReplicationPad2d(2) */
export class ReplicationPad2d extends Pad {
  constructor(...args: PadArgs) {
    super("ReplicationPad2d", 2, "replicate", args);
  }
}

/** A border around an image that goes on at its other end. @example new nn.CircularPad2d(2) */
export class CircularPad2d extends Pad {
  constructor(...args: PadArgs) {
    super("CircularPad2d", 2, "circular", args);
  }
}

/** A border of one value around a volume. @example new nn.ConstantPad3d(2, 3.5) */
export class ConstantPad3d extends Pad {
  constructor(...args: ValueArgs) {
    super("ConstantPad3d", 3, "constant", args, { value: real });
  }
}

/** A border of zeros around a volume. @example new nn.ZeroPad3d(2) */
export class ZeroPad3d extends Pad {
  constructor(...args: PadArgs) {
    super("ZeroPad3d", 3, "constant", args);
  }
}

/** A border around a volume that mirrors it, without its edge. @example new nn.ReflectionPad3d(2) */
export class ReflectionPad3d extends Pad {
  constructor(...args: PadArgs) {
    super("ReflectionPad3d", 3, "reflect", args);
  }
}

/** A border around a volume that repeats its edge. @example new nn.ReplicationPad3d(2) */
export class ReplicationPad3d extends Pad {
  constructor(...args: PadArgs) {
    super("ReplicationPad3d", 3, "replicate", args);
  }
}

/** A border around a volume that goes on at its other end. @example new nn.CircularPad3d(2) */
export class CircularPad3d extends Pad {
  constructor(...args: PadArgs) {
    super("CircularPad3d", 3, "circular", args);
  }
}
