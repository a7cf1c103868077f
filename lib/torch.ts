import * as autograd from "./autograd.js";
import { autocast } from "./autocast.js";
import { backends, getFloat32MatmulPrecision, setFloat32MatmulPrecision } from "./backends.js";
import * as cuda from "./cuda/index.js";
import { binaryInfo } from "./load-binary.js";
import { fromBuffer, tensorFrom } from "./creation.js";
import { callByName, schemas } from "./dispatch.js";
import { checkKeys, expected } from "./errors.js";
import { at, setAt } from "./indexing.js";
import { operatorFunctions } from "./install.js";
import { fft, linalg, special } from "./namespaces.js";
import { native } from "./native.js";
import { finfo, iinfo } from "./number-limits.js";
import type { TorchFunctions } from "./ops.generated.js";
import { Generator, defaultGenerator, getRngState, initialSeed, manualSeed, setRngState } from "./random.js";
import { keep, scope } from "./scope.js";
import { Tensor } from "./tensor.js";
import { unique } from "./unique.js";

/** What {@link memory} reports. */
export interface MemoryFigures {
  /** Tensors that JavaScript holds, or held and did not yet give back. */
  tensors: number;
  /** Bytes of their storages, each counted once. */
  bytes: number;
  /** How often tensors that nobody held any more were looked for. */
  sweeps: number;
  /**
   * Bytes that compiled steps on the CPU keep for the tensors inside them, in the whole process: as many as the largest step
   * had in use at once. Up to a quarter more (or 8 MiB) may wait for tensors of the same sizes. They are given back by
   * {@link sweep}, and ten seconds after the last step on the training thread.
   */
  stepBytes: number;
}

/** Live tensors and their bytes, in this environment (the main thread or a worker thread). */
function memory(): MemoryFigures {
  return native.memory();
}

function setNumThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) throw expected("an integer from 1 to 1024", "threads", threads);
  native.setNumThreads(threads);
}

const handWritten = {
  tensor: tensorFrom,
  fromBuffer,
  at,
  setAt,
  unique,
  finfo,
  iinfo,
  linalg,
  fft,
  special,
  autograd,
  noGrad: autograd.noGrad,
  enableGrad: autograd.enableGrad,
  isGradEnabled: autograd.isGradEnabled,
  autocast,
  cuda,
  backends,
  getFloat32MatmulPrecision,
  setFloat32MatmulPrecision,
  manualSeed,
  initialSeed,
  getRngState,
  setRngState,
  Generator,
  defaultGenerator,
  Tensor,
  scope,
  keep,
  memory,
  /** Looks now for tensors that nobody holds, and frees them, and what steps keep. Happens by itself as memory grows. */
  sweep: (): void => native.sweep(),
  /**
   * When to look for tensors that nobody holds: after that many bytes, or that many tensors, were made since the last time.
   *
   * @param limits bytes (default 128 MiB) and count (default 1,024)
   */
  setMemoryLimits: (limits: { bytes?: number; count?: number } = {}): void => {
    checkKeys(limits, ["bytes", "count"], "limits");
    const { bytes = 128 * 2 ** 20, count = 1024 } = limits;
    if (!Number.isSafeInteger(bytes) || bytes < 1) throw expected("a positive integer", "bytes", bytes);
    if (!Number.isSafeInteger(count) || count < 1) throw expected("a positive integer", "count", count);
    native.setMemoryLimits(bytes, count);
  },
  /** How many threads kernels use, and how many of mSAM's shards run at the same time. */
  setNumThreads,
  getNumThreads: (): number => native.getNumThreads(),
  /** Every operator that LibTorch has registered: by name, and their schemas. */
  ops: { call: callByName, schemas },
  /** The LibTorch in use: its version, folder, and CUDA version (null for a CPU build). */
  libtorch: libtorch(),
};

function libtorch(): { version: string; path: string; cuda: string | null } {
  const info = binaryInfo();
  const version = native.version();
  return { version: version.headers, path: info?.libtorch.path ?? "", cuda: version.builtForCuda === "" ? null : version.builtForCuda };
}

type HandWritten = typeof handWritten;

/** What `torch` holds. */
export interface Torch extends TorchFunctions, HandWritten {}

/**
 * LibTorch in TypeScript, under PyTorch's names in camelCase: every public operator as a function, factories, randomness,
 * autograd, memory.
 *
 * @example
 * const x = torch.randn([2, 3], { requiresGrad: true });
 * torch.cat([x, x], 1).sum().backward();
 */
export const torch: Torch = Object.assign(operatorFunctions, handWritten) as never;
