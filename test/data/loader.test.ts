import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";

function numbers(n: number) {
  const values = torch.arange(n, { dtype: "int64" });
  return new data.TensorDataset(values.to("float32").mul(10).reshape([n, 1]), values);
}

type Numbers = ReturnType<typeof numbers>;

/** The samples of one pass, batch by batch. */
function pass(loader: data.Loader<Numbers["tensors"]>): number[][] {
  return [...loader].map(([x, y]) => {
    expect(x.flatten().toArray()).toEqual((y.toArray() as number[]).map((value) => 10 * value));
    return y.toArray() as number[];
  });
}

const flat = (batches: number[][]) => batches.flat();
const sorted = (batches: number[][]) => flat(batches).sort((a, b) => a - b);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("batches", () => {
  test("in order, the last one smaller, or left out", () => {
    const all = data.loader(numbers(7), { batchSize: 3 });
    expect(all.length).toBe(3);
    expect(pass(all)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    const whole = data.loader(numbers(7), { batchSize: 3, dropLast: true });
    expect(whole.length).toBe(2);
    expect(pass(whole)).toEqual([[0, 1, 2], [3, 4, 5]]);
    expect(pass(data.loader(numbers(2), { batchSize: 5 }))).toEqual([[0, 1]]);
    expect(pass(data.loader(numbers(2), { batchSize: 5, dropLast: true }))).toEqual([]);
  });

  test("shuffled: every sample once, another order in each pass, the same orders for the same seed", () => {
    const make = (seed: number) => data.loader(numbers(101), { batchSize: 10, shuffle: true, seed });
    const [a, b] = [make(5), make(5)];
    const passes = [pass(a), pass(a), pass(a)];
    for (const batches of passes) expect(sorted(batches)).toEqual(range(101));
    expect(flat(passes[0]!)).not.toEqual(flat(passes[1]!));
    expect(flat(passes[1]!)).not.toEqual(flat(passes[2]!));
    torch.manualSeed(99); // the default generator has no say in it, and is left alone
    const before = torch.rand([1]).item();
    torch.manualSeed(99);
    expect([pass(b), pass(b), pass(b)]).toEqual(passes);
    expect(torch.rand([1]).item()).toBe(before);
    expect(pass(make(6))).not.toEqual(passes[0]);
  });

  test("the orders of seed 0, pass 1 and seed 1, pass 0 have nothing in common", () => {
    const next = data.loader(numbers(50), { batchSize: 50, shuffle: true, seed: 0 });
    next.epoch = 1;
    expect(pass(next)).not.toEqual(pass(data.loader(numbers(50), { batchSize: 50, shuffle: true, seed: 1 })));
  });

  test("a pass can be repeated, and gone on from", () => {
    const loader = data.loader(numbers(20), { batchSize: 4, shuffle: true });
    const [first, second] = [pass(loader), pass(loader)];
    expect(loader.epoch).toBe(2);
    loader.epoch = 0;
    expect(pass(loader)).toEqual(first);
    expect(pass(loader)).toEqual(second);
  });

  test("two passes at once do not disturb each other", () => {
    const loader = data.loader(numbers(6), { batchSize: 2 });
    const pairs: unknown[] = [];
    for (const [, a] of loader) for (const [, b] of loader) pairs.push([a.toArray(), b.toArray()]);
    expect(pairs).toHaveLength(9);
    expect(pairs[5]).toEqual([[2, 3], [4, 5]]);
  });

  test("with for await the event loop runs between batches", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    let last = 0;
    for await (const [, y] of data.loader(numbers(40), { batchSize: 2 })) {
      last = y.select(0, 1).item() as number;
      const until = performance.now() + 2;
      while (performance.now() < until);
    }
    clearInterval(timer);
    expect(last).toBe(39);
    expect(ticks).toBeGreaterThan(10);
  });

  test("a batch is a copy, and nothing but batches stays alive", () => {
    const set = numbers(10);
    torch.sweep(); // what earlier tests left would go at any time
    const live = torch.memory().tensors;
    for (const [x, y] of data.loader(set, { batchSize: 4, shuffle: true })) {
      x.zero_();
      x.dispose();
      y.dispose();
      if (torch.memory().tensors > live + 5) throw new Error("the loader keeps tensors");
    }
    for (const batch of data.loader(set, { batchSize: 4 })) {
      for (const tensor of batch) tensor.dispose();
      break;
    }
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
    expect(set.tensors[0].sum().item()).toBe(450);
  });

  test("any object with length and batch is a data set", () => {
    const squares = { length: 3, batch: (indices: InstanceType<typeof torch.Tensor>) => indices.mul(indices).toArray() as number[] };
    expect([...data.loader(squares, { batchSize: 2 })]).toEqual([[0, 1], [4]]);
  });
});

describe("TensorDataset", () => {
  test("slices share memory", () => {
    const set = numbers(10);
    const part = set.slice(2, 5);
    expect([part.length, part.tensors[1].toArray()]).toEqual([3, [2, 3, 4]]);
    part.tensors[1].fill_(7);
    expect(set.tensors[1].toArray()).toEqual([0, 1, 7, 7, 7, 5, 6, 7, 8, 9]);
  });

  test("any number of tensors, any shapes", () => {
    const set = new data.TensorDataset(torch.arange(4), torch.ones([4, 2, 2]), torch.zeros([4, 0]));
    const [a, b, c] = set.batch(torch.tensor([3, 1], { dtype: "int64" }));
    expect([a.toArray(), b.shape, c.shape]).toEqual([[3, 1], [2, 2, 2], [2, 0]]);
  });
});

describe("wrong arguments", () => {
  const set = numbers(4);
  const make = (options: unknown, from: unknown = set) => () => data.loader(from as Numbers, options as data.LoaderOptions);
  test.each<[string, () => unknown, RegExp]>([
    ["no options", make(undefined), /an object with batchSize for options/],
    ["no batchSize", make({}), /a positive integer for batchSize but received nothing/],
    ["batchSize 0", make({ batchSize: 0 }), /a positive integer for batchSize but received 0/],
    ["batchSize 2.5", make({ batchSize: 2.5 }), /a positive integer for batchSize/],
    ["a misspelled option", make({ batchSize: 2, suffle: true }), /Did you mean "shuffle"/],
    ["shuffle 1", make({ batchSize: 2, shuffle: 1 }), /true or false for shuffle/],
    ["seed NaN", make({ batchSize: 2, seed: NaN }), /an integer for seed/],
    ["no data set", make({ batchSize: 2 }, { length: 2 }), /a data set or an array for dataset but received an object/],
    ["an empty data set", make({ batchSize: 2 }, numbers(0)), /at least one sample for dataset/],
    ["an empty array", make({ batchSize: 2 }, []), /at least one sample for dataset but received an array of 0/],
    ["collate for what makes its own batches", make({ batchSize: 2, collate: () => 1 }), /nothing for collate .* change them by transform, or give an array of items/],
    ["no tensors", () => new data.TensorDataset(...([] as unknown as [typeof set.tensors[0]])), /one or more tensors for a TensorDataset/],
    ["tensors of different lengths", () => new data.TensorDataset(torch.ones([2]), torch.ones([3])), /tensors of the same length .* lengths of 2 and 3/],
    ["a scalar", () => new data.TensorDataset(torch.tensor(1)), /a tensor of at least one dimension/],
    ["no tensor", () => new data.TensorDataset([1, 2] as never), /a tensor of at least one dimension .* an array of 2/],
    ["a slice beyond the end", () => set.slice(2, 5), /0 ≤ start ≤ end ≤ 4 for a slice/],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
