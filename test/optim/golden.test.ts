import { describe, expect, test } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { Golden, names } from "./golden-cases.js";

describe.each(names)("golden trajectory %s", (name) => {
  const golden = new Golden(name);
  const { spec, tensors } = golden;

  test("generates the same random numbers", () => {
    const probe = tensors["dropoutProbe"];
    if (probe === undefined) return;
    torch.manualSeed(spec.seed);
    expect(distance(torch.dropout(torch.ones([64], { dtype: "float64" }), 0.5, true), probe)).toBe(0);
  });

  test.each(["sync", "promise", "resumed"] as const)("%s", async (form) => {
    let { model, optimizer, step } = golden.setUp();
    for (let s = 0; s < spec.steps; s++) {
      if (form === "resumed" && s > 0) {
        const states = [model.stateDict(), optimizer.stateDict()] as const;
        ({ model, optimizer, step } = golden.setUp());
        model.loadStateDict(states[0]);
        optimizer.loadStateDict(JSON.parse(JSON.stringify(states[1], keepTensors), restoreTensors) as optim.OptimizerState);
      }
      if (spec.learningRates !== null) optimizer.lr = spec.learningRates[s]!;
      torch.manualSeed(spec.seed + s);
      const [x, y] = golden.batch(s);
      golden.judge(s, form === "sync" ? step.sync(x, y) : await step(x, y), model.stateDict());
    }
  });
});

// A state goes through JSON, as through a file, with its tensors beside it.
const kept: Tensor[] = [];
function keepTensors(_: string, value: unknown): unknown {
  return value instanceof torch.Tensor ? { tensor: kept.push(value.clone()) - 1 } : value;
}
function restoreTensors(_: string, value: unknown): unknown {
  return typeof value === "object" && value !== null && "tensor" in value ? kept[value.tensor as number] : value;
}
