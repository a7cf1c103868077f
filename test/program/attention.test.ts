import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, hasWideRegisters, ownKernels, recorded } from "./own-kernels.js";
import type { Subject } from "./own-kernels.js";

// Attention over short sequences, which a program computes by a kernel of our own: beside autograd over LibTorch's, and in float64.

torch.setNumThreads(1);

const both = hasWideRegisters ? ["_scaled_dot_product_flash_attention_for_cpu", "backward _scaled_dot_product_flash_attention_for_cpu_backward"] : [];

interface Shape {
  queries: number;
  keys?: number;
  width?: number;
  heads?: number;
  samples?: number;
  isCausal?: boolean;
  scale?: number;
  /** [samples, heads, places, width] as it is, instead of places before heads. */
  headsFirst?: boolean;
}

/** Queries, keys and values are products of two inputs: all three have gradients. */
class Heads extends nn.Module {
  readonly q: nn.Linear;
  readonly kv: nn.Linear;
  constructor(private readonly shape: Shape) {
    super();
    const { width = 16, heads = 2 } = shape;
    this.q = new nn.Linear(12, heads * width);
    this.kv = new nn.Linear(12, 2 * heads * width);
  }

  forward(x: Tensor, y: Tensor): Tensor {
    const { width = 16, heads = 2, isCausal = false, scale, headsFirst = false } = this.shape;
    const split = (z: Tensor) => {
      const places = z.view([z.shape[0]!, z.shape[1]!, heads, width]).transpose(1, 2);
      return headsFirst ? places.contiguous() : places;
    };
    const [k, v] = this.kv.forward(y).mul(3).split(heads * width, 2) as [Tensor, Tensor];
    return torch.scaledDotProductAttention(split(this.q.forward(x).mul(3)), split(k), split(v), { isCausal, ...(scale === undefined ? {} : { scale }) });
  }
}

function make(shape: Shape, seed = 3) {
  torch.manualSeed(seed);
  const model = new Heads(shape);
  return { model, loss: (x: Tensor, y: Tensor) => model.forward(x, y).sin().mul(torch.arange(shape.width ?? 16).add(1)).mean() };
}

function batch({ queries, keys = queries, samples = 3 }: Shape): Tensor[] {
  torch.manualSeed(5);
  return [torch.randn([samples, queries, 12]), torch.randn([samples, keys, 12])];
}

describe("as LibTorch's", () => {
  test.each<[string, Shape]>([
    ["whole registers of places", { queries: 32 }],
    ["each place looks at those before it", { queries: 32, isCausal: true }],
    ["places that fill no register", { queries: 21, width: 32 }],
    ["places that fill no register, causal", { queries: 37, isCausal: true, width: 32, heads: 3 }],
    ["one place", { queries: 1, isCausal: true }],
    ["one query, several keys", { queries: 1, keys: 19 }],
    ["more keys than queries, causal", { queries: 9, keys: 50, isCausal: true }],
    ["more queries than keys, causal", { queries: 50, keys: 9, isCausal: true }],
    ["more queries than keys", { queries: 33, keys: 18, width: 48 }],
    ["a scale of its own", { queries: 20, scale: 0.7, width: 64 }],
    ["heads first in memory", { queries: 17, headsFirst: true, isCausal: true }],
    ["one head, one sample", { queries: 40, heads: 1, samples: 1 }],
    ["the longest and widest", { queries: 256, width: 128, heads: 1, samples: 1, isCausal: true }],
  ])("%s", (_, shape) => {
    expect(ownKernels(expectLikeAutograd(() => make(shape), batch(shape)))).toEqual(both);
  });
});

test("scores far from 0, where all but one weight vanish: as near to float64 as LibTorch's, over ten nets", () => {
  const shape: Shape = { queries: 24, isCausal: true, scale: 20 };
  const errors = [0, 0]; // logarithms
  for (let net = 0; net < 10; net++) {
    const [own, libtorch, exact] = [make(shape, net), make(shape, net), make(shape, net)];
    exact.model.to("float64");
    const inputs = batch(shape);
    const result = recorded(own as Subject, inputs);
    expect(ownKernels(result.text)).toEqual(both);
    libtorch.loss(inputs[0]!, inputs[1]!).backward();
    exact.loss(inputs[0]!.to("float64"), inputs[1]!.to("float64")).backward();
    const beside = [result.gradients, libtorch.model.parameters().map(({ grad }) => grad)];
    beside.forEach((gradients, i) => {
      const each = exact.model.parameters().map(({ grad }, k) => gradients[k]!.to("float64").sub(grad!).abs().max().item() as number);
      errors[i]! += Math.log(Math.max(...each));
    });
  }
  expect(errors[0]! - errors[1]!).toBeLessThan(10 * Math.log(2));
});

test("a NaN and an infinity among the inputs end in the loss, as LibTorch's", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const place of [0, 1]) {
      const shape: Shape = { queries: 20 };
      const inputs = batch(shape);
      torch.noGrad(() => void inputs[place]!.select(1, 7).fill_(bad));
      const { model, loss } = make(shape);
      expect(Number.isFinite(recorded({ model, loss } as Subject, inputs).loss)).toBe(Number.isFinite(loss(inputs[0]!, inputs[1]!).item() as number));
    }
  }
});

test("scores that are all -∞, of finite numbers: nothing is looked at, as LibTorch has it", () => {
  const model = new nn.Linear(16, 16, false);
  torch.noGrad(() => void model.weight.copy_(torch.eye(16)));
  torch.manualSeed(2);
  const values = torch.randn([1, 1, 20, 16]);
  const queries = torch.full([1, 1, 20, 16], 1e20);
  for (const isCausal of [false, true]) {
    for (const seen of [false, true]) {
      const keys = torch.full([1, 1, 20, 16], -1e20);
      if (seen) torch.noGrad(() => void keys.select(2, 3).fill_(1)); // by all, or by the queries from the fourth on
      const attend = (q: Tensor) => torch.scaledDotProductAttention(q, keys, model.forward(values), { isCausal }).sin().sum();
      const result = recorded({ model, loss: attend } as Subject, [queries]);
      model.zeroGrad();
      const loss = attend(queries);
      loss.backward();
      expect(Number.isFinite(result.loss)).toBe(true);
      expect(Math.abs(result.loss - (loss.item() as number))).toBeLessThan(1e-4);
      const [mine, theirs] = [result.gradients[0]!, model.weight.grad!].map((gradient) => Array.from(gradient.toTypedArray() as Float32Array));
      mine!.forEach((value, i) => expect(Math.abs(value - theirs![i]!)).toBeLessThan(1e-4));
    }
  }
});

test("the same bits whatever the number of threads", () => {
  const shape: Shape = { queries: 53, width: 32, samples: 5, isCausal: true };
  const bits = (threads: number) => {
    torch.setNumThreads(threads);
    const { model, loss } = make(shape);
    const { gradients, loss: value } = recorded({ model, loss } as Subject, batch(shape));
    torch.setNumThreads(1);
    // Of the layer for queries only its bias's gradient, a sum, is not LibTorch's product.
    return [value, ...gradients.map((gradient) => gradient!.sum().item())];
  };
  expect(bits(3)).toEqual(bits(1));
});

test("a mask, longer sequences, other widths, dropout and other dtypes are LibTorch's", () => {
  for (const shape of [{ queries: 257 }, { queries: 20, width: 24 }, { queries: 5, keys: 257 }] satisfies Shape[]) {
    expect(ownKernels(recorded(make(shape) as Subject, batch(shape)).text)).toEqual([]);
  }
  const shape: Shape = { queries: 20 };
  const { model, loss } = make(shape);
  model.to("float64");
  expect(ownKernels(recorded({ model, loss } as Subject, batch(shape).map((x) => x.to("float64"))).text)).toEqual([]);
  const masked = make(shape);
  const mask = torch.ones([20, 20], { dtype: "bool" }).tril();
  const attend = (x: Tensor, y: Tensor) => {
    const split = (z: Tensor) => z.view([3, 20, 2, 16]).transpose(1, 2);
    const [k, v] = masked.model.kv.forward(y).split(32, 2) as [Tensor, Tensor];
    return torch.scaledDotProductAttention(split(masked.model.q.forward(x)), split(k), split(v), { attnMask: mask }).sin().mean();
  };
  expect(ownKernels(recorded({ model: masked.model, loss: attend } as Subject, batch(shape)).text)).toEqual([]);
});
