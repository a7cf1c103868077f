import { describe, expect, test, vi } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

const { transforms } = data;

/** Images that number their samples, and labels. */
function images(n: number) {
  const values = torch.arange(n, { dtype: "int64" });
  return new data.TensorDataset(values.to("float32").reshape([n, 1, 1, 1]).expand([n, 2, 6, 6]).add(torch.rand([6, 6])), values);
}

type Images = ReturnType<typeof images>;

async function collect<Batch>(loader: AsyncIterable<Batch>): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  return batches;
}

const same = (a: readonly Tensor[], b: readonly Tensor[]) => a.length === b.length && a.every((tensor, i) => torch.equal(tensor, b[i]!));
const allSame = (a: readonly (readonly Tensor[])[], b: readonly (readonly Tensor[])[]) => a.length === b.length && a.every((batch, i) => same(batch, b[i]!));
const two = data.loader(images(2), { batchSize: 2, prefetch: 1 });
/** Ends once jobs that were asked for are over: they run one after the other. */
async function settle(): Promise<void> {
  for await (const batch of two) batch.forEach((tensor) => tensor.dispose());
}

const natively = () => transforms.compose(transforms.randomCrop({ padding: 2 }), transforms.randomHorizontalFlip(), transforms.mixup({ alpha: 1, classes: 50 }));
/** JavaScript in the middle, which draws as well. */
const mixedly = () => transforms.compose(transforms.randomCrop({ padding: 2 }), ([x, y], generator) => [x.add(torch.rand([1], { generator })), y], transforms.cutout(3));

describe("batches made ahead are those that are made when they are asked for", () => {
  test.each([
    ["no transform", undefined],
    ["native transforms", natively],
    ["one's own among them", mixedly],
  ])("%s", async (_, make) => {
    const set = images(50);
    const loader = (prefetch: number) => data.loader(set, { batchSize: 8, shuffle: true, seed: 4, prefetch, ...(make === undefined ? {} : { transform: make() }) });
    const [plain, none, one, many] = [loader(2), loader(0), loader(1), loader(100)];
    const expected = [...plain, ...plain];
    for (const each of [none, one, many]) expect(allSame([...(await collect(each)), ...(await collect(each))], expected)).toBe(true);
  });

  test("the state counts batches that were given alone, and a pass goes on from it", async () => {
    const set = images(40);
    const make = (prefetch: number) => data.loader(set, { batchSize: 4, shuffle: true, seed: 1, prefetch, transform: natively() });
    const all = [...make(0)];
    for (const prefetch of [0, 1, 5]) {
      const loader = make(prefetch);
      let given = 0;
      for await (const batch of loader) {
        given++;
        expect(loader.stateDict()).toMatchObject({ epoch: 0, batch: given });
        expect(same(batch, all[given - 1]!)).toBe(true);
        if (given === 3) break;
      }
      expect(loader.stateDict()).toMatchObject({ epoch: 0, batch: 3 });
      const next = make(prefetch);
      next.loadStateDict(loader.stateDict());
      expect(allSame(await collect(next), all.slice(3))).toBe(true);
      expect(next.stateDict()).toEqual({ epoch: 1, batch: 0 });
    }
  });

  test("two passes at once, and the default generator, are left alone", async () => {
    const loader = data.loader(images(12), { batchSize: 4, shuffle: true, seed: 2, prefetch: 2, transform: natively() });
    torch.manualSeed(3);
    const untouched = torch.rand([4]);
    torch.manualSeed(3);
    const [a, b] = await Promise.all([collect(loader), collect(loader)]);
    expect(torch.equal(torch.rand([4]), untouched)).toBe(true);
    const again = data.loader(images(12), { batchSize: 4, shuffle: true, seed: 2, prefetch: 0 });
    const orders = [await collect(again), await collect(again)].map((pass) => pass.flatMap(([, y]) => y.toArray() as number[]));
    expect(a).toHaveLength(3);
    expect(b).toHaveLength(3);
    expect(orders[0]).not.toEqual(orders[1]);
  });
});

describe("memory", () => {
  test("no more batches than asked for are alive, and a pass that is broken off leaves none", async () => {
    const set = images(400);
    torch.sweep();
    const live = torch.memory().tensors;
    const loader = data.loader(set, { batchSize: 2, prefetch: 3 });
    for (let round = 0; round < 20; round++) {
      let given = 0;
      for await (const batch of loader) {
        given++;
        for (const tensor of batch) tensor.dispose();
        await settle(); // what was asked for ahead is there now
        expect(torch.memory().tensors).toBeLessThanOrEqual(live + 3 * 2 + 1); // and the order
        if (given === 5) break;
      }
      await settle();
    }
    torch.sweep();
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
  });
});

describe("scopes", () => {
  const steps = async (loader: AsyncIterable<readonly Tensor[]>, use: (batch: readonly Tensor[]) => unknown) => {
    const iterator = loader[Symbol.asyncIterator]();
    const kept: (readonly Tensor[])[] = [];
    for (let i = 0; i < 5; i++) {
      await torch.scope(async () => {
        const { value } = (await iterator.next()) as { value: readonly Tensor[] };
        await settle(); // what is made ahead arrives in here, and is for the next scope
        use(value);
        kept.push(value);
      });
    }
    await iterator.return?.(undefined);
    return kept;
  };

  test.each([0, 2])("an asynchronous scope frees the batches that were asked for in it, and not those made ahead (prefetch %i)", async (prefetch) => {
    const seen: number[] = [];
    for (const transform of [undefined, natively(), mixedly()]) {
      const loader = data.loader(images(20), { batchSize: 4, prefetch, ...(transform === undefined ? {} : { transform }) });
      const kept = await steps(loader, ([x, y]) => seen.push(x!.sum().item() as number, y!.shape[0]!));
      for (const batch of kept) for (const tensor of batch) expect(() => tensor.shape).toThrow(expect.objectContaining({ code: "DISPOSED" }));
    }
    expect(seen).toHaveLength(3 * 5 * 2);
  });

  test("batches of a data set of one's own that come early outlive the scope they were made in", async () => {
    const own = { length: 20, batch: async (indices: Tensor) => [indices.mul(2), (await Promise.resolve(indices)).add(1)] as const };
    let sum = 0;
    await steps(data.loader(own, { batchSize: 4, prefetch: 2 }), ([a, b]) => (sum += (a!.sum().item() as number) + (b!.sum().item() as number)));
    expect(sum).toBe(2 * 190 + 190 + 20);
  });

  test("scopes that run at the same time", async () => {
    const set = images(40);
    const loader = () => data.loader(set, { batchSize: 4, prefetch: 3, transform: natively() });
    const all = await Promise.all([1, 2, 3].map(() => torch.scope(async () => {
      const sums: number[] = [];
      for await (const [x] of loader()) {
        await torch.scope(async () => void (await settle()));
        sums.push(x.sum().item() as number);
      }
      return sums;
    })));
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
  });
});

describe("errors come when their batch is awaited", () => {
  test("of a native transform: batches before it are given, the state stands before it", async () => {
    const set = images(10);
    const labels = set.tensors[1];
    const loader = data.loader(set, { batchSize: 2, prefetch: 3, transform: transforms.mixup({ alpha: 1, classes: 5 }) });
    const seen: number[] = [];
    await expect(async () => {
      for await (const [x] of loader) seen.push(x.shape[0]!);
    }).rejects.toThrow(expect.objectContaining({
      name: "SteppeError",
      code: "ARGUMENT",
      message: "Expected labels from 0 to 4 for the batch of mixup but received 5.",
    }));
    expect(seen).toEqual([2, 2]); // labels 0 to 3; the third batch has class 5
    expect(loader.stateDict()).toMatchObject({ epoch: 0, batch: 2 });
    expect(labels.shape).toEqual([10]);
  });

  test("of a native transform that does not fit the images", async () => {
    const loader = data.loader(images(10), { batchSize: 2, transform: transforms.normalize([0], [1]) });
    await expect(collect(loader)).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(/Expected 1 channels for the batch of normalize but received 2/) }));
    expect(() => [...loader]).toThrow(/Expected 1 channels for the batch of normalize but received 2/);
  });

  test("of one's own transform, of a data set that is shorter than it says, of a disposed data set; nothing is left unhandled", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    try {
      const own = data.loader(images(10), { batchSize: 2, prefetch: 4, transform: () => { throw new Error("mine"); } });
      await expect(collect(own)).rejects.toThrow("mine");
      const sampler = { length: 4, order: () => torch.tensor([1, 2, 3, 99], { dtype: "int64" }) };
      const wrong = data.loader(Object.defineProperty(images(10), "length", { value: 100 }), { batchSize: 2, sampler });
      const seen: number[][] = [];
      await expect(async () => {
        for await (const [, y] of wrong) seen.push(y.toArray() as number[]);
      }).rejects.toThrow(expect.objectContaining({ code: "OPERATOR" }));
      expect(seen).toEqual([[1, 2]]);
      const gone = images(10);
      const ofGone = data.loader(gone, { batchSize: 2 });
      gone.tensors[1].dispose();
      await expect(collect(ofGone)).rejects.toThrow(expect.objectContaining({ code: "DISPOSED" }));
      await settle();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off("unhandledRejection", unhandled);
    }
  });
});

describe("a data set of one's own", () => {
  test("gives promises: as many as asked for are under way, and a for loop is refused", async () => {
    let [underWay, most] = [0, 0];
    const slow = {
      length: 12,
      batch: async (indices: Tensor) => {
        most = Math.max(most, ++underWay);
        const numbers = indices.toArray() as number[];
        await new Promise((resolve) => setTimeout(resolve, 1));
        underWay--;
        return numbers;
      },
    };
    const loader = data.loader(slow, { batchSize: 2, prefetch: 3 });
    expect(await collect(loader)).toEqual([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]);
    expect(most).toBe(4); // while the first is waited for, three ahead of it
    most = 0;
    await collect(data.loader(slow, { batchSize: 2, prefetch: 0 }));
    expect(most).toBe(1);
    expect(() => [...loader]).toThrow(/Expected batches that are there at once for a for loop .* use for await/);
  });

  test("that answers at once is asked for one batch at a time", async () => {
    let asked = 0;
    const quick = { length: 8, batch: (indices: Tensor) => (asked++, indices.toArray() as number[]) };
    let given = 0;
    for await (const _ of data.loader(quick, { batchSize: 2, prefetch: 3 })) expect(asked).toBe(++given);
    expect(given).toBe(4);
  });

  test("that makes its batches otherwise than its class does so with prefetch, too", async () => {
    class Doubled extends data.TensorDataset<readonly [Tensor, Tensor]> {
      override batch(indices: Tensor) {
        const [x, y] = super.batch(indices);
        return [x.mul(2), y] as const;
      }
    }
    const set = new Doubled(torch.ones([4, 1]), torch.arange(4));
    const batches = await collect(data.loader(set as data.TensorDataset<readonly [Tensor, Tensor]>, { batchSize: 4 }));
    expect(batches[0]![0].toArray()).toEqual([[2], [2], [2], [2]]);
  });
});

test("pin: without an accelerator a warning, once, and the same batches", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const set = images(6);
  const [plain, pinned] = [data.loader(set, { batchSize: 4 }), data.loader(set, { batchSize: 4, pin: true })];
  data.loader(set, { batchSize: 4, pin: true });
  expect(allSame(await collect(pinned), await collect(plain))).toBe(true);
  const accelerated = torch.libtorch.cuda !== null && warn.mock.calls.length === 0;
  if (!accelerated) expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("there is none"), "SteppeWarning");
  warn.mockRestore();
});

test.each<[string, object, RegExp]>([
  ["prefetch −1", { prefetch: -1 }, /a non-negative integer for prefetch/],
  ["prefetch 1.5", { prefetch: 1.5 }, /a non-negative integer for prefetch/],
  ["pin 1", { pin: 1 }, /true or false for pin/],
])("%s", (_, options, message) => {
  expect(() => data.loader(images(2) as Images, { batchSize: 1, ...options })).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
});
