import { dtypeOrDevice } from "../conversion.js";
import { dtypes, toDType } from "../dtype.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Device, DType, MemoryFormat } from "../types.js";
import { flag } from "./arguments.js";

/** Where `Module.to` brings a module, and how. */
export interface Conversion {
  /** Of tensors of floating-point and complex numbers; others keep theirs. */
  dtype?: DType | (string & {}) | null;
  device?: string | null;
  /** Do not wait for the copy, where the device can (pinned memory); default false. */
  nonBlocking?: boolean;
  /** How tensors of 4 dimensions ("channels_last") or 5 ("channels_last_3d") lie in memory; others stay as they lie. */
  memoryFormat?: MemoryFormat | null;
}

/** One word is a dtype or a device; a tensor stands for its dtype and device. */
export type Destination = DType | (string & {}) | Tensor | Conversion;

/** A destination that has been checked. */
interface Target {
  dtype?: DType;
  device?: Device;
  nonBlocking: boolean;
  memoryFormat: MemoryFormat;
}

const formats: readonly MemoryFormat[] = ["contiguous", "preserve", "channels_last", "channels_last_3d"];

/** A destination, checked. */
export function conversion(destination: Destination): Target {
  if (typeof destination === "string") return conversion(dtypeOrDevice(destination, "to"));
  if (destination instanceof Tensor) return conversion({ dtype: destination.dtype, device: destination.device });
  if (typeof destination !== "object" || destination === null) {
    throw expected("a dtype, a device, a tensor or { dtype, device, nonBlocking, memoryFormat }", "to", destination);
  }
  checkKeys(destination, ["dtype", "device", "nonBlocking", "memoryFormat"], "to");
  const device = (destination.device ?? undefined) as Device | undefined; // LibTorch checks it
  const nonBlocking = flag.read(destination.nonBlocking ?? false, "nonBlocking of to");
  const memoryFormat = destination.memoryFormat ?? "preserve";
  if (!formats.includes(memoryFormat)) throw expected(`one of ${formats.join(", ")}`, "memoryFormat of to", memoryFormat);
  if (destination.dtype === undefined || destination.dtype === null) return { device, nonBlocking, memoryFormat };
  const dtype = toDType(destination.dtype, "to");
  if (!isContinuous(dtype)) throw expected("a floating-point or complex dtype", "to", dtype, "Parameters cannot be integers.");
  return { dtype, device, nonBlocking, memoryFormat };
}

/** Converts a tensor and its gradient in place: the objects stay, what they hold is replaced. */
export function convert(tensor: Tensor, { dtype = tensor.dtype, device = tensor.device, nonBlocking, memoryFormat }: Target): void {
  const options = { dtype: isContinuous(tensor.dtype) ? dtype : tensor.dtype, device, nonBlocking, memoryFormat: formatOf(tensor, memoryFormat) };
  if (options.dtype === tensor.dtype && device === tensor.device && options.memoryFormat === "preserve") return;
  if (device === "meta" && tensor.device !== "meta") throw expected("a device with memory", "to", device, "A module without values is made there: new nn.Linear(2, 3, { device }).");
  if (tensor.device === "meta" && device !== "meta") throw expected('a module with values, which the device "meta" does not hold,', "to", tensor, "Make it where it is to be.");
  const grad = tensor.grad?.detach().to(options);
  tensor.grad = null; // a gradient of another dtype or device is refused, and so is the tensor under it
  tensor.data = tensor.detach().to(options);
  if (grad !== undefined) tensor.grad = grad;
}

/** As in PyTorch, a format is for images and volumes only. */
function formatOf(tensor: Tensor, format: MemoryFormat): MemoryFormat {
  const dims = { channels_last: [4], channels_last_3d: [5], contiguous: [4, 5], preserve: [] }[format] as number[];
  return dims.includes(tensor.dim()) ? format : "preserve";
}

function isContinuous(dtype: DType): boolean {
  return dtypes[dtype]!.floating || dtypes[dtype]!.complex;
}
