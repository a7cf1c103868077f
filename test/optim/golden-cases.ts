import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { io, nn, optim, torch } from "../../lib/index.js";
import type { Device, Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { buildModel, type LayerSpec } from "./golden-model.js";

// Trajectories of an independent implementation in PyTorch (see fixtures/golden/README.md): parameters, buffers and reports
// after each of a few steps.

export interface Case {
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
export const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)) : [];

export class Golden {
  readonly spec: Case;
  readonly tensors: Record<string, Tensor>;

  /** @param device where it is trained; what is read and compared is on the CPU */
  constructor(name: string, readonly device: Device = "cpu") {
    this.spec = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Case;
    this.tensors = io.loadSafetensors(join(folder, `${name}.safetensors`));
  }

  /** Random numbers that only the CPU's generator gives. */
  get draws(): boolean {
    return this.tensors["dropoutProbe"] !== undefined;
  }

  setUp(compile: optim.CompileOptions = {}) {
    const { spec } = this;
    torch.manualSeed(1);
    const model = buildModel(spec.model);
    model.to("float64");
    const initial = Object.fromEntries([...spec.parameters, ...spec.buffers].map((key) => [key, this.tensors[key]!]));
    model.loadStateDict(initial);
    model.to(this.device);
    const optimizer = optim.create(model, spec.options);
    return { model, optimizer, step: optimizer.compile<[Tensor, Tensor]>(this.#lossFunction(model) as () => never, compile) };
  }

  #lossFunction(model: nn.Sequential) {
    const { spec } = this;
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

  /** The batch of a step, on the device. */
  batch(step: number): [Tensor, Tensor] {
    return [this.tensors[`x${step}`]!.to(this.device), this.tensors[`y${step}`]!.to(this.device)];
  }

  /** Expects what a step reports, and what it leaves, to be the reference's. */
  judge(step: number, report: optim.StepReport, state: Record<string, Tensor>, tolerance = this.spec.tolerance): void {
    const { spec, tensors } = this;
    const close = (got: number, wanted: number) =>
      Number.isNaN(wanted) ? Number.isNaN(got) : Math.abs(got - wanted) <= tolerance.relative * Math.abs(wanted) + tolerance.absolute;
    expect(report.skipped).toBe(spec.skippedSteps.includes(step));
    for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
      const wanted = tensors[`${kind}.${step}`];
      if (wanted === undefined || !spec.judge.includes(kind)) continue;
      expect(report[kind], `${kind} of step ${step}`).toSatisfy((got: number) => close(got, wanted.item() as number), `${String(wanted.item())}`);
    }
    for (const key of [...(spec.judge.includes("parameters") ? spec.parameters : []), ...(spec.judge.includes("buffers") ? spec.buffers : [])]) {
      const wanted = tensors[`after.${step}.${key}`]!;
      const largest = wanted.numel() === 0 ? 0 : Number(wanted.abs().max().item());
      expect(distance(state[key]!, wanted), `${key} after step ${step}`).toBeLessThanOrEqual(tolerance.relative * largest + tolerance.absolute);
    }
  }
}
