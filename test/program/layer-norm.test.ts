import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, ownKernels, recorded } from "./own-kernels.js";

// Layer norms by kernels of our own, beside LibTorch's in float32 and float64.

const kernels = (text: string) => ownKernels(text, /layer_norm/);
const both = ["native_layer_norm", "backward native_layer_norm_backward"];

type Options = { eps?: number; elementwiseAffine?: boolean; bias?: boolean };

/** A layer norm whose inputs have a gradient, too. `far`: how far from 0 they are. */
function make(shape: number[], of: number, options: Options = {}, far = 0) {
  torch.manualSeed(3);
  class Normed extends nn.Module {
    readonly scale = nn.parameter(torch.randn(shape));
    readonly norm = new nn.LayerNorm(shape.slice(-of), options);
    forward(x: Tensor): Tensor {
      return this.norm.forward(x.mul(this.scale).add(far));
    }
  }
  const model = new Normed();
  torch.noGrad(() => model.norm.parameters().forEach((parameter) => parameter.uniform_(-1, 1)));
  return { model, loss: (x: Tensor) => model.forward(x).sin().mul(torch.arange(shape.at(-1)!).add(1)).mean() };
}

describe.each([1, 2])("on %i threads", (threads) => {
  test.each<[string, number[], number, Options, number]>([
    ["whole registers", [24, 64], 1, {}, 0],
    ["a row of a transformer's", [4, 9, 128], 1, {}, 0],
    ["columns that fill no register", [11, 77], 1, {}, 0],
    ["fewer columns than a register has lanes", [70, 9], 1, {}, 0],
    ["one row", [1, 600], 1, {}, 0],
    ["more columns than are summed in one block", [5, 2571], 1, {}, 0],
    ["several dimensions", [6, 5, 4, 7], 3, {}, 0],
    ["all dimensions", [20, 30], 2, {}, 0],
    ["many rows, for several pieces", [777, 33], 1, {}, 0],
    ["without weight and bias", [40, 50], 1, { elementwiseAffine: false }, 0],
    ["without bias", [40, 50], 1, { bias: false }, 0],
    ["another eps", [40, 50], 1, { eps: 0.5 }, 0],
    ["a mean that is large beside what varies", [40, 50], 1, {}, 30],
    ["a mean that is larger yet, of long rows", [9, 600], 1, {}, 1000],
  ])("%s", (_, shape, of, options, far) => {
    torch.setNumThreads(threads);
    torch.manualSeed(5);
    expect(kernels(expectLikeAutograd(() => make(shape, of, options, far), [torch.randn(shape)]))).toEqual(both);
  });
});

test("a frozen weight has no gradient, and the bias has its own", () => {
  torch.manualSeed(5);
  const x = torch.randn([40, 50]);
  const [free, frozen] = [make([40, 50], 1), make([40, 50], 1)];
  frozen.model.norm.weight!.requiresGrad = false;
  const [all, some] = [recorded(free, [x]), recorded(frozen, [x])];
  expect(kernels(some.text)).toEqual(both);
  const [names, weight] = [free.model.namedParameters().map(([name]) => name), free.model.namedParameters().findIndex(([name]) => name === "norm.weight")];
  expect(some.gradients[weight]).toBeNull();
  names.forEach((name, i) => {
    if (i !== weight) expect([name, torch.equal(some.gradients[i]!, all.gradients[i]!)]).toEqual([name, true]);
  });
});

test("of inputs without a gradient the weight's and the bias's alone", () => {
  const make = () => {
    const model = new nn.LayerNorm([40]);
    return { model, loss: (x: Tensor) => model.forward(x).sin().mul(torch.arange(40)).mean() };
  };
  torch.manualSeed(5);
  expect(kernels(expectLikeAutograd(make, [torch.randn([30, 40])]))).toEqual(both);
});

test("rows all of whose numbers are the same, infinities and what is no number, as LibTorch has them", () => {
  const { model } = make([4, 256], 1);
  const x = torch.randn([4, 256]);
  const rows = [torch.full([256], 3), x.select(0, 1).clone(), x.select(0, 2).clone(), x.select(0, 3).clone()];
  rows[1]!.select(0, 7).fill_(Infinity);
  rows[2]!.select(0, 9).fill_(NaN);
  const batch = torch.stack(rows);
  const kinds = (y: Tensor) => torch.cat([y.isnan(), y.isinf()]).to("float32").mul(torch.arange(8 * 256).view([8, 256])).sum();
  const loss = (x: Tensor) => kinds(model.norm.forward(x)).add(model.norm.weight!.mul(0).sum());
  const result = recorded({ model, loss }, [batch]);
  expect(kernels(result.text)).toEqual(["native_layer_norm"]);
  expect(result.loss).toBe(loss(batch).item());
});

test.each([[256, 3], [600, 1000.1], [4096, 30000.3], [777, 1e6 + 0.7], [601, -0.1]])("rows of %i times %d have nothing that varies", (columns, value) => {
  const norm = new nn.LayerNorm([columns]);
  const x = torch.full([8, columns], value, { dtype: "float32" });
  const { loss, text } = recorded({ model: norm, loss: (x: Tensor) => norm.forward(x).abs().sum() }, [x]);
  expect(kernels(text)).toContain("native_layer_norm");
  expect(loss).toBe(0);
});

test("the number of threads changes nothing", () => {
  torch.manualSeed(5);
  const batch = [torch.randn([301, 97])];
  const bytes = (threads: number) => {
    torch.setNumThreads(threads);
    const { loss, gradients } = recorded(make([301, 97], 1), batch);
    return [loss, ...gradients.map((gradient) => Buffer.from(gradient!.toBytes()).toString("hex"))];
  };
  expect([bytes(2), bytes(7)]).toEqual([bytes(1), bytes(1)]);
});

test.each<[string, number[], "float32" | "float64" | "bfloat16", (x: Tensor) => Tensor]>([
  ["tiny ones", [8, 16], "float32", (x) => x],
  ["float64", [30, 40], "float64", (x) => x],
  ["bfloat16", [30, 40], "bfloat16", (x) => x],
  ["columns that do not follow each other", [40, 30], "float32", (x) => x.t()],
])("%s: LibTorch's", (_, shape, dtype, seen) => {
  const x = torch.randn(shape, { dtype });
  const model = new nn.LayerNorm([seen(x).shape.at(-1)!]).to(dtype);
  const { text } = recorded({ model, loss: (x: Tensor) => model.forward(seen(x)).square().sum().to("float32") }, [x]);
  expect(kernels(text).filter((name) => name === "native_layer_norm")).toEqual([]);
});
