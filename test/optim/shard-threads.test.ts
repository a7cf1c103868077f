import { createHash } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// How many threads there are is not to be seen in mSAM's numbers: fewer than shards or more, whose kernels they then share.

const threads = torch.getNumThreads();
afterAll(() => torch.setNumThreads(threads));

const base = { name: "sgd", lr: 0.1, momentum: 0.9 } as const;

/** A net whose numbers come from kernels of our own and of LibTorch's, and a batch for it. */
interface Subject {
  model: nn.Module;
  forward: (x: Tensor) => Tensor;
  input: () => Tensor;
}

const image = (dropout: number): Subject => {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Dropout2d(dropout),
    new nn.Conv2d(16, 32, 3, { padding: 1 }), new nn.BatchNorm2d(32), new nn.ReLU(), new nn.Flatten(), new nn.Dropout(dropout), new nn.Linear(32 * 36, 10),
  );
  return { model, forward: (x) => model.forward(x), input: () => torch.randn([22, 1, 12, 12]) };
};

const sequence = (dropout: number): Subject => {
  const [embedding, lstm, head] = [new nn.Embedding(40, 64), new nn.LSTM(64, 96, { batchFirst: true, numLayers: 2, dropout }), new nn.Linear(96, 40)];
  const model = new nn.ModuleList([embedding, lstm, head]);
  return { model, forward: (x) => head.forward(lstm.forward(embedding.forward(x))[0]), input: () => torch.randint(0, 40, [10, 24]) };
};

const attention = (dropout: number): Subject => {
  const layer = () => new nn.TransformerEncoderLayer(64, 4, { dimFeedforward: 256, dropout, batchFirst: true });
  const model = new nn.ModuleList([layer(), layer()]);
  return { model, forward: (x) => [...model].reduce((hidden, each) => (each as nn.TransformerEncoderLayer).forward(hidden), x), input: () => torch.randn([11, 48, 64]) };
};

/** What its dropout drew is drawn again in the backward. */
const checkpointed = (dropout: number): Subject => {
  const [first, last] = [new nn.Sequential(new nn.Linear(32, 64), new nn.Dropout(dropout), new nn.Tanh()), new nn.Linear(64, 8)];
  return { model: new nn.ModuleList([first, last]), forward: (x) => last.forward(nn.checkpoint((h: Tensor) => first.forward(h), x)), input: () => torch.randn([17, 32]) };
};

const subjects = { image, sequence, attention, checkpointed };
type Options = { shards: number; dropout: number; nonFinite?: "skip" };

/** Reports, digests of weights and buffers, and the next random number after some steps, of which those in `spoilt` are not finite: at w, or at w + ε alone. */
async function train(make: (dropout: number) => Subject, count: number, { shards, dropout, nonFinite = undefined }: Options, spoilt: Record<number, "w" | "w + ε"> = {}): Promise<unknown> {
  torch.setNumThreads(count);
  torch.manualSeed(5);
  const { model, forward, input } = make(dropout);
  const optimizer = optim.create(model, { method: "msam", shards, rho: 0.1, base, ...(nonFinite === undefined ? {} : { nonFinite }) });
  // The root is 1 at w; elsewhere it is NaN, as its gradient, for samples with a large `fragile`.
  const parameter = model.parameters()[0]!;
  const step = optimizer.compile((x: Tensor, weight: Tensor, fragile: Tensor, w: Tensor) => {
    const moved = parameter.sub(w.select(0, 0)).pow(2).sum();
    return forward(x).sin().exp().flatten(1).mean([1]).mul(weight).add(moved.mul(fragile).neg().add(1).sqrt()).mean();
  });
  const reports: optim.StepReport[] = [];
  for (let s = 0; s < 4; s++) {
    const x = input();
    const [weight, fragile] = [torch.ones([x.shape[0]!]), torch.zeros([x.shape[0]!])];
    // Of the second shard and the last one.
    for (const i of [Math.ceil(x.shape[0]! / shards), x.shape[0]! - 1]) {
      if (spoilt[s] === "w") weight.narrow(0, i, 1).fill_(NaN);
      if (spoilt[s] === "w + ε") fragile.narrow(0, i, 1).fill_(1e9);
    }
    reports.push(await step(x, weight, fragile, parameter.detach().clone().expand([x.shape[0]!, ...parameter.shape])));
  }
  const state = Object.entries(model.stateDict()).map(([name, tensor]) => `${name} ${createHash("sha256").update(tensor.toBytes()).digest("hex")}`);
  return { reports, state, next: torch.rand([1]).item() };
}

describe.each(Object.entries(subjects))("%s", (_, make) => {
  test.each([[2, 0], [3, 0], [3, 0.3], [5, 0.3]])("%i shards, dropout %f", async (shards, dropout) => {
    const alone = await train(make, 1, { shards, dropout });
    for (const count of [2, 3, 4, 7]) expect(await train(make, count, { shards, dropout }), `${count} threads`).toEqual(alone);
  });

  test("steps that are skipped leave the same behind, the generator's state too", async () => {
    const options = { shards: 4, dropout: 0.3, nonFinite: "skip" } as const;
    const spoilt = { 1: "w", 2: "w + ε" } as const;
    const alone = (await train(make, 1, options, spoilt)) as { reports: optim.StepReport[] };
    expect(alone.reports.map(({ skipped }) => skipped)).toEqual([false, true, true, false]);
    for (const count of [2, 3, 6, 2]) expect(await train(make, count, options, spoilt), `${count} threads`).toEqual(alone);
  });
});
