import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";

// PyTorch itself as the reference. Values cross as JSON, in which a float64 survives exactly.

/** The first Python of STEPPE_PYTHON and python3 that has torch, with its torch's version; null if there is none. */
export const python = findPython();

/** To be put into the titles of tests that are skipped without a Python. */
export const needsPython = python === null ? "skipped: no Python with torch; set STEPPE_PYTHON to one" : `PyTorch ${python.torch}`;

/** Whether that Python has packages: `hasLibraries("timm")`. torchvision and timm are imported after libraries.py. */
export function hasLibraries(...names: string[]): boolean {
  if (python === null) return false;
  const found = `all(importlib.util.find_spec(name) is not None for name in ${JSON.stringify(names)})`;
  return ask(python.path, `import importlib.util; print(${found})`) === "True";
}

/** Python code to stand before `import torchvision` or `import timm`: see libraries.py. */
export const librariesPath = `import sys; sys.path.insert(0, ${JSON.stringify(fileURLToPath(new URL(".", import.meta.url)))}); import libraries\n`;

/** Whether both sides run on the same minor version of LibTorch: then random numbers must agree, too. */
export const sameLibTorch = python !== null && minor(python.torch) === minor(torch.libtorch.version);

function findPython(): { path: string; torch: string } | null {
  for (const path of [process.env.STEPPE_PYTHON, "python3"]) {
    if (path === undefined || path === "") continue;
    const version = ask(path, 'import importlib.metadata; print(importlib.metadata.version("torch"))');
    if (version !== undefined) return { path, torch: version };
  }
  return null;
}

// What a line of Python prints; undefined where it fails. To import torch, or what brings it, takes seconds in each of a hundred test files: what
// is installed says as much.
function ask(path: string, line: string): string | undefined {
  try {
    return execFileSync(path, ["-c", line], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

function minor(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** A tensor on its way to or from Python. */
export interface Packed {
  dtype: string;
  shape: number[];
  data: (number | boolean)[];
}

export function pack(tensor: Tensor): Packed {
  const values = tensor.detach().toTypedArray();
  return { dtype: tensor.dtype, shape: [...tensor.shape], data: Array.from(values as ArrayLike<number | bigint>, Number) };
}

export function unpack(packed: Packed): Tensor {
  return torch.tensor(packed.data.map(Number), { dtype: packed.dtype as DType }).reshape(packed.shape);
}

const prelude = `
import json, math, sys, warnings
import torch
from torch import nn
import torch.nn.functional as F
warnings.simplefilter("ignore")
torch.set_num_threads(1)
def pack(t):
    return {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "data": t.detach().flatten().tolist()}
def unpack(p):
    return torch.tensor(p["data"], dtype=getattr(torch, p["dtype"])).reshape(p["shape"])
with open(sys.argv[1]) as file:
    inputs = json.load(file)
`;

const coda = `
with open(sys.argv[2], "w") as file:
    file.write(json.dumps(outputs))  # dump() would go through Python for every number
`;

/**
 * Runs a Python script that has `inputs`, `torch`, `nn`, `F`, `pack` and `unpack`, and sets `outputs`.
 *
 * @param inputs anything that JSON can hold
 * @returns what the script put into `outputs`
 */
export function runPython<Outputs>(script: string, inputs: unknown = {}): Outputs {
  if (python === null) throw new Error(needsPython);
  const folder = mkdtempSync(join(tmpdir(), "steppe-python-"));
  try {
    const [code, from, to] = ["script.py", "inputs.json", "outputs.json"].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(code, prelude + script + coda);
    writeFileSync(from, JSON.stringify(inputs));
    execFileSync(python.path, [code, from, to], { stdio: ["ignore", "inherit", "inherit"] });
    // Python writes numbers that are not finite as words that JSON does not have; `unpack` reads them from strings.
    return JSON.parse(readFileSync(to, "utf8").replace(/-?\b(NaN|Infinity)\b/g, '"$&"')) as Outputs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The largest difference between two tensors of the same shape, in float64. NaN counts as infinitely far. */
export function distance(a: Tensor, b: Tensor): number {
  if (String(a.shape) !== String(b.shape)) throw new Error(`Shapes differ: [${a.shape}] and [${b.shape}]`);
  if (a.numel() === 0) return 0;
  const [x, y] = [a, b].map((t) => Array.from(t.detach().toTypedArray() as ArrayLike<number | bigint>, Number)) as [number[], number[]];
  return x.reduce((most, value, i) => Math.max(most, Number.isNaN(value - y[i]!) ? Infinity : Math.abs(value - y[i]!)), 0);
}
