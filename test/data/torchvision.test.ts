import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { fashionMnistFolder } from "../../lib/data/mnist.js";
import { temporaryFolder } from "../support/folder.js";
import { imageFiles } from "../support/idx.mjs";
import { hasLibraries, librariesPath, needsPython, runPython } from "../support/python.js";

// The same files, read by torchvision's data sets and by ours, pixel for pixel and label for label; and the digits, which
// scikit-learn has as well.

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
/** Images and labels as bytes. */
const digestsOf = ({ train, test: held }: data.ImageClasses) => [train, held].flatMap(({ tensors: [images, labels] }) => [sha256(images.toBytes()), sha256(labels.to("uint8").toBytes())]);

/** Files of the family, not gzipped, where torchvision wants them. */
function rootWith(name: string, files: Record<string, Buffer>): string {
  const root = temporaryFolder();
  mkdirSync(join(root, name, "raw"), { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(root, name, "raw", file.replace(/\.gz$/, "")), file.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  return root;
}

/** The same files, all gzipped, as they are published. */
function published(files: Record<string, Buffer>): string {
  const root = temporaryFolder();
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(root, file.replace(/(\.gz)?$/, ".gz")), file.endsWith(".gz") ? bytes : gzipSync(bytes));
  return root;
}

/** Files of a part of EMNIST. */
const part = (split: string, count: number) => Object.fromEntries(Object.entries(imageFiles(count)).map(([name, bytes]) => [`emnist-${split}-${name.replace("t10k", "test")}`, bytes]));
const parts = ["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] as const;

const names = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];
const there = hasLibraries("torchvision", "sklearn");
test.skipIf(!there)(`MNIST and its like, and the digits, as Python's readers have them${there ? "" : ` (${needsPython}; torchvision and scikit-learn are wanted as well)`}`, { timeout: 300_000 }, async () => {
  const real = fashionMnistFolder();
  const fashion = real === undefined ? imageFiles(30) : Object.fromEntries(names.map((name) => [name, readFileSync(join(real, name))]));
  const files = {
    MNIST: imageFiles(20),
    FashionMNIST: fashion,
    KMNIST: imageFiles(25),
    EMNIST: Object.assign({}, ...parts.map((split, i) => part(split, 15 + i))) as Record<string, Buffer>,
  };
  const roots = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, rootWith(name, content)])) as Record<keyof typeof files, string>;
  const theirs = runPython<{ sets: Record<string, string[]>; classes: string[]; digits: { pixels: number[][]; labels: number[] } }>(
    `${librariesPath}
import hashlib
from sklearn.datasets import load_digits
from torchvision import datasets
digest = lambda tensor: hashlib.sha256(tensor.to(torch.uint8).contiguous().numpy().tobytes()).hexdigest()
sets = {}
for name, root in inputs["roots"].items():
    for options in [{"split": split} for split in inputs["parts"]] if name == "EMNIST" else [{}]:
        parts = [getattr(datasets, name)(root, train=train, **options) for train in (True, False)]
        sets[" ".join([name, *options.values()])] = [digest(tensor) for part in parts for tensor in (part.data, part.targets)]
digits = load_digits()
outputs = {"sets": sets, "classes": datasets.FashionMNIST.classes, "digits": {"pixels": digits.data.tolist(), "labels": digits.target.tolist()}}`,
    { roots, parts },
  );
  const dtype = "uint8";
  const load = { MNIST: data.mnist, FashionMNIST: data.fashionMnist, KMNIST: data.kmnist };
  for (const name of ["MNIST", "FashionMNIST", "KMNIST"] as const) {
    expect(new Set(theirs.sets[name]).size).toBe(4);
    for (const root of [roots[name], published(files[name])]) expect(digestsOf(await load[name]({ root, dtype })), root).toEqual(theirs.sets[name]);
  }
  const clothes = await data.fashionMnist({ root: real ?? roots.FashionMNIST, dtype });
  expect(digestsOf(clothes)).toEqual(theirs.sets["FashionMNIST"]);
  expect(clothes.classes).toEqual(theirs.classes);
  if (real !== undefined) expect([clothes.train.length, clothes.test.length]).toEqual([60_000, 10_000]);
  for (const root of [roots.EMNIST, published(files.EMNIST)]) {
    for (const split of parts) expect(digestsOf(await data.emnist({ split, root, dtype })), split).toEqual(theirs.sets[`EMNIST ${split}`]);
  }

  const { train, test: held } = await data.digits();
  const rows = [train, held].flatMap(({ tensors: [images, labels] }) => {
    const classes = labels.toArray() as number[];
    return (images.mul(16).round().flatten(1).toArray() as number[][]).map((pixels, i) => `${classes[i]}:${pixels.join()}`);
  });
  expect(rows).toEqual(theirs.digits.pixels.map((pixels, i) => `${theirs.digits.labels[i]}:${pixels.join()}`));
});

const numpyToo = hasLibraries("torchvision", "numpy");
test.skipIf(!numpyToo)(`CIFAR as torchvision reads it${numpyToo ? "" : ` (${needsPython}; torchvision and NumPy are wanted as well)`}`, { timeout: 300_000 }, async () => {
  // Pickles as Python 2 wrote them, which the published ones are, and as Python 3 does; the same images in the binary version.
  const roots = Object.fromEntries(["python2", "python3", "binary"].map((how) => [how, temporaryFolder()])) as Record<"python2" | "python3" | "binary", string>;
  const theirs = runPython<Record<"python2" | "python3", Record<"CIFAR10" | "CIFAR100", { classes: string[]; digests: string[] }>>>(
    `${librariesPath}
sys.path.insert(0, inputs["here"])
import hashlib, small_cifar
from torchvision import datasets
import torchvision.datasets.cifar as cifar
cifar.check_integrity = lambda path, md5=None: True  # of the published files
outputs = {}
for how, root in inputs["roots"].items():
    small_cifar.make(root, 2 if how == "python3" else how)
    if how == "binary":
        continue
    outputs[how] = {}
    for name in ("CIFAR10", "CIFAR100"):
        parts = [getattr(datasets, name)(root, train=train) for train in (True, False)]
        # It has the colours last.
        digests = [hashlib.sha256(each).hexdigest() for part in parts for each in (part.data.transpose(0, 3, 1, 2).tobytes(), bytes(part.targets))]
        outputs[how][name] = {"classes": parts[0].classes, "digests": digests}`,
    { here: fileURLToPath(new URL(".", import.meta.url)), roots },
  );
  for (const how of ["python2", "python3"] as const) {
    for (const root of [roots[how], roots.binary]) {
      const [ten, hundred] = [await data.cifar10({ root, dtype: "uint8" }), await data.cifar100({ root, dtype: "uint8" })];
      expect([ten.train.length, ten.test.length]).toEqual([30, 6]);
      expect({ classes: ten.classes, digests: digestsOf(ten) }).toEqual(theirs[how].CIFAR10);
      expect({ classes: hundred.classes, digests: digestsOf(hundred) }).toEqual(theirs[how].CIFAR100);
    }
    for (const [name, load] of [["10", data.cifar10], ["100", data.cifar100]] as const) {
      expect(digestsOf(await load({ root: join(roots[how], `cifar-${name}-python.tar.gz`), dtype: "uint8" }))).toEqual(theirs[how][`CIFAR${name}`].digests);
    }
  }
});
