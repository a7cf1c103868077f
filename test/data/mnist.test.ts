import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { idx, imageFiles } from "../support/idx.mjs";
import { sendFile, serve } from "../support/server.js";

afterEach(() => vi.unstubAllEnvs());

function folderWith(files: Record<string, Buffer>, folder = temporaryFolder()): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** The four files under other names. */
function renamed(rename: (name: string) => string, n = 12): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(imageFiles(n)).map(([name, content]) => [rename(name), content]));
}

describe("the sets of the family", () => {
  test.each([
    ["mnist", () => data.mnist(), ["0", "9"]],
    ["kmnist", () => data.kmnist(), ["o", "wo"]],
    ["fashion-mnist", () => data.fashionMnist(), ["T-shirt/top", "Ankle boot"]],
  ])("%s: by its name in STEPPE_DATA", async (name, load, [first, last]) => {
    const root = temporaryFolder();
    folderWith(imageFiles(20), join(root, name));
    vi.stubEnv("STEPPE_DATA", root);
    const set = await load();
    expect([set.name, set.classes.length, set.classes[0], set.classes[9]]).toEqual([name, 10, first, last]);
    expect(set.train.tensors.map(({ shape, dtype }) => [shape, dtype])).toEqual([[[20, 1, 28, 28], "float32"], [[20], "int64"]]);
    const labels = (first: number) => Array.from({ length: 20 }, (_, i) => (first + i) % 10);
    expect([set.train.tensors[1].toArray(), set.test.tensors[1].toArray()]).toEqual([labels(0), labels(3)]);
    expect([set.train, set.test].map(({ tensors: [images] }) => images.flatten().select(0, 1).mul(255).round().item())).toEqual([37, 131]);
  });

  test("bytes stay bytes if asked for, and floats are made of them", async () => {
    const root = folderWith(imageFiles(5));
    const [bytes, floats] = [await data.mnist({ root, dtype: "uint8" }), await data.mnist({ root })];
    expect(bytes.train.tensors[0].dtype).toBe("uint8");
    const made = data.transforms.toFloat()(bytes.train.tensors, undefined as never)[0];
    expect(made.sub(floats.train.tensors[0]).abs().max().item()).toBe(0);
  });

  test("where torchvision puts them", async () => {
    const root = temporaryFolder();
    for (const name of ["MNIST", "FashionMNIST", "KMNIST"]) folderWith(imageFiles(6), join(root, name, "raw"));
    expect((await data.mnist({ root })).train).toHaveLength(6);
    expect((await data.fashionMnist({ root })).train).toHaveLength(6);
    expect((await data.kmnist({ root })).train).toHaveLength(6);
  });

  test("any folder of the four files: sizes, classes, a prefix, a dot in the names", async () => {
    const odd = (shape: number[], type = 8) => idx(type, shape, Buffer.alloc(shape.reduce((a, b) => a * b), 3));
    const labels = (...values: number[]) => idx(8, [values.length], Buffer.from(values));
    const folder = folderWith({ "x-train-images.idx3-ubyte": odd([3, 5, 7]), "x-train-labels.idx1-ubyte": labels(2, 0, 1), "x-test-images-idx3-ubyte": odd([1, 5, 7]), "x-test-labels-idx1-ubyte": labels(2) });
    const set = await data.idxImages(folder, { prefix: "x-" });
    expect([set.classes, set.train.tensors[0].shape, set.test.tensors[0].shape]).toEqual([["0", "1", "2"], [3, 1, 5, 7], [1, 1, 5, 7]]);
    expect((await data.idxImages(folder, { prefix: "x-", classes: ["a", "b", "c"] })).classes).toEqual(["a", "b", "c"]);
    await expect(data.idxImages(folder, { prefix: "x-", classes: ["a", "b"] })).rejects.toThrow(/a label from 0 to 1 at byte 8 of .*train-labels.* received 2/);
    await expect(data.idxImages(folder)).rejects.toThrow(/the files train-images-idx3-ubyte, .* \(or \.gz\) in .* no train-images-idx3-ubyte, no /);
    writeFileSync(join(folder, "x-test-labels-idx1-ubyte"), labels(3));
    await expect(data.idxImages(folder, { prefix: "x-" })).rejects.toThrow(/a label from 0 to 2/);
    writeFileSync(join(folder, "x-test-images-idx3-ubyte"), odd([1, 5, 6]));
    await expect(data.idxImages(folder, { prefix: "x-" })).rejects.toThrow(/uint8 images of 5×7 .* received uint8 \[1, 5, 6\]/);
  });
});

describe("missing sets", () => {
  test("where they were looked for, and how to get them", async () => {
    const root = temporaryFolder();
    for (const [load, title] of [[data.mnist, "MNIST"], [data.kmnist, "Kuzushiji-MNIST"]] as const) {
      const error: unknown = await load({ root }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "IO" });
      for (const part of [`files of ${title} `, root, "download: true", "STEPPE_DATA"]) expect(String(error)).toContain(part);
    }
  });

  test("download: from the publisher's names, refused with another checksum, nothing left", async () => {
    const files = imageFiles(4);
    const server = await serve((request, response) => {
      const content = files[request.url!.slice("/sets/".length)];
      if (content === undefined) response.writeHead(404).end();
      else sendFile(request, response, content);
    });
    const cache = temporaryFolder();
    vi.stubEnv("STEPPE_DATA", "");
    vi.stubEnv("STEPPE_CACHE", cache);
    await expect(data.mnist({ download: true, mirror: `${server.url}sets` })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(/the MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873 in http.*train-images-idx3-ubyte\.gz/) }));
    expect(server.requests.map(({ path }) => path)).toEqual(["/sets/train-images-idx3-ubyte.gz"]);
    expect(readdirSync(join(cache, "data", "mnist"))).toEqual([]);
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(data.kmnist({ root: join(cache, "k"), download: true, mirror: server.url, signal: aborted })).rejects.toThrow("enough");
    expect(existsSync(join(cache, "k"))).toBe(false);
  });

  test("verify: other files than the publisher's, and files for which there is no checksum", async () => {
    const gz = (name: string) => name.replace(/(\.gz)?$/, ".gz");
    const root = folderWith(renamed(gz));
    await expect(data.mnist({ root, verify: true })).rejects.toThrow(/the MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873 in .* but received [0-9a-f]{32}/);
    renameSync(join(root, "train-images-idx3-ubyte.gz"), join(root, "train-images-idx3-ubyte"));
    await expect(data.mnist({ root, verify: true })).rejects.toThrow(/published checksums for verify .* those of the gzipped files/);
  });

  test.each<[string, object, RegExp]>([
    ["a misspelled option", { rot: "x" }, /Did you mean "root"/],
    ["download 1", { download: 1 }, /true or false for download/],
    ["root 1", { root: 1 }, /a string for root/],
    ["another dtype", { dtype: "float64" }, /"float32" or "uint8" for dtype/],
  ])("%s", async (_, options, message) => {
    await expect(data.mnist(options as data.ImageSetOptions)).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
