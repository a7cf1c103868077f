import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// What a step has in use at its peak, by the figures of the memory that steps keep.

torch.setNumThreads(1);

const models = {
  "parameters take the memory": () => {
    const layer = () => [new nn.Linear(256, 256), new nn.ReLU()];
    return { model: new nn.Sequential(...layer(), ...layer(), ...layer(), new nn.Linear(256, 10)), x: torch.randn([4, 256]) };
  },
  "activations take the memory": () => {
    const layer = (from: number) => [new nn.Conv2d(from, 16, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(16), new nn.ReLU()];
    return { model: new nn.Sequential(...layer(3), ...layer(16), ...layer(16), new nn.Flatten(), new nn.Linear(16 * 256, 10)), x: torch.randn([16, 3, 16, 16]) };
  },
  "with dropout": () => ({ model: new nn.Sequential(new nn.Linear(64, 512), new nn.Dropout(0.5), new nn.ReLU(), new nn.Linear(512, 10)), x: torch.randn([64, 64]) }),
};

/** Earlier optimizers are gone: their engines go when the event loop turns after a collection. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    torch.sweep();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  torch.sweep();
}

/** Bytes that steps had in use at once, above what was in use before there was the optimizer; and the parameters' bytes. */
async function peak(make: () => { model: nn.Sequential; x: Tensor }, options: object): Promise<{ bytes: number; parameters: number }> {
  await settle();
  torch.manualSeed(1);
  const before = torch.memory().stepBytes;
  const { model, x } = make();
  const y = torch.randint(10, [x.size(0)]);
  const step = optim.create(model, { base: { name: "sgd", lr: 0.01, momentum: 0.9 }, ...options } as optim.OptimizerOptions).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
  for (let s = 0; s < 3; s++) await step(x, y);
  torch.sweep(); // the recording has held everything that it saw
  for (let s = 0; s < 3; s++) await step(x, y);
  const parameters = model.parameters().reduce((sum, p) => sum + p.numel() * p.itemSize, 0);
  return { bytes: torch.memory().stepBytes - before, parameters };
}

// What the blocks of the arena are larger than their tensors.
const rounding = 0.02;
// A gradient takes the place of the parameter that was read for the last time: of those on their way both are there. In copies of all parameters.
const onTheWay = 0.2;

// Copies of all parameters that a step holds beyond the base's: what it remembers from step to step, of that what is to replace it, and gradients
// that are combined.
const copies: [number, object[]][] = [
  [0, [{ method: "sam" }, { method: "norm-only" }, { method: "sam", every: 2 }, { method: "momentum" }, { method: "gasam" }, { method: "asam" }, { method: "fisher" }, { method: "stable" }]],
  [1, [{ method: "gasam", steps: 3 }, { method: "gsam" }, { method: "weighted" }, { method: "random" }, { method: "async" }]],
  [2, [{ method: "friendly" }, { method: "vasso" }, { method: "curvature" }, { method: "look" }]],
  [5, [{ method: "gam" }]],
];

test.each(Object.entries(models))("what a step holds beyond the base step is a matter of its rule, and no more activations: %s", async (_, make) => {
  const base = await peak(make, { method: "none" });
  const hasNorm = make().model.modules().some((module) => module.isNormalization);
  for (const [count, methods] of copies) {
    for (const options of methods) {
      if ("method" in options && options.method === "norm-only" && !hasNorm) continue;
      const { bytes, parameters } = await peak(make, options);
      expect(bytes - base.bytes, JSON.stringify(options)).toBeLessThanOrEqual((count + onTheWay) * parameters + rounding * base.bytes);
    }
  }
  // The measure sees what a method holds: the last step's direction, both gradients that GSAM combines, the mean and the one that replaces it.
  for (const [method, count] of [["async", 1], ["gsam", 1], ["vasso", 2]] as const) {
    const { bytes, parameters } = await peak(make, { method });
    expect(bytes - base.bytes, method).toBeGreaterThan(count * parameters - rounding * base.bytes);
  }
});

test("of weights that the passes want in another order the base step holds no copy, nor does a step of one pass; SAM's keeps one for both", async () => {
  const layer = () => [new nn.Conv2d(64, 64, 3, { padding: 1, bias: false }), new nn.ReLU()];
  const make = () => ({ model: new nn.Sequential(...layer(), ...layer(), ...layer(), ...layer(), new nn.Flatten(), new nn.Linear(256, 10)), x: torch.randn([2, 64, 2, 2]) });
  const base = await peak(make, { method: "none" });
  const more = async (options: object) => {
    const { bytes, parameters } = await peak(make, options);
    return (bytes - base.bytes) / parameters;
  };
  expect(await more({ method: "momentum" })).toBeLessThanOrEqual(onTheWay);
  expect(await more({ method: "sam" })).toBeLessThanOrEqual(1 + onTheWay);
});
