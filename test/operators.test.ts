import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { torch } from "../lib/index.js";
import { camelCase } from "../lib/dispatch.js";
import { native, type NativeOverload } from "../lib/native.js";
import { functionFamilies, methodFamilies } from "../lib/ops.generated.js";
import { DEFAULT_VERSION } from "../scripts/setup/libtorch.js";
import { argumentsFor, declarations } from "./support/declarations.js";

// The arguments below fit the schemas, not the operators: which one is chosen is the question, and none is run.
vi.mock("../lib/guards/index.js", () => ({ guardOf: () => null }));

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const source = readFileSync(new URL("../lib/ops.generated.ts", import.meta.url), "utf8");
const minor = (version: string) => version.split(".").slice(0, 2).join(".");

afterEach(() => {
  vi.restoreAllMocks();
});

test("the file says that it is of the default LibTorch", () => expect(source).toContain(`of LibTorch ${DEFAULT_VERSION}`));

// Another LibTorch has other schemas: the file stays that of the default one.
test.skipIf(minor(torch.libtorch.version) !== minor(DEFAULT_VERSION))("the file is what the schemas of the default LibTorch give", async () => {
  await run(process.execPath, ["scripts/generate-ops.js", "--check"], { cwd: root });
});

describe("every call signature is one that the dispatcher takes, for an operator with that result", () => {
  const overloads = new Map<number, NativeOverload>();
  for (const name of new Set(Object.values(functionFamilies))) for (const overload of native.family(name)) overloads.set(overload.op, overload);

  function watch(): { op: number } {
    const chosen = { op: -1 };
    const tensor = torch.zeros([]);
    vi.spyOn(native, "invokeTensor").mockImplementation((op) => ((chosen.op = op), tensor.handle));
    vi.spyOn(native, "invoke").mockImplementation((op) => {
      chosen.op = op;
      const results = overloads.get(op)!.returns.map(({ list }) => (list ? [] : tensor.handle));
      return results.length === 1 ? results[0] : results;
    });
    return chosen;
  }

  const written: Record<string, string> = { int: "number", float: "number", bool: "boolean", ScalarType: "DType" };

  function resultOf({ returns }: NativeOverload): string {
    const types = returns.map(({ kind, list }) => `${written[kind] ?? kind}${list ? "[]" : ""}`);
    return types.length === 0 ? "void" : types.length === 1 ? types[0]! : `[${types.join(", ")}]`;
  }

  function check(kind: string, families: Readonly<Record<string, string>>, call: (name: string, args: unknown[]) => void): void {
    const chosen = watch();
    const list = declarations(source, kind);
    expect(new Set(list.map(({ name }) => name))).toEqual(new Set(Object.keys(families)));
    const wrong: string[] = [];
    for (const declaration of list) {
      const expected = declaration.returns.replace(/\w+: /g, "").replace("this", "Tensor");
      for (const args of argumentsFor(declaration)) {
        chosen.op = -1;
        try {
          call(declaration.name, args);
        } catch (error) {
          // Another LibTorch than the default one may lack an operator: who calls it is told so.
          const lacks = minor(torch.libtorch.version) !== minor(DEFAULT_VERSION) && String(error).includes(`LibTorch has no operator "${families[declaration.name]}"`);
          if (!lacks) wrong.push(`${declaration.text} refused: ${String(error).split("\n")[0]}`);
          break;
        }
        const overload = overloads.get(chosen.op)!;
        if (resultOf(overload) !== expected || overload.name.split(".")[0] !== families[declaration.name]) wrong.push(`${declaration.text} chose ${overload.schema}`);
      }
    }
    expect(wrong).toEqual([]);
  }

  test("functions", () => {
    const functions = torch as unknown as Record<string, (...args: unknown[]) => unknown>;
    check("TorchFunctions", functionFamilies, (name, args) => functions[name]!(...args));
  });

  test("methods", () => {
    const self = torch.zeros([]) as unknown as Record<string, (...args: unknown[]) => unknown>;
    check("TensorMethods", methodFamilies, (name, args) => self[name]!(...args));
  });
});

test("an option that is undefined is one that is not given", () => {
  const x = torch.tensor([1, 2]);
  expect(torch.add(x, x, { out: undefined, alpha: undefined }).toArray()).toEqual([2, 4]);
  expect(torch.max(x, 0, { max: undefined, maxValues: undefined }).map((tensor) => tensor.toArray())).toEqual([2, 1]);
});

test("names are those of the schemas in camelCase", () => {
  for (const [name, operator] of Object.entries({ ...functionFamilies, ...methodFamilies })) expect(name).toBe(camelCase(operator.slice("aten::".length)));
});

test("what the class Tensor defines itself is no operator", () => {
  const x = torch.ones([2, 3]);
  for (const name of ["size", "stride", "dim", "numel", "storageOffset", "isLeaf", "data", "item", "to", "requiresGrad_", "retainGrad"]) {
    expect(methodFamilies).not.toHaveProperty(name);
  }
  expect([x.storageOffset, x.size(), x.stride(0), x.isLeaf]).toEqual([0, [2, 3], 3, true]);
});

describe("namespaces", () => {
  test("hold the functions of their prefix under their short names", () => {
    expect(torch.linalg.svd).toBe(torch.linalgSvd);
    expect(torch.fft.fftshift).toBe(torch.fftFftshift);
    expect(torch.special.log1p).toBe(torch.specialLog1p);
    expect(Object.keys(torch.linalg)).toHaveLength(Object.keys(functionFamilies).filter((name) => name.startsWith("linalg")).length);
  });

  test("compute", () => {
    const a = torch.tensor([[2, 0], [0, 0.5]]);
    expect(torch.linalg.inv(a).toArray()).toEqual([[0.5, 0], [0, 2]]);
    expect(torch.fft.rfft(torch.tensor([1, 1, 1, 1.0], { dtype: "float32" })).toArray()).toEqual([{ re: 4, im: 0 }, { re: 0, im: 0 }, { re: 0, im: 0 }]);
    expect(torch.special.entr(torch.tensor([1.0, 0], { dtype: "float32" })).toArray()).toEqual([0, 0].map((value) => expect.closeTo(value, 12)));
  });
});
