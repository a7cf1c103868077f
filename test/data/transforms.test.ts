import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

const { transforms } = data;
const generator = (seed = 1) => new torch.Generator().manualSeed(seed);
/** Images whose pixels are all different, from 1 up. */
const batch = (n = 64, channels = 2, height = 6, width = 8): data.transforms.ImageBatch => [
  torch.arange(1, n * channels * height * width + 1).to("float32").reshape([n, channels, height, width]),
  torch.arange(n, { dtype: "int64" }).remainder(4) as Tensor,
];
const same = (a: Tensor, b: Tensor) => torch.equal(a, b);

test("normalize", () => {
  const [images] = batch(3);
  const [result, labels] = transforms.normalize([2, 3], [4, 5])(batch(3), generator());
  expect(same(result.select(1, 1), images.select(1, 1).sub(3).div(5))).toBe(true);
  expect(labels.toArray()).toEqual([0, 1, 2]);
});

test("flips: each image whole or mirrored, about half of them", () => {
  const [images] = batch(400);
  const [result] = transforms.randomHorizontalFlip()(batch(400), generator());
  const mirrored = Array.from({ length: 400 }, (_, i) => {
    const [a, b] = [result.select(0, i), images.select(0, i)];
    expect(same(a, b) || same(a, b.flip([2]))).toBe(true);
    return same(a, b) ? 0 : 1;
  }).reduce((sum: number, value) => sum + value, 0);
  expect(Math.abs(mirrored - 200)).toBeLessThan(50); // five standard deviations
  expect(same(transforms.randomHorizontalFlip(0)(batch(4), generator())[0], batch(4)[0])).toBe(true);
});

test("crops: a window of the padded image, at a place of its own", () => {
  const [images] = batch(50);
  const [result] = transforms.randomCrop({ padding: 2 })(batch(50), generator());
  expect(result.shape).toEqual(images.shape);
  const padded = torch.constantPadNd(images, [2, 2, 2, 2]);
  const places = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const found: string[] = [];
    for (let y = 0; y <= 4; y++) for (let x = 0; x <= 4; x++) if (same(padded.select(0, i).slice(1, y, y + 6).slice(2, x, x + 8), result.select(0, i))) found.push(`${y},${x}`);
    expect(found).toHaveLength(1);
    places.add(found[0]!);
  }
  expect(places.size).toBeGreaterThan(10);
  expect(transforms.randomCrop({ padding: 0, size: [4, 5] })(batch(3), generator())[0].shape).toEqual([3, 2, 4, 5]);
});

test("cutout: a square of zeros around a point", () => {
  const [images] = batch(100);
  const [result] = transforms.cutout(3)(batch(100), generator());
  const zero = result.eq(0);
  expect(same(torch.where(zero, images, result), images)).toBe(true);
  const counts = zero.select(1, 0).sum([1, 2]).toArray() as number[];
  expect(Math.max(...counts)).toBe(9);
  expect(Math.min(...counts)).toBe(4); // the point in a corner
});

test("random erasing: rectangles within the bounds of size and shape", () => {
  const [images] = batch(200, 1, 20, 20);
  const [result] = transforms.randomErasing({ p: 0.7, scale: [0.1, 0.2], ratio: [0.5, 2], value: -1 })(batch(200, 1, 20, 20), generator());
  const erased = result.eq(-1);
  expect(same(torch.where(erased, images, result), images)).toBe(true);
  let touched = 0;
  for (let i = 0; i < 200; i++) {
    const one = erased.select(0, i).select(0, 0);
    const area = one.sum().item() as number;
    if (area === 0) continue;
    touched++;
    const [h, w] = [one.any(1).sum().item() as number, one.any(0).sum().item() as number];
    expect(area).toBe(h * w);
    // Sides are rounded: half a pixel either way.
    expect(area).toBeGreaterThan((Math.sqrt(40 * 0.5) - 0.5) * (Math.sqrt(40 / 0.5) - 0.5) * 0.9);
    expect(area).toBeLessThan((Math.sqrt(80) + 0.5) ** 2 * 1.15);
  }
  expect(Math.abs(touched - 140)).toBeLessThan(35);
});

describe("mixing", () => {
  test("mixup: images and labels in the same shares", () => {
    const [images, labels] = batch(32);
    const [mixed, truth] = transforms.mixup({ alpha: 1, classes: 4 })(batch(32), generator());
    expect(truth.shape).toEqual([32, 4]);
    expect((truth.sum(1).toArray() as number[]).every((value) => Math.abs(value - 1) < 1e-6)).toBe(true);
    // Pixels number the samples: x = i·96 + …, and so tell which image was mixed in, and how much of it.
    const first = (mixed.select(1, 0).select(1, 0).select(1, 0).toArray() as number[]).map((value, i) => (value - 1) / 96 - i);
    const oneHot = torch.oneHot(labels, 4).to("float32");
    const share = truth.sub(oneHot).abs().max().item() as number; // 1 − λ, where the labels differ
    const others = first.map((shift, i) => i + shift / share);
    others.forEach((other) => expect(Math.abs(other - Math.round(other))).toBeLessThan(1e-2));
    expect(others.map(Math.round).sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    others.forEach((other, i) => {
      const expected = oneHot.select(0, i).mul(1 - share).add(oneHot.select(0, Math.round(other)).mul(share));
      expect(truth.select(0, i).sub(expected).abs().max().item() as number).toBeLessThan(1e-5);
    });
    expect(images.shape).toEqual(mixed.shape);
  });

  test("cutmix: a rectangle of another image, labels by its area", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const [images] = batch(16, 1, 10, 10);
      const [mixed, truth] = transforms.cutmix({ alpha: 1, classes: 4 })(batch(16, 1, 10, 10), generator(seed));
      const changed = mixed.ne(images).select(1, 0);
      const areas = changed.sum([1, 2]).toArray() as number[];
      const area = Math.max(...areas);
      expect(areas.every((each) => each === area || each === 0)).toBe(true); // 0: mixed with itself
      const wrong = truth.toArray() as number[][];
      wrong.forEach((row) => row.forEach((value) => expect([0, 1, area / 100, 1 - area / 100].some((each) => Math.abs(value - each) < 1e-5)).toBe(true)));
    }
  });
});

test("in a loader: repeatable, another one in each pass and batch, and gone on from in the middle", () => {
  const set = () => new data.TensorDataset(...(batch(20) as [Tensor, Tensor]));
  const make = () => data.loader(set(), { batchSize: 5, seed: 3, transform: transforms.compose(transforms.randomCrop({ padding: 1 }), transforms.randomHorizontalFlip()) });
  const pass = (loader: ReturnType<typeof make>) => [...loader].map(([x]) => x);
  const [a, b] = [make(), make()];
  const first = pass(a);
  const second = pass(a);
  pass(b).forEach((x, i) => expect(same(x, first[i]!)).toBe(true));
  expect(first.every((x, i) => same(x, second[i]!))).toBe(false);
  const c = make();
  c.loadStateDict({ epoch: 1, batch: 2 });
  pass(c).forEach((x, i) => expect(same(x, second[i + 2]!)).toBe(true));
});

describe("wrong arguments", () => {
  const any = transforms as never as Record<string, (...args: unknown[]) => data.transforms.Transform>;
  test.each<[string, () => unknown, RegExp]>([
    ["a share above 1", () => any["randomHorizontalFlip"]!(1.5), /Expected a number from 0 to 1 for p but received 1.5/],
    ["a std of 0", () => any["normalize"]!([0], [0]), /Expected 1 numbers above 0 for std/],
    ["other channels", () => any["normalize"]!([0], [1])(batch(2), generator()), /Expected 1 channels for the batch of normalize but received 2/],
    ["no images", () => any["cutout"]!(2)([torch.ones([3]), torch.ones([3])], generator()), /Expected images of shape \[N, C, H, W\] for the batch of cutout/],
    ["a crop that is too large", () => any["randomCrop"]!({ padding: 0, size: 9 })(batch(2), generator()), /Expected at most 6 by 8 for size/],
    ["a misspelled option", () => any["randomCrop"]!({ pading: 1 }), /Did you mean "padding"/],
    ["no alpha", () => any["mixup"]!({ classes: 3 }), /Expected a number above 0 for alpha but received nothing/],
    ["no classes", () => any["cutmix"]!({ alpha: 1 }), /Expected an integer of at least 2 for classes/],
    ["a label beyond the classes", () => any["mixup"]!({ alpha: 1, classes: 3 })([torch.ones([2, 1, 4, 4]), torch.tensor([0, 3], { dtype: "int64" })], generator()), /Expected labels from 0 to 2 for the batch of mixup but received 3/],
    ["a negative label", () => any["cutmix"]!({ alpha: 1, classes: 3 })([torch.ones([2, 1, 4, 4]), torch.tensor([-1, 2], { dtype: "int64" })], generator()), /Expected labels from 0 to 2 for the batch of cutmix but received -1/],
    ["labels of another dtype", () => any["mixup"]!({ alpha: 1, classes: 3 })([torch.ones([2, 1, 4, 4]), torch.tensor([0, 1], { dtype: "int32" })], generator()), /Expected int64 labels \[N\] or probabilities \[N, 3\] for the batch of mixup but received Int of 1 dimensions/],
    ["one label for all", () => any["mixup"]!({ alpha: 1, classes: 3 })([torch.ones([2, 1, 4, 4]), torch.tensor(1, { dtype: "int64" })], generator()), /Expected as many labels as images for the batch of mixup but received 1 and 2/],
    ["probabilities of other classes", () => any["cutmix"]!({ alpha: 1, classes: 3 })([torch.ones([2, 1, 4, 4]), torch.ones([2, 4])], generator()), /Expected probabilities of 3 classes for the batch of cutmix but received 4/],
    ["no transform", () => any["compose"]!(5), /Expected a transform for transforms\[0\] but received 5/],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
