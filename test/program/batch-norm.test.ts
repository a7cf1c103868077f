import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, ownKernels, recorded } from "./own-kernels.js";

/** What a program computes of batch norms with kernels of our own; convolutions have theirs. */
const normKernels = (text: string) => ownKernels(text).filter((name) => name.includes("batch_norm"));

// Batch norm in training, with the ReLU and the pooling behind it, in one pass.

const both = ["native_batch_norm", "backward native_batch_norm_backward"];
/** Of ReLU and pooling, what is still an instruction of its own. */
const apart = (text: string) => ["aten::relu ", "aten::threshold_backward", "aten::max_pool2d_with_indices"].filter((name) => text.includes(name));

/** Behind a convolution, which puts the channels last. The statistics do not stay at 0 and 1, nor weight and bias at 1 and 0. */
function make(channels: number, after: (x: Tensor) => Tensor, norm = new nn.BatchNorm2d(channels)) {
  torch.manualSeed(3);
  const model = new nn.Sequential(new nn.Conv2d(3, channels, 3, { padding: 1 }), norm);
  torch.noGrad(() => {
    for (const parameter of norm.parameters()) parameter.add_(torch.randn(parameter.shape).mul_(0.3));
  });
  const loss = (x: Tensor) => {
    const y = after(model.forward(x));
    return y.mul(torch.arange(y.numel()).view(y.shape).add(1).sin()).sum();
  };
  return { model, loss };
}

const { relu } = nn.functional;
const maxPool2d = (x: Tensor, kernelSize: number | [number, number]) => nn.functional.maxPool2d(x, { kernelSize });
const images = (n: number, height: number, width = height) => torch.randn([n, 3, height, width]).add(0.5);

describe.each([8, 24, 64])("%i channels", (channels) => {
  test("alone", () => {
    torch.manualSeed(5);
    expect(normKernels(expectLikeAutograd(() => make(channels, (x) => x.tanh()), [images(4, 9, 7)]))).toEqual(both);
  });

  test("with ReLU", () => {
    torch.manualSeed(5);
    const text = expectLikeAutograd(() => make(channels, (x) => relu(x)), [images(4, 9, 7)]);
    expect([normKernels(text), apart(text)]).toEqual([both, []]);
  });

  test.each<[string, number | [number, number], [number, number]]>([
    ["2×2", 2, [8, 6]],
    ["2×2, with a row and a column left over", 2, [9, 7]],
    ["3×2", [3, 2], [11, 9]],
  ])("with ReLU and max pooling, %s", (_, kernel, [height, width]) => {
    torch.manualSeed(5);
    const text = expectLikeAutograd(() => make(channels, (x) => maxPool2d(relu(x), kernel)), [images(4, height, width)]);
    expect([normKernels(text), apart(text)]).toEqual([both, []]);
  });
});

test("many rows are summed piece by piece, by one thread or two, to the same bits", () => {
  torch.manualSeed(5);
  const batch = [images(8, 40)];
  const after = (x: Tensor) => maxPool2d(relu(x), 2);
  expectLikeAutograd(() => make(16, after), batch);
  const threads = torch.getNumThreads();
  try {
    const [one, two] = [1, 2].map((count) => {
      torch.setNumThreads(count);
      // The convolution's own gradients are LibTorch's, and may depend on the threads.
      return recorded(make(16, after), batch).gradients.slice(2);
    });
    one!.forEach((gradient, i) => expect(torch.equal(gradient!, two![i]!)).toBe(true));
  } finally {
    torch.setNumThreads(threads);
  }
});

test("a mean far from 0 costs no digits", () => {
  torch.manualSeed(5);
  const far = () => {
    const subject = make(16, (x) => x.tanh());
    torch.noGrad(() => void subject.model.parameters()[1]!.add_(300));
    return subject;
  };
  expectLikeAutograd(far, [images(4, 9)], 5e-3);
});

test("without running statistics, with a cumulative average, with frozen weight", () => {
  torch.manualSeed(5);
  const batch = [images(4, 8)];
  const after = (x: Tensor) => maxPool2d(relu(x), 2);
  const norms = [() => new nn.BatchNorm2d(16, { trackRunningStats: false }), () => new nn.BatchNorm2d(16, { momentum: null }), () => new nn.BatchNorm2d(16, { momentum: 0.7, eps: 0.1 })];
  for (const norm of norms) expect(normKernels(expectLikeAutograd(() => make(16, after, norm()), batch))).toEqual(both);
  for (const name of ["1.weight", "1.bias", "0."]) {
    const frozen = () => {
      const subject = make(16, after);
      for (const [each, parameter] of subject.model.namedParameters()) parameter.requiresGrad = !each.startsWith(name);
      return subject;
    };
    expectLikeAutograd(frozen, batch);
  }
});

describe("what somebody else looks at is computed", () => {
  const batch = () => {
    torch.manualSeed(5);
    return [images(4, 8)];
  };

  test("the ReLU's result, beside the pooling", () => {
    const after = (x: Tensor) => {
      const y = relu(x);
      return maxPool2d(y, 2).add(y.mean());
    };
    const text = expectLikeAutograd(() => make(16, after), batch());
    expect(normKernels(text)).toEqual(both);
    expect(text).toContain("max_pool2d_with_indices");
  });

  test("the batch norm's result, beside the ReLU", () => {
    const text = expectLikeAutograd(() => make(16, (x) => relu(x).add(x.mul(0.1))), batch());
    expect(normKernels(text)).toEqual(both);
    expect(text).toContain("aten::relu ");
  });

  test("the gradient that somebody else adds to before the batch norm's backward", () => {
    // The skip connection's buffer takes it over, and what comes from `half` is added in place.
    const net = (pooled: boolean) => () => {
      torch.manualSeed(3);
      const model = new nn.ModuleDict({ first: new nn.Conv2d(3, 16, 3, { padding: 1 }), second: new nn.Conv2d(16, 16, 3, { padding: 1 }), norm: new nn.BatchNorm2d(16) });
      const at = (name: "first" | "second" | "norm") => model.get(name) as unknown as { forward(x: Tensor): Tensor };
      const pool = (x: Tensor) => (pooled ? maxPool2d(x, 2) : x);
      const loss = (x: Tensor) => {
        const s = at("first").forward(x);
        const small = pool(s);
        const a = at("norm").forward(at("second").forward(s));
        const half = small.mul(0.5);
        const y = pool(relu(a)).add(small).add(half);
        return y.mul(torch.arange(y.numel()).view(y.shape).add(1).sin()).sum();
      };
      return { model, loss };
    };
    for (const pooled of [false, true]) expect(normKernels(expectLikeAutograd(net(pooled), batch()))).toEqual(both);
  });

  test("the places of the maxima", () => {
    const after = (x: Tensor) => {
      const [y, places] = nn.functional.maxPool2dWithIndices(relu(x), { kernelSize: 2 });
      return y.add(places.to("float32").mul(0.01));
    };
    expect(expectLikeAutograd(() => make(16, after), batch())).toContain("max_pool2d_with_indices");
  });

  test("windows that overlap, have padding, or go over the end", () => {
    for (const pool of [new nn.MaxPool2d(3, 2), new nn.MaxPool2d(2, { padding: 1 }), new nn.MaxPool2d(3, { ceilMode: true }), new nn.MaxPool2d(2, { dilation: 2 })]) {
      const text = expectLikeAutograd(() => make(16, (x) => pool.forward(relu(x))), batch());
      expect(text).toContain("max_pool2d_with_indices");
      expect(text).not.toContain("aten::relu ");
    }
  });
});

test("evaluation mode, no weight, a number of channels that is no multiple of eight, and float64 are LibTorch's", () => {
  torch.manualSeed(5);
  const batch = [images(4, 8)];
  const evaluating = make(16, (x) => relu(x));
  evaluating.model.eval();
  const wide = make(16, (x) => relu(x));
  wide.model.to("float64");
  for (const [subject, x] of [
    [evaluating, batch],
    [make(16, (x) => relu(x), new nn.BatchNorm2d(16, { affine: false })), batch],
    [make(12, (x) => relu(x)), batch],
    [wide, [batch[0]!.to("float64")]],
  ] as const)
    expect(normKernels(recorded(subject, [...x]).text)).toEqual([]);
});

test("one pixel: what follows looks at the ReLU's result in the order that LibTorch gives it", () => {
  torch.manualSeed(5);
  const after = (x: Tensor) => nn.functional.interpolate(relu(nn.functional.adaptiveAvgPool2d(x, 1)), { size: [4, 4] }).flatten(1).narrow(1, 0, 40);
  const pixel = (norm: nn.BatchNorm2d) => {
    const { model } = make(16, (x) => x);
    const head = new nn.Sequential(new nn.AdaptiveAvgPool2d(1), new nn.Conv2d(16, 16, 1), norm, new nn.ReLU());
    const whole = new nn.Sequential(model, head);
    return { model: whole, loss: (x: Tensor) => nn.functional.interpolate(whole.forward(x), { size: [4, 4] }).flatten(1).narrow(1, 0, 40).mul(torch.arange(40).add(1).sin()).sum() };
  };
  expectLikeAutograd(() => make(16, after), [images(4, 8)]);
  expectLikeAutograd(() => pixel(new nn.BatchNorm2d(16)), [images(4, 8)]);
});

test("a channel of one value with eps 0 gives the bias", () => {
  torch.manualSeed(5);
  const dead = () => {
    const subject = make(16, (x) => x, new nn.BatchNorm2d(16, { eps: 0 }));
    const [weight, bias] = subject.model.parameters();
    torch.noGrad(() => {
      weight!.select(0, 2).zero_();
      bias!.select(0, 2).fill_(0.5);
    });
    return subject;
  };
  const { loss, text } = recorded(dead(), [images(4, 8)]);
  expect(normKernels(text)).toEqual(both);
  const eager = dead();
  const x = images(4, 8);
  expect(Number.isFinite(loss)).toBe(true);
  expect(Math.abs(recorded(dead(), [x]).loss - (eager.loss(x).item() as number))).toBeLessThan(1e-3);
});

test("values that are not finite come through", () => {
  torch.manualSeed(5);
  for (const value of [NaN, Infinity]) {
    const batch = [images(4, 8)];
    torch.noGrad(() => void batch[0]!.select(0, 3).fill_(value));
    expect(recorded(make(16, (x) => maxPool2d(relu(x), 2)), batch).loss).toBeNaN();
  }
});
