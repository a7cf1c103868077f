import { expect, test } from "vitest";
import { describe } from "../../lib/errors.js";
import { nn, SteppeError, Tensor, torch } from "../../lib/index.js";
import { functionFamilies, methodFamilies } from "../../lib/ops.generated.js";
import { randomNumbers } from "../support/random.mjs";

// What is written by hand takes any value, too: each call gives a result or a SteppeError.

const CALLS = 3000;

function disposed(): Tensor {
  const tensor = torch.ones([2]);
  tensor.dispose();
  return tensor;
}

/** An object that throws when it is looked at. */
const touchy = () =>
  new Proxy({}, {
    get: () => {
      throw new SteppeError("ARGUMENT", "looked at");
    },
  });

const plain = [undefined, null, NaN, -1, 0, 1, 2.5, Infinity, 2 ** 40, -(2 ** 53), 10n, 2n ** 70n, true, "", "x", "float32", "cuda:7", Symbol("s")];

/** Values that somebody may pass for another: wrong types, odd numbers, dead and foreign tensors. */
const values: readonly (() => unknown)[] = [
  ...plain.map((value) => () => value),
  ...[() => [], () => [1, "x"], () => [[1], [2, 3]], () => [null], () => [-1, 2 ** 33], () => [torch.ones([1]), disposed()]],
  ...[() => ({}), () => ({ dtype: "no" }), () => ({ dim: 0 }), () => ({ re: 1 }), () => ({ unknown: 1 }), () => ({ handle: 5 })],
  ...[() => new Date(), () => new Map(), () => /x/, () => Object.create(null) as object, () => () => 1, touchy],
  ...[() => new Float32Array(3), () => new DataView(new ArrayBuffer(8))],
  ...[() => torch.ones([2, 3]), () => torch.ones([0]), () => torch.tensor([1, 2]), () => torch.ones([2], { requiresGrad: true })],
  ...[() => torch.ones([2, 2], { device: "meta" }), disposed],
];

const selves = [
  ...[() => torch.ones([2, 3]), () => torch.ones([1], { requiresGrad: true }), () => torch.zeros([0, 2], { dtype: "int64" })],
  disposed,
];

function attempt(random: () => number, name: string, body: (args: unknown[]) => unknown): string | null {
  const args = Array.from({ length: Math.floor(random() * 4) }, () => values[Math.floor(random() * values.length)]!());
  try {
    const result = body(args);
    if (result instanceof Promise) result.catch(() => {});
    return null;
  } catch (error) {
    if (error instanceof SteppeError && error.code !== "INTERNAL") return null;
    return `${name}(${args.map(describe).join(", ")}): ${String(error)}${error instanceof SteppeError ? ` (${error.code})` : ""}`;
  }
}

test(`of Tensor, ${CALLS} calls`, () => {
  const random = randomNumbers(1);
  const own = Object.getOwnPropertyNames(Tensor.prototype);
  const names = own.filter((name) => name !== "constructor" && !(name in methodFamilies));
  expect(names).toContain("backward");
  const wrong = new Set<string>();
  for (let i = 0; i < CALLS; i++) {
    const name = names[Math.floor(random() * names.length)]!;
    torch.scope(() => {
      const self = selves[Math.floor(random() * selves.length)]!();
      const descriptor = Object.getOwnPropertyDescriptor(Tensor.prototype, name)!;
      const complaint = attempt(random, name, (args) => {
        if (typeof descriptor.value === "function") return (descriptor.value as (...args: unknown[]) => unknown).apply(self, args);
        if (descriptor.set !== undefined && random() < 0.7) return descriptor.set.call(self, args[0]);
        return descriptor.get!.call(self) as unknown;
      });
      if (complaint !== null) wrong.add(complaint);
    });
  }
  expect([...wrong]).toEqual([]);
});

test.each([
  ["torch", torch as unknown as Record<string, unknown>],
  ["nn.functional", nn.functional as unknown as Record<string, unknown>],
  ["torch.autograd", torch.autograd as unknown as Record<string, unknown>],
])(`of %s, ${CALLS} calls`, (_, namespace) => {
  const random = randomNumbers(2);
  const [threads, mode] = [torch.getNumThreads(), torch.isGradEnabled()];
  const functions = Object.keys(namespace).filter((name) => typeof namespace[name] === "function" && !/^[A-Z]/.test(name));
  const names = functions.filter((name) => !(name in functionFamilies));
  expect(names.length).toBeGreaterThan(0);
  const wrong = new Set<string>();
  for (let i = 0; i < CALLS; i++) {
    const name = names[Math.floor(random() * names.length)]!;
    torch.scope(() => {
      const complaint = attempt(random, name, (args) => (namespace[name] as (...args: unknown[]) => unknown)(...args));
      if (complaint !== null) wrong.add(complaint);
    });
  }
  torch.setNumThreads(threads);
  torch.setMemoryLimits();
  expect(torch.isGradEnabled()).toBe(mode);
  expect([...wrong]).toEqual([]);
});
