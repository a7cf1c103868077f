import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, torch } from "../../lib/index.js";
import type { DType } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python, runPython } from "../support/python.js";

// Python's safetensors package, both ways. It has no F8_E8M0 in its table of dtypes, so that one is left out here.

const dtypes: readonly DType[] = [
  "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64",
  "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
];

const reference = python !== null && canImport(python.path) ? python.path : null;
const title = python === null ? needsPython : reference === null ? "skipped: that Python has no safetensors" : "Python's safetensors";

function canImport(path: string): boolean {
  try {
    execFileSync(path, ["-c", "import safetensors.torch"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.runIf(reference !== null)(title, () => {
  test("reads what is written here", () => {
    const path = join(temporaryFolder(), "ours.safetensors");
    const tensors = Object.fromEntries(dtypes.map((dtype) => [`größe.${dtype}`, torch.arange(6, { dtype: "float32" }).reshape([2, 3]).to(dtype)]));
    io.saveSafetensors(path, { ...tensors, scalar: torch.tensor(2.5), empty: torch.zeros([0, 4]) }, { epoch: "3", über: "日本" });
    const seen = runPython<{ metadata: object; tensors: Record<string, { dtype: string; shape: number[]; bytes: number[] }> }>(
      `
from safetensors import safe_open
outputs = {"tensors": {}}
with safe_open(inputs, framework="pt") as f:
    outputs["metadata"] = f.metadata()
    for name in f.keys():
        t = f.get_tensor(name)
        data = t.contiguous().view(torch.uint8) if t.dim() and t.numel() else t.reshape(-1).view(torch.uint8)
        outputs["tensors"][name] = {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "bytes": data.flatten().tolist()}
`,
      path,
    );
    expect(seen.metadata).toEqual({ epoch: "3", über: "日本" });
    expect(Object.keys(seen.tensors)).toHaveLength(dtypes.length + 2);
    for (const [name, tensor] of Object.entries(io.loadSafetensors(path))) {
      expect(seen.tensors[name]).toEqual({ dtype: tensor.dtype, shape: [...tensor.shape], bytes: [...tensor.toBytes()] });
    }
  });

  test("writes what is read here", () => {
    const path = join(temporaryFolder(), "theirs.safetensors");
    const written = runPython<Record<string, { shape: number[]; bytes: number[] }>>(
      `
from safetensors.torch import save_file
torch.manual_seed(3)
tensors = {}
for i, name in enumerate(inputs["dtypes"]):
    dtype = getattr(torch, name)
    size = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 2 if name == "bool" else 256, (i, 3 * size), dtype=torch.uint8)
    tensors[name] = raw.view(dtype)
tensors["scalar"] = torch.tensor(2.5)
save_file(tensors, inputs["path"], {"format": "pt", "über": "日本"})
outputs = {n: {"shape": list(t.shape), "bytes": t.reshape(-1).view(torch.uint8).tolist()} for n, t in tensors.items()}
`,
      { dtypes, path },
    );
    const loaded = io.loadSafetensors(path);
    expect(Object.keys(loaded).sort()).toEqual([...dtypes, "scalar"].sort());
    for (const [name, tensor] of Object.entries(loaded)) {
      expect(tensor.dtype).toBe(name === "scalar" ? "float32" : name);
      expect({ shape: [...tensor.shape], bytes: [...tensor.toBytes()] }).toEqual(written[name]);
    }
    expect(io.safetensorsMetadata(path)).toEqual({ format: "pt", über: "日本" });
  });
});
