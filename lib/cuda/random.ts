import { defaultGenerator } from "../random.js";
import type { Tensor } from "../tensor.js";
import { deviceCount, indexOf, isAvailable, type CudaDevice } from "./devices.js";

const generator = (index: number) => defaultGenerator(`cuda:${index}`);

/** Seeds the default generator of the current GPU. Does nothing where there is none; `torch.manualSeed` seeds all devices. */
export function manualSeed(seed: number | bigint): void {
  if (isAvailable()) generator(indexOf()).manualSeed(seed);
}

/** Seeds the default generators of all GPUs. Does nothing where there are none. */
export function manualSeedAll(seed: number | bigint): void {
  for (let index = 0; index < deviceCount(); index++) generator(index).manualSeed(seed);
}

/** The seed that a GPU's default generator was last given, or started with. */
export function initialSeed(device?: CudaDevice): bigint {
  return generator(indexOf(device)).initialSeed();
}

/** The state of a GPU's default generator, a uint8 tensor on the CPU. */
export function getRngState(device?: CudaDevice): Tensor {
  return generator(indexOf(device)).getState();
}

export function setRngState(state: Tensor, device?: CudaDevice): void {
  generator(indexOf(device)).setState(state);
}
