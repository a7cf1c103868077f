// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { data, nn, optim, type Tensor } from "../../lib/index.js";

declare const x: Tensor;
declare const model: nn.Linear;
const create = (base: optim.BaseOptions) => optim.create(model, { method: "sam", base });

// Base optimizers.
create({ name: "adafactor", eps: [null, 1e-3], d: 1 });
create({ name: "adafactor-t5", beta1: null, lr: null });
create({ name: "adafactor-t5", lr: 1e-3, relativeStep: false, scaleParameter: false });
create({ name: "adadelta", rho: 0.9 });
create({ name: "rprop", etas: [0.5, 1.2], stepSizes: [1e-6, 50] });
create({ name: "lamb", weightDecay: 0 });
// @ts-expect-error the first moment belongs to the other form
create({ name: "adafactor", beta1: 0.9 });
// @ts-expect-error two numbers
create({ name: "adafactor", eps: 1e-3 });
// @ts-expect-error one number
create({ name: "adagrad", eps: [1e-3, 1e-3] });
// @ts-expect-error Rprop has no weight decay
create({ name: "rprop", weightDecay: 1e-4 });
// @ts-expect-error which kernels are used is no option
create({ name: "adam", foreach: true });

// L-BFGS stands on its own.
optim.create(model, { method: "none", base: { name: "lbfgs", maxEval: null, lineSearchFn: "strong_wolfe" } });
// @ts-expect-error not under a method
create({ name: "lbfgs" });
// @ts-expect-error no such line search
optim.create(model, { method: "none", base: { name: "lbfgs", lineSearchFn: "armijo" } });

// Parameter groups.
optim.create([{ parameters: model, lr: 0.1, rho: 0.2 }, { parameters: [x], betas: [0.9, 0.99], perturb: false }], { method: "sam", base: { name: "adam" } });
const group = create({ name: "adam" }).groups[0]!;
expectTypeOf(group.get("beta1")).toEqualTypeOf<number>();
group.set("betas", [0.9, 0.99]);
// @ts-expect-error misspelled
optim.create([{ parameters: model, momentun: 0.9 }], { method: "sam", base: { name: "sgd" } });
// @ts-expect-error no hyperparameter is a word
group.set("lr", "0.1");

// Schedules.
expectTypeOf(optim.schedule({ name: "cosine", totalSteps: 100, warmupSteps: 10 }).valueAt(3, 0.1)).toEqualTypeOf<number>();
optim.schedule({ name: "step", milestones: [10, 20], gamma: 0.5 });
optim.schedule({ name: "plateau", mode: "max" }).report(0.9);
// @ts-expect-error totalSteps is missing
optim.schedule({ name: "linear" });
// @ts-expect-error the one or the other
optim.schedule({ name: "step", stepSize: 3, milestones: [10] });
// @ts-expect-error no such schedule
optim.schedule({ name: "square" });
// @ts-expect-error ρ follows the rate, the rate does not follow itself
const wrong: optim.LrScheduleOptions = { name: "proportional" };
void wrong;

// Averages.
const average = optim.average(model, { kind: "ema", decay: 0.99 });
expectTypeOf(average.apply(() => 7)).toEqualTypeOf<number>();
expectTypeOf(average.apply(async () => 7)).toEqualTypeOf<Promise<number>>();
expectTypeOf(average.updateBn(data.loader(new data.TensorDataset(x), { batchSize: 2 }))).toEqualTypeOf<Promise<void>>();
void average.updateBn([{ pixels: x }], ({ pixels }) => model.forward(pixels));
// @ts-expect-error decay belongs to ema
optim.average(model, { kind: "swa", decay: 0.9 });
// @ts-expect-error kind is missing
optim.average(model, { decay: 0.9 });
