import { native } from "../native.js";
import { indexOf, isAvailable, type CudaDevice } from "./devices.js";

// LibTorch keeps the memory of tensors that are gone for those to come: what is allocated is part of what is reserved.

/** Bytes that tensors take on a GPU, in the whole process. */
export function memoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)["allocated_bytes.all.current"]!;
}

/** The most that {@link memoryAllocated} was since the start, or since {@link resetPeakMemoryStats}. */
export function maxMemoryAllocated(device?: CudaDevice): number {
  return memoryStats(device)["allocated_bytes.all.peak"]!;
}

/** Bytes that LibTorch holds on a GPU, for tensors that are there and for those to come. */
export function memoryReserved(device?: CudaDevice): number {
  return memoryStats(device)["reserved_bytes.all.current"]!;
}

/** The most that {@link memoryReserved} was since the start, or since {@link resetPeakMemoryStats}. */
export function maxMemoryReserved(device?: CudaDevice): number {
  return memoryStats(device)["reserved_bytes.all.peak"]!;
}

/**
 * All figures of LibTorch's allocator, under PyTorch's names: "allocated_bytes.all.current", "num_ooms". `all` are both pools,
 * `small_pool` and `large_pool` one; `current`, `peak`, and since the start `allocated` and `freed`.
 */
export function memoryStats(device?: CudaDevice): Record<string, number> {
  return native.deviceMemory(indexOf(device));
}

/** Peaks start anew from what is there now. */
export function resetPeakMemoryStats(device?: CudaDevice): void {
  native.resetMemoryFigures(indexOf(device), false);
}

/** Sums since the start (`allocated`, `freed`, `num_ooms`) begin anew. */
export function resetAccumulatedMemoryStats(device?: CudaDevice): void {
  native.resetMemoryFigures(indexOf(device), true);
}

/** Bytes that are free on a GPU and that it has, for all processes together. */
export function memGetInfo(device?: CudaDevice): [free: number, total: number] {
  return native.memoryInfo(indexOf(device));
}

/** Gives reserved memory that no tensor takes back to the GPU, for other processes to use. Does nothing where there is no GPU. */
export function emptyCache(): void {
  if (isAvailable()) native.emptyCache();
}
