import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { idx, imageFiles } from "../support/idx.mjs";
import { python, needsPython, runPython } from "../support/python.js";
import { randomNumbers } from "../support/random.mjs";
import { sendFile, serve } from "../support/server.js";
import { zip } from "../support/zip.mjs";

afterEach(() => vi.unstubAllEnvs());

/** The files of parts, gzipped, as the publisher's archive names them. */
function partsOf(splits: readonly string[], n = 12): Record<string, Buffer> {
  const files: [string, Buffer][] = splits.flatMap((split) =>
    Object.entries(imageFiles(n)).map(([name, content]): [string, Buffer] => {
      const named = `gzip/emnist-${split}-${name.replace("t10k", "test").replace(/\.gz$/, "")}.gz`;
      return [named, name.endsWith(".gz") ? content : gzipSync(content)];
    }),
  );
  return { "gzip/": Buffer.alloc(0), ...Object.fromEntries(files), "gzip/emnist-letters-mapping.txt": Buffer.from("1 65 97\n") };
}

function folderWith(files: Record<string, Buffer>): string {
  const root = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith("/")) mkdirSync(join(root, name), { recursive: true });
    else writeFileSync(join(root, name), content);
  }
  return root;
}

// As many classes as the publisher counts (arXiv 1702.05373, table II); of the letters the labels begin at 1.
const counts = { byclass: 62, bymerge: 47, balanced: 47, letters: 27, digits: 10, mnist: 10 } as const;
const splits = Object.keys(counts) as (keyof typeof counts)[];

describe("as published", () => {
  test.each([false, true])("from gzip.zip, deflated %s", async (deflated) => {
    const root = folderWith({ "gzip.zip": zip(partsOf(splits), deflated) });
    for (const split of splits) {
      const set = await data.emnist({ split, root });
      expect([set.name, set.classes.length, set.train.length, set.test.length]).toEqual(["emnist", counts[split], 12, 12]);
      expect(set.train.tensors[0].shape).toEqual([12, 1, 28, 28]);
    }
    expect((await data.emnist({ split: "letters", root })).classes.slice(0, 2)).toEqual(["N/A", "a"]);
  });

  test("unpacked: the folder gzip, its files alone, and where torchvision puts them", async () => {
    const files = partsOf(["digits"]);
    const roots = [
      folderWith(files),
      folderWith(Object.fromEntries(Object.entries(files).filter(([name]) => name !== "gzip/").map(([name, content]) => [name.replace("gzip/", ""), content]))),
      folderWith(Object.fromEntries(Object.entries(files).map(([name, content]) => [name.replace("gzip/", "EMNIST/raw/"), content]))),
    ];
    for (const root of roots) expect((await data.emnist({ split: "digits", root })).train).toHaveLength(12);
  });

  test("upright turns rows and columns", async () => {
    const root = folderWith({ "gzip.zip": zip(partsOf(["digits"])) });
    const [stored, turned] = [await data.emnist({ split: "digits", root }), await data.emnist({ split: "digits", root, upright: true })];
    for (const part of ["train", "test"] as const) {
      expect(turned[part].tensors[0].equal(stored[part].tensors[0].transpose(2, 3))).toBe(true);
      expect(turned[part].tensors[0].equal(stored[part].tensors[0])).toBe(false);
    }
  });

  test.skipIf(python === null)(`${needsPython}: an archive that Python's zipfile writes`, async () => {
    const root = folderWith(partsOf(["balanced"]));
    runPython("import os, zipfile\nwith zipfile.ZipFile(os.path.join(inputs, 'gzip.zip'), 'w', zipfile.ZIP_DEFLATED) as out:\n    for name in sorted(os.listdir(os.path.join(inputs, 'gzip'))):\n        out.write(os.path.join(inputs, 'gzip', name), 'gzip/' + name)\n        os.remove(os.path.join(inputs, 'gzip', name))\noutputs = None", root);
    expect(readdirSync(join(root, "gzip"))).toEqual([]);
    expect((await data.emnist({ split: "balanced", root, dtype: "uint8" })).train.tensors[0].dtype).toBe("uint8");
  });
});

describe("what is missing or wrong", () => {
  test("where it was looked for, and how to get it", async () => {
    const root = temporaryFolder();
    const error: unknown = await data.emnist({ split: "digits", root }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "IO" });
    for (const part of ["gzip.zip", "EMNIST digits", root, "download: true", "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "STEPPE_DATA"]) expect(String(error)).toContain(part);
  });

  test("download: the archive, refused with another checksum, nothing left", async () => {
    const server = await serve((request, response) => sendFile(request, response, zip(partsOf(["digits"]))));
    const cache = temporaryFolder();
    vi.stubEnv("STEPPE_DATA", "");
    vi.stubEnv("STEPPE_CACHE", cache);
    await expect(data.emnist({ split: "digits", download: true, mirror: server.url })).rejects.toThrow(/the MD5 58c8d27c78d21e728a6bc7b3cc06412e in http.*gzip\.zip/);
    expect(server.requests.map(({ path }) => path)).toEqual(["/gzip.zip"]);
    expect(readdirSync(join(cache, "data", "emnist"))).toEqual([]);
    const root = join(cache, "other");
    const aborted: data.EmnistOptions = { split: "digits", root, download: true, mirror: server.url, signal: AbortSignal.abort(new Error("enough")) };
    await expect(data.emnist(aborted)).rejects.toThrow("enough");
    expect(existsSync(root)).toBe(false);
  });

  test("verify", async () => {
    const root = folderWith({ "gzip.zip": zip(partsOf(["digits"])) });
    await expect(data.emnist({ split: "digits", root, verify: true })).rejects.toThrow(/the MD5 58c8d27c78d21e728a6bc7b3cc06412e in .*gzip\.zip but received [0-9a-f]{32}/);
    await expect(data.emnist({ split: "digits", root: folderWith(partsOf(["digits"])), verify: true })).rejects.toThrow("a published checksum of the archive only");
    // Beside the archive it is the archive that is read, and checked.
    const both = folderWith({ ...partsOf(["digits"]), "gzip.zip": zip(partsOf(["digits"])) });
    await expect(data.emnist({ split: "digits", root: both, verify: true })).rejects.toThrow(/the MD5 58c8d27c78d21e728a6bc7b3cc06412e in .*gzip\.zip/);
    expect((await data.emnist({ split: "digits", root: both })).train).toHaveLength(12);
  });

  test("options", async () => {
    await expect(data.emnist({ split: "leters" } as never)).rejects.toThrow(/Did you mean "letters"/);
    await expect(data.emnist({} as never)).rejects.toThrow("Expected one of byclass, bymerge, balanced, letters, digits, mnist for split");
    await expect(data.emnist({ split: "digits", uprigt: true } as never)).rejects.toThrow(/Did you mean "upright"/);
    await expect(data.emnist({ split: "digits", upright: 1 } as never)).rejects.toThrow("Expected true or false for upright");
  });

  test.each<[string, Buffer, RegExp]>([
    ["no archive", Buffer.from("this is no zip archive, but some text that stands in its place"), /a \.zip archive at byte 0 of .*gzip\.zip/],
    ["an empty file", Buffer.alloc(0), /a \.zip archive/],
    ["another part", zip(partsOf(["letters"])), /an archive with emnist-digits-train-images-idx3-ubyte\.gz, .* one without emnist-digits/],
    ["cut", zip(partsOf(["digits"])).subarray(0, -40), /a \.zip archive/],
    ["no gzip in it", zip({ ...partsOf(["digits"]), "gzip/emnist-digits-train-labels-idx1-ubyte.gz": Buffer.from("text") }), /an IDX|magic number.*gzip\.zip:emnist-digits-train-labels-idx1-ubyte\.gz/],
    ["a label out of range", zip({ ...partsOf(["digits"]), "gzip/emnist-digits-train-labels-idx1-ubyte.gz": gzipSync(idx(8, [12], Buffer.alloc(12, 77))) }), /a label from 0 to 9 at byte 8 of .*gzip\.zip:emnist-digits-train-labels.* received 77/],
  ])("%s", async (_, content, message) => {
    await expect(data.emnist({ split: "digits", root: folderWith({ "gzip.zip": content }) })).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });

  test("damage anywhere is an error with the file's name, or harmless", async () => {
    const random = randomNumbers(3);
    const whole = zip(partsOf(["digits"], 3));
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      const copy = Buffer.from(whole);
      // The directory stands at the end: half of the damage goes there.
      const from = i % 2 === 0 ? 0 : whole.length - 800;
      for (let j = 0; j < 1 + (i % 7); j++) copy[from + Math.floor(random() * (whole.length - from))] = Math.floor(random() * 256);
      const root = folderWith({ "gzip.zip": i % 5 === 0 ? copy.subarray(0, Math.floor(random() * copy.length)) : copy });
      try {
        expect((await data.emnist({ split: "digits", root })).train).toHaveLength(3);
      } catch (error) {
        expect(error).toMatchObject({ code: "FORMAT", message: expect.stringContaining("gzip.zip") });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  }, 60_000);
});
