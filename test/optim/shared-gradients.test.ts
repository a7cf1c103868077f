import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// The perturbed point takes the memory of the gradient that was climbed, where nobody else holds it. Gradients that are one memory, or parts of
// one, or that the program keeps: each step beside SAM's rule (arXiv 2010.01412, equation 2) with the gradients written down by hand.

const rho = 0.3;
const lr = 0.1;

type Case = { name: string; loss(a: Tensor, b: Tensor, x: Tensor): Tensor; gradients(a: number[], b: number[], x: number[]): [number[], number[]] };

const cases: Case[] = [
  {
    name: "one tensor for both",
    loss: (a, b) => a.add(b).pow(2).sum().mul(0.5),
    gradients: (a, b) => [a.map((value, i) => value + b[i]!), a.map((value, i) => value + b[i]!)],
  },
  {
    name: "parts of one tensor",
    loss: (a, b, x) => torch.cat([a, b]).mul(torch.cat([x, x])).pow(2).sum().mul(0.5),
    gradients: (a, b, x) => [a.map((value, i) => value * x[i]! ** 2), b.map((value, i) => value * x[i]! ** 2)],
  },
  {
    name: "one number for all elements",
    loss: (a, b) => a.sum().mul(2).sub(b.sum()),
    gradients: (a, b) => [a.map(() => 2), b.map(() => -1)],
  },
  {
    name: "the other parameter itself, and the input",
    loss: (a, b, x) => torch.dot(a, b).add(torch.dot(a, x)),
    gradients: (a, b, x) => [b.map((value, i) => value + x[i]!), a],
  },
  {
    name: "the input",
    loss: (a, b, x) => torch.dot(a, x).sub(torch.dot(b, x)),
    gradients: (_a, _b, x) => [x, x.map((value) => -value)],
  },
];

function expected({ gradients }: Case, start: [number[], number[]], x: number[], steps: number): [number[], number[]] {
  let [a, b] = start;
  const plus = (w: number[], scale: number, g: number[]) => w.map((value, i) => value + scale * g[i]!);
  for (let s = 0; s < steps; s++) {
    const [ga, gb] = gradients(a, b, x);
    const scale = rho / Math.hypot(...ga, ...gb);
    const [da, db] = gradients(plus(a, scale, ga), plus(b, scale, gb), x);
    [a, b] = [plus(a, -lr, da), plus(b, -lr, db)];
  }
  return [a, b];
}

describe.each(cases)("$name", (each) => {
  test.each(["compiled", "closure"] as const)("%s", (form) => {
    torch.manualSeed(2);
    const n = 40;
    const parameter = () => nn.parameter(torch.randn([n], { dtype: "float64" }));
    const [a, b] = [parameter(), parameter()];
    const x = torch.randn([n], { dtype: "float64" });
    const numbers = (tensor: Tensor) => tensor.detach().toArray() as number[];
    const given = numbers(x);
    const [toBeA, toBeB] = expected(each, [numbers(a), numbers(b)], given, 5);
    const optimizer = optim.create([a, b], { method: "sam", rho, base: { name: "sgd", lr } });
    const loss = (input: Tensor) => each.loss(a, b, input);
    const step = optimizer.compile(loss);
    for (let s = 0; s < 5; s++) form === "compiled" ? step.sync(x) : optimizer.step(() => loss(x));
    numbers(a).forEach((value, i) => expect(value).toBeCloseTo(toBeA[i]!, 12));
    numbers(b).forEach((value, i) => expect(value).toBeCloseTo(toBeB[i]!, 12));
    expect(numbers(x)).toEqual(given);
  });

  // Rules leave what they make of gradients in these, too. A product with 1 has gradients of its own.
  test.each([
    { method: "asam" }, { method: "fisher" }, { method: "gsam" }, { method: "stable" }, { method: "weighted" }, { method: "friendly" }, { method: "vasso" },
    { method: "look", k: 2 }, { method: "curvature" }, { method: "gam" }, { method: "gasam", steps: 3 }, { method: "sparse" }, { method: "random" }, { method: "parallel" },
    { method: "async" }, { method: "bayesian", dataSize: 10 }, { method: "sam", maxGradNorm: 0.1 }, { method: "sam", accumulationSteps: 2 }, { method: "sam", lossScale: 8 },
  ])("%j", (options) => {
    const run = (loss: (a: Tensor, b: Tensor, x: Tensor) => Tensor, form: "compiled" | "closure") => {
      torch.manualSeed(2);
      const parameter = () => nn.parameter(torch.randn([40], { dtype: "float64" }));
      const [a, b] = [parameter(), parameter()];
      const x = torch.randn([40], { dtype: "float64" });
      const given = x.toArray();
      const base = { name: "sgd", lr, ...(["parallel", "bayesian"].includes(options.method) ? {} : { momentum: 0.9 }) };
      const optimizer = optim.create([a, b], { rho, ...options, base } as optim.OptimizerOptions & { method: "sam" });
      const step = optimizer.compile((input: Tensor) => loss(a, b, input));
      for (let s = 0; s < 6; s++) {
        torch.manualSeed(s);
        form === "compiled" ? step.sync(x) : optimizer.step(() => loss(a, b, x));
      }
      expect(x.toArray()).toEqual(given);
      return [...(a.detach().toArray() as number[]), ...(b.detach().toArray() as number[])];
    };
    const apart = run((a, b, x) => each.loss(a.mul(1), b.mul(1), x.clone()), "compiled");
    for (const form of ["compiled", "closure"] as const) {
      if (form === "closure" && (options.method === "parallel" || "accumulationSteps" in options)) continue; // a closure's last batch is not to be had again
      run(each.loss, form).forEach((value, i) => expect(value, form).toBeCloseTo(apart[i]!, 10));
    }
  });
});
