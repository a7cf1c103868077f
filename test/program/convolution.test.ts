import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, hasWideRegisters, ownKernels, recorded } from "./own-kernels.js";

// Convolutions that a program computes by kernels of our own. On one thread LibTorch leaves some of 1×1 to other code than oneDNN,
// which lays out a weight's gradient in another way; those stay LibTorch's.
torch.setNumThreads(2);

const both = ["convolution", "backward convolution_backward"];

type Pair = number | [number, number];
type Options = { padding?: Pair; stride?: Pair; dilation?: Pair; bias?: boolean; groups?: number };

/** A convolution behind another, whose input so has a gradient, too. */
function make(channels: number, out: number, kernel: Pair, options: Options) {
  torch.manualSeed(3);
  const model = new nn.Sequential(new nn.Conv2d(2, channels, 1), new nn.Conv2d(channels, out, kernel, options));
  return { model, loss: (x: Tensor) => model.forward(x).sin().mean() };
}

const images = (n: number, height: number, width = height) => torch.randn([n, 2, height, width]);

describe("few pixels: all three as products of matrices", () => {
  test.each<[string, number, number, Pair, Options, [number, number, number]]>([
    ["5×5", 64, 64, 5, { padding: 2 }, [3, 4, 4]],
    ["3×3, without bias", 64, 72, 3, { padding: 1, bias: false }, [3, 4, 4]],
    ["stride 2", 64, 64, 3, { padding: 1, stride: 2 }, [2, 7, 8]],
    ["dilation 2, more padding than the window has", 64, 64, 3, { padding: 3, dilation: 2 }, [2, 5, 4]],
    ["another height than width", 65, 64, [5, 3], { padding: [2, 0], stride: [1, 2] }, [2, 6, 9]],
    ["1×1", 96, 64, 1, {}, [2, 4, 4]],
    ["1×1 with stride 2", 64, 128, 1, { stride: 2, bias: false }, [2, 7, 7]],
    ["one pixel", 64, 64, 3, {}, [4, 3, 3]],
    ["more windows than are gathered at a time", 256, 64, 5, { padding: 2 }, [60, 4, 4]],
  ])("%s", (_, channels, out, kernel, options, [n, height, width]) => {
    torch.manualSeed(5);
    const text = expectLikeAutograd(() => make(channels, out, kernel, options), [images(n, height, width)]);
    expect(ownKernels(text)).toEqual(both);
  });
});

describe("3×3: by Winograd's algorithm, where the processor has AVX-512", () => {
  const expected = hasWideRegisters ? both : expect.anything();

  test.each<[string, number, number, Options, [number, number, number]]>([
    ["many tiles", 32, 64, { padding: 1 }, [5, 18, 18]],
    ["many tiles of an odd image, without bias", 48, 80, { padding: 1, bias: false }, [21, 9, 7]],
    ["few tiles, a panel of channels that is not whole", 64, 112, { padding: 1 }, [3, 4, 6]],
    ["few tiles, as many channels as are transformed at a time and some", 144, 128, { padding: 1 }, [2, 5, 7]],
    ["more of them than registers hold", 64, 112, { padding: 1 }, [6, 8, 8]],
    ["fewer than a register holds", 80, 128, { padding: 1, bias: false }, [1, 4, 8]],
    ["no padding", 16, 16, {}, [4, 8, 10]],
    ["padding 2, then 0", 32, 16, { padding: [2, 0] }, [4, 7, 8]],
    ["a weight's gradient of several sums", 64, 64, { padding: 1 }, [9, 32, 32]],
    ["a weight's gradient of several sums that threads share", 80, 80, { padding: 1 }, [9, 32, 32]],
  ])("%s", (_, channels, out, options, [n, height, width]) => {
    torch.manualSeed(5);
    expect(ownKernels(expectLikeAutograd(() => make(channels, out, 3, options), [images(n, height, width)]))).toEqual(expected);
  });

  test("the same bits whatever the number of threads", () => {
    for (const [channels, out, n, size] of [[32, 64, 7, 18], [64, 128, 3, 8], [64, 128, 6, 8], [64, 64, 9, 32], [64, 128, 5, 32]] as const) {
      torch.manualSeed(5);
      const batch = [images(n, size)];
      const bits = (threads: number) => {
        torch.setNumThreads(threads);
        const { gradients } = recorded(make(channels, out, 3, { padding: 1 }), batch);
        return gradients.map((gradient) => Buffer.from(gradient!.contiguous().toTypedArray().buffer as ArrayBuffer).toString("hex"));
      };
      const [one, two] = [bits(1), bits(2)];
      expect(two[2]).toBe(one[2]); // the weight of the convolution that is ours; LibTorch sums a bias's gradient in its own order
    }
  });
});

test("with a stride, or many channels: the weight's gradient alone", () => {
  torch.manualSeed(5);
  const batch = [images(9, 16)];
  expect(ownKernels(expectLikeAutograd(() => make(64, 64, 3, { padding: 1, stride: 2 }), [images(9, 32)]))).toEqual(["backward convolution_backward"]);
  expect(ownKernels(expectLikeAutograd(() => make(64, 256, 3, { padding: 2, dilation: 2 }), batch))).toEqual(["backward convolution_backward"]);
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

describe("few channels: directly, where the processor has AVX-512", () => {
  type Sizes = [channels: number, out: number, kernel: Pair, options: Options, images: [number, number, number]];

  /** A convolution over images, which have no gradient, or behind another that LibTorch computes. */
  function build([channels, out, kernel, options, [n, height, width]]: Sizes, inside: boolean) {
    torch.manualSeed(3);
    const layer = new nn.Conv2d(channels, out, kernel, options);
    const model = inside ? new nn.Sequential(new nn.Conv2d(2, channels, 1), layer) : new nn.Sequential(layer);
    return { subject: { model, loss: (x: Tensor) => model.forward(x).sin().mean() }, images: torch.randn([n, inside ? 2 : channels, height, width]) };
  }

  test.each<[string, Sizes]>([
    ["one channel", [1, 16, 3, { padding: 1, bias: false }, [8, 28, 28]]],
    ["colours, with a bias", [3, 32, 5, { padding: 2 }, [5, 12, 11]]],
    ["three registers of channels", [3, 48, 3, {}, [4, 9, 10]]],
    ["no padding, another height than width", [4, 64, [1, 3], {}, [3, 5, 20]]],
    ["one pixel", [2, 16, 3, {}, [2, 3, 3]]],
    ["more padding than the window has", [1, 16, 3, { padding: 4 }, [2, 4, 5]]],
    ["more pieces than images, wide lines", [1, 32, 3, { padding: 1 }, [40, 6, 300]]],
    ["an image that is more than scratch keeps", [4, 16, 3, { padding: 1 }, [2, 560, 512]]],
  ])("images: %s", (_, sizes) => {
    const { images } = build(sizes, false);
    expect(ownKernels(expectLikeAutograd(() => build(sizes, false).subject, [images]))).toEqual(hasWideRegisters ? both : []);
  });

  test.each<[string, Sizes]>([
    ["16 to 32", [16, 32, 3, { padding: 1, bias: false }, [8, 14, 14]]],
    ["32 to 16", [32, 16, 3, { padding: 1 }, [8, 14, 13]]],
    ["32 to 32", [32, 32, 3, { padding: [0, 1] }, [17, 6, 9]]],
    ["an input's gradient of 16 channels that no register of two takes", [16, 16, [5, 2], { padding: [2, 0] }, [3, 15, 17]]],
    ["more padding than the window has: the input's gradient is LibTorch's", [16, 32, 3, { padding: 3 }, [4, 7, 7]]],
    ["an input of 20 channels, whose gradient is LibTorch's", [20, 32, 3, { padding: 1 }, [4, 7, 7]]],
  ])("inside a net: %s", (_, sizes) => {
    const { images } = build(sizes, true);
    expect(ownKernels(expectLikeAutograd(() => build(sizes, true).subject, [images]))).toEqual(hasWideRegisters ? both : []);
  });

  test("no channels at all", () => {
    const model = new nn.Sequential(new nn.Conv2d(0, 16, 3));
    const images = torch.zeros([2, 0, 5, 5]).contiguous({ memoryFormat: "channels_last" });
    expect(recorded({ model, loss: (x: Tensor) => model.forward(x).sin().mean() }, [images]).loss).toBe(model.forward(images).sin().mean().item());
  });

  test("the same bits whatever the number of threads", () => {
    const bits = (threads: number) => {
      torch.setNumThreads(threads);
      const { subject, images } = build([16, 32, 3, { padding: 1 }, [21, 9, 9]], true);
      return recorded(subject, [images]).gradients.map((gradient) => Buffer.from(gradient!.contiguous().toTypedArray().buffer as ArrayBuffer).toString("hex"));
    };
    const [one, two] = [bits(1), bits(2)];
    expect(two.slice(2)).toEqual(one.slice(2)); // of the convolution that is ours
  });
});

test("groups, other dtypes and middling channels are LibTorch's", () => {
  const batch = [images(3, 4)];
  for (const subject of [make(64, 64, 3, { padding: 1, groups: 2 }), make(40, 72, 3, { padding: 1 })]) expect(ownKernels(recorded(subject, batch).text)).toEqual([]);
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
