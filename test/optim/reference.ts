import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { optim, Tensor } from "../../lib/index.js";
import { pack, runPython, type Packed } from "../support/python.js";
import { makeModel, type MethodOptions, type Net } from "./nets.js";

// Trajectories by the plain implementation in reference.py.

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
}

export interface After {
  report: { loss: number | null; perturbedLoss?: number | null; gradNorm: number | null; skipped: boolean };
  /** Parameters and buffers by name. */
  state: Record<string, Packed>;
}

/** All trajectories, from one run of Python. */
export function trajectories(cases: readonly Case[]): After[][] {
  const code = readFileSync(join(import.meta.dirname, "reference.py"), "utf8");
  return runPython<After[][]>(
    code,
    cases.map(({ net, options, dtype = "float64", seed, batches, spoiled, changes, groups }) => ({
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
    })),
  );
}
