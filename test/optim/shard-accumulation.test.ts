import { expect, test } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, normalises, titled, type MethodOptions } from "./nets.js";

// Accumulation by shards, with every method that can: the step's direction is the mean of the micro-batches' own directions, each weighted
// by its number of samples. SGD's step is linear in the direction: its moves have the same mean.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const keepsSomething = ["friendly", "vasso", "look", "weighted", "sparse", "fisher-mask", "async", "adaptive-schedule", "parallel", "bayesian", "gasam"];
const able: MethodOptions[] = [
  ...methods.filter(({ method }) => !keepsSomething.includes(method)),
  { method: "gasam", rho: 0.4, alpha: 0.5, beta: 0, gamma: 0, steps: 2 },
  ...drawing.filter(({ method }) => ["efficient", "random"].includes(method)),
  { method: "randomized", rho: 0.3, p: 1 },
];
const base: optim.BaseOptions = { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 0.01 };

test.each(titled(able))("%s: a step's move is the mean of its micro-batches'", (_, options) => {
  for (const name of ["norms", "conv", "lstm", "odd"] as const) {
    const net = nets[name];
    if (options.method === "norm-only" && !normalises(net)) continue;
    const make = (more: object = {}) => {
      const model = makeModel(net, 71);
      const optimizer = optim.create(model, { ...options, base, ...more } as never) as optim.Optimizer;
      return { model, optimizer, step: optimizer.compile(lossFunction(net, model, options.method) as (x: Tensor, y: Tensor) => Tensor) };
    };
    const whole = make({ accumulationSteps: 3, accumulate: "shard" });
    for (let s = 0; s < 3; s++) {
      const start = whole.model.stateDict();
      const before = Object.fromEntries(Object.entries(start).map(([key, tensor]) => [key, tensor.detach().clone()]));
      const state = whole.optimizer.stateDict();
      const micros = [5, 3, 8].map((size, j) => makeBatch(net, size, 100 * s + j));
      const moves = micros.map(([x, y], j) => {
        const alone = make();
        alone.model.loadStateDict(before);
        alone.optimizer.loadStateDict(state);
        torch.manualSeed(10 * s + j);
        const report = alone.step.sync(x, y);
        return { report, after: alone.model.stateDict(), share: x.size(0) / 16 };
      });
      micros.forEach(([x, y], j) => {
        torch.manualSeed(10 * s + j);
        const report = whole.step.sync(x, y);
        expect(report.updated).toBe(j === 2);
        for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
          const wanted = moves[j]!.report[kind];
          if (wanted === undefined) expect(report[kind]).toBeUndefined();
          else expect(Math.abs(report[kind]! - wanted), `${name} ${kind}`).toBeLessThan(1e-12);
        }
      });
      for (const [key, parameter] of whole.model.namedParameters()) {
        const mean = moves.map(({ after, share }) => after[key]!.detach().mul(share)).reduce((sum, part) => sum.add(part));
        expect(distance(parameter.detach(), mean), `${name} ${key} in step ${s}`).toBeLessThan(1e-12);
      }
    }
  }
});
