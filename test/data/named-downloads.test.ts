import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test, vi } from "vitest";
import { data } from "../../lib/index.js";
import type * as checksums from "../../lib/data/checksums.js";
import { temporaryFolder } from "../support/folder.js";
import { imageFiles } from "../support/idx.mjs";
import { sendFile, serve } from "../support/server.js";
import { zip } from "../support/zip.mjs";

// Downloads of the named sets from beginning to end. The files that are served are small ones of our own: for the publishers' MD5
// stand those of these files, and nothing else is different.

const { stand } = vi.hoisted(() => ({ stand: new Map<string, string>() }));
vi.mock("../../lib/data/checksums.js", async (original) => {
  const own = await original<typeof checksums>();
  const other = (sums: checksums.Checksums) => (sums.md5 === undefined ? sums : { ...sums, md5: stand.get(sums.md5) ?? sums.md5 });
  return { ...own, mismatch: (path: string, sums: checksums.Checksums) => own.mismatch(path, other(sums)), verifyFile: (path: string, sums: checksums.Checksums) => own.verifyFile(path, other(sums)) };
});

afterEach(() => {
  stand.clear();
  vi.unstubAllEnvs();
});

const md5 = (bytes: Buffer) => createHash("md5").update(bytes).digest("hex");
const packed = (files: Record<string, Buffer>) => Object.fromEntries(Object.entries(files).map(([name, bytes]) => (name.endsWith(".gz") ? [name, bytes] : [`${name}.gz`, gzipSync(bytes)])));

function tarGz(files: Record<string, Buffer>): Buffer {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "in"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, "in", name), bytes);
  execFileSync("tar", ["-czf", join(folder, "set.tar.gz"), "-C", join(folder, "in"), "."]);
  return readFileSync(join(folder, "set.tar.gz"));
}

const rows = (count: number, labels: number[]) => Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.concat([Buffer.from(labels), Buffer.alloc(3072, i)])));
const names = (count: number) => Buffer.from(Array.from({ length: count }, (_, i) => `kind ${i}\n`).join(""));
const ten = () => tarGz({ "test_batch.bin": rows(3, [4]), "batches.meta.txt": names(10), ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, rows(2, [i])])) });
const hundred = () => tarGz({ "train.bin": rows(5, [3, 77]), "test.bin": rows(2, [3, 78]), "fine_label_names.txt": names(100), "coarse_label_names.txt": names(20) });
const emnist = () => zip(Object.fromEntries(Object.entries(packed(imageFiles(6))).map(([name, bytes]) => [`gzip/emnist-digits-${name.replace("t10k", "test")}`, bytes])));

interface Set {
  load(options: data.ImageSetOptions): Promise<data.ImageClasses>;
  /** What a server has, and the publisher's MD5 of each. */
  files(): Record<string, Buffer>;
  sums: Record<string, string>;
  counts: [train: number, test: number];
  /** Its folder in a cache. */
  folder: string;
}

const four = (...sums: string[]) => Object.fromEntries(["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"].map((name, i) => [name, sums[i]!]));
const sets: Record<string, Set> = {
  MNIST: { load: data.mnist, files: () => packed(imageFiles(5)), sums: four("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432", "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"), counts: [5, 5], folder: "mnist" },
  "Fashion-MNIST": { load: data.fashionMnist, files: () => packed(imageFiles(6)), sums: four("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe", "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"), counts: [6, 6], folder: "fashion-mnist" },
  "Kuzushiji-MNIST": { load: data.kmnist, files: () => packed(imageFiles(7)), sums: four("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344", "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134"), counts: [7, 7], folder: "kmnist" },
  EMNIST: { load: (options) => data.emnist({ ...options, split: "digits" }), files: () => ({ "gzip.zip": emnist() }), sums: { "gzip.zip": "58c8d27c78d21e728a6bc7b3cc06412e" }, counts: [6, 6], folder: "emnist" },
  "CIFAR-10": { load: data.cifar10, files: () => ({ "cifar-10-binary.tar.gz": ten() }), sums: { "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530" }, counts: [10, 3], folder: "cifar-10" },
  "CIFAR-100": { load: data.cifar100, files: () => ({ "cifar-100-binary.tar.gz": hundred() }), sums: { "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8" }, counts: [5, 2], folder: "cifar-100" },
};

test.each(Object.entries(sets))("%s: from a mirror into a cache, over a connection that breaks; read, verified, and not asked for again", { timeout: 60_000 }, async (_, { load, files, sums, counts, folder }) => {
  const served = files();
  expect(Object.keys(sums).sort()).toEqual(Object.keys(served).sort());
  for (const [name, bytes] of Object.entries(served)) stand.set(sums[name]!, md5(bytes));
  const server = await serve((request, response, i) => {
    const bytes = served[request.url!.slice("/sets/".length)];
    if (bytes === undefined) response.writeHead(404).end();
    else sendFile(request, response, bytes, { etag: '"a"', ...(i === 0 ? { breakAfter: Math.ceil(bytes.length / 2) } : {}) });
  });
  const cache = temporaryFolder();
  vi.stubEnv("STEPPE_DATA", "");
  vi.stubEnv("STEPPE_CACHE", cache);
  // Where a system has the set as a package, it need not come from elsewhere: a root of one's own says where to.
  const root = folder === "fashion-mnist" ? { root: join(cache, "data", folder) } : {};
  const got = await load({ ...root, download: true, mirror: `${server.url}sets` });
  expect([got.train.length, got.test.length]).toEqual(counts);
  expect(got.train.tensors[0].dtype).toBe("float32");
  const there = join(cache, "data", folder);
  expect(readdirSync(there).sort()).toEqual(Object.keys(served).sort());
  for (const [name, bytes] of Object.entries(served)) expect(readFileSync(join(there, name)).equals(bytes), name).toBe(true);
  // The first one took two requests, every other one a single one.
  const asked = server.requests.map(({ path }) => path);
  const [first, ...others] = Object.keys(sums).map((name) => `/sets/${name}`);
  expect(asked).toEqual([first, first, ...others]);

  const again = await load({ ...root, download: true, mirror: `${server.url}sets`, verify: true });
  expect(again.train.tensors[0].toBytes()).toEqual(got.train.tensors[0].toBytes());
  expect(server.requests).toHaveLength(asked.length);
  // What is there is looked at only if it is asked for.
  const [name] = Object.keys(sums);
  stand.set(sums[name!]!, "0".repeat(32));
  await expect(load({ ...root, verify: true })).rejects.toMatchObject({ code: "FORMAT" });
  expect((await load(root)).train.length).toBe(counts[0]);
});
