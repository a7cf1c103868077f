import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd } from "./replay.js";

// Convolutions are recorded with the channels last in memory, where that makes no difference but in rounding.

const { crossEntropy } = nn.functional;

class Net extends nn.Module {
  first: nn.Conv2d;
  norm = new nn.BatchNorm2d(6);
  second = new nn.Conv2d(6, 8, 3, { padding: 1, stride: 2, bias: false });
  pool = new nn.MaxPool2d(2);
  head = new nn.Linear(8, 5);

  constructor(channels = 3) {
    super();
    this.first = new nn.Conv2d(channels, 6, 3, { padding: "same", bias: false });
  }

  /** The images before the last pooling, [N, 8, 4, 4] for 8×8 pixels. */
  features(x: Tensor): Tensor {
    return this.second.forward(nn.functional.relu(this.norm.forward(this.first.forward(x))));
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.pool.forward(this.features(x)).mean([2, 3]));
  }
}

const batch = (channels = 3, size = 8): Tensor[] => [torch.randn([4, channels, size, size]), torch.randint(0, 5, [4])];
/** The layout of operands that convolutions get: how many tensors were put into another order, or are expected in it. */
const copies = (text: string) => text.match(/^forward .*aten::clone|^expects /gm)?.length ?? 0;
/** The parameters that are expected in another order, by place among the parameters. */
const expected = (text: string) => [...text.matchAll(/^expects {2}%(\d+) with strides/gm)].map((found) => Number(found[1]));

describe("images with the channels last", () => {
  test.each([1, 3, 6])("a net over %i channels differs from autograd by rounding only", (channels) => {
    const model = new Net(channels);
    const { text } = expectReplayNearAutograd(model, (x, y) => crossEntropy(model.forward(x!), y!), [batch(channels), batch(channels)]);
    expect(copies(text)).toBeGreaterThan(0);
  });

  test("one pixel, one image", () => {
    const model = new nn.Conv2d(3, 4, 1);
    expectReplayNearAutograd(model, (x) => model.forward(x!).pow(2).mean(), [[torch.randn([2, 3, 1, 1])], [torch.randn([2, 3, 1, 1])]]);
    expectReplayNearAutograd(model, (x) => model.forward(x!).pow(2).mean(), [[torch.randn([1, 3, 5, 4])]]);
  });

  test("float64, sequences and images without a batch are left alone, bit for bit", () => {
    const double = new Net().to("float64") as Net;
    const [x, y] = batch();
    expectReplayLikeAutograd(double, (a, b) => crossEntropy(double.forward(a!), b!), [[x!.to("float64"), y!]]);
    const sequence = new nn.Conv1d(3, 4, 3);
    expectReplayLikeAutograd(sequence, (a) => sequence.forward(a!).pow(2).mean(), [[torch.randn([2, 3, 9])]]);
    const single = new nn.Conv2d(3, 4, 3);
    expectReplayLikeAutograd(single, (a) => single.forward(a!).pow(2).mean(), [[torch.randn([3, 6, 6])]]);
  });

  test("a user's own channels-last images need no copy", () => {
    const model = new nn.Conv2d(3, 4, 1);
    const images = torch.randn([2, 3, 6, 6]).contiguous({ memoryFormat: "channels_last" });
    const { text } = expectReplayLikeAutograd(model, (x) => model.forward(x!).pow(2).mean(), [[images]]);
    expect(copies(text)).toBe(0);
  });
});

describe("a weight that is read through copies in one order alone is expected in that order", () => {
  const make = () => new nn.Conv2d(3, 3, 3, { padding: 1, bias: false });
  const cases: [string, (x: Tensor, a: nn.Conv2d, b: nn.Conv2d) => Tensor, number[]][] = [
    ["two convolutions", (x, a, b) => b.forward(a.forward(x).sin()).pow(2).mean(), [0, 1]],
    ["one of them twice", (x, a, b) => b.forward(a.forward(a.forward(x).sin())).pow(2).mean(), [0, 1]],
    ["a penalty looks at the weight itself", (x, a, b) => b.forward(a.forward(x).sin()).pow(2).mean().add(a.weight.pow(2).sum()), [1]],
    ["and at a view of it", (x, a, b) => b.forward(a.forward(x).sin()).pow(2).mean().add(b.weight.flatten(1).matmul(torch.ones([27])).sin().sum()), [0]],
    ["a copy that is changed afterwards: all stays in the user's own order", (x, a, b) => b.forward(a.forward(x).sin()).pow(2).mean().add(a.weight.clone().mul_(3).pow(2).sum()), []],
  ];
  test.each(cases)("%s", (_, loss, places) => {
    const [a, b] = [make(), make()];
    const { text } = expectReplayNearAutograd(new nn.ModuleList([a, b]), (x) => loss(x!, a, b), [[torch.randn([2, 3, 6, 6])], [torch.randn([2, 3, 6, 6])]]);
    expect(expected(text)).toEqual(places);
  });

  test("a batch norm writes to the copies of statistics that it is given, though its schema does not say so", () => {
    const [mean, variance, weight] = [nn.parameter(torch.zeros([3]), false), nn.parameter(torch.ones([3]), false), nn.parameter(torch.ones([3]))];
    const model = new nn.ParameterDict({ mean, variance, weight });
    const loss = (x: Tensor) => nn.functional.batchNorm(x, mean.clone(), variance.clone(), { weight, training: true }).sin().mean();
    expectReplayNearAutograd(model, (x) => loss(x!), [[torch.randn([4, 3, 5, 5])], [torch.randn([4, 3, 5, 5])]]);
    expect([mean.toArray(), variance.toArray()]).toEqual([[0, 0, 0], [1, 1, 1]]);
  });

  test("a weight that has it already is taken as it is", () => {
    const model = new nn.Conv2d(3, 4, 3);
    model.weight.data = model.weight.detach().contiguous({ memoryFormat: "channels_last" });
    const { text } = expectReplayNearAutograd(model, (x) => model.forward(x!).pow(2).mean(), [[torch.randn([2, 3, 6, 6])]]);
    expect([expected(text), text.includes("aten::clone %0")]).toEqual([[0], false]);
  });
});

describe("functions that look at how images lie in memory get what they would without", () => {
  const views: Record<string, (model: Net, images: Tensor) => Tensor> = {
    view: (model, images) => model.features(images).view([4, 128]),
    "view as": (model, images) => model.features(images).viewAs(torch.zeros([4, 128])),
    unflatten: (model, images) => model.features(images).unflatten(1, [2, 4]).flatten(1),
    flatten: (model, images) => model.features(images).flatten(1),
    "a composite that takes a view": (model, images) => torch.pixelUnshuffle(model.features(images), 2).channelShuffle(2).flatten(1),
  };
  test.each(Object.entries(views))("%s", (_, features) => {
    const model = new Net();
    expectReplayNearAutograd(model, (x) => features(model, x!).pow(2).mean(), [batch(), batch()]);
  });

  const ownOrder: Record<string, (model: Net, images: Tensor) => Tensor> = {
    "as strided": (model, images) => model.features(images).asStrided([4, 20], [128, 3]),
    "a change through a view": (model, images) => {
      const features = model.features(images);
      features.view([4, 128]).narrow(1, 0, 50).mul_(3);
      return features.sum([2, 3]);
    },
    "a change through reshape": (model, images) => {
      const features = model.features(images);
      features.reshape([4, 128]).narrow(1, 0, 50).mul_(3);
      return features.sum([2, 3]);
    },
    "a change through contiguous": (model, images) => {
      const features = model.features(images);
      features.contiguous().narrow(1, 0, 2).mul_(3);
      return features.sum([2, 3]);
    },
  };
  test.each(Object.entries(ownOrder))("%s, bit for bit", (_, features) => {
    const model = new Net();
    const { text } = expectReplayLikeAutograd(model, (x) => features(model, x!).pow(2).mean(), [batch(), batch()]);
    expect(copies(text)).toBe(0);
  });
});

describe("what depends on the order of the elements in memory sees the user's own", () => {
  const draws: [string, (h: Tensor) => Tensor][] = [
    ["dropout", (h) => nn.functional.dropout(h, 0.5)],
    ["dropout in place", (h) => nn.functional.dropout(h.mul(1), 0.5, { inplace: true })],
    ["alpha dropout", (h) => nn.functional.alphaDropout(h, 0.5, { training: true })],
    ["whole channels", (h) => nn.functional.dropout2d(h, 0.5)],
    ["numbers like an image", (h) => h.mul(torch.randnLike(h))],
  ];
  test.each(draws)("random numbers behind a convolution are those of the eager pass: %s", (_, draw) => {
    torch.manualSeed(1);
    const [first, second] = [new nn.Conv2d(2, 4, 3, { padding: 1 }), new nn.Conv2d(4, 3, 3)];
    const model = new nn.Sequential(first, second);
    const loss = (x: Tensor) => second.forward(draw(first.forward(x))).square().mean();
    const { text } = expectReplayNearAutograd(model, (x) => loss(x!), [[torch.randn([3, 2, 6, 5])], [torch.randn([3, 2, 6, 5])]]);
    expect(text).toContain("aten::");
  });

  test("images that the user gave with the channels last stay so", () => {
    torch.manualSeed(2);
    const model = new nn.Sequential(new nn.Conv2d(2, 4, 3), new nn.Dropout(0.5), new nn.Conv2d(4, 3, 3));
    const x = () => torch.randn([3, 2, 8, 8]).contiguous({ memoryFormat: "channels_last" });
    expectReplayNearAutograd(model, (x) => model.forward(x!).square().mean(), [[x()], [x()]]);
  });

  test.each([false, true])("group norm behind a frozen convolution, with rows of %s order", (last) => {
    torch.manualSeed(3);
    const frozen = new nn.Conv2d(3, 16, 3, { padding: 1 }).requiresGrad_(false);
    const model = new nn.Sequential(frozen, new nn.GroupNorm(4, 16));
    const x = () => (last ? torch.randn([4, 3, 12, 15]).contiguous({ memoryFormat: "channels_last" }) : torch.randn([4, 3, 12, 15]));
    expectReplayNearAutograd(model, (x) => model.forward(x!).square().mean(), [[x()], [x()]]);
  });
});
