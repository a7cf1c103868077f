import { SteppeError, expected } from "../errors.js";
import { native, type NativeGpu } from "../native.js";

/** A GPU: its number, or "cuda" (the current one), or "cuda:1". Left out, it is the current one. */
export type CudaDevice = number | "cuda" | `cuda:${number}`;

/** What a GPU is; memory and caches in bytes. */
export type DeviceProperties = Readonly<NativeGpu>;

let cuda: boolean | undefined;

/** Whether the accelerators of this LibTorch are NVIDIA's: never changes. */
function isCuda(): boolean {
  return (cuda ??= native.version().accelerator === "cuda");
}

/** Whether there is a GPU that LibTorch can use. Never throws. */
export function isAvailable(): boolean {
  return isCuda() && native.deviceCount() > 0;
}

/** How many GPUs LibTorch can use; 0 for a CPU build. Never throws. */
export function deviceCount(): number {
  return isCuda() ? native.deviceCount() : 0;
}

/** The number of a GPU that is here. */
export function indexOf(device?: CudaDevice, name = "device"): number {
  if (!isAvailable()) {
    const { accelerator } = native.version();
    if (accelerator !== "" && accelerator !== "cuda") throw new SteppeError("DEVICE", `Expected a GPU of NVIDIA but this LibTorch is built for ${accelerator}.`);
    native.currentDevice(); // throws, with the reason
  }
  if (device === undefined || device === "cuda") return native.currentDevice();
  const index = typeof device === "number" ? device : /^cuda:\d+$/.test(device) ? Number(device.slice("cuda:".length)) : NaN;
  if (!Number.isSafeInteger(index) || index < 0 || index >= deviceCount()) {
    throw expected(`a GPU that is here (a number below ${deviceCount()}, "cuda" or "cuda:0")`, name, device);
  }
  return index;
}

/** The number of the GPU that "cuda" stands for on this thread: 0 until it is set. */
export function currentDevice(): number {
  return indexOf();
}

/**
 * Makes a GPU the current one of this thread: "cuda" stands for it. Compiled steps take their place and streams along.
 *
 * @throws SteppeError `DEVICE` where there is no GPU, `ARGUMENT` for one that is not here
 */
export function setDevice(device: CudaDevice): void {
  native.setDevice(indexOf(device));
}

/**
 * Runs a synchronous function with another current GPU.
 *
 * @returns what `body` returns
 * @example const x = torch.cuda.device(1, () => torch.zeros([2, 2], { device: "cuda" })); // on cuda:1
 */
export function device<T>(device: CudaDevice, body: () => T): T {
  const index = indexOf(device);
  const before = native.currentDevice();
  native.setDevice(index);
  return restoring(body, "torch.cuda.device", () => native.setDevice(before));
}

/** Runs `body`, then `restore`, whatever happens. */
export function restoring<T>(body: () => T, what: string, restore: () => void): T {
  try {
    if (typeof body !== "function") throw expected("a function", "body", body);
    // A promise may come back: a compiled step that was asked for has taken device and streams along.
    if (body.constructor.name === "AsyncFunction") {
      throw new SteppeError("ARGUMENT", `Expected a synchronous function for ${what} but received an async one: it would run on after the device and stream were put back.`);
    }
    return body();
  } finally {
    restore();
  }
}

/** What a GPU is: its name, compute capability, memory, processors. */
export function getDeviceProperties(device?: CudaDevice): DeviceProperties {
  const index = indexOf(device);
  const { problem, gpus } = native.driver();
  const found = gpus[index];
  if (found === undefined) throw new SteppeError("DEVICE", `NVIDIA's driver tells nothing of cuda:${index}${problem === "" ? "" : `: ${problem}`}.`);
  return found;
}

/** "NVIDIA H100 80GB HBM3" */
export function getDeviceName(device?: CudaDevice): string {
  return getDeviceProperties(device).name;
}

/** Compute capability: [9, 0] for Hopper. */
export function getDeviceCapability(device?: CudaDevice): [major: number, minor: number] {
  const { major, minor } = getDeviceProperties(device);
  return [major, minor];
}

/** Whether the current GPU computes in bfloat16: from compute capability 8.0 on. */
export function isBf16Supported(): boolean {
  return getDeviceProperties().major >= 8;
}

/** Waits until a GPU has done all that was asked of it, on all its streams. */
export function synchronize(device?: CudaDevice): void {
  native.synchronize(indexOf(device));
}
