import { describe, expect, test } from "vitest";
import { nn, optim, SteppeError, torch } from "../../lib/index.js";

// What base options and parameter groups accept, and in which words they refuse.

const create = (base: unknown) => optim.create(new nn.Linear(2, 2), { method: "none", base } as optim.OptimizerOptions);

test.each<[unknown, string]>([
  [{ name: "adammax" }, 'Did you mean "adamax"?'],
  [{ name: "adafactor-T5" }, 'Did you mean "adafactor-t5"?'],
  [{ name: "sgd", momentun: 1 }, 'Unknown option "momentun" in options.base. Did you mean "momentum"? Known here: name, lr, weightDecay, maximize, momentum, dampening, nesterov.'],
  [{ name: "adam", beta1: 0.9 }, 'Unknown option "beta1" in options.base. Did you mean "betas"?'],
  [{ name: "adam", betas: 0.9 }, "Expected two numbers for options.base.betas but received 0.9 of type number."],
  [{ name: "adam", betas: [0.9, 1] }, "Expected a finite number of at least 0 and below 1 for options.base.betas[1] but received 1 of type number."],
  [{ name: "adam", foreach: true }, 'Unknown option "foreach"'],
  [{ name: "sgd", nesterov: true }, "Nesterov momentum needs options.base.momentum above 0 and options.base.dampening 0."],
  [{ name: "sgd", nesterov: 1, momentum: 0.9 }, "Expected a boolean for options.base.nesterov but received 1 of type number."],
  [{ name: "adafactor", eps: [-1, 1] }, "Expected a finite number of at least 0, or null, for options.base.eps[0] but received -1 of type number."],
  [{ name: "adafactor", eps: [null, null] }, "Expected a finite number of at least 0 for options.base.eps[1] but received null."],
  [{ name: "adafactor", eps: 1e-3 }, "Expected two numbers for options.base.eps"],
  [{ name: "adafactor", d: 0.5 }, "Expected a finite number of at least 1 for options.base.d"],
  [{ name: "adafactor", clipThreshold: 1 }, 'Unknown option "clipThreshold"'],
  [{ name: "adafactor-t5", lr: 1e-3 }, "A relative step has no learning rate: leave options.base.lr out, or set options.base.relativeStep to false."],
  [{ name: "adafactor-t5", relativeStep: false }, "Without options.base.relativeStep a learning rate is needed: set options.base.lr."],
  [{ name: "adafactor-t5", relativeStep: false, lr: 1, warmupInit: true }, "options.base.warmupInit needs options.base.relativeStep."],
  [{ name: "adadelta", baseRho: 0.9 }, 'Unknown option "baseRho" in options.base. Did you mean "rho"?'],
  [{ name: "adadelta", rho: 1.5 }, "Expected a finite number of at least 0 and of at most 1 for options.base.rho but received 1.5 of type number."],
  [{ name: "rprop", etas: [1.2, 0.5] }, "Expected a finite number above 0 and below 1 for options.base.etas[0]"],
  [{ name: "rprop", stepSizes: [1, 0.5] }, "options.base.stepSizes: the smallest is above the largest."],
  [{ name: "rprop", weightDecay: 1 }, 'Unknown option "weightDecay"'],
  [{ name: "rmsprop", lr: NaN }, "Expected a finite number of at least 0 for options.base.lr but received NaN of type number."],
])("refuses %j", (base, message) => {
  expect(() => create(base)).toThrow(message);
  expect(() => create(base)).toThrow(SteppeError);
});

describe("a parameter group", () => {
  const a = nn.parameter(torch.ones([2])), b = nn.parameter(torch.ones([3]));
  const groups = (base: optim.BaseOptions, own: object) => optim.create([{ parameters: [a] }, { parameters: [b], ...own }], { method: "sam", base }).groups;

  test("takes what it leaves out from the optimizer's options", () => {
    const [first, second] = groups({ name: "adam", lr: 0.2, betas: [0.5, 0.6] }, { betas: [0.7, 0.8], rho: 0.3, perturb: false });
    expect([first!.lr, first!.get("beta1"), first!.get("beta2"), first!.rho, first!.get("perturb")]).toEqual([0.2, 0.5, 0.6, 0.05, 1]);
    expect([second!.lr, second!.get("beta1"), second!.get("beta2"), second!.rho, second!.get("perturb")]).toEqual([0.2, 0.7, 0.8, 0.3, 0]);
  });

  test("keeps Adadelta's rho and the radius apart", () => {
    const [first, second] = groups({ name: "adadelta", rho: 0.7 }, { rho: 0.3, baseRho: 0.8 });
    expect([first!.rho, first!.get("baseRho"), second!.rho, second!.get("baseRho")]).toEqual([0.05, 0.7, 0.3, 0.8]);
  });

  test("is set as options are written, and read as numbers", () => {
    const [group] = groups({ name: "adafactor" }, {});
    expect(group!.get("eps1")).toBeNaN();
    group!.set("eps", [1e-8, 0.1]);
    expect([group!.get("eps1"), group!.get("eps2")]).toEqual([1e-8, 0.1]);
    group!.set("eps1", null);
    group!.set("maximize", true);
    expect(group!.toJSON()).toMatchObject({ eps1: NaN, eps2: 0.1, maximize: 1 });
    const saved = JSON.parse(JSON.stringify(group!)) as object;
    group!.set("eps", [1, 1]);
    group!.load(saved as Record<string, unknown>);
    expect(group!.toJSON()).toMatchObject({ eps1: NaN, eps2: 0.1, maximize: 1 });
  });

  test("refuses bad values and stays as it was", () => {
    const [group] = groups({ name: "sgd", momentum: 0.9, nesterov: true }, {});
    expect(() => group!.set("momentum", 0)).toThrow("Nesterov momentum needs group.momentum above 0");
    expect(() => group!.set("betas", [0.9, 0.9])).toThrow('This optimizer has no hyperparameter "betas" of type string. It has lr,');
    expect(() => group!.set("constructor", 1)).toThrow("no hyperparameter");
    expect(() => group!.load({ lr: 0.5, momentum: "1" })).toThrow("momentum");
    expect([group!.lr, group!.get("momentum")]).toEqual([1e-3, 0.9]);
    expect(() => groups({ name: "sgd" }, { nesterov: true })).toThrow("Nesterov momentum needs groups[1].momentum above 0");
    expect(() => groups({ name: "rprop" }, { etas: [0.5, 0.7] })).toThrow("for groups[1].etas[1]");
    expect(() => groups({ name: "lion" }, { beta: [0.5, 0.7] })).toThrow('Unknown option "beta" in groups[1]. Did you mean "betas"?');
    expect(() => groups({ name: "adafactor-t5" }, { lr: 0.1 })).toThrow("A relative step has no learning rate: leave groups[1].lr out");
  });
});

test("the learning rate of a relative step cannot be set", () => {
  const optimizer = create({ name: "adafactor-t5" });
  expect(optimizer.lr).toBeNaN();
  expect(() => {
    optimizer.lr = 0.1;
  }).toThrow("A relative step has no learning rate");
});
