import { expect } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";

// Nets, batches cut into micro-batches, and compiled steps, for the tests of accumulation.

export const sgd = { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 1e-2 } as const;
export const plain = { name: "sgd", lr: 0.1, weightDecay: 1e-2 } as const;
export const double = { dtype: "float64" } as const;
export type Batch = [Tensor, Tensor];
export type Step = optim.CompiledStep<Batch>;
export type Loss = (x: Tensor, y: Tensor) => Tensor;

export function net(dropout = 0): nn.Sequential {
  torch.manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(5, 8), new nn.LayerNorm(8), new nn.Tanh(), new nn.Dropout(dropout), new nn.Linear(8, 3));
  model.to("float64");
  return model;
}

export function convnet(): nn.Sequential {
  torch.manualSeed(1);
  const layers = [new nn.Conv2d(2, 4, 3), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Flatten(), new nn.Linear(4 * 16, 3)];
  const model = new nn.Sequential(...layers);
  model.to("float64");
  return model;
}

export interface Window {
  whole: Batch;
  micros: Batch[];
}

/** Batches for some steps, each cut into micro-batches of these sizes. */
export function windows(steps: number, sizes: readonly number[], shape: readonly number[] = [5]): Window[] {
  torch.manualSeed(2);
  return Array.from({ length: steps }, () => {
    const micros = sizes.map((n): Batch => [torch.randn([n, ...shape], double), torch.randint(3, [n])]);
    return { whole: [torch.cat(micros.map(([x]) => x)), torch.cat(micros.map(([, y]) => y))], micros };
  });
}

export const crossEntropy = (model: nn.Sequential): Loss => (x, y) => nn.functional.crossEntropy(model.forward(x), y);

export function compiled(model: nn.Sequential, options: object): { optimizer: optim.Optimizer; step: Step } {
  const optimizer = optim.create(model, options as optim.OptimizerOptions);
  const withLogits = (x: Tensor, y: Tensor) => {
    const logits = model.forward(x);
    return { loss: nn.functional.crossEntropy(logits, y), logits, target: y };
  };
  const loss = (options as { method: string }).method === "bilevel" ? withLogits : crossEntropy(model);
  return { optimizer, step: optimizer.compile<Batch>(loss as never) as Step };
}

export function state(model: nn.Module): Record<string, unknown> {
  return Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.toArray()]));
}

export function expectClose(got: nn.Module, wanted: nn.Module, tolerance = 1e-12): void {
  const tensors = got.stateDict();
  for (const [name, tensor] of Object.entries(wanted.stateDict())) expect(distance(tensors[name]!, tensor), name).toBeLessThan(tolerance);
}

export function expectCloseReport(got: optim.StepReport, wanted: optim.StepReport): void {
  for (const key of ["loss", "gradNorm"] as const) expect(Math.abs(got[key] - wanted[key]), key).toBeLessThan(1e-12);
  expect(got.perturbedLoss === undefined).toBe(wanted.perturbedLoss === undefined);
  if (got.perturbedLoss !== undefined) expect(Math.abs(got.perturbedLoss - wanted.perturbedLoss!)).toBeLessThan(1e-12);
  expect([got.skipped, got.updated]).toEqual([wanted.skipped, wanted.updated]);
}
