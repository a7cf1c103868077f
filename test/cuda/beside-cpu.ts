import { expect } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Device, Tensor } from "../../lib/index.js";

/** What is trained in float64, by compiled steps. */
export interface Task {
  make: () => nn.Module;
  /** Made on the CPU, from the generator's state. */
  batch: () => readonly unknown[];
  loss: (model: nn.Module, batch: readonly unknown[]) => Tensor;
}

// The learning rate is a float32, too, as graphs have it.
const settings = { method: "sam", rho: 0.01, base: { name: "sgd", lr: 2 ** -7, momentum: 0.5 } } as const;
const kinds = ["loss", "perturbedLoss", "gradNorm"] as const;

/** The same values on a device: tensors at any depth. */
function moved(value: unknown, device: Device): unknown {
  if (value instanceof torch.Tensor) return value.to(device);
  if (Array.isArray(value)) return value.map((each) => moved(each, device));
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, moved(each, device)])) : value;
}

/** One number of all results, with a weight of its own for each element: none has a gradient of nothing. */
export function weighted(results: Tensor[]): Tensor {
  const parts = results.filter(({ requiresGrad }) => requiresGrad).map((each) => each.mul(torch.arange(each.numel(), { dtype: each.dtype, device: each.device }).cos().reshape([...each.shape])).sum());
  return parts.reduce((sum, part) => sum.add(part));
}

interface Trained {
  reports: optim.StepReport[];
  tensors: Tensor[];
  /** The last line of what the step says of itself: of graphs, if they were asked for. */
  said: string;
}

async function train(task: Task, device: Device, training: boolean, count: number, { seed = 1, graphs = false } = {}): Promise<Trained> {
  torch.manualSeed(0);
  const model = task.make().to("float64").to(device).train(training);
  torch.manualSeed(2);
  const batch = task.batch().map((each) => moved(each, device));
  torch.manualSeed(seed);
  const step = optim.create(model, settings).compile((...given: never[]) => task.loss(model, given), { graphs });
  const reports: optim.StepReport[] = [];
  for (let s = 0; s < count; s++) reports.push(await step(...(batch as never[])));
  return { reports, tensors: [...model.parameters(), ...model.buffers()].map((each) => each.detach().cpu()), said: step.explain().split("\n").at(-1)! };
}

function expectClose(there: number | undefined, here: number | undefined, what: string): void {
  if (here === undefined) expect(there, what).toBeUndefined();
  else expect(Math.abs(there! - here), `${what}: ${there} and ${here}`).toBeLessThan(1e-8 * Math.max(1, Math.abs(here)));
}

/**
 * Trains on the CPU and on a device, call by call and in a graph, and expects the same reports, weights and buffers. Where random
 * numbers are drawn in training (another seed tells), it compares in evaluation mode, and if they are drawn there, too, expects numbers.
 *
 * @param evaluates false where a device has no backward in evaluation mode, as cuDNN's recurrent layers
 * @returns what the step says of graphs
 */
export async function expectTrainedAlike(task: Task, device: Device, evaluates: boolean): Promise<string> {
  const steps = 6;
  for (const training of evaluates ? [true, false] : [true]) {
    const here = await train(task, "cpu", training, steps);
    const [other] = (await train(task, "cpu", training, 1, { seed: 3 })).reports;
    const draws = other!.loss !== here.reports[0]!.loss || other!.perturbedLoss !== here.reports[0]!.perturbedLoss;
    const runs = [await train(task, device, training, 2), await train(task, device, training, steps, { graphs: true })];
    for (const { reports } of runs) for (const { loss, updated } of reports) expect(Number.isFinite(loss) && updated).toBe(true);
    const { said, tensors } = runs[1]!;
    if (draws) {
      if (training && evaluates) continue;
      return said;
    }
    for (const { reports } of runs) reports.forEach((report, s) => kinds.forEach((kind) => expectClose(report[kind], here.reports[s]![kind], `${kind} of step ${s}`)));
    tensors.forEach((tensor, k) => {
      const [a, b] = [tensor.to("float64"), here.tensors[k]!.to("float64")];
      expect(tensor.numel() === 0 || Number(a.sub(b).abs().max().item()) < 1e-8, `tensor ${k}`).toBe(true);
    });
    return said;
  }
  throw new Error("A mode is left out after all.");
}

/** Whether cuDNN's recurrent layers are in it. */
export const isRecurrent = (model: nn.Module): boolean => [...model.modules()].some((each) => each instanceof nn.LSTM || each instanceof nn.GRU || each instanceof nn.RNN);

/** The same model with no dropout anywhere. */
export function withoutDropout<Model extends nn.Module>(model: Model): Model {
  for (const each of model.modules()) {
    for (const key of Object.keys(each)) {
      if (/drop/i.test(key) && typeof Reflect.get(each, key) === "number") Reflect.set(each, key, 0);
    }
    if (/Dropout|DropPath/.test(each.constructor.name) && "p" in each) Reflect.set(each, "p", 0);
  }
  return model;
}
