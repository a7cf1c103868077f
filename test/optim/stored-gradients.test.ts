import { describe, expect, test } from "vitest";
import { SteppeError, nn, optim, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";

// Steps over the gradients that backward() has left: bit for bit those of a closure with the same loss, which other tests compare with PyTorch.

function makeNet(): nn.Sequential {
  torch.manualSeed(3);
  return new nn.Sequential(new nn.Linear(6, 8), new nn.Tanh(), new nn.Linear(8, 3));
}
function makeBatch(): [Tensor, Tensor] {
  torch.manualSeed(4);
  return [torch.randn([10, 6]), torch.randint(0, 3, [10])];
}
const lossOf = (net: nn.Sequential) => (x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y);
const weights = (net: nn.Module) => net.parameters().map((each) => each.toArray());

function refuses(body: () => unknown, message: string): void {
  expect(body).toThrow(message);
  expect(body).toThrow(SteppeError);
}

/** Three steps of the same options, by a closure and with the user's own backward. */
function bothWays(options: object, backward: (loss: Tensor, optimizer: optim.Optimizer<"none">) => void = (loss) => loss.backward(), dtype: DType = "float32"): [unknown, unknown] {
  const [drawn, y] = makeBatch();
  const x = drawn.to(dtype);
  const make = (net: nn.Sequential) => optim.create(net, { method: "none", ...options } as optim.OptimizerOptions & { method: "none" });
  const [reference, own] = [makeNet(), makeNet()];
  for (const net of [reference, own]) net.to(dtype);
  const [closed, optimizer] = [make(reference), make(own)];
  for (let i = 0; i < 3; i++) {
    const expected = closed.step(() => lossOf(reference)(x, y));
    optimizer.zeroGrad();
    const loss = lossOf(own)(x, y);
    backward(loss, optimizer);
    const report = optimizer.step();
    expect(report.loss).toBeNaN();
    expect({ ...report, loss: 0 }).toEqual({ ...expected, loss: 0 });
    expect(loss.item()).toBe(expected.loss);
  }
  return [weights(own), weights(reference)];
}

describe("a step without a closure", () => {
  test.each([
    { base: { name: "sgd", lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 } },
    { base: { name: "adamw", lr: 0.01 } },
    { base: { name: "rmsprop" } },
    { base: { name: "sgd", lr: 0.1 }, maxGradNorm: 0.05 },
    { base: { name: "sgd", lr: 0.1, maximize: true } },
    { base: { name: "lion", lr: 0.01 }, maxGradValue: 0.01, lrSchedule: { name: "cosine", totalSteps: 5 } },
  ])("is the same as with one: %j", (options) => {
    const [own, reference] = bothWays(options);
    expect(own).toEqual(reference);
  });

  test.each(["bfloat16", "float16", "float64"] as const)("over weights of %s", (dtype) => {
    for (const base of [{ name: "sgd", lr: 0.1, momentum: 0.9 }, { name: "adamw", lr: 0.01 }]) {
      const [own, reference] = bothWays({ base, maxGradNorm: 0.5 }, undefined, dtype);
      expect(own).toEqual(reference);
    }
  });

  test("divides by the loss scale, as torch.amp.GradScaler does", () => {
    const [own, reference] = bothWays({ base: { name: "sgd", lr: 0.1 }, lossScale: 1024 }, (loss, optimizer) => loss.mul(optimizer.lossScale).backward());
    expect(own).toEqual(reference);
  });

  test("takes what several backwards have added up, and leaves it as it is", () => {
    const [x, y] = makeBatch();
    const [net, reference] = [makeNet(), makeNet()];
    const [optimizer, closed] = [net, reference].map((each) => optim.create(each, { method: "none", base: { name: "sgd", lr: 0.5, momentum: 0.9 } })) as [optim.Optimizer<"none">, optim.Optimizer<"none">];
    for (let i = 0; i < 2; i++) lossOf(net)(x, y).backward();
    const gradients = net.parameters().map((each) => each.grad!.toArray());
    optimizer.step();
    closed.step(() => lossOf(reference)(x, y).mul(2));
    expect(weights(net)).toEqual(weights(reference));
    expect(net.parameters().map((each) => each.grad!.toArray())).toEqual(gradients);
    // Momentum is memory of its own: zeros in the gradients leave it as it is.
    optimizer.zeroGrad({ setToNone: false });
    optimizer.step();
    closed.step(() => lossOf(reference)(x, y).mul(0));
    expect(weights(net)).toEqual(weights(reference));
  });

  test("leaves alone what has no gradient, or is frozen", () => {
    const [x, y] = makeBatch();
    const net = makeNet();
    const optimizer = optim.create(net, { method: "none", base: { name: "sgd", lr: 0.1, weightDecay: 0.1 } });
    lossOf(net)(x, y).backward();
    const [first, second, third] = net.parameters() as [nn.Parameter, nn.Parameter, nn.Parameter];
    first.grad = null;
    second.requiresGrad = false;
    const before = weights(net);
    optimizer.step();
    expect(first.toArray()).toEqual(before[0]);
    expect(second.toArray()).toEqual(before[1]);
    expect(third.toArray()).not.toEqual(before[2]);
  });

  test("names the gradient that is not finite, and changes nothing", () => {
    const net = makeNet();
    const make = (nonFinite: "throw" | "skip") => optim.create(net, { method: "none", base: { name: "adam" }, nonFinite });
    const before = weights(net);
    const last = net.parameters().at(-1)!;
    last.grad = torch.full([3], NaN);
    refuses(() => make("throw").step(), "Not finite: the gradient of 2.bias holds NaN or infinity.");
    const skipping = make("skip");
    const state = JSON.stringify(skipping.stateDict());
    expect(skipping.step()).toMatchObject({ skipped: true, updated: false });
    expect(weights(net)).toEqual(before);
    expect(JSON.stringify(skipping.stateDict())).toBe(state);
  });

  test("goes on where steps of another kind were, and they where it was", () => {
    const [x, y] = makeBatch();
    const options = { method: "none", base: { name: "adam", lr: 0.01 } } as const;
    const [net, mixed] = [makeNet(), makeNet()];
    const [closed, optimizer] = [optim.create(net, options), optim.create(mixed, options)];
    for (let i = 0; i < 4; i++) {
      closed.step(() => lossOf(net)(x, y));
      if (i % 2 === 0) {
        optimizer.step(() => lossOf(mixed)(x, y));
      } else {
        optimizer.zeroGrad();
        lossOf(mixed)(x, y).backward();
        optimizer.step();
      }
    }
    expect(weights(mixed)).toEqual(weights(net));
    expect(optimizer.stateDict().steps).toBe(4);
  });

  test("comes after the steps that are under way", async () => {
    const [x, y] = makeBatch();
    const [net, reference] = [makeNet(), makeNet()];
    const options = { method: "none", base: { name: "adam", lr: 0.1 } } as const;
    const [optimizer, ordered] = [optim.create(net, options), optim.create(reference, options)];
    const [step, step2] = [optimizer.compile(lossOf(net)), ordered.compile(lossOf(reference))];
    await step(x, y);
    step2.sync(x, y);
    for (const each of [net, reference]) lossOf(each)(x, y).backward();
    const steps = Array.from({ length: 5 }, () => step(x, y));
    optimizer.step();
    for (let i = 0; i < 5; i++) step2.sync(x, y);
    ordered.step();
    await Promise.all(steps);
    expect(weights(net)).toEqual(weights(reference));
    expect(optimizer.stateDict().steps).toBe(7);
  });

  test("goes on from a saved state", () => {
    const [x, y] = makeBatch();
    const [net, other] = [makeNet(), makeNet()];
    const make = (each: nn.Sequential) => optim.create(each, { method: "none", base: { name: "adam", lr: 0.01 }, lrSchedule: { name: "linear", totalSteps: 9 } });
    const take = (each: nn.Sequential, optimizer: optim.Optimizer<"none">) => {
      optimizer.zeroGrad();
      lossOf(each)(x, y).backward();
      optimizer.step();
    };
    const optimizer = make(net);
    for (let i = 0; i < 3; i++) take(net, optimizer);
    const resumed = make(other);
    other.loadStateDict(net.stateDict());
    resumed.loadStateDict(optimizer.stateDict());
    for (let i = 0; i < 2; i++) {
      take(net, optimizer);
      take(other, resumed);
    }
    expect(weights(other)).toEqual(weights(net));
  });

  test("halves a dynamic loss scale where a gradient overflowed, and takes the next step by the new one", () => {
    const [x, y] = makeBatch();
    const [net, reference] = [makeNet(), makeNet()];
    const base = { name: "sgd", lr: 0.1 } as const;
    const optimizer = optim.create(net, { method: "none", base, lossScale: { initial: 1024, interval: 2 } });
    net.parameters().at(-1)!.grad = torch.full([3], Infinity);
    const before = weights(net);
    expect(optimizer.step()).toMatchObject({ skipped: true, updated: false });
    expect(optimizer.lossScale).toBe(512);
    expect(weights(net)).toEqual(before);
    const closed = optim.create(reference, { method: "none", base });
    for (const expected of [512, 1024]) {
      optimizer.zeroGrad();
      lossOf(net)(x, y).mul(optimizer.lossScale).backward();
      optimizer.step();
      expect(optimizer.lossScale).toBe(expected);
      closed.step(() => lossOf(reference)(x, y));
    }
    expect(weights(net)).toEqual(weights(reference));
  });

  test("reads gradients that lie otherwise in memory than their parameters", () => {
    const weight = nn.parameter(torch.arange(24).reshape([1, 2, 3, 4]).to("float32"));
    const gradient = torch.arange(24).reshape([1, 2, 3, 4]).to("float32").mul(0.5);
    weight.grad = gradient.contiguous({ memoryFormat: "channels_last" });
    optim.create([weight], { method: "none", base: { name: "sgd", lr: 2 } }).step();
    expect(weight.toArray()).toEqual(torch.zeros([1, 2, 3, 4]).toArray());
  });

  test("is refused, in words, where it has no meaning", () => {
    const net = makeNet();
    const make = (options: object) => optim.create(net, options as optim.OptimizerOptions & { method: "none" });
    const sgd = { name: "sgd", lr: 0.1 };
    const goesBy = "A step without a closure goes by the gradients that backward() left, ";
    const asks = "asks for others: give step(closure) or compile() the loss function.";
    refuses(() => make({ method: "none", base: sgd }).step(), "Expected a gradient of one parameter at least for step() but received none: call backward() on the loss first, or give step() a closure.");
    refuses(() => make({ method: "sam", base: sgd }).step(), `${goesBy}and method sam ${asks}`);
    refuses(() => make({ method: "none", base: { name: "lbfgs" } }).step(), `${goesBy}and lbfgs ${asks}`);
    refuses(() => make({ method: "none", base: sgd, accumulationSteps: 2 }).step(), `${goesBy}which add up by themselves: leave options.accumulationSteps out, or use compile().`);
    // @ts-expect-error SAM takes two gradients, at two points
    refuses(() => optim.create(net, { method: "sam", base: { name: "sgd", lr: 0.1 } }).step(), "method sam");
    const any: optim.Optimizer = optim.create(net, { method: "momentum", base: { name: "sgd", lr: 0.1, momentum: 0.9 } });
    // @ts-expect-error it may be of any method
    refuses(() => any.step(), "method momentum");
    const generic = <M extends optim.Method>(optimizer: optim.Optimizer<M>, closure: () => optim.LossOf<M>) => optimizer.step(closure);
    expect(generic(optim.create(net, { method: "none", base: { name: "sgd", lr: 0 } }), () => lossOf(net)(...makeBatch())).updated).toBe(true);
    refuses(() => make({ method: "none", base: sgd }).step(null as never), "Expected a function for closure but received null.");
  });
});

test("zeroGrad drops the gradients of the optimizer's own parameters", () => {
  const [first, second] = [new nn.Linear(6, 8), new nn.Linear(8, 3)];
  const net = new nn.Sequential(first, second);
  const optimizer = optim.create(first.parameters(), { method: "none", base: { name: "sgd", lr: 0.1 } });
  lossOf(net)(...makeBatch()).backward();
  optimizer.zeroGrad({ setToNone: false });
  expect(first.bias!.grad!.toArray()).toEqual(Array(8).fill(0));
  optimizer.zeroGrad();
  expect(first.weight.grad).toBeNull();
  expect(second.weight.grad).not.toBeNull();
  expect(() => optimizer.zeroGrad({ setToNon: true } as never)).toThrow("setToNon");
});
