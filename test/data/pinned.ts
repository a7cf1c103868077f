import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Device, Tensor } from "../../lib/index.js";

const { transforms } = data;
const samples = 40;

/** Images that number their samples, and labels. */
function images() {
  const values = torch.arange(samples, { dtype: "int64" });
  return new data.TensorDataset(values.to("float32").reshape([samples, 1, 1, 1]).expand([samples, 3, 16, 16]).add(torch.arange(16).div(100)), values);
}

/** Batches of other forms than lists of tensors: what is in them is a tensor at any depth, or stays as it is. */
function nested(indices: Tensor) {
  const x = indices.to("float32").unsqueeze(1).expand([indices.shape[0]!, 1000]).add(torch.arange(1000).div(1e4));
  return { x, pair: [x.mul(2), { ids: indices.mul(3) }], texts: (indices.toArray() as number[]).map(String), none: null };
}

type Loader = AsyncIterable<unknown>;
type Make = (options: { pin: boolean; prefetch: number }) => Loader;
const common = { batchSize: 6, shuffle: true, seed: 3 } as const;
const own = ([x, y]: readonly [Tensor, Tensor]) => ({ x: x.mul(3), y: [y] });

const loaders: Record<string, Make> = {
  "tensors": (options) => data.loader(images(), { ...common, ...options }),
  "native transforms": (options) => data.loader(images(), { ...common, ...options, transform: transforms.compose(transforms.randomCrop({ padding: 2 }), transforms.normalize([1, 2, 3], [2, 2, 2])) }),
  "transforms of one's own, and nested items": (options) => data.loader(images(), { ...common, ...options, transform: transforms.compose(transforms.randomHorizontalFlip(), own as never) }) as Loader,
  "a data set of one's own, with nested items": (options) => data.loader({ length: samples, batch: nested }, { ...common, ...options }),
  "one that promises its batches": (options) => data.loader({ length: samples, batch: async (indices: Tensor) => nested(indices) }, { ...common, ...options }),
  "one that promises what native transforms change": (options) =>
    data.loader({ length: samples, batch: async (indices: Tensor) => images().batch(indices) }, { ...common, ...options, transform: transforms.randomCrop({ padding: 2 }) as never }) as Loader,
};

/** All tensors of a batch, in order. */
function tensors(value: unknown): Tensor[] {
  if (value instanceof torch.Tensor) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(tensors) : [];
}
const others = (value: unknown) => JSON.stringify(value, (_, each: unknown) => (each instanceof torch.Tensor ? "tensor" : each));

/**
 * Tests that batches of loaders with `pin: true` lie in pinned memory, and that what a device copies from it without being waited
 * for is right, though the memory is let go of at once and more batches are made meanwhile.
 *
 * @param keepBusy asks the device for work that takes longer than making the batches
 */
export function testPinned(device: Device, keepBusy: () => void): void {
  describe.each(Object.entries(loaders))("pinned batches of %s", (_, make) => {
    test.each([0, 1, 4])("with prefetch %i", async (prefetch) => {
      const plain: unknown[] = [];
      for await (const batch of make({ pin: false, prefetch })) plain.push(batch);
      expect(plain.length).toBe(Math.ceil(samples / common.batchSize));
      expect(plain.flatMap(tensors).some((each) => each.isPinned())).toBe(false);
      const there: Tensor[] = [];
      const rest: string[] = [];
      keepBusy();
      for await (const batch of make({ pin: true, prefetch })) {
        const own = tensors(batch);
        expect(own.every((each) => each.isPinned() && each.device === "cpu")).toBe(true);
        there.push(...own.map((each) => each.to(device, { nonBlocking: true })));
        rest.push(others(batch));
        own.forEach((each) => each.dispose());
      }
      expect(rest).toEqual(plain.map(others));
      const expected = plain.flatMap(tensors);
      expect(there.map((each) => each.device)).toEqual(expected.map(() => device));
      there.forEach((each, i) => expect(torch.equal(each.cpu(), expected[i]!)).toBe(true));
    });
  });
}
