import { expect, test } from "vitest";
import { SteppeError, Tensor, nn, optim, torch } from "../../lib/index.js";

// A state that does not fit is refused in words, whatever is wrong with it, and nothing changes.

torch.setNumThreads(1);

const [x, y] = [torch.randn([4, 3]), torch.tensor([0, 1, 1, 0])];

function make(options: object, dtype: "float32" | "float64" = "float32") {
  torch.manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Linear(4, 2));
  model.to(dtype);
  const optimizer = optim.create(model, options as optim.OptimizerOptions) as optim.Optimizer;
  const step = optimizer.compile<[Tensor, Tensor]>(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y)) as () => never);
  return { model, optimizer, step };
}

const isBranch = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !(value instanceof Tensor);

/** All entries of a state, as paths: ["groups", "0", "lr"]. */
function paths(value: unknown, above: string[] = []): string[][] {
  return isBranch(value) ? Object.keys(value).flatMap((key) => [[...above, key], ...paths(value[key], [...above, key])]) : [];
}

function replaced(value: unknown, [key, ...rest]: string[], by: unknown): unknown {
  if (key === undefined) return by;
  const branch = value as Record<string, unknown>;
  const copy: Record<string, unknown> = Array.isArray(branch) ? ([...branch] as unknown as Record<string, unknown>) : { ...branch };
  copy[key] = replaced(branch[key], rest, by);
  return copy;
}

const spelled = (state: unknown) => JSON.stringify(state, (_, value: unknown) => (value instanceof Tensor ? value.toArray() : typeof value === "bigint" ? String(value) : value));

test.each<[string, object]>([
  ["parallel, in the middle of a step", { method: "parallel", base: { name: "sgd", lr: 0.1 }, accumulationSteps: 2 }],
  ["sparse, with a schedule", { method: "sparse", base: { name: "adam" }, lrSchedule: { name: "plateau" } }],
  ["gasam", { method: "gasam", base: { name: "sgd", momentum: 0.9 } }],
])("%s: every entry, replaced by something else", (_, options) => {
  const { optimizer, step } = make(options);
  for (let s = 0; s < 3; s++) step.sync(x, y);
  const good = optimizer.stateDict();
  const wanted = spelled(good);
  let refused = 0;
  for (const path of [[], ...paths(good)]) {
    for (const wrong of [undefined, null, -1, NaN, 1e300, "x", {}, [null], [1, 2], torch.ones([7], { dtype: "int64" }), () => 1, Symbol("s")]) {
      try {
        optimizer.loadStateDict(replaced(good, path, wrong) as optim.OptimizerState);
      } catch (error) {
        refused++;
        expect(error, `${path.join(".")}: ${String(wrong)}`).toBeInstanceOf(SteppeError);
        expect(spelled(optimizer.stateDict()), path.join(".")).toBe(wanted);
        continue;
      }
      optimizer.loadStateDict(good);
    }
  }
  expect(refused).toBeGreaterThan(200);
});

test.each<[string, object]>([
  ["friendly", { method: "friendly" }],
  ["vasso", { method: "vasso" }],
  ["look", { method: "look", k: 2 }],
  ["async", { method: "async" }],
  ["sparse", { method: "sparse" }],
  ["bayesian", { method: "bayesian", dataSize: 10 }],
])("%s: a state in another precision than the weights' is taken over in theirs", (_, options) => {
  const all = { ...options, base: { name: "sgd", lr: 0.1 } };
  const narrow = make(all);
  for (let s = 0; s < 2; s++) narrow.step.sync(x, y);
  const wide = make(all, "float64");
  wide.model.loadStateDict(narrow.model.stateDict());
  wide.optimizer.loadStateDict(narrow.optimizer.stateDict());
  for (const each of [narrow, wide]) {
    torch.manualSeed(2);
    each.step.sync(x.to(each === wide ? "float64" : "float32"), y);
  }
  expect(Object.values(wide.optimizer.stateDict().tensors).filter(({ dtype }) => dtype === "float32")).toEqual([]);
  if (options !== undefined && (options as { method: string }).method === "bayesian") return; // draws other numbers in another dtype
  narrow.model.parameters().forEach((parameter, k) => expect(parameter.to("float64").sub(wide.model.parameters()[k]!).abs().max().item()).toBeLessThan(1e-5));
});
