import { dtypes, isDType, toDType } from "../dtype.js";
import { checkKeys, expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";

/** Where `Module.to` brings a module: a dtype, a device or both. */
export type Destination = DType | (string & {}) | { dtype?: DType | (string & {}) | null; device?: string | null };

interface Conversion {
  dtype?: DType;
  device?: Device;
}

/** A destination as a dtype and a device. */
export function conversion(destination: Destination): Conversion {
  if (typeof destination === "string") return conversion(isDType(destination) ? { dtype: destination } : { device: destination });
  if (typeof destination !== "object" || destination === null) {
    throw expected("a dtype, a device or { dtype, device }", "to", destination);
  }
  checkKeys(destination, ["dtype", "device"], "to");
  const device = (destination.device ?? undefined) as Device | undefined; // LibTorch checks it
  if (destination.dtype === undefined || destination.dtype === null) return { device };
  const dtype = toDType(destination.dtype, "to");
  if (!isContinuous(dtype)) throw expected("a floating-point or complex dtype", "to", dtype, "Parameters cannot be integers.");
  return { dtype, device };
}

/** Converts a tensor and its gradient in place: the objects stay, what they hold is replaced. */
export function convert(tensor: Tensor, target: Conversion): void {
  const options = isContinuous(tensor.dtype) ? target : { device: target.device };
  if ((options.dtype ?? tensor.dtype) === tensor.dtype && (options.device ?? tensor.device) === tensor.device) return;
  const grad = tensor.grad?.detach().to(options);
  tensor.grad = null; // a gradient of another dtype or device is refused, and so is the tensor under it
  tensor.data = tensor.detach().to(options);
  if (grad !== undefined) tensor.grad = grad;
}

function isContinuous(dtype: DType): boolean {
  return dtypes[dtype]!.floating || dtypes[dtype]!.complex;
}
