import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { nn, Tensor } from "../../lib/index.js";
import { pack, runPython, type Packed } from "../support/python.js";
import { lossFunction, makeModel, type MethodOptions, type Net } from "./nets.js";

// Trajectories by the plain implementation in reference.py, and the library's beside them.

export interface Case {
  net: Net;
  options: MethodOptions & { base: optim.BaseOptions };
  dtype?: "float64" | "float32";
  /** Seeds the weights; noise is seeded with seed + s before step s. */
  seed: number;
  batches: [Tensor, Tensor][];
  /** Steps whose inputs are all NaN, which JSON cannot hold. */
  spoiled?: number[];
  /** Hyperparameters that are set before a step, for all groups. */
  changes?: Record<number, { rho?: number; lr?: number }>;
  /** Names of the parameters of each group, with hyperparameters of its own. */
  groups?: ({ parameters: string[] } & Record<string, unknown>)[];
  /** Of each step, the layers that its task leaves out. */
  unusedAt?: number[][];
  /** The loss is computed in mixed precision. */
  autocast?: "bfloat16" | "float16";
}

export interface After {
  report: { loss: number | null; perturbedLoss?: number | null; gradNorm: number | null; skipped: boolean; lossScale: number };
  /** Parameters and buffers by name. */
  state: Record<string, Packed>;
}

/** All trajectories, from one run of Python. */
export function trajectories(cases: readonly Case[]): After[][] {
  const code = readFileSync(join(import.meta.dirname, "reference.py"), "utf8");
  return runPython<After[][]>(
    code,
    cases.map(({ net, options, dtype = "float64", seed, batches, spoiled, changes, groups, unusedAt, autocast }) => ({
      model: net.layers,
      tied: (net.tied ?? []).map((pair) => pair.map((layer) => `${layer}.weight`)),
      frozen: net.frozen ?? [],
      train: net.evaluation !== true,
      loss: net.loss,
      initial: Object.fromEntries(Object.entries(makeModel(net, seed, dtype).stateDict()).map(([name, tensor]) => [name, pack(tensor)])),
      dtype,
      options,
      seed,
      batches: batches.map((batch) => batch.map(pack)),
      spoiled: spoiled ?? [],
      changes: changes ?? {},
      groups: groups ?? null,
      unusedAt: unusedAt ?? null,
      autocast: autocast ?? null,
    })),
  );
}

/** The model as a task sees it. */
function without(model: nn.Sequential, unused: readonly number[]): { forward(x: Tensor): Tensor } {
  const layers = [...model].filter((_, i) => !unused.includes(i)) as (nn.Module & { forward(x: Tensor): Tensor })[];
  return { forward: (x) => layers.reduce((hidden, layer) => layer.forward(hidden), x) };
}

/** How far values may be from the reference: relative to the largest in a tensor, and absolutely. */
export interface Tolerance {
  relative: number;
  absolute: number;
}
const exact: Tolerance = { relative: 1e-9, absolute: 1e-12 };

/** Takes the case's steps with the library and compares weights, buffers and reports after each. */
export function compare({ net, options, dtype = "float64", seed, batches, spoiled, changes, groups, unusedAt, autocast }: Case, expected: readonly After[], tolerance = exact): void {
  const model = makeModel(net, seed, dtype);
  const named = new Map(model.namedParameters());
  const trained = groups?.map(({ parameters, ...own }) => ({ parameters: parameters.map((name) => named.get(name)!), ...own }));
  const optimizer = optim.create(trained ?? model, options as unknown as optim.OptimizerOptions);
  // Each task has a compiled function of its own.
  const compiled = new Map<string, optim.CompiledStep<[Tensor, Tensor]>>();
  const stepOf = (unused: readonly number[]) => {
    const known = compiled.get(String(unused));
    if (known !== undefined) return known;
    const loss = lossFunction(net, unusedAt === undefined ? model : without(model, unused), options.method);
    const made = optimizer.compile<[Tensor, Tensor]>(loss as () => never, autocast === undefined ? {} : { autocast: { dtype: autocast } });
    compiled.set(String(unused), made);
    return made;
  };
  const near = (got: number, wanted: number, where: string) =>
    expect(Math.abs(got - wanted), `${where}: ${got}, ${wanted}`).toBeLessThanOrEqual(tolerance.relative * Math.abs(wanted) + tolerance.absolute);
  for (const [s, [x, y]] of batches.entries()) {
    const change = changes?.[s];
    if (change?.lr !== undefined) optimizer.lr = change.lr;
    if (change?.rho !== undefined && options.method !== "none") optimizer.rho = change.rho;
    const step = stepOf(unusedAt?.[s] ?? []);
    torch.manualSeed(seed + s);
    const report = step.sync(spoiled?.includes(s) === true ? x.mul(NaN) : x, y);
    const wanted = expected[s]!;
    expect(report.skipped, `skipped in step ${s}`).toBe(wanted.report.skipped);
    expect(optimizer.lossScale, `loss scale after step ${s}`).toBe(wanted.report.lossScale);
    if (!report.skipped) {
      for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
        if (wanted.report[kind] == null) expect(report[kind], `${kind} of step ${s}`).toBeUndefined();
        else near(report[kind]!, wanted.report[kind], `${kind} of step ${s}`);
      }
    }
    const state = model.stateDict();
    expect(Object.keys(state)).toEqual(Object.keys(wanted.state));
    for (const [name, packed] of Object.entries(wanted.state)) close(pack(state[name]!), packed, `${name} after step ${s}`, tolerance);
  }
}

function close(got: Packed, wanted: Packed, where: string, { relative, absolute }: Tolerance): void {
  expect(got.shape, where).toEqual(wanted.shape);
  const [a, b] = [got.data.map(Number), wanted.data.map(Number)];
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // Object.is for NaN and infinity, which are at no distance from themselves.
  const farthest = a.reduce((most, value, i) => (Object.is(value, b[i]!) ? most : Math.max(most, Number.isNaN(value - b[i]!) ? Infinity : Math.abs(value - b[i]!))), 0);
  expect(farthest, where).toBeLessThanOrEqual(relative * largest + absolute);
}
