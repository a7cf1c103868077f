import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { resultOf } from "../support/child.js";
import { distance } from "../support/python.js";

/** Blocks with dropout, run with or without checkpoints: the same weights, the same masks. */
class Blocks extends nn.Module {
  blocks = new nn.ModuleList(
    Array.from({ length: 3 }, () => new nn.Sequential(new nn.Linear(6, 12), new nn.GELU(), new nn.Dropout(0.3), new nn.Linear(12, 6), new nn.ReLU(true))),
  );

  constructor(private readonly checkpoints: boolean) {
    super();
  }

  forward(x: Tensor): Tensor {
    for (const block of this.blocks) x = this.checkpoints ? nn.checkpoint((x) => block.forward(x), x) : block.forward(x);
    return x;
  }
}

function pair(): [plain: Blocks, checkpointed: Blocks] {
  torch.manualSeed(0);
  const plain = new Blocks(false).to("float64");
  const checkpointed = new Blocks(true).to("float64");
  checkpointed.loadStateDict(plain.stateDict());
  return [plain, checkpointed];
}

const batch = () => torch.randn([5, 6], { dtype: "float64" });

describe("a checkpoint", () => {
  test("changes neither results nor gradients, with dropout, and leaves the random numbers where they were", () => {
    const x = batch();
    const nets = pair();
    const runs = nets.map((net) => {
      torch.manualSeed(7);
      const input = x.clone();
      input.requiresGrad = true;
      const loss = net.forward(input).square().sum();
      loss.backward();
      return [loss.detach(), input.grad!, ...net.parameters().map((parameter) => parameter.grad!), torch.rand([3])];
    });
    runs[0]!.forEach((tensor, i) => expect(distance(tensor, runs[1]![i]!), `result ${i}`).toBe(0));
  });

  test("runs its function again once, in the backward, and not at all without gradients", () => {
    let runs = 0;
    const x = torch.ones([3], { requiresGrad: true });
    const body = (x: Tensor) => {
      runs++;
      return x.exp().sin().mul(2);
    };
    const y = nn.checkpoint(body, x);
    expect(runs).toBe(1);
    y.sum().backward();
    expect(runs).toBe(2);
    expect(x.grad!.select(0, 0).item()).toBeCloseTo(2 * Math.cos(Math.E) * Math.E, 5);
    torch.noGrad(() => nn.checkpoint(body, x));
    expect(runs).toBe(3);
  });

  test("nests, and takes several backwards and inputs", () => {
    const [a, b] = [2, 3].map((value) => torch.full([1], value, { dtype: "float64", requiresGrad: true }));
    const f = (a: Tensor, b: Tensor) => nn.checkpoint((a) => a.exp().mul(b), a.mul(b)).sin();
    const y = nn.checkpoint(f, a!, b!);
    const plain = a!.mul(b!).exp().mul(b!).sin();
    const expected = torch.autograd.grad(plain, [a!, b!]);
    for (let i = 0; i < 2; i++) {
      torch.autograd.grad(y, [a!, b!], { retainGraph: true }).forEach((grad, k) => expect(distance(grad, expected[k]!)).toBe(0));
    }
  });

  test("says what is wrong", () => {
    expect(() => nn.checkpoint(3 as never, torch.ones([1]))).toThrow("Expected a function for fn of nn.checkpoint but received 3 of type number.");
    expect(() => nn.checkpoint(() => torch.ones([1]))).toThrow("Expected at least one tensor for the inputs of nn.checkpoint but received an array of 0.");
    let first = true;
    const x = torch.ones([2], { requiresGrad: true });
    const fickle = nn.checkpoint((x) => {
      const result = first ? x.exp().sin() : x.mul(2);
      first = false;
      return result;
    }, x);
    expect(() => fickle.sum().backward()).toThrow("nn.checkpoint: the function did something else when it ran again");
    let calls = 0;
    const failing = nn.checkpoint((x) => {
      if (calls++ > 0) throw new Error("not again");
      return x.exp();
    }, x);
    expect(() => failing.sum().backward()).toThrow("not again");
    const after = torch.ones([2], { requiresGrad: true });
    after.exp().sum().backward();
    expect(after.grad!.select(0, 0).item()).toBeCloseTo(Math.E, 6);
  });
});

describe("a checkpoint in a compiled step", () => {
  const sgd = { name: "sgd", lr: 0.05, momentum: 0.9 } as const;

  /** Convolutions with batch norm, whose statistics take each batch twice. */
  class Convolutions extends nn.Module {
    blocks = new nn.ModuleList([1, 4].map((channels) => new nn.Sequential(new nn.Conv2d(channels, 4, 3, { padding: 1 }), new nn.BatchNorm2d(4), new nn.ReLU(true), new nn.Dropout2d(0.3))));

    loss(x: Tensor): Tensor {
      for (const block of this.blocks) x = nn.checkpoint((x) => block.forward(x), x);
      return x.square().mean();
    }
  }

  test.each([undefined, { dtype: "bfloat16" } as const])("is the eager one with images, batch norm and autocast %j", (autocast) => {
    const nets = [0, 0].map((seed) => (torch.manualSeed(seed), new Convolutions()));
    const [eager, replayed] = nets.map((net) => optim.create(net, { method: "none", base: sgd })) as [optim.Optimizer, optim.Optimizer];
    const step = replayed.compile((x: Tensor) => nets[1]!.loss(x), { autocast });
    for (let k = 0; k < 3; k++) {
      const x = torch.randn([4, 1, 8, 8]);
      torch.manualSeed(k);
      const report = step.sync(x);
      torch.manualSeed(k);
      const loss = () => nets[0]!.loss(x);
      expect(eager.step(() => (autocast === undefined ? loss() : torch.autocast(loss, autocast))).loss).toBeCloseTo(report.loss, autocast === undefined ? 5 : 2);
    }
    expect(step.explain()).toMatch(/forward and backward are replayed\.$/m);
    const theirs = nets[0]!.stateDict();
    for (const [name, tensor] of Object.entries(nets[1]!.stateDict())) expect(distance(tensor, theirs[name]!), name).toBeLessThan(autocast === undefined ? 1e-5 : 2e-2);
    expect(nets[1]!.getBuffer("blocks.0.1.num_batches_tracked").item()).toBe(6);
  });
  const methods: optim.OptimizerOptions[] = [
    { method: "none", base: sgd },
    { method: "sam", rho: 0.1, base: sgd },
    { method: "msam", rho: 0.1, shards: 2, base: sgd },
  ];

  test.each(methods)("is recorded, with its second run: $method", (options) => {
    const [plain, checkpointed] = pair();
    const steps = [plain, checkpointed].map((net) => optim.create(net, options).compile((x: Tensor) => net.forward(x).square().mean()));
    for (let k = 0; k < 3; k++) {
      const x = torch.randn([6, 6], { dtype: "float64" });
      const losses = steps.map((step) => {
        torch.manualSeed(k);
        return step.sync(x).loss;
      });
      expect(losses[1]).toBeCloseTo(losses[0]!, 12);
    }
    expect(steps[1]!.explain()).toMatch(/forward and backward are replayed\.$/m);
    expect(steps[1]!.programs[0]!.instructions).toBeGreaterThan(steps[0]!.programs[0]!.instructions);
    const theirs = plain.stateDict();
    for (const [name, tensor] of Object.entries(checkpointed.stateDict())) expect(distance(tensor, theirs[name]!), name).toBeLessThan(1e-12);
  });

  test("makes a step need less memory", async () => {
    const program = (checkpointed: boolean) => `
      const part = () => new nn.Sequential(...Array.from({ length: 6 }, () => [new nn.Linear(64, 64), new nn.Tanh()]).flat());
      const parts = new nn.ModuleList(Array.from({ length: 6 }, part));
      const step = optim.create(parts, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x) => {
        for (const part of parts) x = ${checkpointed} ? nn.checkpoint((x) => part.forward(x), x) : part.forward(x);
        return x.square().mean();
      });
      const x = torch.randn([2048, 64]);
      step.sync(x);
      torch.sweep(); // what the recording needed
      step.sync(x);
      console.log(torch.memory().stepBytes);
    `;
    const [plain, checkpointed] = await Promise.all([false, true].map((on) => resultOf<number>(program(on))));
    const result = 2048 * 64 * 4; // bytes: 36 of them for the whole backward, or six and those of one part
    expect(plain).toBeGreaterThan(36 * result);
    expect(checkpointed).toBeLessThan(20 * result);
  });
});
