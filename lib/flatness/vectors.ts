import { torch } from "../torch.js";
import type { Generator } from "../random.js";
import type { Tensor } from "../tensor.js";

// Vectors in the space of all parameters: one tensor for each parameter, of its shape, dtype and device.
// The functions change their first argument in place.

export type Vector = Tensor[];

/** `‖x‖` over all tensors together, accumulated in at least float32. */
export function norm(x: Vector): number {
  return Math.hypot(...x.map((part) => torch.scope(() => torch.linalgVectorNorm(wide(part)).item() as number)));
}

/** `x ← x + a·y` */
export function add(x: Vector, y: Vector, a: number): void {
  x.forEach((part, k) => part.add_(y[k]!, { alpha: a }));
}

/** `x ← a·x` */
export function scale(x: Vector, a: number): void {
  for (const part of x) part.mul_(a);
}

/** `x ← x ⊙ y` */
export function multiply(x: Vector, y: Vector): void {
  x.forEach((part, k) => part.mul_(y[k]!));
}

/** `⟨x, y⟩` over all tensors together, accumulated in float64. */
export function dot(x: Vector, y: Vector): number {
  return x.reduce((sum, part, k) => sum + torch.scope(() => part.to("float64").mul(y[k]!.to("float64")).sum().item() as number), 0);
}

/** Numbers that are 1 or -1, each with probability ½, the same for a seed on every device. */
export function signsLike(x: Vector, generator: Generator): Vector {
  return x.map((part) => torch.scope(() => torch.randint(0, 2, [...part.shape], { generator }).mul(2).sub(1).to({ device: part.device, dtype: part.dtype })));
}

export function zerosLike(x: Vector): Vector {
  return x.map((part) => torch.zerosLike(part));
}

/** Standard normal numbers, the same for a seed on every device. */
export function normalLike(x: Vector, generator: Generator): Vector {
  return x.map((part) => torch.scope(() => torch.randn(part.shape, { generator }).to({ device: part.device, dtype: part.dtype })));
}

export function dispose(x: Vector): void {
  for (const part of x) part.dispose();
}

function wide(part: Tensor): Tensor {
  return part.dtype === "float64" ? part : part.to("float32");
}
