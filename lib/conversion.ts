import { call, family } from "./dispatch.js";
import { isDType, toDType } from "./dtype.js";
import { checkKeys, expected } from "./errors.js";
import { Tensor } from "./tensor.js";
import type { Device, DType, MemoryFormat } from "./types.js";

/** Keyword arguments of {@link Tensor.to}. */
export interface ToOptions {
  dtype?: DType;
  device?: Device;
  /** Do not wait for the copy, where the device can (pinned memory); default false. */
  nonBlocking?: boolean;
  /** Copy even if nothing changes; default false. */
  copy?: boolean;
  /** How it lies in memory: "channels_last" for images; default "preserve". */
  memoryFormat?: MemoryFormat;
}

const keys = ["dtype", "device", "nonBlocking", "copy", "memoryFormat"];

/** `tensor.to(…)`: one word is a dtype or a device, a tensor stands for its dtype and device. */
export function convert(tensor: Tensor, target: DType | Device | Tensor | ToOptions, options: ToOptions): Tensor {
  let wanted: ToOptions;
  if (target instanceof Tensor) wanted = { dtype: target.dtype, device: target.device, ...options };
  else if (typeof target === "string") wanted = { [isDType(target) ? "dtype" : "device"]: target, ...options };
  else if (typeof target === "object" && target !== null) wanted = { ...target, ...options };
  else throw expected("a dtype, a device, a Tensor or an options object", "target", target);
  checkKeys(wanted, keys);
  const { dtype = tensor.dtype, device = tensor.device, nonBlocking = false, copy = false, memoryFormat } = wanted;
  const format = memoryFormat === undefined ? {} : { memoryFormat };
  return call(family("aten::to"), [tensor, { device, dtype: toDType(dtype), nonBlocking, copy, ...format }]) as Tensor;
}
