import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";

const base = { name: "sgd", lr: 0.1 } as const;

test("says what is replayed", () => {
  const model = new nn.Linear(3, 2);
  const step = optim.create(model, { method: "sam", ascentFraction: 0.5, base }).compile((x, y) => nn.functional.mseLoss(model.forward(x), y));
  expect(step.explain()).toContain("Nothing is recorded yet");
  step.sync(torch.randn([8, 3]), torch.randn([8, 2]));
  expect(step.explain()).toMatch(/^2 programs, with no JavaScript in a step:\n1\. 4 samples: \d+ operators; forward and backward are replayed\.\n2\. 8 samples: /);
});

test("a backward that reads values is autograd's, with the same result, and it says so", () => {
  torch.manualSeed(0);
  const make = () => new nn.Linear(3, 1, { dtype: "float64" });
  const [model, reference] = [make(), make()];
  reference.loadStateDict(model.stateDict());
  // The derivative of a product looks for zeros among the factors.
  const loss = (net: nn.Linear) => (x: import("../../lib/index.js").Tensor) => net.forward(x).add(2).prod();
  const compiled = optim.create(model, { method: "sam", rho: 0.1, base });
  const closure = optim.create(reference, { method: "sam", rho: 0.1, base });
  const step = compiled.compile(loss(model));
  for (let s = 0; s < 3; s++) {
    const x = torch.randn([4, 3], { dtype: "float64" });
    const [a, b] = [step.sync(x), closure.step(() => loss(reference)(x))];
    expect(a.loss).toBeCloseTo(b.loss, 12);
    expect(a.perturbedLoss!).toBeCloseTo(b.perturbedLoss!, 12);
  }
  const difference = torch.noGrad(() => model.weight.sub(reference.weight).abs().max().item());
  expect(difference).toBeLessThan(1e-12);
  expect(step.explain()).toContain("the forward is replayed, autograd runs the backward:");
  expect(step.programs[0]!.backwardObstacle).toContain("nonzero");
});
