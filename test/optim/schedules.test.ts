import { describe, expect, test } from "vitest";
import { optim, SteppeError } from "../../lib/index.js";
import { readSchedules, scheduled } from "../../lib/optim/schedules.js";
import { needsPython, python, runPython } from "../support/python.js";

// Schedules beside torch.optim.lr_scheduler, and beside the formulae of transformers' get_..._schedule_with_warmup.

type Options = Parameters<typeof optim.schedule>[0];

interface Case {
  options: Options;
  /** Makes the scheduler of `optimizer`, or is `lambda s: factor` of the step. */
  python: string;
}

const cases: Case[] = [
  { options: { name: "constant" }, python: "L.ConstantLR(optimizer, factor=1.0, total_iters=1)" },
  { options: { name: "constant", warmupSteps: 7 }, python: "lambda s: s / 7 if s < 7 else 1.0" },
  { options: { name: "linear", totalSteps: 30 }, python: "L.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=30)" },
  { options: { name: "linear", warmupSteps: 5, totalSteps: 30 }, python: "lambda s: s / 5 if s < 5 else max(0.0, (30 - s) / (30 - 5))" },
  { options: { name: "cosine", totalSteps: 40, min: 0.01 }, python: "L.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.01)" },
  {
    options: { name: "cosine", warmupSteps: 6, totalSteps: 40, cycles: 1.5 },
    python: "lambda s: s / 6 if s < 6 else max(0.0, 0.5 * (1.0 + math.cos(math.pi * 1.5 * 2.0 * (s - 6) / (40 - 6))))",
  },
  { options: { name: "polynomial", totalSteps: 25, power: 2.5 }, python: "L.PolynomialLR(optimizer, total_iters=25, power=2.5)" },
  {
    // With an end: the formula is of the value, lr 0.3 and end 0.02.
    options: { name: "polynomial", warmupSteps: 4, totalSteps: 25, power: 2, min: 0.02 },
    python: "lambda s: s / 4 if s < 4 else 0.02 / 0.3 if s > 25 else ((0.3 - 0.02) * (1 - (s - 4) / (25 - 4)) ** 2 + 0.02) / 0.3",
  },
  { options: { name: "step", stepSize: 6 }, python: "L.StepLR(optimizer, step_size=6)" },
  { options: { name: "step", milestones: [3, 11, 11, 20], gamma: 0.5 }, python: "L.MultiStepLR(optimizer, milestones=[3, 11, 11, 20], gamma=0.5)" },
  { options: { name: "exponential", gamma: 0.93 }, python: "L.ExponentialLR(optimizer, gamma=0.93)" },
  { options: { name: "oneCycle", totalSteps: 41 }, python: "L.OneCycleLR(optimizer, max_lr=0.3, total_steps=41, cycle_momentum=False)" },
  {
    options: { name: "oneCycle", totalSteps: 41, pctStart: 0.2, annealStrategy: "linear", divFactor: 10, finalDivFactor: 50, threePhase: true },
    python:
      "L.OneCycleLR(optimizer, max_lr=0.3, total_steps=41, pct_start=0.2, anneal_strategy='linear', div_factor=10, final_div_factor=50, three_phase=True, cycle_momentum=False)",
  },
];

const steps = 41;
const lr = 0.3;

describe.skipIf(python === null)(`schedules beside ${needsPython}`, () => {
  test("of the step", () => {
    const expected = runPython<number[][]>(
      `
import torch.optim.lr_scheduler as L
outputs = []
for code in inputs["cases"]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=inputs["lr"])
    scheduler = eval(code)
    if not isinstance(scheduler, L.LRScheduler):
        scheduler = L.LambdaLR(optimizer, scheduler)
    values = []
    for step in range(inputs["steps"]):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < inputs["steps"]:
            scheduler.step()
    outputs.append(values)
`,
      { cases: cases.map(({ python }) => python), lr, steps },
    );
    cases.forEach(({ options }, i) => {
      const made = optim.schedule(options);
      expected[i]!.forEach((value, step) => {
        expect(Math.abs(made.valueAt(step, lr) - value), `${JSON.stringify(options)} at step ${step}`).toBeLessThan(1e-12);
      });
    });
  });

  test("plateau", () => {
    const variants: { options: Options; python: string }[] = [
      { options: { name: "plateau", patience: 2 }, python: "patience=2" },
      { options: { name: "plateau", mode: "max", factor: 0.5, patience: 1, cooldown: 3 }, python: "mode='max', factor=0.5, patience=1, cooldown=3" },
      {
        options: { name: "plateau", patience: 0, threshold: 0.05, thresholdMode: "abs", min: 0.02 },
        python: "patience=0, threshold=0.05, threshold_mode='abs', min_lr=0.02",
      },
      { options: { name: "plateau", patience: 0, factor: 0.9, threshold: 0.2, eps: 0.02 }, python: "patience=0, factor=0.9, threshold=0.2, eps=0.02" },
    ];
    const metrics = Array.from({ length: 60 }, (_, i) => 1 / (1 + (i % 17)) + 0.3 * Math.sin(i) - 0.005 * i);
    const expected = runPython<number[][]>(
      `
outputs = []
for code in inputs["variants"]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=inputs["lr"])
    scheduler = eval(f"torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, {code})")
    values = []
    for metric in inputs["metrics"]:
        scheduler.step(metric)
        values.append(optimizer.param_groups[0]["lr"])
    outputs.append(values)
`,
      { variants: variants.map(({ python }) => python), metrics, lr },
    );
    variants.forEach(({ options }, i) => {
      let made = optim.schedule(options);
      metrics.forEach((metric, j) => {
        made.report(metric);
        // What is saved goes on the same way.
        const state = JSON.parse(JSON.stringify(made.state())) as ReturnType<typeof made.state>;
        made = optim.schedule(options);
        made.load(state);
        expect(Math.abs(made.valueAt(j, lr) - expected[i]![j]!), `${JSON.stringify(options)} at report ${j}`).toBeLessThan(1e-15);
      });
      expect(new Set(expected[i]).size).toBeGreaterThan(1);
    });
  });
});

test("proportional follows the learning rate", () => {
  const made = optim.schedule({ name: "proportional", min: 0.01 });
  for (const step of [-1, 0.5, NaN, undefined]) expect(() => made.valueAt(step as number, 0.1)).toThrow("Expected an integer of at least 0 for step");
  for (const initial of [NaN, undefined]) expect(() => optim.schedule({ name: "cosine", totalSteps: 10 }).valueAt(3, initial as number)).toThrow("Expected a number for initial");
  expect(made.valueAt(0, 0.05, { value: 0.1, initial: 0.1 })).toBe(0.05);
  expect(made.valueAt(9, 0.05, { value: 0.05, initial: 0.1 })).toBeCloseTo(0.03, 15);
  expect(made.valueAt(9, 0.05, { value: 0, initial: 0.1 })).toBe(0.01);
  expect(() => made.valueAt(0, 0.05)).toThrow("learning rate");
});

test("a group's hyperparameters in a step", () => {
  const values = { lr: 0.1, momentum: 0.9, rho: 0.05 };
  const schedules = readSchedules({ name: "linear", totalSteps: 10 }, { name: "proportional" });
  expect(scheduled(schedules, values, 0)).toEqual(values);
  expect(scheduled(schedules, values, 5)).toEqual({ lr: 0.05, momentum: 0.9, rho: 0.025 });
  expect(scheduled(readSchedules(), values, 5)).toEqual(values);
  expect(scheduled(readSchedules(undefined, { name: "step", stepSize: 2 }), values, 3)).toEqual({ lr: 0.1, momentum: 0.9, rho: 0.05 * 0.1 });
  expect(() => readSchedules({ name: "proportional" } as never)).toThrow('options.lrSchedule cannot be "proportional"');
  expect(() => scheduled(schedules, { ...values, lr: NaN }, 0)).toThrow("A relative step has no learning rate");
});

test("values stay where a schedule ends", () => {
  for (const options of [
    { name: "linear", totalSteps: 10, warmupSteps: 2, min: 0.01 },
    { name: "cosine", totalSteps: 10, min: 0.01 },
    { name: "polynomial", totalSteps: 10, power: 3, min: 0.01 },
  ] as Options[]) {
    expect(optim.schedule(options).valueAt(10, lr)).toBeCloseTo(0.01, 15);
    expect(optim.schedule(options).valueAt(1000, lr)).toBeCloseTo(0.01, 15);
  }
  const cycle = optim.schedule({ name: "oneCycle", totalSteps: 10 });
  expect(cycle.valueAt(1000, lr)).toBe(cycle.valueAt(9, lr));
  expect(optim.schedule({ name: "linear", warmupSteps: 10, totalSteps: 10 }).valueAt(10, lr)).toBe(lr);
});

test.each<[unknown, string]>([
  [null, 'Expected an object such as { name: "cosine", totalSteps: 1000 } for lrSchedule but received null.'],
  [{ name: "cosin", totalSteps: 3 }, 'Did you mean "cosine"?'],
  [{ name: "cosine" }, "Missing option lrSchedule.totalSteps: expected an integer of at least 1."],
  [{ name: "cosine", totalsteps: 3 }, 'Unknown option "totalsteps" in lrSchedule. Did you mean "totalSteps"?'],
  [{ name: "linear", totalSteps: 3, warmupSteps: 4 }, "Expected at most totalSteps, 3, for lrSchedule.warmupSteps but received 4 of type number."],
  [{ name: "linear", totalSteps: 3, milestones: [1] }, 'Unknown option "milestones"'],
  [{ name: "step" }, "Missing option lrSchedule.stepSize: expected an integer of at least 1, or lrSchedule.milestones."],
  [{ name: "step", stepSize: 2, milestones: [1] }, "Expected one of lrSchedule.stepSize and lrSchedule.milestones but received both."],
  [{ name: "step", milestones: [0.5] }, "Expected an array of step numbers for lrSchedule.milestones but received an array of 1."],
  [{ name: "step", stepSize: 2, mileStones: [1] }, 'Did you mean "milestones"?'],
  [{ name: "plateau", mode: "least" }, 'Expected "min" or "max" for lrSchedule.mode but received "least" of type string.'],
  [{ name: "plateau", factor: 1 }, "Expected a finite number above 0 and below 1 for lrSchedule.factor but received 1 of type number."],
])("refuses %j", (options, message) => {
  expect(() => optim.schedule(options as Options, "lrSchedule")).toThrow(message);
  expect(() => optim.schedule(options as Options, "lrSchedule")).toThrow(SteppeError);
});

test("only plateau takes metrics and has state", () => {
  const constant = optim.schedule({ name: "constant" });
  expect(() => constant.report(1)).toThrow('only "plateau" does');
  expect(constant.state()).toBeNull();
  expect(() => constant.load({ best: 1, badReports: 0, cooldown: 0, reductions: 0 })).toThrow("Expected null");
  const plateau = optim.schedule({ name: "plateau" });
  expect(() => plateau.report("1" as unknown as number)).toThrow("Expected a number for metric");
  expect(() => plateau.load(null)).toThrow("Expected a plateau schedule's state");
});
