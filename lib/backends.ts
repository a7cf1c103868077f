import { checkFlag } from "./checks.js";
import { expected } from "./errors.js";
import { native } from "./native.js";

/** How cuDNN, NVIDIA's library of convolutions and recurrent nets, is used. Each can be read and set. */
export interface CudnnSwitches {
  /** Use it at all; default true. */
  enabled: boolean;
  /** Try its algorithms on each new shape and keep the fastest; default false. */
  benchmark: boolean;
  /** Only algorithms that give the same result each time; default false. */
  deterministic: boolean;
  /** Multiply in TF32 (10 bits of fraction) where inputs are float32; default true. */
  allowTf32: boolean;
}

const cudnn = {} as CudnnSwitches;
for (const name of ["enabled", "benchmark", "deterministic", "allowTf32"] as const) {
  Object.defineProperty(cudnn, name, {
    get: () => native.backendSwitch(`cudnn.${name}`),
    set: (value: unknown) => native.setBackendSwitch(`cudnn.${name}`, checkFlag(value, `backends.cudnn.${name}`)),
    enumerable: true,
  });
}

/** Switches of the libraries behind the kernels, as `torch.backends` of PyTorch. They hold for the whole process. */
export const backends: { readonly cudnn: CudnnSwitches } = { cudnn };

/** How float32 matrices are multiplied: "highest" (default) in float32, "high" in TF32 where the GPU can, "medium" in bfloat16 where it can. */
export type MatmulPrecision = "highest" | "high" | "medium";

export function getFloat32MatmulPrecision(): MatmulPrecision {
  return native.matmulPrecision();
}

/** See {@link MatmulPrecision}; for the whole process. */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  if (!["highest", "high", "medium"].includes(precision)) throw expected('"highest", "high" or "medium"', "precision", precision);
  native.setMatmulPrecision(precision);
}
