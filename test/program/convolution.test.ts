import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, ownKernels, recorded } from "./own-kernels.js";

// Convolutions that a program computes as products of matrices. On one thread LibTorch leaves some of 1×1 to other code than oneDNN,
// which lays out a weight's gradient in another way; those stay LibTorch's.
torch.setNumThreads(2);

type Pair = number | [number, number];
type Options = { padding?: Pair; stride?: Pair; dilation?: Pair; bias?: boolean; groups?: number };

/** A convolution behind another, whose input so has a gradient, too. */
function make(channels: number, out: number, kernel: Pair, options: Options) {
  torch.manualSeed(3);
  const model = new nn.Sequential(new nn.Conv2d(2, channels, 1), new nn.Conv2d(channels, out, kernel, options));
  return { model, loss: (x: Tensor) => model.forward(x).sin().mean() };
}

const images = (n: number, height: number, width = height) => torch.randn([n, 2, height, width]);

describe("few pixels: all three products", () => {
  test.each<[string, number, number, Pair, Options, [number, number, number]]>([
    ["3×3", 64, 64, 3, { padding: 1 }, [3, 4, 4]],
    ["without bias", 64, 72, 3, { padding: 1, bias: false }, [3, 4, 4]],
    ["stride 2", 64, 64, 3, { padding: 1, stride: 2 }, [2, 7, 8]],
    ["dilation 2, more padding than the window has", 64, 64, 3, { padding: 3, dilation: 2 }, [2, 5, 4]],
    ["another height than width", 65, 64, [5, 3], { padding: [2, 0], stride: [1, 2] }, [2, 6, 9]],
    ["1×1", 96, 64, 1, {}, [2, 4, 4]],
    ["1×1 with stride 2", 64, 128, 1, { stride: 2, bias: false }, [2, 7, 7]],
    ["one pixel", 64, 64, 3, {}, [4, 3, 3]],
    ["more windows than are gathered at a time", 256, 64, 3, { padding: 1 }, [120, 4, 4]],
  ])("%s", (_, channels, out, kernel, options, [n, height, width]) => {
    torch.manualSeed(5);
    const text = expectLikeAutograd(() => make(channels, out, kernel, options), [images(n, height, width)]);
    expect(ownKernels(text)).toEqual(["convolution", "backward convolution_backward"]);
  });
});

test("with a stride, or many channels: the weight's gradient alone", () => {
  torch.manualSeed(5);
  const batch = [images(9, 16)];
  expect(ownKernels(expectLikeAutograd(() => make(64, 64, 3, { padding: 1, stride: 2 }), [images(9, 32)]))).toEqual(["backward convolution_backward"]);
  expect(ownKernels(expectLikeAutograd(() => make(64, 256, 3, { padding: 1 }), batch))).toEqual(["backward convolution_backward"]);
});

test("a frozen weight, and a frozen bias, have no gradient", () => {
  torch.manualSeed(5);
  const frozen = (name: string) => () => {
    const subject = make(64, 64, 3, { padding: 1 });
    for (const [each, parameter] of subject.model.namedParameters()) parameter.requiresGrad = !each.startsWith(name);
    return subject;
  };
  for (const name of ["0.", "1.weight", "1.bias"]) expectLikeAutograd(frozen(name), [images(3, 4)]);
});

test("groups, other dtypes and few channels are LibTorch's", () => {
  const batch = [images(3, 4)];
  for (const subject of [make(64, 64, 3, { padding: 1, groups: 2 }), make(32, 64, 3, { padding: 1 })]) expect(ownKernels(recorded(subject, batch).text)).toEqual([]);
  const wide = make(64, 64, 3, { padding: 1 });
  wide.model.to("float64");
  expect(ownKernels(recorded(wide, [batch[0]!.to("float64")]).text)).toEqual([]);
});

test("the same numbers again, and whatever stood in memory before", () => {
  torch.manualSeed(5);
  const batch = [images(5, 4)];
  const pass = () => recorded(make(64, 64, 3, { padding: 1 }), batch);
  const first = pass();
  torch.full([4_000_000], NaN).dispose();
  const second = pass();
  expect(second.loss).toBe(first.loss);
  first.gradients.forEach((gradient, i) => expect(torch.equal(gradient!, second.gradients[i]!)).toBe(true));
});
