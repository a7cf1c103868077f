/**
 * NVIDIA's GPUs, under the names of PyTorch's `torch.cuda`. Where there is no GPU that LibTorch can use, `isAvailable`,
 * `deviceCount`, `manualSeed`, `manualSeedAll` and `emptyCache` say so or do nothing; everything else throws `DEVICE` with the
 * reason.
 */
export * from "./memory.js";
export * from "./random.js";
export * from "./streams.js";
export {
  currentDevice, device, deviceCount, getDeviceCapability, getDeviceName, getDeviceProperties, isAvailable, isBf16Supported, setDevice, synchronize,
  type CudaDevice, type DeviceProperties,
} from "./devices.js";
