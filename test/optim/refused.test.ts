import { describe, expect, test } from "vitest";
import { SteppeError, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { drawing, makeModel, methods, nets, over, titled } from "./nets.js";

// Combinations that have no meaning, and the words in which they are refused. Base options alone are in base-options.test.ts,
// accumulation in accumulation.test.ts, L-BFGS in lbfgs.test.ts, closures in shared-rules.test.ts.

const sgd = { name: "sgd", lr: 0.1 } as const;
const heavy = { name: "sgd", lr: 0.1, momentum: 0.9 } as const;
const relative = { name: "adafactor-t5" } as const;
const create = (options: object, trained: optim.Trained = makeModel(nets.layered, 1)) => optim.create(trained, options as optim.OptimizerOptions);

function refuses(body: () => unknown, message: string): void {
  expect(body).toThrow(message);
  expect(body).toThrow(SteppeError);
}

describe("a base that lacks what the method is made of", () => {
  const follows = "Expected a base with a first moment for method momentum, which follows it (sgd, rmsprop, adafactor-t5, adam, adamw, adamax, nadam, radam, lion, lamb), but received";
  test.each<[object, string]>([
    ...(["adagrad", "adadelta", "adafactor", "asgd", "rprop"] as const).map((name): [object, string] => [{ method: "momentum", base: { name } }, `${follows} ${name}.`]),
    [{ method: "momentum", base: sgd }, "Expected options.base.momentum above 0 for method momentum, which follows the first moment, but received 0."],
    [{ method: "momentum", base: { name: "rmsprop" } }, "Expected options.base.momentum above 0 for method momentum"],
    [{ method: "momentum", base: relative }, "Expected options.base.beta1 above 0 for method momentum, which follows the first moment, but received null."],
    [{ method: "weighted", base: relative }, "Expected a base with a learning rate for method weighted, whose second part has it as a factor, but received adafactor-t5 with a relative step."],
    [{ method: "gsam", base: relative, rhoMin: 0, rhoMax: 1, lrMin: 0, lrMax: 1 }, "A relative step has no learning rate for rhoMin and rhoMax to follow: give rho."],
    [{ method: "sam", base: relative, lrSchedule: { name: "constant" } }, "A relative step has no learning rate: leave options.lrSchedule out, and rhoSchedule must not be proportional to it."],
    [{ method: "sam", base: relative, rhoSchedule: { name: "proportional" } }, "A relative step has no learning rate"],
    [{ method: "parallel", base: { name: "adam" } }, "Expected sgd without momentum as options.base for method parallel, whose rule has no other, but received adam."],
    [{ method: "parallel", base: heavy }, "whose rule has no other, but received momentum 0.9."],
    [{ method: "bayesian", dataSize: 9, base: { name: "adam" } }, "Expected sgd without momentum as options.base for method bayesian, whose rule has no other, but received adam."],
    [{ method: "bayesian", dataSize: 9, base: heavy }, "whose rule has no other, but received momentum 0.9."],
    [{ method: "sam", base: { name: "lbfgs" } }, 'L-BFGS takes its gradients itself: use it with method: "none", not "sam".'],
  ])("%j", (options, message) => {
    refuses(() => create(options), message);
  });

  test.each<[string, object, object, string]>([
    ["parallel", { method: "parallel", base: sgd }, { momentum: 0.9 }, "Expected sgd without momentum as options.base for method parallel"],
    ["bayesian", { method: "bayesian", dataSize: 9, base: sgd }, { momentum: 0.9 }, "Expected sgd without momentum as options.base for method bayesian"],
    ["momentum", { method: "momentum", base: heavy }, { momentum: 0 }, "Expected options.base.momentum above 0 for method momentum"],
  ])("%s: also by a group's own hyperparameters, or by ones that are set later", (_, options, own, message) => {
    const [a, b] = [nn.parameter(torch.ones([2])), nn.parameter(torch.ones([3]))];
    refuses(() => create(options, [{ parameters: [a] }, { parameters: [b], ...own }] as never), message);
    const optimizer = create(options, [{ parameters: [a] }, { parameters: [b] }]);
    const step = optimizer.compile((() => a.sum().add(b.sum())) as () => never);
    step.sync();
    for (const [name, value] of Object.entries(own)) optimizer.groups[1]!.set(name, value as number);
    const before = [a.toArray(), b.toArray()];
    refuses(() => step.sync(), message);
    expect([a.toArray(), b.toArray()]).toEqual(before);
  });
});

describe("options that contradict each other, or do nothing", () => {
  const own = 'Method bayesian moves the weights by its own rule and hands the base optimizer no gradient to clip: leave options.';
  test.each<[object, string]>([
    [{ method: "bayesian", dataSize: 9, base: sgd, maxGradNorm: 1 }, `${own}maxGradNorm out.`],
    [{ method: "bayesian", dataSize: 9, base: sgd, maxGradValue: 1 }, `${own}maxGradValue out.`],
    [{ method: "sam", base: sgd, every: 2, probability: 0.5 }, "Expected options.every or options.probability but received both: each says which steps perturb."],
    [{ method: "gsam", base: sgd, rhoMin: 0.1 }, "Expected rhoMin, rhoMax, lrMin, lrMax together in options but received only rhoMin."],
    [{ method: "gsam", base: sgd, rhoMin: 0.2, rhoMax: 0.1, lrMin: 0, lrMax: 1 }, "Expected at least options.rhoMin (0.2) for options.rhoMax but received 0.1 of type number."],
    [{ method: "gsam", base: sgd, rhoMin: 0.1, rhoMax: 0.2, lrMin: 2, lrMax: 1 }, "Expected at least options.lrMin (2) for options.lrMax but received 1 of type number."],
    [{ method: "gsam", base: sgd, rhoSchedule: { name: "constant" }, rhoMin: 0.1, rhoMax: 0.2, lrMin: 0, lrMax: 1 }, "takes the place of options.rhoSchedule"],
    [{ method: "none", base: sgd, rhoSchedule: { name: "constant" } }, "Method none has no radius: leave options.rhoSchedule out."],
    ...["every", "probability"].map((name): [object, string] => [{ method: "none", base: sgd, [name]: 1 }, `Unknown option "${name}" in options.`]),
    // These decide themselves which steps perturb.
    ...[{ method: "look" }, { method: "adaptive-schedule", totalSteps: 4 }, { method: "randomized" }, { method: "parallel" }, { method: "bayesian", dataSize: 9 }].flatMap((options) =>
      ["every", "probability"].map((name): [object, string] => [{ ...options, base: sgd, [name]: 1 }, `Unknown option "${name}" in options.`]),
    ),
    // Beyond the integers that a number can count.
    [{ method: "sam", base: sgd, startStep: 1e30 }, "Expected an integer of at least 0 for options.startStep but received 1e+30 of type number."],
    [{ method: "k-sam", base: sgd, k: 2 ** 63 }, "Expected an integer of at least 1 for options.k but received 9223372036854776000 of type number."],
    [{ method: "msam", base: sgd }, "Missing option options.shards: expected an integer of at least 1."],
    [{ method: "adaptive-schedule", base: sgd }, "Missing option options.totalSteps: expected an integer of at least 1."],
    [{ method: "bayesian", base: sgd }, "Missing option options.dataSize: expected an integer of at least 1."],
    [{ method: "sma", base: sgd }, 'for options.method but received "sma" of type string. Did you mean "sam"?'],
  ])("%j", (options, message) => {
    refuses(() => create(options), message);
  });

  test("a normalisation method without normalisation layers", () => {
    refuses(() => create({ method: "norm-only", base: sgd }, makeModel(nets.mlp, 1)), "Expected a model with normalisation layers that have weights for method norm-only, but found none.");
  });
});

describe("loss functions in another form than the method's", () => {
  const [x, y] = [torch.randn([4, 6], { dtype: "float64" }), torch.tensor([0, 1, 2, 0], { dtype: "int64" })];
  const compiled = (options: object, loss: (logits: Tensor) => unknown) => {
    const model = makeModel(nets.layered, 1);
    return () => create(options, model).compile(((x: Tensor) => loss(model.forward(x))) as never).sync(x);
  };

  test.each(["k-sam", "efficient"] as const)("%s wants one loss per sample", (method) => {
    refuses(compiled({ method, base: sgd }, (logits) => nn.functional.crossEntropy(logits, y)), 'Expected one loss per sample, shape [4], for the result of the compiled function but received shape []. Use reduction: "none".');
  });

  test("bilevel wants the logits, too", () => {
    refuses(compiled({ method: "bilevel", base: sgd }, (logits) => nn.functional.crossEntropy(logits, y)), "Expected { loss, logits, target }, which this method needs, for the result of the compiled function");
    refuses(compiled({ method: "bilevel", base: sgd }, (logits) => ({ loss: logits.sum(), logits: logits.sum(), target: y })), "Expected logits [N, classes] and a target [N]");
  });

  test.each(titled([...methods, ...drawing].filter(({ method }) => !["k-sam", "efficient", "bilevel"].includes(method))))("%s: wants the mean loss", (_, options) => {
    // Per sample and class: also a shard of one sample has several.
    refuses(compiled(over(options), (logits) => logits.pow(2)), "it must return one floating-point number, and returned a tensor of ");
    refuses(compiled(over(options), (logits) => ({ loss: logits.sum(), logits, target: y })), "Expected a Tensor (the mean loss of the batch) for the result of the compiled function");
  });

  test.each(["msam", "sam", "k-sam", "efficient"] as const)("%s: cannot cut a batch whose tensors differ in length, or that has none", (method) => {
    const options = { method, base: sgd, ...(method === "msam" ? { shards: 2 } : method === "sam" ? { ascentFraction: 0.5 } : {}) };
    const model = makeModel(nets.layered, 1);
    const step = create(options, model).compile<[Tensor, Tensor]>(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y)) as never);
    refuses(() => step.sync(x, torch.zeros([3], { dtype: "int64" })), "This method cuts the batch along the first dimension: expected 4 samples in every tensor, as in the first, but tensor 1 has shape [3].");
    const without = create(options, model).compile<[]>((() => model.parameters()[0]!.sum()) as never);
    refuses(() => without.sync(), "This method cuts the batch: expected at least one tensor with a dimension of samples among the arguments.");
  });
});
