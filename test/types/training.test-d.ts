// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";

declare const x: Tensor;
declare const y: Tensor;

// Layers.
class Net extends nn.Module {
  fc = new nn.Linear(784, 10);
  forward(x: Tensor): Tensor {
    return this.fc.forward(x.flatten(1));
  }
}
const model = new Net();
expectTypeOf(model.forward(x)).toEqualTypeOf<Tensor>();
expectTypeOf(model.fc.weight).toEqualTypeOf<nn.Parameter>();
expectTypeOf(model.fc.bias).toEqualTypeOf<nn.Parameter | null>();
expectTypeOf(model.train().eval()).toEqualTypeOf<Net>();
expectTypeOf(model.to("float64")).toEqualTypeOf<Net>();
expectTypeOf(model.parameters()).toEqualTypeOf<nn.Parameter[]>();
new nn.Conv2d(1, 8, 3, { padding: "same", paddingMode: "reflect" });
new nn.Conv2d({ inChannels: 1, outChannels: 8, kernelSize: [3, 5] });
new nn.Linear(2, 3, { bias: false, dtype: "float64" });
// @ts-expect-error outFeatures is missing
new nn.Linear(784);
// @ts-expect-error inFeatures is a number
new nn.Linear("784", 10);
// @ts-expect-error PyTorch's own spelling
new nn.Linear({ in_features: 2, outFeatures: 3 });
// @ts-expect-error misspelled
new nn.Linear(2, 3, { biass: false });
// @ts-expect-error not one of the modes
new nn.Conv2d(1, 8, 3, { paddingMode: "mirror" });
// @ts-expect-error forward takes a tensor
model.forward([1, 2]);
// @ts-expect-error not one of the reductions
nn.functional.crossEntropy(x, y, { reduction: "average" });

// Optimizers: `method` and `base.name` tell which options there are.
const base = { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 5e-4 } as const;
const optimizer = optim.create(model, { method: "msam", rho: 0.05, shards: 4, base });
optim.create(model, { method: "none", base: { name: "adamw", lr: 1e-3, betas: [0.9, 0.99] } });
optim.create(model, { method: "sam", rho: 0.05, ascentFraction: 0.5, base });
optim.create(model, { method: "gasam", steps: 2, nonFinite: "skip", base: { name: "adam" } });
// @ts-expect-error no such method
optim.create(model, { method: "sma", base });
// @ts-expect-error shards is missing
optim.create(model, { method: "msam", rho: 0.05, base });
// @ts-expect-error shards belongs to msam
optim.create(model, { method: "sam", shards: 4, base });
optim.create(model, { method: "none", rho: 0.05, startStep: 10, base });
// @ts-expect-error no perturbation, no schedule of its radius
optim.create(model, { method: "none", rhoSchedule: { name: "constant" }, base });
// @ts-expect-error base is missing
optim.create(model, { method: "sam", rho: 0.05 });
// @ts-expect-error misspelled
optim.create(model, { method: "sam", roh: 0.05, base });
// @ts-expect-error no such base optimizer
optim.create(model, { method: "sam", base: { name: "sgdd", lr: 0.1 } });
// @ts-expect-error betas belong to Adam
optim.create(model, { method: "sam", base: { name: "sgd", betas: [0.9, 0.99] } });
// @ts-expect-error a radius is a number
optim.create(model, { method: "sam", rho: "0.05", base });
// @ts-expect-error skip or throw
optim.create(model, { method: "sam", nonFinite: "ignore", base });

// Steps take what the loss function takes.
const step = optimizer.compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y));
expectTypeOf(step(x, y)).toEqualTypeOf<Promise<optim.StepReport>>();
expectTypeOf(step.sync(x, y)).toEqualTypeOf<optim.StepReport>();
expectTypeOf(step.sync(x, y).loss).toEqualTypeOf<number>();
expectTypeOf(step.sync(x, y).perturbedLoss).toEqualTypeOf<number | undefined>();
expectTypeOf(optimizer.step(() => torch.mseLoss(model.forward(x), y)).skipped).toEqualTypeOf<boolean>();
// @ts-expect-error y is missing
step(x);
// @ts-expect-error a label is no tensor
step(x, 3);
// @ts-expect-error one too many
step.sync(x, y, y);
// @ts-expect-error a loss is a tensor
optimizer.compile((x: Tensor) => x.sum().item());

// The method says what its loss function returns.
const bilevel = optim.create(model, { method: "bilevel", base });
bilevel.compile((x: Tensor, y: Tensor) => {
  const logits = model.forward(x);
  return { loss: nn.functional.crossEntropy(logits, y), logits, target: y };
});
// @ts-expect-error the logits are missing
bilevel.compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y));
// @ts-expect-error only bilevel takes logits
optimizer.compile((x: Tensor, y: Tensor) => ({ loss: x.sum(), logits: x, target: y }));
// @ts-expect-error it has a schedule of its own
optim.create(model, { method: "look", every: 2, base });
// Options that are known at run time only.
const dynamic: optim.Optimizer = optim.create(model, { method: "sam", base } as optim.OptimizerOptions);
void dynamic;
