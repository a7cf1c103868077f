import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { fashionMnistFolder } from "../../lib/data/mnist.js";
import { temporaryFolder } from "../support/folder.js";
import { imageFiles } from "../support/idx.mjs";
import { hasLibraries, librariesPath, needsPython, runPython } from "../support/python.js";

// The same files, read by torchvision's data sets and by ours; and the digits, which scikit-learn has as well.

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
/** Images and labels as bytes. */
const digestsOf = ({ train, test: held }: data.ImageClasses) => [train, held].flatMap(({ tensors: [images, labels] }) => [sha256(images.toBytes()), sha256(labels.to("uint8").toBytes())]);

/** Files of the family, not gzipped, where torchvision wants them. */
function rootWith(name: string, files: Record<string, Buffer>, rename = (file: string) => file): string {
  const root = temporaryFolder();
  mkdirSync(join(root, name, "raw"), { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(root, name, "raw", rename(file.replace(/\.gz$/, ""))), file.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  return root;
}

const names = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];
const there = hasLibraries("torchvision", "sklearn");
test.skipIf(!there)(`MNIST and its like, and the digits, as Python's readers have them${there ? "" : ` (${needsPython}; torchvision and scikit-learn are wanted as well)`}`, { timeout: 300_000 }, async () => {
  const real = fashionMnistFolder();
  const fashion = real === undefined ? imageFiles(30) : Object.fromEntries(names.map((name) => [name, readFileSync(join(real, name))]));
  const roots = {
    MNIST: rootWith("MNIST", imageFiles(20)),
    FashionMNIST: rootWith("FashionMNIST", fashion),
    KMNIST: rootWith("KMNIST", imageFiles(25)),
    EMNIST: rootWith("EMNIST", imageFiles(15), (file) => `emnist-digits-${file.replace("t10k", "test")}`),
  };
  const theirs = runPython<{ sets: Record<keyof typeof roots, string[]>; classes: string[]; digits: { pixels: number[][]; labels: number[] } }>(
    `${librariesPath}
import hashlib
from sklearn.datasets import load_digits
from torchvision import datasets
digest = lambda tensor: hashlib.sha256(tensor.to(torch.uint8).contiguous().numpy().tobytes()).hexdigest()
sets = {}
for name, root in inputs.items():
    parts = [getattr(datasets, name)(root, train=train, **({"split": "digits"} if name == "EMNIST" else {})) for train in (True, False)]
    sets[name] = [digest(tensor) for part in parts for tensor in (part.data, part.targets)]
digits = load_digits()
outputs = {"sets": sets, "classes": datasets.FashionMNIST.classes, "digits": {"pixels": digits.data.tolist(), "labels": digits.target.tolist()}}`,
    roots,
  );
  const dtype = "uint8";
  expect(digestsOf(await data.mnist({ root: roots.MNIST, dtype }))).toEqual(theirs.sets.MNIST);
  const clothes = await data.fashionMnist({ root: roots.FashionMNIST, dtype });
  expect(digestsOf(clothes)).toEqual(theirs.sets.FashionMNIST);
  expect(clothes.classes).toEqual(theirs.classes);
  if (real !== undefined) expect([clothes.train.length, clothes.test.length]).toEqual([60_000, 10_000]);
  expect(digestsOf(await data.kmnist({ root: roots.KMNIST, dtype }))).toEqual(theirs.sets.KMNIST);
  expect(digestsOf(await data.emnist({ split: "digits", root: roots.EMNIST, dtype }))).toEqual(theirs.sets.EMNIST);

  const { train, test: held } = await data.digits();
  const rows = [train, held].flatMap(({ tensors: [images, labels] }) => {
    const classes = labels.toArray() as number[];
    return (images.mul(16).round().flatten(1).toArray() as number[][]).map((pixels, i) => `${classes[i]}:${pixels.join()}`);
  });
  expect(rows).toEqual(theirs.digits.pixels.map((pixels, i) => `${theirs.digits.labels[i]}:${pixels.join()}`));
});
