import { beforeAll, describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { optim, Tensor } from "../../lib/index.js";
import { needsPython, python, sameLibTorch } from "../support/python.js";
import { basesFor, drawing, makeBatch, makeModel, methods, nets, normalises, type MethodOptions, type Net, type NetName } from "./nets.js";
import { compare, trajectories, type After, type Case } from "./reference.js";

// Every method beside a plain implementation in PyTorch (reference.py): parameters, buffers and reports after each of six
// steps, on nets and in situations of all kinds.

const steps = 6;

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

/** What makes a situation of a net, a method and a seed. */
const situations = {
  plain: () => ({}),
  /** Base steps first, a radius of 0 on the way, a learning rate that changes. */
  phases: () => ({ options: { startStep: 1 }, changes: { 2: { lr: 0.05 }, 3: { lr: 0.02, rho: 0 }, 4: { rho: 0.4 }, 5: { lr: 0.15 } } }),
  /** Every second step perturbs; by chance. */
  every: () => ({ options: { every: 2, startStep: 1 } }),
  probability: () => ({ options: { probability: 0.5 } }),
  clipped: () => ({ options: { maxGradNorm: 0.3, maxGradValue: 0.1 } }),
  noisy: () => ({ options: { sameNoise: false } }),
  /** NaN in the first pass of steps 0 and 2; in step 4 so far away that the second pass overflows. */
  notFinite: () => ({
    options: { nonFinite: "skip" },
    spoiled: [0, 2],
    changes: { 4: { rho: 1e306 }, 5: { rho: 0.3 } },
  }),
  /** Groups of bare tensors with hyperparameters of their own; one is not perturbed. */
  grouped: (net: Net) => ({
    groups: [
      { parameters: names(net).slice(1, 3), lr: 0.03, rho: 0.7, weightDecay: 0.1 },
      { parameters: names(net).slice(3, 4), perturb: false },
      { parameters: [...names(net).slice(0, 1), ...names(net).slice(4)] },
    ],
  }),
  /** Two tasks with a head each take turns: the other's head has no gradient and stays what it is. */
  tasks: (net: Net) => ({ unusedAt: Array.from({ length: steps }, (_, s) => [net.layers.length - (s % 3 === 1 ? 1 : 2)]) }),
  zero: (net: Net, seed: number) => ({ batches: batchesOf(net, seed).map(([x, y], s): [Tensor, Tensor] => [s === 0 || s === 3 ? x.mul(0) : x, y]) }),
} satisfies Record<string, (net: Net, seed: number) => Partial<Omit<Case, "options">> & { options?: Record<string, unknown> }>;

/** The last batch is smaller. */
function batchesOf(net: Net, seed: number): [Tensor, Tensor][] {
  return Array.from({ length: steps }, (_, s) => makeBatch(net, s === steps - 1 ? 7 : 8, 1000 * seed + s));
}

function names(net: Net): string[] {
  return makeModel(net, 0).namedParameters().map(([name]) => name);
}

interface Titled extends Case {
  title: string;
}

function makeCase(name: NetName, situation: keyof typeof situations, options: MethodOptions, base: optim.BaseOptions, seed: number): Titled {
  const net: Net = nets[name];
  const { options: more, ...rest } = situations[situation](net, seed) as Partial<Case> & { options?: Record<string, unknown> };
  const all = { ...options, ...more, base };
  // The base optimizer alone has no radius and no late phase.
  if (options.method === "none") delete (all as Record<string, unknown>)["startStep"];
  return { title: `${situation}: ${JSON.stringify(options)} over ${base.name} on ${name}`, net, options: all, seed, batches: batchesOf(net, seed), ...rest };
}

/** Which nets go with which situation. */
const plan: [keyof typeof situations, NetName[]][] = [
  ["plain", ["norms", "conv", "lstm", "odd", "regression", "evaluated"]],
  ["phases", ["norms"]],
  ["every", ["dropout", "norms"]],
  ["probability", ["dropout", "norms"]],
  ["clipped", ["dropout", "norms"]],
  ["noisy", ["dropout", "norms"]],
  ["tasks", ["heads"]],
  ["notFinite", ["norms", "mlp"]],
  ["zero", ["bare"]],
  ["grouped", ["norms", "heads"]],
];

const cases: Titled[] = [];
for (const [situation, netNames] of plan) {
  for (const name of netNames) {
    for (const [i, options] of [...methods, ...drawing].entries()) {
      const { method } = options;
      if (method === "bilevel" && nets[name].loss === "mse") continue;
      if (method === "norm-only" && !normalises(nets[name])) continue;
      if (method === "bayesian" && situation === "clipped") continue;
      if (["every", "probability"].includes(situation) && ["none", "look", "adaptive-schedule", "randomized", "parallel", "bayesian"].includes(method)) continue;
      if ("rhoMin" in options && (situation === "phases" || situation === "notFinite" || situation === "grouped")) continue;
      // The squares of gradients that large overflow in Adafactor itself.
      const bases = basesFor(method).filter(({ name: base }) => situation !== "notFinite" || base !== "adafactor");
      const seed = cases.length + 1;
      cases.push(makeCase(name, situation, options, bases[(i + seed) % bases.length]!, seed));
    }
  }
}

describe.skipIf(python === null || !sameLibTorch)(`methods beside plain ones in ${needsPython}`, () => {
  let expected: After[][];
  beforeAll(() => {
    expected = trajectories(cases);
  }, 600_000);

  test.each(cases.map(({ title }, i) => [title, i] as const))("%s", (_, i) => {
    compare(cases[i]!, expected[i]!);
  });

  test("are put to the test where it matters", () => {
    // Each situation shows: steps that are skipped, and steps that are not.
    const skipped = expected.map((trajectory) => trajectory.map(({ report }) => report.skipped));
    cases.forEach(({ title }, i) => expect(skipped[i]!.includes(true), title).toBe(title.startsWith("notFinite")));
    // No two methods walk the same way.
    const ends = cases.flatMap(({ title }, i) => (title.startsWith("plain") && title.endsWith("on norms") ? [JSON.stringify(expected[i]!.at(-1)!.state)] : []));
    expect(new Set(ends).size).toBe(ends.length);
  });
});
