import { call, family } from "./dispatch.js";
import { dtypes, isDType, toDType } from "./dtype.js";
import { checkKeys, expected, suggest } from "./errors.js";
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

const devices = ["cpu", "cuda", "mps", "meta", "xpu", "mtia", "hpu"] satisfies Device[];

/**
 * What one word stands for: a dtype, or a device. Whether that device is here is LibTorch's to say.
 *
 * @throws SteppeError `ARGUMENT` for what is neither
 */
export function dtypeOrDevice(word: string, argument: string): { dtype: DType } | { device: Device } {
  if (isDType(word)) return { dtype: word as DType };
  if (/^\w+:/.test(word) || (devices as string[]).includes(word)) return { device: word as Device };
  const what = "a dtype such as float32, float64, float16, bfloat16, int64 or bool, or a device such as cpu, cuda, cuda:0 or mps";
  throw expected(what, argument, word, suggest(word, [...devices, ...Object.keys(dtypes)]).trim());
}

/** `tensor.to(…)`: one word is a dtype or a device, a tensor stands for its dtype and device. */
export function convert(tensor: Tensor, target: DType | Device | Tensor | ToOptions, options: ToOptions): Tensor {
  let wanted: ToOptions;
  if (target instanceof Tensor) wanted = { dtype: target.dtype, device: target.device, ...options };
  else if (typeof target === "string") wanted = { ...dtypeOrDevice(target, "target"), ...options };
  else if (typeof target === "object" && target !== null) wanted = { ...target, ...options };
  else throw expected("a dtype, a device, a Tensor or an options object", "target", target);
  checkKeys(wanted, keys);
  const { dtype = tensor.dtype, device = tensor.device, nonBlocking = false, copy = false, memoryFormat } = wanted;
  const format = memoryFormat === undefined ? {} : { memoryFormat };
  return call(family("aten::to"), [tensor, { device, dtype: toDType(dtype), nonBlocking, copy, ...format }]) as Tensor;
}
