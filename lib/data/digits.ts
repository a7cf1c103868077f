import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkKeys } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { parseIdx } from "./idx.js";
import { labelledImages } from "./image-classes.js";
import type { Tensor } from "../tensor.js";
import type { ImageClasses } from "./image-classes.js";

/** How many come first, in the order of the file, to train on; the rest is for testing. */
const trainCount = 1437;

/** File names in data/ and the SHA-256 of each. */
const images = { file: "digits-images-idx3-ubyte.gz", sha256: "c41c947a1014aa9bb82e371b01f16724f9ef929893351173edcc47aa0fc03930" };
const labels = { file: "digits-labels-idx1-ubyte.gz", sha256: "147c9192405199869317e6d9c62ea444f9770c3f8c6dd65035ba3a3690cc5460" };

/**
 * The digits of the UCI optical-recognition set: 1,797 scans of handwritten digits, 8×8, 10 classes. They ship with the
 * package (`data/README.md` has provenance and licence). Images [N, 1, 8, 8]; the first 1,437 are for training, the last 360
 * for testing. The order of the file is kept because digits of one writer stand together: mixed, they would be in both parts.
 *
 * @param options none: pixels of 17 shades have no form in bytes that is worth it
 * @throws SteppeError `FORMAT` if a file of the package was changed, `ARGUMENT` for options
 */
export async function digits(options: Readonly<Record<string, never>> = {}): Promise<ImageClasses> {
  checkKeys(options, []);
  const all = labelledImages(await load(images), 16, await load(labels));
  return {
    name: "digits",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    train: all.slice(0, trainCount),
    test: all.slice(trainCount, all.length),
  };
}

async function load({ file, sha256 }: { file: string; sha256: string }): Promise<Tensor> {
  const path = fileURLToPath(new URL(`../../data/${file}`, import.meta.url));
  const bytes = await readFile(path).catch((error: unknown) => {
    throw ioError("read", path, error);
  });
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) throw formatError(path, 0, `content with the SHA-256 ${sha256}`, found);
  return parseIdx(bytes, path);
}
