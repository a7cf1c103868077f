import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";
import { bytes } from "./walk.js";

// A call like the last one is one native call. Whatever may differ from the last one, it must be noticed.

torch.setNumThreads(1);

class Net extends nn.Module {
  readonly body = new nn.Linear(6, 16);
  readonly norm = new nn.BatchNorm1d(16);
  readonly drop = new nn.Dropout(0.5);
  readonly head = new nn.Linear(16, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.drop.forward(this.norm.forward(this.body.forward(x))));
  }
}

type Options = { scale: number; weights: readonly (Tensor | null)[] };

function make(options: object) {
  torch.manualSeed(3);
  const net = new Net();
  const optimizer = optim.create(net, { base: { name: "sgd", lr: 0.1, momentum: 0.9 }, ...options } as optim.OptimizerOptions);
  const loss = (x: Tensor, y: Tensor, { scale, weights: [weight = null] }: Options) => {
    const each = nn.functional.crossEntropy(net.forward(x), y, { reduction: "none" });
    return (weight === null ? each : each.mul(weight)).mean().mul(scale);
  };
  return { net, optimizer, compile: () => optimizer.compile<[Tensor, Tensor, Options]>(loss) };
}
type Made = ReturnType<typeof make>;
type Step = ReturnType<Made["compile"]>;

const x = (n: number) => torch.randn([n, 6]);
const y = (n: number) => torch.randint(0, 3, [n]);
const plain: Options = { scale: 1, weights: [] };
const batch = (seed: number, n = 16) => {
  torch.manualSeed(seed);
  return [x(n), y(n)] as const;
};

/** What happens between and in calls; each is made twice. */
const calls: [string, (step: Step, made: Made, seed: number) => unknown][] = [
  ["a call", (step, _, seed) => step(...batch(seed), plain)],
  ["fewer samples", (step, _, seed) => step(...batch(seed, 8), plain)],
  ["another number", (step, _, seed) => step(...batch(seed, 8), { ...plain, scale: 2 })],
  ["a tensor more", (step, _, seed) => step(...batch(seed, 8), { ...plain, weights: [torch.rand([8])] })],
  ["one that takes no gradient's place", (step, _, seed) => step(...batch(seed, 8), { ...plain, weights: [null] })],
  ["another order in memory", (step, _, seed) => step(batch(seed)[0].t().contiguous().t(), batch(seed)[1], plain)],
  ["evaluation", (step, { net }, seed) => (net.eval(), step(...batch(seed), plain))],
  ["one module's mode", (step, { net }, seed) => (net.train(), net.norm.eval(), step(...batch(seed), plain))],
  ["training again", (step, { net }, seed) => (net.train(), step(...batch(seed), plain))],
  ["a frozen parameter", (step, { net }, seed) => (net.body.weight.requiresGrad_(false), step(...batch(seed), plain))],
  ["a thawed one", (step, { net }, seed) => (net.body.weight.requiresGrad_(true), step(...batch(seed), plain))],
  ["mixed precision around it", (step, _, seed) => torch.autocast(() => step.sync(...batch(seed), plain), { device: "cpu", dtype: "bfloat16" })],
  ["another learning rate", (step, { optimizer }, seed) => ((optimizer.groups[0]!.lr = 0.01), step(...batch(seed), plain))],
  ["no radius", (step, { optimizer }, seed) => ((optimizer.groups[0]!.rho = 0), step(...batch(seed), plain))],
  ["a radius again", (step, { optimizer }, seed) => ((optimizer.groups[0]!.rho = 0.2), step(...batch(seed), plain))],
  ["a loaded state", (step, { optimizer }, seed) => (optimizer.loadStateDict(optimizer.stateDict()), step(...batch(seed), plain))],
  ["a step on this thread", (step, _, seed) => step.sync(...batch(seed), plain)],
];

test.each<[string, object]>([
  ["sam", { method: "sam", rho: 0.1 }],
  ["sam, a quarter climbs", { method: "sam", rho: 0.1, ascentFraction: 0.25 }],
  ["msam", { method: "msam", rho: 0.1, shards: 2 }],
  ["parallel", { method: "parallel", rho: 0.1, base: { name: "sgd", lr: 0.1 } }],
  ["accumulated", { method: "sam", rho: 0.1, accumulationSteps: 2 }],
  ["a schedule", { method: "sam", rho: 0.1, lrSchedule: { name: "linear", totalSteps: 60 } }],
])("%s: a step that comes again takes what one that was compiled for this call alone would", async (_, options) => {
  const [again, anew] = [make(options), make(options)];
  const step = again.compile();
  let seed = 0;
  for (const [what, call] of calls) {
    for (const time of ["first", "second"]) {
      seed++;
      const take = async (side: Made, taken: Step) => {
        torch.manualSeed(seed);
        return await call(taken, side, seed);
      };
      const [a, b] = [await take(again, step), await take(anew, anew.compile())];
      expect(a, `${what}, ${time}`).toEqual(b);
      expect(bytes(again.net.stateDict()), `${what}, ${time}`).toEqual(bytes(anew.net.stateDict()));
    }
  }
});

/** A step whose last call the engine knows. */
async function knownCall() {
  const made = make({ method: "sam", rho: 0.1 });
  const step = made.compile();
  const [a, b] = batch(1);
  await step(a, b, plain); // records
  await step(a, b, plain);
  return { ...made, step, a, b };
}

test("a call like the last one asks the engine once", async () => {
  const { step, a, b } = await knownCall();
  const counts = { engineSignature: 0, engineStep: 0, engineStepAgain: 0 };
  const restore = Object.keys(counts).map((name) => {
    const key = name as keyof typeof counts, original = native[key] as (...args: unknown[]) => unknown;
    (native as unknown as Record<string, unknown>)[key] = (...args: unknown[]) => (counts[key]++, original(...args));
    return () => void ((native as unknown as Record<string, unknown>)[key] = original);
  });
  try {
    await step(a, b, plain);
    step.sync(...batch(2), plain);
    expect(counts).toEqual({ engineSignature: 0, engineStep: 0, engineStepAgain: 2 });
  } finally {
    for (const each of restore) each();
  }
});

test("after a call that threw, the one before it is not taken for like it", async () => {
  const { optimizer, step, a, b } = await knownCall();
  const { loss } = step.sync(a, b, plain);
  expect(() => step.sync(a.mul(NaN), b, { ...plain, scale: 3 })).toThrowError(expect.objectContaining({ code: "NON_FINITE" }));
  const again = step.sync(a, b, plain);
  expect(again.loss / loss).toBeGreaterThan(0.3);
  expect(again.loss / loss).toBeLessThan(2);
  expect(optimizer.stateDict().steps).toBe(4);
});

test("an input that shares memory with a parameter, or with another input, is another program's", async () => {
  const net = new nn.Linear(4, 4);
  const optimizer = optim.create(net, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } });
  const step = optimizer.compile((a: Tensor, b: Tensor) => nn.functional.mseLoss(net.forward(a), b));
  const [a, b] = [torch.randn([4, 4]), torch.randn([4, 4])];
  await step(a, b);
  await step(a, b);
  await step(a, a);
  await step(net.weight.detach(), b);
  expect(step.programs).toHaveLength(3);
});

test("a disposed input is refused, and the next call goes on", async () => {
  const { optimizer, step, a, b } = await knownCall();
  const gone = x(16);
  gone.dispose();
  await expect(step(gone, b, plain)).rejects.toMatchObject({ code: "DISPOSED" });
  expect(() => step.sync(gone, b, plain)).toThrowError(expect.objectContaining({ code: "DISPOSED" }));
  await step(a, b, plain);
  expect(optimizer.stateDict().steps).toBe(3);
});

test("a program that was freed is not run again", async () => {
  const { compile, step: kept, a, b } = await knownCall();
  const other = compile();
  const [{ program }] = kept.programs as unknown as [{ program: number }];
  native.freeProgram(program);
  await expect(kept(a, b, plain)).rejects.toMatchObject({ code: "DISPOSED" });
  await other(a, b, plain);
});
