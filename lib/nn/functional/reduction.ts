import { expected, expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { oneOf, or, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";

/** How the losses of all samples become one: "mean" (weighted, if there are weights), "sum", or "none" for all of them. */
export type Reduction = "none" | "mean" | "sum";

export const reduction = or(oneOf("none", "mean", "sum"), "mean");

/** The number by which LibTorch's operators know a reduction. */
export const reductionCode = { none: 0, mean: 1, sum: 2 };

export const plainLossArguments = { reduction };
export type PlainLossRest = Rest<[reduction: Reduction], typeof plainLossArguments>;

/** Losses of single elements as one, or as they are. */
export function reduce(losses: Tensor, how: Reduction): Tensor {
  return how === "none" ? losses : how === "mean" ? losses.mean() : losses.sum();
}

export function sameShape(a: Tensor, b: Tensor): boolean {
  return String(a.shape) === String(b.shape);
}

/** @throws SteppeError `ARGUMENT` if the target has another shape than the input */
export function requireSameShape(owner: string, input: Tensor, target: Tensor, name = "target"): void {
  requireTensors(`nn.functional.${owner}`, { input, [name]: target });
  if (!sameShape(input, target)) {
    throw expectedTensor(`shape [${input.shape.join(", ")}], as the input,`, `${name} of nn.functional.${owner}`, target);
  }
}

/** LibTorch's "expected scalar type Long but found Int" names no argument. */
export function requireClasses(owner: string, target: Tensor, alsoBytes = false): void {
  requireTensors(`nn.functional.${owner}`, { target });
  if (target.dtype === "int64" || (alsoBytes && target.dtype === "uint8")) return;
  throw expected("class numbers of dtype int64", `target of nn.functional.${owner}`, target.dtype, 'Convert them: target.to("int64").');
}

/** As in PyTorch: allowed, but mostly a mistake ([N] against [N, 1] gives [N, N]). */
export function warnIfBroadcast(owner: string, input: Tensor, target: Tensor): void {
  requireTensors(`nn.functional.${owner}`, { input, target });
  if (sameShape(input, target)) return;
  const shapes = `[${input.shape.join(", ")}] and [${target.shape.join(", ")}]`;
  process.emitWarning(`nn.functional.${owner} broadcasts input and target of different shapes: ${shapes}.`, "SteppeWarning");
}
