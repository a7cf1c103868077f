import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { buildModel, type LayerSpec } from "./golden-model.js";

// Trajectories of an independent implementation in PyTorch (see fixtures/golden/README.md): parameters, buffers and reports
// after each of a few steps.

interface Case {
  name: string;
  about: string;
  seed: number;
  steps: number;
  model: LayerSpec[];
  loss: "cross_entropy" | "mse";
  lossForm: "mean" | "perSample" | "withLogits";
  options: optim.OptimizerOptions;
  learningRates: number[] | null;
  skippedSteps: number[];
  tolerance: { relative: number; absolute: number };
  judge: ("parameters" | "buffers" | "loss" | "perturbedLoss" | "gradNorm")[];
  parameters: string[];
  buffers: string[];
}

const folder = join(import.meta.dirname, "..", "fixtures", "golden", "sam");
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)) : [];

function lossFunction(spec: Case, model: nn.Sequential) {
  return (x: Tensor, y: Tensor): Tensor | optim.LossWithLogits => {
    const logits = model.forward(x);
    const reduction = spec.lossForm === "perSample" ? "none" : "mean";
    if (spec.loss === "cross_entropy") {
      const loss = nn.functional.crossEntropy(logits, y, { reduction });
      return spec.lossForm === "withLogits" ? { loss, logits, target: y } : loss;
    }
    const loss = nn.functional.mseLoss(logits, y, { reduction });
    return spec.lossForm === "perSample" ? loss.flatten(1).mean(1) : loss;
  };
}

describe.each(names)("golden trajectory %s", (name) => {
  const spec = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Case;
  const tensors = io.loadSafetensors(join(folder, `${name}.safetensors`));

  function close(got: number, wanted: number): boolean {
    if (Number.isNaN(wanted)) return Number.isNaN(got);
    return Math.abs(got - wanted) <= spec.tolerance.relative * Math.abs(wanted) + spec.tolerance.absolute;
  }

  function setUp() {
    torch.manualSeed(1);
    const model = buildModel(spec.model);
    model.to("float64");
    const initial = Object.fromEntries([...spec.parameters, ...spec.buffers].map((key) => [key, tensors[key]!]));
    model.loadStateDict(initial);
    const optimizer = optim.create(model, spec.options);
    return { model, optimizer, step: optimizer.compile<[Tensor, Tensor]>(lossFunction(spec, model) as () => never) };
  }

  test("generates the same random numbers", () => {
    const probe = tensors["dropoutProbe"];
    if (probe === undefined) return;
    torch.manualSeed(spec.seed);
    expect(distance(torch.dropout(torch.ones([64], { dtype: "float64" }), 0.5, true), probe)).toBe(0);
  });

  test.each(["sync", "promise", "resumed"] as const)("%s", async (form) => {
    let { model, optimizer, step } = setUp();
    for (let s = 0; s < spec.steps; s++) {
      if (form === "resumed" && s > 0) {
        const states = [model.stateDict(), optimizer.stateDict()] as const;
        ({ model, optimizer, step } = setUp());
        model.loadStateDict(states[0]);
        optimizer.loadStateDict(JSON.parse(JSON.stringify(states[1], keepTensors), restoreTensors) as optim.OptimizerState);
      }
      if (spec.learningRates !== null) optimizer.lr = spec.learningRates[s]!;
      torch.manualSeed(spec.seed + s);
      const [x, y] = [tensors[`x${s}`]!, tensors[`y${s}`]!];
      const report = form === "sync" ? step.sync(x, y) : await step(x, y);
      expect(report.skipped).toBe(spec.skippedSteps.includes(s));
      for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
        const wanted = tensors[`${kind}.${s}`];
        if (wanted === undefined || !spec.judge.includes(kind)) continue;
        expect(report[kind], `${kind} of step ${s}`).toSatisfy((got: number) => close(got, wanted.item() as number), `${String(wanted.item())}`);
      }
      const state = model.stateDict();
      for (const key of [...(spec.judge.includes("parameters") ? spec.parameters : []), ...(spec.judge.includes("buffers") ? spec.buffers : [])]) {
        const wanted = tensors[`after.${s}.${key}`]!;
        const largest = wanted.numel() === 0 ? 0 : Number(wanted.abs().max().item());
        expect(distance(state[key]!, wanted), `${key} after step ${s}`).toBeLessThanOrEqual(spec.tolerance.relative * largest + spec.tolerance.absolute);
      }
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
