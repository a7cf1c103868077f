import { operatorFunctions } from "./install.js";
import type { TorchFunctions } from "./ops.generated.js";

/** The functions whose names start with a prefix, under the rest of their names: `fftRfft` is `rfft`. */
export type Namespace<Prefix extends string> = {
  [Name in keyof TorchFunctions as Name extends `${Prefix}${infer Rest}` ? Uncapitalize<Rest> : never]: TorchFunctions[Name];
};

function namespace<Prefix extends string>(prefix: Prefix): Namespace<Prefix> {
  const found = Object.entries(operatorFunctions).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, call]) => [name.charAt(prefix.length).toLowerCase() + name.slice(prefix.length + 1), call])) as Namespace<Prefix>;
}

/** Linear algebra, as `torch.linalg` of PyTorch: `torch.linalg.svd(a)` is `torch.linalgSvd(a)`. */
export const linalg = namespace("linalg");

/** Fourier transforms, as `torch.fft` of PyTorch: `torch.fft.rfft(x)` is `torch.fftRfft(x)`. */
export const fft = namespace("fft");

/** Special functions, as `torch.special` of PyTorch: `torch.special.erf(x)` is `torch.specialErf(x)`. */
export const special = namespace("special");
