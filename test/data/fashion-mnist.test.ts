import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { idx, imageFiles } from "../support/idx.mjs";

afterEach(() => vi.unstubAllEnvs());

const debian = "/usr/share/datasets/fashion-mnist";
const real = data.fashionMnistFolder();

function folderWith(files: Record<string, Buffer>, folder = temporaryFolder()): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

describe.runIf(real !== undefined)(real === undefined ? `skipped: no Fashion-MNIST here (${debian})` : "the publisher's files", () => {
  test("all 70,000 images and labels", async () => {
    const { classes, train, test } = await data.fashionMnist();
    expect([train.length, test.length, classes.length]).toEqual([60_000, 10_000, 10]);
    expect(train.tensors[0].shape).toEqual([60_000, 1, 28, 28]);
    // SHA-256 of the pixels and labels alone, taken from the files with zcat and sha256sum.
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const pixels = (set: data.LabelledImages) => hash(set.tensors[0].mul(255).round().to("uint8").toBytes());
    const labels = (set: data.LabelledImages) => hash(set.tensors[1].to("uint8").toBytes());
    expect(pixels(train)).toBe("2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012");
    expect(labels(train)).toBe("657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7");
    expect(pixels(test)).toBe("c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a");
    expect(labels(test)).toBe("3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9");
    expect(train.tensors[0].max().item()).toBe(1);
  });
});

describe("where it is looked for", () => {
  test("STEPPE_DATA, then its fashion-mnist, then the cache; gzipped or not", async () => {
    const [own, cache] = [temporaryFolder(), temporaryFolder()];
    vi.stubEnv("STEPPE_DATA", own);
    vi.stubEnv("STEPPE_CACHE", cache);
    const cached = folderWith(imageFiles(10), join(cache, "data", "fashion-mnist"));
    expect(data.fashionMnistFolder()).toBe(cached);
    folderWith(imageFiles(20), own);
    expect(data.fashionMnistFolder()).toBe(own);
    const below = folderWith(imageFiles(30), join(own, "fashion-mnist"));
    expect(data.fashionMnistFolder()).toBe(below);
    const { train, test } = await data.fashionMnist();
    expect([train.length, test.length]).toEqual([30, 30]);
    expect(train.tensors[1].toArray()).toEqual(Array.from({ length: 30 }, (_, i) => i % 10));
    expect(train.tensors[0].flatten().select(0, 5).item()).toBeCloseTo(185 / 255, 6);
  });

  test("a folder in which one file is missing is none", async () => {
    const own = folderWith(imageFiles(10));
    vi.stubEnv("STEPPE_DATA", own);
    expect(data.fashionMnistFolder()).toBe(own);
    rmSync(join(own, "t10k-labels-idx1-ubyte"));
    expect(data.fashionMnistFolder()).not.toBe(own);
  });

  test("a missing one: where it was looked for, and how to get it", async () => {
    const root = temporaryFolder();
    const error: unknown = await data.fashionMnist({ root }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "SteppeError", code: "IO" });
    for (const part of [root, "apt-get install dataset-fashion-mnist", "STEPPE_DATA"]) expect(String(error)).toContain(part);
    await expect(data.fashionMnist({ rot: root } as never)).rejects.toThrow(/Did you mean "root"/);
  });
});

describe("files of another kind", () => {
  const files = imageFiles(4);
  const labels = (...values: number[]) => gzipSync(idx(8, [values.length], Uint8Array.from(values)));
  test.each<[string, string, Buffer, RegExp]>([
    ["a label of 10", "train-labels-idx1-ubyte.gz", labels(0, 1, 10, 2), /a label from 0 to 9 at byte 10 of .*train-labels.* received 10/],
    ["too few labels", "train-labels-idx1-ubyte.gz", labels(0, 1, 2), /4 uint8 labels, one for each image .* received uint8 \[3\]/],
    ["images of another size", "t10k-images-idx3-ubyte", imageFiles(4, 8)["t10k-images-idx3-ubyte"]!, /uint8 images of 28×28 .* received uint8 \[4, 8, 8\]/],
    ["labels for images", "t10k-images-idx3-ubyte", files["t10k-labels-idx1-ubyte"]!, /uint8 images of 28×28 .* received uint8 \[4\]/],
    ["a truncated file", "train-images-idx3-ubyte.gz", files["train-images-idx3-ubyte.gz"]!.subarray(0, 100), /corrupt or truncated data/],
  ])("%s", async (_, name, content, message) => {
    const root = folderWith({ ...files, [name]: content });
    await expect(data.fashionMnist({ root })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });
});
