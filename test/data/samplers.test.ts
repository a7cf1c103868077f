import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, python, runPython, sameLibTorch } from "../support/python.js";

const order = (sampler: data.Sampler, epoch = 0) => (sampler.order(epoch) as Tensor).toArray() as number[];
const counts = (values: number[]) => values.reduce<Record<number, number>>((sum, value) => ({ ...sum, [value]: (sum[value] ?? 0) + 1 }), {});

test("sequential and random", () => {
  expect(order(new data.SequentialSampler(4))).toEqual([0, 1, 2, 3]);
  const random = new data.RandomSampler(50, { seed: 3 });
  expect(order(random).sort((a, b) => a - b)).toEqual(order(new data.SequentialSampler(50)));
  expect(order(random, 1)).toEqual(order(new data.RandomSampler(50, { seed: 3 }), 1));
  expect(order(random, 1)).not.toEqual(order(random, 0));
});

describe("weighted", () => {
  test("with replacement samples come in proportion to their weights", () => {
    const sampler = new data.WeightedRandomSampler([1, 0, 3], { numSamples: 4000 });
    const found = counts(order(sampler));
    expect(found[1]).toBeUndefined();
    // Binomial with p = 3/4: a standard deviation of 27.
    expect(Math.abs(found[2]! - 3000)).toBeLessThan(140);
    expect(sampler.length).toBe(4000);
  });

  test("without replacement each comes once", () => {
    expect(order(new data.WeightedRandomSampler(torch.tensor([2, 0, 1, 1]), { numSamples: 3, replacement: false })).sort()).toEqual([0, 2, 3]);
  });
});

test("balanced: equal shares, every sample of a class before one comes again", () => {
  const labels = [0, 0, 0, 0, 0, 0, 1, 1, 2];
  const sampler = new data.BalancedSampler(torch.tensor(labels, { dtype: "int64" }), { numSamples: 12, seed: 1 });
  const chosen = order(sampler);
  expect(counts(chosen.map((i) => labels[i]!))).toEqual({ 0: 4, 1: 4, 2: 4 });
  expect(counts(chosen)).toMatchObject({ 6: 2, 7: 2, 8: 4 });
  expect(new Set(chosen.filter((i) => labels[i] === 0)).size).toBe(4);
  expect(order(sampler, 1)).not.toEqual(chosen);
  // What does not divide: shares differ by one at most.
  const shares = Object.values(counts(order(new data.BalancedSampler(labels, { numSamples: 11 })).map((i) => labels[i]!)));
  expect(shares.sort()).toEqual([3, 4, 4]);
});

test("buckets: every sample once, batches of about the same length, an incomplete one at the end", () => {
  const lengths = Array.from({ length: 107 }, (_, i) => (i * 37) % 101);
  const sampler = new data.BucketSampler(lengths, { batchSize: 10, bucketBatches: 11, seed: 2 });
  const chosen = order(sampler);
  expect([...chosen].sort((a, b) => a - b)).toEqual(order(new data.SequentialSampler(107)));
  const batches = Array.from({ length: 11 }, (_, b) => chosen.slice(10 * b, 10 * b + 10).map((i) => lengths[i]!));
  // One pool of 107: sorted and cut, so that no two batches overlap.
  const ranges = batches.map((batch) => [Math.min(...batch), Math.max(...batch)] as const).sort(([a], [b]) => a - b);
  for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0]).toBeGreaterThanOrEqual(ranges[i - 1]![1]);
  expect(batches.at(-1)).toHaveLength(7);
  expect(batches.map(([first]) => first)).not.toEqual(batches.map(([first]) => first).sort((a, b) => a! - b!));
});

describe("distributed", () => {
  test("the shares of all ranks are the data set, repeated or cut so that it divides", () => {
    const all = (dropLast: boolean) => [0, 1, 2].flatMap((rank) => order(new data.DistributedSampler(10, { numReplicas: 3, rank, seed: 4, dropLast }), 2));
    expect(all(false)).toHaveLength(12);
    expect(new Set(all(false)).size).toBe(10);
    expect(all(true)).toHaveLength(9);
    expect(new Set(all(true)).size).toBe(9);
  });

  test.skipIf(!sameLibTorch)(`${needsPython}: PyTorch's, sample by sample`, () => {
    const cases = [10, 7, 2].flatMap((size) => [1, 3, 4].flatMap((replicas) => [0, 1, 2].flatMap((rank) => [true, false].flatMap((shuffle) => [true, false].map((dropLast) => ({ size, replicas, rank, shuffle, dropLast })))))).filter(({ size, replicas, rank, dropLast }) => rank < replicas && (!dropLast || size >= replicas));
    const theirs = runPython<number[][]>(
      `
from torch.utils.data import DistributedSampler
outputs = []
for c in inputs:
    sampler = DistributedSampler(range(c["size"]), c["replicas"], c["rank"], c["shuffle"], seed=5, drop_last=c["dropLast"])
    sampler.set_epoch(3)
    outputs.append(list(sampler))
`,
      cases,
    );
    expect(python).not.toBeNull();
    const ours = cases.map(({ size, replicas, rank, shuffle, dropLast }) => order(new data.DistributedSampler(size, { numReplicas: replicas, rank, shuffle, seed: 5, dropLast }), 3));
    expect(ours).toEqual(theirs);
  });
});

describe("with a loader", () => {
  const set = () => new data.TensorDataset(torch.arange(10, { dtype: "int64" }));
  const pass = (loader: data.Loader<readonly [import("../../lib/index.js").Tensor]>) => [...loader].map(([x]) => x.toArray() as number[]);

  test("the sampler decides the order and the number of samples", () => {
    const sampler: data.Sampler = { length: 5, order: (epoch) => torch.tensor([9, 9, 1, 0, epoch], { dtype: "int64" }) };
    const loader = data.loader(set(), { batchSize: 2, sampler });
    expect(loader.length).toBe(3);
    expect([pass(loader), pass(loader)]).toEqual([[[9, 9], [1, 0], [0]], [[9, 9], [1, 0], [1]]]);
  });

  test("a pass can be gone on from in the middle", () => {
    const make = () => data.loader(set(), { batchSize: 3, shuffle: true, seed: 8 });
    const whole = make();
    const [first, second, third] = [pass(whole), pass(whole), pass(whole)];
    const broken = make();
    pass(broken);
    let seen = 0;
    for (const _ of broken) if (++seen === 2) break;
    const state = JSON.parse(JSON.stringify(broken.stateDict())) as data.LoaderState;
    expect(state).toEqual({ epoch: 1, batch: 2, of: { samples: 10, batchSize: 3, seed: 8, order: expect.stringMatching(/^[0-9a-f]{16}$/) as string } });
    const resumed = make();
    resumed.loadStateDict(state);
    expect(resumed.stateDict()).toEqual(state);
    expect([pass(resumed), pass(resumed)]).toEqual([second.slice(2), third]);
    expect(resumed.stateDict()).toEqual({ epoch: 3, batch: 0 });
    resumed.loadStateDict({ epoch: 0, batch: 4 });
    expect(resumed.stateDict()).toEqual({ epoch: 1, batch: 0 });
    resumed.loadStateDict({ epoch: 0, batch: 0 });
    expect(pass(resumed)).toEqual(first);
  });

  test("in the middle of a pass another seed, batch size, sampler or number of samples is told; between passes it is taken", () => {
    const make = (options: Partial<data.LoaderOptions> = {}) => data.loader(set(), { batchSize: 3, shuffle: true, seed: 8, ...options });
    const broken = make();
    pass(broken);
    const states: data.LoaderState[] = [];
    for (const _ of broken) if (states.push(broken.stateDict()) === 2) break;
    // While it runs, once it was broken off, and from a loader that was set to go on there: the same.
    expect(broken.stateDict()).toEqual(states[1]);
    expect(() => make().loadStateDict({ ...states[0]!, batch: 99 })).toThrow("for state.batch but received 99");
    const state = JSON.parse(JSON.stringify(states[1])) as data.LoaderState;
    const rest = " What is left of a pass that is under way can only go on as it began: set `epoch` to 2 to begin the next one, or to 1 to repeat it.";
    const others: [data.Loader<unknown>, string][] = [
      [make({ batchSize: 4 }), "Expected a loader with the batchSize of the state (3) but received 4."],
      [make({ seed: 9 }), "Expected a loader with the seed of the state (8) but received 9."],
      [data.loader([1, 2, 3], { batchSize: 3, shuffle: true, seed: 8 }), "Expected a loader with the number of samples of the state (10) but received 3."],
      [make({ shuffle: false }), "Expected a loader with the order of samples of the state, in pass 1, but received another one: the sampler, its seed or its weights differ."],
      [data.loader(set(), { batchSize: 3, seed: 8, sampler: new data.RandomSampler(10, { seed: 80 }) }), "Expected a loader with the order of samples of the state, in pass 1, but received another one: the sampler, its seed or its weights differ."],
    ];
    for (const [loader, message] of others) {
      loader.epoch = 7;
      expect(() => loader.loadStateDict(state)).toThrow(expect.objectContaining({ code: "ARGUMENT", message: message + rest }));
      expect(loader.stateDict()).toEqual({ epoch: 7, batch: 0 });
      loader.loadStateDict({ epoch: 2, batch: 0 });
      expect(loader.epoch).toBe(2);
    }
    // The same order by other means is no other one.
    const same = data.loader(set(), { batchSize: 3, seed: 8, sampler: new data.RandomSampler(10, { seed: 8 }) });
    same.loadStateDict(state);
    expect(same.stateDict()).toEqual(state);
    const whole = make();
    expect([pass(whole), pass(whole)].at(-1)!.slice(2)).toEqual(pass(same));
  });

  const labels = [0, 0, 0, 1, 1, 2, 0, 0, 1, 2];
  const samplers: [string, () => data.Sampler][] = [
    ["random", () => new data.RandomSampler(10, { seed: 4 })],
    ["weighted", () => new data.WeightedRandomSampler([1, 2, 3, 1, 1, 1, 5, 1, 1, 1], { numSamples: 10, seed: 4 })],
    ["balanced", () => new data.BalancedSampler(torch.tensor(labels, { dtype: "int64" }), { numSamples: 11, seed: 4 })],
    ["bucket", () => new data.BucketSampler([3, 9, 4, 1, 1, 7, 2, 8, 5, 6], { batchSize: 3, seed: 4 })],
    ["distributed", () => new data.DistributedSampler(10, { numReplicas: 2, rank: 1, seed: 4 })],
  ];
  test.each(samplers)("and so with the order of a sampler: %s", (_, sampler) => {
    const make = () => data.loader(set(), { batchSize: 2, sampler: sampler() });
    const whole = make();
    const passes = [pass(whole), pass(whole), pass(whole)];
    expect(passes[0]).not.toEqual(passes[1]);
    const broken = make();
    pass(broken);
    for (const _batch of broken) break;
    const resumed = make();
    resumed.loadStateDict(JSON.parse(JSON.stringify(broken.stateDict())) as data.LoaderState);
    expect([pass(resumed), pass(resumed)]).toEqual([passes[1]!.slice(1), passes[2]]);
  });

  test("an array of numbers is an order; what is none, or too short, or beyond the data, is told", async () => {
    const loaderWith = (order: unknown, length = 2) => data.loader(["a", "b", "c"], { batchSize: 2, sampler: { length, order: () => order } as data.Sampler });
    expect([...loaderWith([2, 0])]).toEqual([["c", "a"]]);
    for (const order of [[1], [0.5, 1], "01", torch.tensor([0, 1], { dtype: "int32" }), null]) expect(() => [...loaderWith(order)]).toThrow(/Expected 2 integers, .* for sampler\.order/);
    expect(() => [...loaderWith([0, 3])]).toThrow("Expected samples' numbers from 0 to 2 for sampler.order but received 3");
    await expect(async () => {
      for await (const batch of loaderWith([0, -1])) expect(batch).toBe("never");
    }).rejects.toThrow("Expected samples' numbers from 0 to 2 for sampler.order but received -1");
  });

  test("arrays are data sets", () => {
    const words = ["flat", "is", "better", "than", "sharp"];
    expect([...data.loader(words, { batchSize: 2 })]).toEqual([["flat", "is"], ["better", "than"], ["sharp"]]);
    const lengths: number[] = [...data.loader(words, { batchSize: 3, dropLast: true, collate: (batch) => batch.join("").length })];
    expect(lengths).toEqual([12]);
  });
});

describe("wrong arguments", () => {
  const any = data as never as Record<string, new (...args: unknown[]) => unknown>;
  test.each<[string, () => unknown, RegExp]>([
    ["no samples", () => new any["RandomSampler"]!(0), /Expected a positive integer for length but received 0/],
    ["a seed", () => new any["RandomSampler"]!(3, { seed: 0.5 }), /Expected an integer for seed but received 0.5/],
    ["a misspelled option", () => new any["WeightedRandomSampler"]!([1], { numSample: 3 }), /Did you mean "numSamples"/],
    ["negative weights", () => new any["WeightedRandomSampler"]!([1, -1]), /Expected numbers of at least 0 for weights but received -1/],
    ["NaN", () => new any["WeightedRandomSampler"]!([1, NaN]), /Expected numbers of at least 0 for weights but received NaN/],
    ["no weight", () => new any["WeightedRandomSampler"]!([0, 0]), /Expected a weight above 0/],
    ["more than there are", () => new any["WeightedRandomSampler"]!([1, 0], { numSamples: 2, replacement: false }), /Expected at most 1 samples for numSamples but received 2/],
    ["labels", () => new any["BalancedSampler"]!([0.5]), /Expected integers for labels but received 0.5/],
    ["a rank beyond", () => new any["DistributedSampler"]!(5, { numReplicas: 2, rank: 2 }), /Expected an integer from 0 to 1 for rank but received 2/],
    ["too few for all", () => new any["DistributedSampler"]!(2, { numReplicas: 3, rank: 0, dropLast: true }), /Expected at least 3 samples for size but received 2/],
    ["a sampler and a shuffle", () => data.loader([1, 2], { batchSize: 1, shuffle: true, sampler: new data.SequentialSampler(2) }), /Expected nothing for shuffle but received true/],
    ["no sampler", () => data.loader([1, 2], { batchSize: 1, sampler: {} as never }), /Expected a sampler for sampler/],
    ["a state beyond the end", () => data.loader([1, 2], { batchSize: 1 }).loadStateDict({ epoch: 0, batch: 3 }), /Expected an integer from 0 to 2 for state.batch but received 3/],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
