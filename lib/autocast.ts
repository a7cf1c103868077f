import { checkKeys, expected, SteppeError } from "./errors.js";
import { toDType } from "./dtype.js";
import { native } from "./native.js";

/** Keyword arguments of {@link autocast}. */
export interface AutocastOptions {
  /** Device type: "cpu" or "cuda". Default "cpu". */
  device?: "cpu" | "cuda";
  /** The lower precision. Default "bfloat16". */
  dtype?: "bfloat16" | "float16";
  /** false: full precision in here. Default true. */
  enabled?: boolean;
}

const off = { enabled: false, dtype: "bfloat16" } as const;
const innermost: Record<string, { enabled: boolean; dtype: "bfloat16" | "float16" }> = {};

/** The options with which another call would do what the innermost {@link autocast} around this one does on a device. */
export function currentAutocast(device: string): AutocastOptions {
  const type = device.split(":")[0] === "cuda" ? "cuda" : "cpu";
  return { device: type, ...(innermost[type] ?? off) };
}

/** Whether an {@link autocast} is around this call, of any device: operators then bring dtypes together themselves. */
export function isAutocastEnabled(): boolean {
  return Object.values(innermost).some(({ enabled }) => enabled);
}

/**
 * Runs a synchronous function in mixed precision, as torch.autocast: matrix products and convolutions take their inputs in the
 * lower precision, losses and norms stay in float32. Weights keep their dtype. For training in float16 see `lossScale`.
 *
 * @returns what `body` returns
 * @throws SteppeError `ARGUMENT` for another device or dtype, or a function that returns a promise
 * @example const loss = torch.autocast(() => nn.functional.crossEntropy(model.forward(x), y), { dtype: "bfloat16" });
 */
export function autocast<T>(body: () => T, options: AutocastOptions = {}): T {
  if (typeof body !== "function") throw expected("a function", "body", body);
  const { device, dtype, enabled } = readAutocast(options);
  const before = native.swapAutocast(device, enabled, dtype);
  const outer = innermost[device];
  innermost[device] = { enabled, dtype };
  let result: T;
  try {
    result = body();
  } finally {
    native.swapAutocast(device, before.enabled, before.dtype);
    innermost[device] = outer ?? off;
  }
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
    throw new SteppeError("ARGUMENT", "Expected a synchronous function for autocast but received one that returns a promise: it would run on after autocast has ended.");
  }
  return result;
}

/** Checks the options and fills in defaults. */
export function readAutocast(options: AutocastOptions, name = "options"): Required<AutocastOptions> {
  if (typeof options !== "object" || options === null) throw expected("an object", name, options);
  checkKeys(options, ["device", "dtype", "enabled"], name);
  const { device = "cpu", dtype = "bfloat16", enabled = true } = options;
  if (device !== "cpu" && device !== "cuda") throw expected('"cpu" or "cuda"', `${name}.device`, device);
  const type = toDType(dtype, `${name}.dtype`);
  if (type !== "bfloat16" && type !== "float16") throw expected('"bfloat16" or "float16"', `${name}.dtype`, dtype);
  if (typeof enabled !== "boolean") throw expected("a boolean", `${name}.enabled`, enabled);
  return { device, dtype: type, enabled };
}
