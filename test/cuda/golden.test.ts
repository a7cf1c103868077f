import { describe, test } from "vitest";
import { torch } from "../../lib/index.js";
import { Golden, names } from "../optim/golden-cases.js";

// The same trajectories on a GPU, in float64: sums are taken in another order there.
const tolerance = { relative: 1e-8, absolute: 1e-12 };

describe.skipIf(!torch.cuda.isAvailable())("golden trajectories on a GPU", () => {
  test.each(names.filter((name) => !new Golden(name).draws))("%s", async (name) => {
    const golden = new Golden(name, "cuda:0");
    const { model, optimizer, step } = golden.setUp();
    for (let s = 0; s < golden.spec.steps; s++) {
      if (golden.spec.learningRates !== null) optimizer.lr = golden.spec.learningRates[s]!;
      const [x, y] = golden.batch(s);
      golden.judge(s, await step(x, y), model.stateDict(), tolerance);
    }
  });
});
