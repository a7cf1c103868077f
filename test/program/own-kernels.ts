import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Kernels of our own in a program, beside autograd over LibTorch's in float32 and in float64.

const processor = process.platform === "linux" && process.arch === "x64" ? readFileSync("/proc/cpuinfo", "utf8") : "";
/** Whether the processor has AVX-512, which loops with their sums in registers are written for. */
export const hasWideRegisters = / avx512vl /.test(processor);
/** Whether large matrices are MKL's: on its maker's processors. */
export const mklIsFast = /GenuineIntel/.test(processor);

export type Loss = (...batch: Tensor[]) => Tensor;

/** A model and the loss that looks at what comes out of it. */
export interface Subject {
  model: nn.Module;
  loss: Loss;
}

/** The loss and the gradients of one pass in a program: the momentum of a first step without weight decay. `text`: its instructions. */
export function recorded({ model, loss }: Subject, batch: Tensor[]) {
  const optimizer = optim.create(model, { method: "none", nonFinite: "skip", base: { name: "sgd", lr: 0, momentum: 0.5 } });
  const step = optimizer.compile(loss);
  const report = step.sync(...batch);
  const { tensors } = optimizer.stateDict();
  return { loss: report.loss, gradients: model.namedParameters().map(([name]) => tensors[`${name}/momentum_buffer`] ?? null), text: step.programs[0]!.text };
}

/** The same by autograd. */
function eager({ model, loss }: Subject, batch: Tensor[]) {
  model.zeroGrad();
  const result = loss(...batch);
  result.backward();
  return { loss: result.item() as number, gradients: model.parameters().map(({ grad }) => grad) };
}

const largest = (tensor: Tensor) => tensor.abs().max().item() as number;

/**
 * Of the instructions, the names of those that a kernel of our own runs, with "backward" before those of the backward. `among`: what is
 * small, as copies and products, is around nearly everything, and counts only where it is asked for.
 */
export function ownKernels(text: string, among = /convolution|batch_norm|attention/): string[] {
  const lines = text.split("\n").filter((line) => line.endsWith("by a kernel of our own") && among.test(line.split("=")[1]!));
  return lines.map((line) => `${line.startsWith("backward") ? "backward " : ""}${/aten::(\w+)/.exec(line)![1]}`);
}

/**
 * Compares loss, gradients and buffers after one pass from the same weights, and gives the program's text. A gradient may be as far
 * from float64's as three times what LibTorch's is, and a few roundings of the largest gradient. `slack`: what the loss may be off besides, since its terms cancel.
 */
export function expectLikeAutograd(make: () => Subject, batch: Tensor[], slack = 2e-5): string {
  const [own, libtorch, exact] = [make(), make(), make()];
  libtorch.model.loadStateDict(own.model.stateDict());
  exact.model.loadStateDict(own.model.stateDict());
  exact.model.to("float64");
  const result = recorded(own, batch);
  const beside = eager(libtorch, batch);
  const wide = eager(exact, batch.map((tensor) => (tensor.dtype === "float32" ? tensor.to("float64") : tensor)));
  expect(Math.abs(result.loss - wide.loss)).toBeLessThanOrEqual(3 * Math.abs(beside.loss - wide.loss) + 2e-6 * Math.abs(wide.loss) + slack);
  // Some gradients are sums that cancel, as of a bias before a batch norm.
  const scale = Math.max(...wide.gradients.map((gradient) => (gradient === null || gradient === undefined ? 0 : largest(gradient))));
  own.model.namedParameters().forEach(([name, parameter], i) => {
    const [mine, theirs, truth] = [result.gradients[i] ?? null, beside.gradients[i] ?? null, wide.gradients[i] ?? null];
    expect([name, mine === null]).toEqual([name, theirs === null]);
    if (mine === null || theirs === null || truth === null) return;
    expect(mine.shape).toEqual(parameter.shape);
    const error = (tensor: Tensor) => largest(tensor.to("float64").sub(truth));
    expect([name, error(mine)]).toEqual([name, expect.toSatisfy((value: number) => value <= 3 * error(theirs) + 1e-5 * scale)]);
  });
  const buffers = exact.model.namedBuffers();
  own.model.namedBuffers().forEach(([name, buffer], i) => {
    expect([name, largest(buffer.to("float64").sub(buffers[i]![1].to("float64")))]).toEqual([name, expect.toSatisfy((value: number) => value < 1e-5)]);
  });
  return result.text;
}
