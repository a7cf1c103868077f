import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { data, torch } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, needsPython, runPython } from "../support/python.js";
import { damage, randomNumbers } from "../support/random.mjs";
import { sendFile, serve } from "../support/server.js";

afterEach(() => vi.unstubAllEnvs());

const here = fileURLToPath(new URL(".", import.meta.url));
const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Found {
  classes: string[];
  train: [images: string, labels: string];
  test: [images: string, labels: string];
}

function digests({ classes, train, test }: data.ImageClasses): Found {
  const of = (set: data.LabelledImages): [string, string] => [hash(set.tensors[0].toBytes()), hash(set.tensors[1].to("uint8").toBytes())];
  return { classes: [...classes], train: of(train), test: of(test) };
}

/** Rows of the binary version. */
function rows(count: number, labels: (i: number) => number[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.concat([Buffer.from(labels(i)), Buffer.alloc(3072, (7 * i) % 256)])));
}

/** CIFAR-10 in its binary version, unpacked. */
function binaryTen(folder = temporaryFolder(), change: Record<string, Buffer> = {}): string {
  mkdirSync(folder, { recursive: true });
  const files: Record<string, Buffer> = { "test_batch.bin": rows(3, (i) => [i]), "batches.meta.txt": Buffer.from(Array.from({ length: 10 }, (_, i) => `kind ${i}\n`).join("")) };
  for (let i = 1; i <= 5; i++) files[`data_batch_${i}.bin`] = rows(2, (k) => [(i + k) % 10]);
  for (const [name, content] of Object.entries({ ...files, ...change })) writeFileSync(join(folder, name), content);
  return folder;
}

const numpy = hasLibraries("numpy");

describe.skipIf(!numpy)(numpy ? "beside Python" : `beside Python (${needsPython}; numpy is wanted as well)`, () => {
  // Fortran's order, because NumPy may pickle an array so.
  const versions = [["binary", "C"], ["python2", "C"], [2, "C"], [4, "F"], [5, "C"], [5, "F"]] as const;
  const roots = versions.map(() => mkdtempSync(join(tmpdir(), "steppe-cifar-")));
  let found: Record<"cifar-10" | "fine" | "coarse", Found>[];

  beforeAll(() => {
    found = runPython(
      `sys.path.insert(0, inputs["here"])\nimport small_cifar\noutputs = [small_cifar.make(folder, how, order=order) for folder, (how, order) in zip(inputs["roots"], inputs["versions"])]`,
      { here, roots, versions },
    );
    return () => roots.forEach((root) => rmSync(root, { recursive: true }));
  });

  const version = (how: string | number) => (how === "binary" ? "binary" : "python");
  test.each(versions.map(([how, order], i) => [how, order, i] as const))("%s, %s: unpacked, and out of the archive", async (how, _, i) => {
    const root = roots[i]!;
    const dtype = "uint8";
    expect(digests(await data.cifar10({ root, dtype }))).toEqual(found[i]!["cifar-10"]);
    for (const labels of ["fine", "coarse"] as const) expect(digests(await data.cifar100({ root, labels, dtype }))).toEqual(found[i]![labels]);
    const archives = ([["10", data.cifar10], ["100", data.cifar100]] as const).map(([name, load]) => [join(root, `cifar-${name}-${version(how)}.tar.gz`), load] as const);
    const [ten, hundred] = await Promise.all(archives.map(([path, load]) => load({ root: path, dtype })));
    expect([digests(ten!), digests(hundred!)]).toEqual([found[i]!["cifar-10"], found[i]!.fine]);
    // Its folder alone, and a folder with the archive alone.
    expect(digests(await data.cifar10({ root: join(root, how === "binary" ? "cifar-10-batches-bin" : "cifar-10-batches-py"), dtype }))).toEqual(found[i]!["cifar-10"]);
    rmSync(join(root, how === "binary" ? "cifar-10-batches-bin" : "cifar-10-batches-py"), { recursive: true });
    expect(digests(await data.cifar10({ root, dtype }))).toEqual(found[i]!["cifar-10"]);
  });

  test("pickled labels out of range, or of another number", async () => {
    const wrong: [labels: unknown, message: RegExp][] = [
      [[3, 10], /Expected labels from 0 to 9 at byte 0 of .*data_batch_3 but received 10 of type number for image 1\./],
      [[-1, 3], /Expected labels from 0 to 9 at byte 0 of .*data_batch_3 but received -1 of type number for image 0\./],
      [[1.5, 3], /Expected labels from 0 to 9 at byte 0 of .*data_batch_3 but received .* for image 0\./],
      [["cat", 3], /Expected labels from 0 to 9 at byte 0 of .*data_batch_3 but received "cat" of type string for image 0\./],
      [[1, 2, 3], /Expected a list of 2 labels under "labels" at byte 0 of .*data_batch_3 but received 3\./],
    ];
    const cases = [[9, 0], ...wrong.map(([labels]) => labels)].map((labels) => ({ root: temporaryFolder(), labels }));
    runPython(
      `
import numpy as np, os, pickle
batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 9]}
for case in inputs:
    files = {f"data_batch_{i}": batch for i in range(1, 6)} | {"test_batch": batch, "batches.meta": {"label_names": [f"kind {i}" for i in range(10)]}}
    files["data_batch_3"] = {**batch, "labels": case["labels"]}
    for name, content in files.items():
        with open(os.path.join(case["root"], name), "wb") as file:
            pickle.dump(content, file, protocol=2)
outputs = 0`,
      cases,
    );
    const [good, ...bad] = cases.map(({ root }) => root);
    expect((await data.cifar10({ root: good! })).train.tensors[1].toArray()).toEqual([0, 9, 0, 9, 9, 0, 0, 9, 0, 9]);
    for (const [i, root] of bad.entries()) await expect(data.cifar10({ root }), String(wrong[i]![0])).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(wrong[i]![1]) }));
  });

  test("a damaged pickle or archive (seed 8) is refused in words or read as what it says", async () => {
    const random = randomNumbers(8);
    const root = temporaryFolder();
    runPython(`sys.path.insert(0, inputs["here"])\nimport small_cifar\noutputs = small_cifar.make(inputs["root"], "python2", count=1)`, { here, root });
    const folder = join(root, "cifar-10-batches-py");
    const [batch, archive] = [join(folder, "data_batch_1"), join(root, "cifar-10-python.tar.gz")];
    const [pickle, packed] = [readFileSync(batch), readFileSync(archive)];
    const unpacked = gunzipSync(packed);
    torch.sweep();
    const live = torch.memory().tensors;
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      const kind = i % 3;
      // Damage in the pixels alone goes unseen: of a pickle it is done where the structure is.
      if (kind === 0) writeFileSync(batch, Buffer.concat([damage(pickle.subarray(0, 300), random), pickle.subarray(300)]));
      else writeFileSync(archive, kind === 1 ? damage(packed, random) : gzipSync(damage(unpacked, random), { level: 1 }));
      try {
        const set = await data.cifar10({ root: kind === 0 ? folder : archive, dtype: "uint8" });
        expect([set.train.length, set.test.length, set.classes.length]).toEqual([5, 1, 10]);
        for (const tensor of [...set.train.tensors, ...set.test.tensors]) tensor.dispose();
      } catch (error) {
        expect(error).toMatchObject({ name: "SteppeError", code: "FORMAT" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50);
    expect(refused).toBeLessThan(150);
    torch.sweep();
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
  });
});

describe("the binary version", () => {
  test("images, labels and names; floats by default", async () => {
    const root = binaryTen();
    const { name, classes, train, test: part } = await data.cifar10({ root });
    expect([name, classes[3], train.length, part.length]).toEqual(["cifar-10", "kind 3", 10, 3]);
    expect(train.tensors[1].toArray()).toEqual([1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
    expect([part.tensors[0].shape, part.tensors[0].dtype]).toEqual([[3, 3, 32, 32], "float32"]);
    expect(part.tensors[0].select(0, 2).mean().item()).toBeCloseTo(14 / 255, 6);
  });

  test("looked for in STEPPE_DATA and the cache", async () => {
    const [own, cache] = [temporaryFolder(), temporaryFolder()];
    vi.stubEnv("STEPPE_DATA", own);
    vi.stubEnv("STEPPE_CACHE", cache);
    const error: unknown = await data.cifar10().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "IO" });
    for (const part of ["cifar-10-binary.tar.gz or cifar-10-python.tar.gz", join(own, "cifar-10"), join(cache, "data", "cifar-10"), "data.cifar10({ download: true })", "kriz/cifar.html"]) expect(String(error)).toContain(part);
    binaryTen(join(cache, "data", "cifar-10", "cifar-10-batches-bin"));
    expect((await data.cifar10()).train.length).toBe(10);
    await expect(data.cifar100()).rejects.toThrow(/data\.cifar100\(\{ download: true \}\)/);
  });

  test("the damaged ones (seed 4) are refused or read", async () => {
    const random = randomNumbers(4);
    const good = rows(2, (i) => [i]);
    const root = binaryTen();
    for (let i = 0; i < 150; i++) {
      writeFileSync(join(root, "test_batch.bin"), damage(good, random));
      const set = await data.cifar10({ root, dtype: "uint8" }).catch((error: unknown) => {
        expect(error).toMatchObject({ name: "SteppeError", code: "FORMAT" });
      });
      if (set !== undefined) expect(set.test.tensors[1].max().item()).toBeLessThan(10);
    }
  });

  test.each<[string, Record<string, Buffer>, RegExp]>([
    ["a label of 10", { "data_batch_2.bin": rows(2, (i) => [10 * i]) }, /a label from 0 to 9 at byte 3073 of .*data_batch_2\.bin but received 10/],
    ["cut off in a row", { "test_batch.bin": rows(2, () => [1]).subarray(0, 5000) }, /rows of 3073 bytes, one or more at byte 3073 of .* received 1927 bytes at the end/],
    ["empty", { "test_batch.bin": Buffer.alloc(0) }, /rows of 3073 bytes, one or more/],
    ["nine names", { "batches.meta.txt": Buffer.from("a\nb\nc\nd\ne\nf\ng\nh\ni\n") }, /10 names of classes, one in a line/],
  ])("%s", async (_, change, message) => {
    await expect(data.cifar10({ root: binaryTen(undefined, change) })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });
});

describe("pickles that are something else", () => {
  /** A pickle (protocol 2) of operations, in CIFAR-10's Python layout. */
  async function load(pickle: Buffer): Promise<unknown> {
    const root = temporaryFolder();
    for (const name of ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch", "batches.meta"]) writeFileSync(join(root, name), pickle);
    return data.cifar10({ root });
  }
  const op = (...parts: (string | number[])[]) => Buffer.concat([Buffer.from([0x80, 2]), ...parts.map((part) => Buffer.from(part as string))]);
  test.each<[string, Buffer, RegExp]>([
    ["one that would run a command", op("cos\nsystem\n(U", [5], "touch", "tR."), /os\.system, which is not loaded/],
    ["a list", op("]."), /an array under "data" .* received nothing/],
    ["no labels", op("}."), /an array under "data" .* received nothing/],
    ["another dtype", op("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK", [0], "\x85U", [1], "b\x87R(K", [1, 0x4b, 1, 0x85], "cnumpy\ndtype\nU", [2], "f8K", [0, 0x4b, 1, 0x87], "R\x89U", [0], "tb."), /an array of uint8 .* received one of f8/],
    ["a shape without its bytes", op("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK", [0], "\x85U", [1], "b\x87R(K", [1], "J", [255, 255, 255, 127], "J", [255, 255, 255, 127], [0x86], "cnumpy\ndtype\nU", [2], "u1K", [0, 0x4b, 1, 0x87], "R\x89U", [1], "xtb."), /4611686014132420609 bytes for the shape|bytes for the shape \[2147483647, 2147483647\] .* received 1/],
    ["cut off", op("}U"), /more bytes of the pickle/],
  ].map(([name, pickle, message]) => [name, Buffer.from((pickle as Buffer).toString("latin1").replace(/\xc2([\x80-\xbf])/g, "$1"), "latin1"), message] as [string, Buffer, RegExp]))("%s", async (_, pickle, message) => {
    await expect(load(pickle)).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });
});

describe("archives", () => {
  function archive(...args: string[]): string {
    const folder = temporaryFolder();
    const path = join(folder, "cifar-10-binary.tar.gz");
    execFileSync("tar", ["-czf", path, ...args]);
    return path;
  }

  test("in whatever folder, links and other files passed over", async () => {
    const folder = binaryTen();
    writeFileSync(join(folder, "readme.html"), "x");
    const set = await data.cifar10({ root: archive("-C", folder, ".") });
    expect(set.train.length).toBe(10);
  });

  test("one file missing, one too large, none at all, no archive, cut off", async () => {
    const folder = binaryTen();
    renameSync(join(folder, "test_batch.bin"), join(folder, "other.bin"));
    const rejects = (root: string, message: RegExp) => expect(data.cifar10({ root })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
    await rejects(archive("-C", folder, "."), /the file test_batch\.bin in the archive at byte 0 of .* received none/);
    writeFileSync(join(folder, "test_batch.bin"), "");
    truncateSync(join(folder, "test_batch.bin"), 70_000_000);
    await rejects(archive("-C", folder, "test_batch.bin"), /at most 64294432 bytes of test_batch\.bin in the archive .* received more/);
    await rejects(archive("-T", "/dev/null"), /one without any file/);
    const path = join(temporaryFolder(), "cifar-10-binary.tar.gz");
    const whole = readFileSync(archive("-C", binaryTen(), "."));
    for (const content of [Buffer.from("no archive"), gzipSync(Buffer.from("no archive")), Buffer.alloc(0), whole.subarray(0, whole.length / 2)]) {
      writeFileSync(path, content);
      await rejects(path, /a \.tar\.gz archive at byte 0 of .* (corrupt or truncated data|without any file)/);
    }
  });

  test("verify, and download", async () => {
    const path = archive("-C", binaryTen(), ".");
    await expect(data.cifar10({ root: path, verify: true })).rejects.toThrow(/the MD5 c32a1d4ab5d03f1284b67883e8d87530 in .* but received [0-9a-f]{32}/);
    await expect(data.cifar10({ root: binaryTen(), verify: true })).rejects.toThrow(/those of cifar-10-binary\.tar\.gz alone/);
    const server = await serve((request, response) => sendFile(request, response, readFileSync(path)));
    const root = join(temporaryFolder(), "new");
    await expect(data.cifar10({ root, download: true, mirror: server.url })).rejects.toThrow(/the MD5 c32a1d4ab5d03f1284b67883e8d87530 in http/);
    expect(server.requests.map((request) => request.path)).toEqual(["/cifar-10-binary.tar.gz"]);
    expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
  });
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  ["other labels", () => data.cifar100({ labels: "finer" as never }), /"fine" or "coarse" for labels/],
  ["labels of CIFAR-10", () => data.cifar10({ labels: "fine" } as never), /Expected one of root, .* received "labels"/],
])("%s", async (_, work, message) => {
  await expect(work()).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
});
