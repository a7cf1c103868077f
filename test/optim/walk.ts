import { optim, torch } from "../../lib/index.js";
import type { nn, Tensor } from "../../lib/index.js";
import { lossFunction, wantsLossPerSample, makeBatch, makeModel, type MethodOptions, type Net } from "./nets.js";

// A few steps of a method on a small net, and what they came to.

export interface Walk {
  net: Net;
  options: MethodOptions & { base: optim.BaseOptions };
  /** Seeds weights, batches and noise. */
  seed: number;
  /** The method in whose form the loss is given to `none`: a mean of losses rounds otherwise than a mean loss. */
  lossOf?: optim.Method;
  /** Samples per batch; the last batch has one less. Default 8. */
  size?: number;
  /** Default 4. */
  steps?: number;
  dtype?: "float64" | "float32" | "bfloat16" | "float16";
  /** Default "sync". */
  form?: "sync" | "promise" | "closure";
  /** The loss is multiplied by this. */
  sign?: 1 | -1;
  /** Stops before this step. */
  until?: number;
  /** Goes on from a saved state, at a step. */
  from?: { step: number; model: Record<string, Tensor>; optimizer: optim.OptimizerState };
  /** Called before each step. */
  before?: (step: number, optimizer: optim.Optimizer, model: nn.Sequential) => void;
}

export interface Walked {
  reports: optim.StepReport[];
  /** Parameters and buffers after each step. */
  states: Record<string, Tensor>[];
  model: nn.Sequential;
  optimizer: optim.Optimizer;
}

export async function walk({ net, options, lossOf = options.method, seed, size = 8, steps = 4, dtype = "float64", form = "sync", sign = 1, until = steps, from, before }: Walk): Promise<Walked> {
  const model = makeModel(net, seed, dtype);
  const optimizer = optim.create(model, options as unknown as optim.OptimizerOptions);
  const given = lossFunction(net, model, lossOf === "bilevel" && options.method === "none" ? "none" : lossOf) as (x: Tensor, y: Tensor) => Tensor;
  const mean = wantsLossPerSample(lossOf) && !wantsLossPerSample(options.method);
  const loss = (x: Tensor, y: Tensor) => {
    const value = mean ? given(x, y).mean() : given(x, y);
    return (sign === 1 ? value : value.neg()) as never;
  };
  const step = optimizer.compile(loss);
  const walked: Walked = { reports: [], states: [], model, optimizer };
  if (from !== undefined) {
    model.loadStateDict(from.model);
    optimizer.loadStateDict(from.optimizer);
  }
  for (let s = from?.step ?? 0; s < until; s++) {
    const [x, y] = makeBatch(net, s === steps - 1 && size > 1 ? size - 1 : size, 1000 * seed + s, dtype);
    before?.(s, optimizer, model);
    torch.manualSeed(seed + s);
    walked.reports.push(form === "sync" ? step.sync(x, y) : form === "promise" ? await step(x, y) : optimizer.step(() => loss(x, y)));
    walked.states.push(Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.detach().clone()])));
  }
  return walked;
}

/** The largest difference in parameters, buffers and reports, relative to the largest value in a tensor; 0 only if all bits agree. */
export function difference(a: Walked, b: Walked, reports = true): number {
  let most = 0;
  const see = (x: number, y: number) => {
    if (!Object.is(x, y)) most = Math.max(most, Math.abs(x - y) / Math.max(Math.abs(y), 1e-300) || Infinity);
  };
  if (a.states.length !== b.states.length) return Infinity;
  a.states.forEach((state, s) => {
    for (const [name, tensor] of Object.entries(state)) most = Math.max(most, relativeDistance(tensor, b.states[s]![name]!));
    if (!reports) return;
    for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) see(a.reports[s]![kind] ?? NaN, b.reports[s]![kind] ?? NaN);
    if (a.reports[s]!.skipped !== b.reports[s]!.skipped) most = Infinity;
  });
  return most;
}

function relativeDistance(a: Tensor, b: Tensor): number {
  if (torch.equal(a, b)) return 0;
  const wide = b.to("float64");
  return Number(a.to("float64").sub(wide).abs().max().item()) / Math.max(Number(wide.abs().max().item()), 1e-300) || Infinity;
}

/** Bytes of tensors, in hexadecimal. */
export function bytes(tensors: Record<string, Tensor>): Record<string, string> {
  const ofOne = (tensor: Tensor) => Buffer.from(tensor.detach().reshape([-1]).view("uint8").toTypedArray() as Uint8Array).toString("hex");
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, ofOne(tensor)]));
}

/** Weights, buffers and everything that the optimizer keeps, to be compared bit for bit. */
export function everything(model: nn.Module, optimizer: optim.Optimizer): unknown {
  const { tensors, batch, ...rest } = optimizer.stateDict();
  return { model: bytes(model.stateDict()), tensors: bytes(tensors), batch: bytes(Object.fromEntries((batch ?? []).entries())), rest };
}
