import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { distance, hasLibraries, needsPython, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { damage, randomNumbers } from "../support/random.mjs";

const every = (n: number) => torch.arange(n, { dtype: "int64" });

/** A picture of one colour, with a brighter left half. */
function picture([r, g, b]: readonly [number, number, number], width = 12, height = 8): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) [r, g, b].forEach((value, c) => (pixels[3 * i + c] = i % width < width / 2 ? value : value >> 1));
  return pixels;
}

const encode = (pixels: Buffer, width = 12, height = 8) => sharp(pixels, { raw: { width, height, channels: 3 } }).png();

/** Two classes, images at different depths. */
async function folder(): Promise<string> {
  const root = temporaryFolder();
  mkdirSync(join(root, "b", "deep", "er"), { recursive: true });
  mkdirSync(join(root, "a"));
  await encode(picture([200, 0, 0])).toFile(join(root, "b", "deep", "er", "x.PNG"));
  await encode(picture([0, 200, 0])).toFile(join(root, "b", "2.png"));
  await encode(picture([0, 0, 200])).toFile(join(root, "a", "10.png"));
  await encode(picture([100, 100, 100])).toFile(join(root, "a", "1.png"));
  writeFileSync(join(root, "a", "notes.txt"), "no image");
  writeFileSync(join(root, "readme"), "no class");
  return root;
}

const pillow = hasLibraries("PIL", "numpy");

describe.skipIf(!pillow)(pillow ? "beside Pillow" : `beside Pillow (${needsPython}; pillow and numpy are wanted as well)`, () => {
  const root = mkdtempSync(join(tmpdir(), "steppe-images-"));
  let found: { name: string; rgb: Packed; grey: Packed; alpha: Packed }[];

  beforeAll(() => {
    found = runPython(
      `
import os
import numpy as np
from PIL import Image, ImageOps
rng = np.random.default_rng(3)
pixels = lambda *shape: rng.integers(0, 256, shape, dtype=np.uint8)
h, w = 9, 14
smooth = np.stack([np.add.outer(np.arange(48) * 4, np.arange(64) * k) % 256 for k in (1, 2, 3)], 2).astype(np.uint8)
rgb = Image.fromarray(pixels(h, w, 3))
images = {
    "grey.png": Image.fromarray(pixels(h, w)), "grey-alpha.png": Image.fromarray(pixels(h, w, 2), "LA"), "rgb.png": rgb,
    "alpha.png": Image.fromarray(pixels(h, w, 4)), "palette.png": rgb.quantize(17), "bits.png": Image.fromarray(pixels(h, w)).convert("1"),
    "rgb.tif": rgb, "rgb.webp": rgb, "palette.gif": rgb.quantize(30),
}
folder = os.path.join(inputs["root"], "class")
os.makedirs(folder)
for name, image in images.items():
    image.save(os.path.join(folder, name), **({"lossless": True} if name.endswith("webp") else {}))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb.save(os.path.join(folder, f"turned-{orientation}.png"), exif=exif)
    Image.fromarray(smooth).save(os.path.join(folder, f"turned-{orientation}.jpg"), quality=95, subsampling=0, exif=exif)
Image.fromarray(smooth[:, :, 0]).save(os.path.join(folder, "grey.jpg"), quality=95)
outputs = []
for name in sorted(os.listdir(folder)):
    image = ImageOps.exif_transpose(Image.open(os.path.join(folder, name)))
    array = lambda mode: pack(torch.from_numpy(np.array(image.convert(mode)).reshape(image.height, image.width, -1)).permute(2, 0, 1))
    outputs.append({"name": name, "rgb": array("RGB"), "grey": array("L") if image.mode in ("RGB", "L") else array("RGB"), "alpha": array("RGBA")})`,
      { root },
    );
    return () => rmSync(root, { recursive: true });
  });

  test("grey, colours, alpha, palettes, bits, every orientation", async () => {
    const [three, one, four] = await Promise.all(([3, 1, 4] as const).map((channels) => data.imageFolder(root, { channels, dtype: "uint8" })));
    expect(three!.paths.map((path) => path.slice(join(root, "class").length + 1))).toEqual(found.map(({ name }) => name));
    for (const [i, { name, rgb, grey, alpha }] of found.entries()) {
      const index = torch.tensor([i], { dtype: "int64" });
      // Decoders of JPEG may round differently.
      const most = name.endsWith("jpg") ? 3 : 0;
      const compare = async (set: data.ImageFolder, expected: Packed, what: string) => {
        const [images] = await set.batch(index);
        expect(distance(images.select(0, 0).to("int32"), unpack(expected).to("int32")), `${name}, ${what}`).toBeLessThanOrEqual(most);
      };
      await compare(three!, rgb, "RGB");
      await compare(four!, alpha, "RGBA");
      if (grey.shape[0] === 1) await compare(one!, grey, "grey");
    }
  });
});

describe("a folder of classes", () => {
  test("sorted names, any depth, in batches and in memory", async () => {
    const root = await folder();
    const set = await data.imageFolder(root);
    expect([set.classes, set.length, set.labels]).toEqual([["a", "b"], 4, [0, 0, 1, 1]]);
    expect(set.paths).toEqual([join("a", "1.png"), join("a", "10.png"), join("b", "2.png"), join("b", "deep", "er", "x.PNG")].map((path) => join(root, path)));
    const [images, labels] = await set.batch(torch.tensor([3, 0], { dtype: "int64" }));
    expect([images.shape, images.dtype, labels.toArray()]).toEqual([[2, 3, 8, 12], "float32", [1, 0]]);
    expect(images.select(0, 0).select(2, 0).toArray()).toEqual([Array(8).fill(Math.fround(200 / 255)), Array(8).fill(0), Array(8).fill(0)]);
    const bytes = await data.imageFolder(root, { dtype: "uint8", channels: 1 });
    const whole = await bytes.load({ batchSize: 3 });
    expect([whole.tensors[0].shape, whole.tensors[0].dtype, whole.tensors[1].toArray()]).toEqual([[4, 1, 8, 12], "uint8", [0, 0, 1, 1]]);
    expect(whole.tensors[0].select(0, 0).max().item()).toBe(100);
  });

  test("in a loader: shuffled, several under way, transformed, gone on from", async () => {
    const set = await data.imageFolder(await folder());
    const make = () => data.loader(set, { batchSize: 2, shuffle: true, seed: 1, transform: data.transforms.randomCrop({ padding: 1 }) });
    const collect = async (loader: AsyncIterable<readonly Tensor[]>) => {
      const batches: (readonly Tensor[])[] = [];
      for await (const batch of loader) batches.push(batch);
      return batches;
    };
    const [a, b] = [await collect(make()), await collect(make())];
    expect(a.flatMap((batch) => batch[1]!.toArray() as number[]).sort()).toEqual([0, 0, 1, 1]);
    a.forEach((batch, i) => batch.forEach((tensor, k) => expect(torch.equal(tensor, b[i]![k]!)).toBe(true)));
    const rest = make();
    rest.loadStateDict({ epoch: 0, batch: 1 });
    const [last] = await collect(rest);
    expect(torch.equal(last![0]!, a[1]![0]!)).toBe(true);
    expect(() => [...make()]).toThrow(/use for await/);
  });

  test("its batches are those of the same images in memory", async () => {
    const set = await data.imageFolder(await folder(), { dtype: "uint8" });
    const { randAugment, compose, toFloat, randomCrop } = data.transforms;
    const transforms = [compose(randAugment(), toFloat()), compose(randomCrop({ padding: 2 }), ([x, y]) => [x.bitwiseNot(), y], toFloat())];
    for (const transform of transforms) {
      const options = { batchSize: 3, shuffle: true, seed: 5, transform } as const;
      const inMemory = [...data.loader(await set.load(), options)];
      let i = 0;
      for await (const batch of data.loader(set, options)) {
        batch.forEach((tensor, k) => expect(torch.equal(tensor, inMemory[i]![k]!)).toBe(true));
        i++;
      }
      expect(i).toBe(2);
    }
  });

  test("sizes: covered and cut, stretched, with a border", async () => {
    const root = await folder();
    const shape = async (options: data.ImageFolderOptions) => (await (await data.imageFolder(root, { ...options, dtype: "uint8" })).batch(every(1)))[0];
    const [cover, fill, contain] = [await shape({ size: 6 }), await shape({ size: [6, 6], fit: "fill" }), await shape({ size: 6, fit: "contain" })];
    for (const each of [cover, fill, contain]) expect(each.shape).toEqual([1, 3, 6, 6]);
    expect(contain.select(2, 0).max().item()).toBe(0);
    expect(contain.select(2, 3).max().item()).toBeGreaterThan(90);
    expect(cover.select(2, 0).max().item()).toBeGreaterThan(90);
    expect((await shape({ size: [4, 10] })).shape).toEqual([1, 3, 4, 10]);
  });

  test("16 bits become 8", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "a"));
    const deep = new Uint16Array(16).fill(0x8080);
    await sharp(deep, { raw: { width: 4, height: 4, channels: 1 } }).toColourspace("grey16").png().toFile(join(root, "a", "x.png"));
    const [images] = await (await data.imageFolder(root, { dtype: "uint8" })).batch(every(1));
    expect([images.shape, images.min().item(), images.max().item()]).toEqual([[1, 3, 4, 4], 128, 128]);
  });

  test("links to folders and files are followed", async () => {
    const root = await folder();
    const other = temporaryFolder();
    symlinkSync(join(root, "a"), join(other, "linked"));
    mkdirSync(join(other, "own"));
    symlinkSync(join(root, "b", "2.png"), join(other, "own", "1.png"));
    const set = await data.imageFolder(other);
    expect([set.classes, set.length]).toEqual([["linked", "own"], 3]);
    expect((await set.batch(every(3)))[0].shape).toEqual([3, 3, 8, 12]);
  });
});

describe("what is wrong", () => {
  test("a corrupt image: an error with its name, or it is left out", async () => {
    const root = await folder();
    writeFileSync(join(root, "a", "1.png"), "no image at all");
    const strict = await data.imageFolder(root);
    const broken = join(root, "a", "1.png");
    await expect(strict.batch(every(4))).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringContaining(`an image at byte 0 of ${broken} but received what cannot be decoded`) }));
    await expect(strict.load()).rejects.toThrow(broken);
    const skipped: string[] = [];
    const lax = await data.imageFolder(root, { corrupt: "skip", onSkip: (path, error) => skipped.push(path, error.code) });
    const [images, labels] = await lax.batch(every(4));
    expect([images.shape[0], labels.toArray(), skipped]).toEqual([3, [0, 1, 1], [broken, "FORMAT"]]);
    await expect(lax.batch(every(1))).rejects.toThrow(/at least one image of a batch/);
    for (const batchSize of [1, 4]) {
      const whole = await lax.load({ batchSize });
      expect([whole.tensors[0].shape, whole.tensors[1].toArray()]).toEqual([[3, 3, 8, 12], [0, 1, 1]]);
    }
    rmSync(broken);
    await expect(strict.batch(every(1))).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(lax.batch(every(1))).rejects.toThrow(expect.objectContaining({ code: "IO" }));
  });

  test("images of several sizes", async () => {
    const root = await folder();
    await encode(picture([1, 2, 3], 5, 8), 5, 8).toFile(join(root, "a", "2.png"));
    const set = await data.imageFolder(root);
    await expect(set.batch(every(5))).rejects.toThrow(/an image of 12×8 as the others .* the option size\) at byte 0 of .*2\.png but received one of 5×8/);
    await expect(set.load({ batchSize: 1 })).rejects.toThrow(/an image of 12×8 as the others/);
    expect((await (await data.imageFolder(root, { size: 4 })).load()).length).toBe(5);
  });

  test("truncated and damaged files (seed 6) are refused in words or decoded", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "a"));
    const source = encode(picture([10, 200, 90], 32, 24), 32, 24);
    const formats = [await source.clone().png().toBuffer(), await source.clone().jpeg().toBuffer(), await source.clone().webp().toBuffer(), await source.clone().gif().toBuffer(), await source.clone().tiff().toBuffer()];
    const path = join(root, "a", "x.png"); // the content tells the format
    writeFileSync(path, formats[0]!);
    const set = await data.imageFolder(root, { size: 8 });
    const random = randomNumbers(6);
    let refused = 0;
    for (let i = 0; i < 250; i++) {
      const good = formats[i % formats.length]!;
      writeFileSync(path, i % 2 === 0 ? good.subarray(0, Math.floor(random() * good.length)) : damage(good, random));
      try {
        const [images, labels] = await set.batch(every(1));
        expect(images.shape).toEqual([1, 3, 8, 8]);
        images.dispose();
        labels.dispose();
      } catch (error) {
        expect(error).toMatchObject({ name: "SteppeError", code: "FORMAT" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
    expect(refused).toBeLessThan(250);
  });

  test("a header that claims more pixels than any image has is refused before they are allocated", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "a"));
    const png = await encode(picture([1, 2, 3])).toBuffer();
    png.writeUInt32BE(0x7fffffff, 16);
    png.writeUInt32BE(0x7fffffff, 20);
    writeFileSync(join(root, "a", "x.png"), png);
    await expect((await data.imageFolder(root)).batch(every(1))).rejects.toThrow(expect.objectContaining({ code: "FORMAT" }));
  });

  test("no folder, no class, a class without images", async () => {
    const root = temporaryFolder();
    await expect(data.imageFolder(join(root, "none"))).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.imageFolder(root)).rejects.toThrow(/^Expected a folder for each class in .* but found none\.$/);
    mkdirSync(join(root, "a"));
    await expect(data.imageFolder(root)).rejects.toThrow(/^Expected an image \(\.jpg, .*\) in .* but found none\.$/);
    writeFileSync(join(root, "a", "x.bmp"), "");
    expect((await data.imageFolder(root, { extensions: [".bmp"] })).length).toBe(1);
  });

  test.each<[string, object, RegExp]>([
    ["a misspelled option", { sise: 3 }, /Did you mean "size"/],
    ["size 0", { size: 0 }, /a positive integer for size/],
    ["two channels", { channels: 2 }, /1, 3 or 4 for channels/],
    ["an unknown fit", { fit: "crop" }, /"cover", "fill" or "contain" for fit/],
    ["extensions without a dot", { extensions: ["png"] }, /endings like/],
    ["corrupt: ignore", { corrupt: "ignore" }, /"throw" or "skip" for corrupt/],
  ])("%s", async (_, options, message) => {
    await expect(data.imageFolder(temporaryFolder(), options as data.ImageFolderOptions)).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});

test("parts of a folder, and labels that are wrong: images stay with their classes", async () => {
  const root = temporaryFolder();
  for (const [label, name] of ["x", "y", "z"].entries()) {
    mkdirSync(join(root, name));
    for (let i = 0; i < 4; i++) await encode(picture([60 * label, 10 * i, 0])).toFile(join(root, name, `${i}.png`));
  }
  const set = await data.imageFolder(root, { dtype: "uint8" });
  const classOf = (images: Tensor) => (images.select(1, 0).select(1, 0).select(1, 0).toArray() as number[]).map((red) => red / 60);
  const few = data.fractionPerClass(set, { perClass: 2, seed: 3 });
  expect([few.length, few.labels, few.classes]).toEqual([6, [0, 0, 1, 1, 2, 2], ["x", "y", "z"]]);
  const [images, labels] = (await few.load()).tensors;
  expect(classOf(images)).toEqual(labels.toArray());
  const noisy = data.labelNoise(set, { rate: 0.5, kind: { 0: 2, 1: 0 }, seed: 1 });
  expect(noisy.paths).toEqual(set.paths);
  for await (const [x, y] of data.loader(noisy, { batchSize: 5, shuffle: true })) {
    classOf(x).forEach((truth, i) => expect([truth, [2, 0][truth]]).toContain((y.toArray() as number[])[i]));
  }
  expect(noisy.labels.filter((label, i) => label !== set.labels[i])).toHaveLength(4);
  const parts = data.randomSplit(set, [9, 3], { seed: 1 });
  expect(parts.flatMap(({ paths }) => paths).sort()).toEqual([...set.paths].sort());
  expect(() => data.labelNoise(set, { rate: 0.1, labels: 0 } as never)).toThrow('received "labels"');
});
