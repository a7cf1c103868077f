import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";
import { expectReplayLikeAutograd } from "./replay.js";

const { crossEntropy, mseLoss, relu } = nn.functional;
const classes = (count: number, ...shape: number[]) => torch.randint(0, count, shape);
const two = (make: () => Tensor[]) => [make(), make()];

function mlp(dtype: DType = "float32"): nn.Sequential {
  return new nn.Sequential(new nn.Linear(6, 8, { dtype }), new nn.Tanh(), new nn.Linear(8, 8, { dtype }), new nn.ReLU(), new nn.Linear(8, 3, { dtype }));
}

class Attention extends nn.Module {
  embedding = new nn.Embedding(11, 8);
  norm = new nn.LayerNorm(8);
  qkv = new nn.Linear(8, 24);
  out = new nn.Linear(8, 8);
  dropout = new nn.Dropout(0.3);
  head = new nn.Linear(8, 11, false);

  forward(ids: Tensor): Tensor {
    const x = this.dropout.forward(this.embedding.forward(ids).add(torch.arange(ids.shape[1]!).unsqueeze(-1).mul(0.1)));
    const [q, k, v] = (this.qkv.forward(this.norm.forward(x)).split(8, 2) as Tensor[]).map((part) => part.view([ids.shape[0]!, ids.shape[1]!, 2, 4]).transpose(1, 2));
    const attended = torch.scaledDotProductAttention(q!, k!, v!, { isCausal: true }).transpose(1, 2).flatten(2);
    return this.head.forward(x.add(this.dropout.forward(this.out.forward(attended))));
  }
}

class LstmModel extends nn.Module {
  embedding = new nn.Embedding(9, 6);
  lstm = new nn.LSTM(6, 7, { numLayers: 2, batchFirst: true, dropout: 0.25 });
  head = new nn.Linear(7, 9);

  forward(ids: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(this.embedding.forward(ids))[0]);
  }
}

/** The output layer shares the embedding's weight. */
class Tied extends nn.Module {
  embedding = new nn.Embedding(9, 6);
  hidden = new nn.Linear(6, 6);

  forward(ids: Tensor): Tensor {
    return relu(this.hidden.forward(this.embedding.forward(ids))).matmul(this.embedding.weight.t());
  }
}

/** In float64, where the engine leaves images in their order: bits can be compared. */
const convnet = () => convnetIn32().to("float64") as nn.Sequential;
const convnetIn32 = () =>
  new nn.Sequential(
    new nn.Conv2d(2, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 6, 3, { bias: false }),
    new nn.BatchNorm2d(6, { momentum: null }),
    new nn.ReLU({ inplace: true }),
    new nn.Flatten(),
    new nn.Dropout(0.4),
    new nn.Linear(24, 5),
  );

describe("a replayed program computes what autograd computes, bit for bit", () => {
  const overClasses = (model: nn.Module & { forward(x: Tensor): Tensor }) => (x: Tensor, y: Tensor) => crossEntropy(model.forward(x).flatten(0, -2), y.flatten());

  test.each(["float32", "float64", "bfloat16"] as const)("MLP in %s", (dtype) => {
    const model = mlp(dtype);
    expectReplayLikeAutograd(model, overClasses(model), two(() => [torch.randn([5, 6], { dtype }), classes(3, 5)]));
  });

  test("convnet with batch norm, in-place ReLU and dropout", () => {
    const model = convnet();
    expectReplayLikeAutograd(model, overClasses(model), two(() => [torch.randn([4, 2, 8, 8], { dtype: "float64" }), classes(5, 4)]));
  });

  test("convnet in evaluation mode", () => {
    const model = convnet().eval();
    expectReplayLikeAutograd(model, overClasses(model), two(() => [torch.randn([4, 2, 8, 8], { dtype: "float64" }), classes(5, 4)]));
  });

  test("LSTM language model with dropout between the layers", () => {
    const model = new LstmModel().to("float64"); // in float32 kernels of our own run, which lstm.test.ts is about
    expectReplayLikeAutograd(model, overClasses(model), two(() => [classes(9, 3, 5), classes(9, 3, 5)]));
  });

  test("causal transformer with dropout", () => {
    const model = new Attention().to("float64"); // in float32 the loss and the biases' gradients are by kernels of our own
    expectReplayLikeAutograd(model, overClasses(model), two(() => [classes(11, 3, 6), classes(11, 3, 6)]));
  });

  test("tied weights", () => {
    const model = new Tied().to("float64");
    expectReplayLikeAutograd(model, overClasses(model), two(() => [classes(9, 3, 5), classes(9, 3, 5)]));
  });

  test("a frozen and an unused parameter have no gradient", () => {
    const model = mlp();
    model[0]!.parameters()[0]!.requiresGrad = false;
    model.registerModule("5", new nn.Identity());
    model.registerModule("6", Object.assign(new nn.Identity(), { unused: nn.parameter(torch.ones([3])) }));
    const { step } = expectReplayLikeAutograd(model, overClasses(model), two(() => [torch.randn([5, 6]), classes(3, 5)]));
    expect(step.programs[0]!.backwardObstacle).toBeNull();
  });

  test("a scalar parameter, and one without elements", () => {
    class Scalars extends nn.Module {
      scale = nn.parameter(torch.tensor(0.7));
      empty = nn.parameter(torch.zeros([0, 3]));
      bias = nn.parameter(torch.tensor([0.1, -0.2, 0.3]));
      forward(x: Tensor): Tensor {
        return torch.cat([x, this.empty]).mul(this.scale).add(this.bias);
      }
    }
    const model = new Scalars();
    expectReplayLikeAutograd(model, (x, y) => mseLoss(model.forward(x), y), two(() => [torch.randn([4, 3]), torch.randn([4, 3])]));
  });

  test("the same parameter through two paths that meet again", () => {
    const model = new nn.Linear(4, 4);
    expectReplayLikeAutograd(model, (x) => model.forward(relu(model.forward(x))).add(model.weight.sum()).pow(2).mean(), two(() => [torch.randn([3, 4])]));
  });
});

describe("operators that need care", () => {
  class Weights extends nn.Module {
    weight = nn.parameter(torch.randn([4, 5]));
    bias = nn.parameter(torch.randn([5]));
  }
  const cases: Record<string, (model: Weights, x: Tensor, ids: Tensor) => Tensor> = {
    "in-place operators": ({ weight, bias }, x) => x.matmul(weight).add_(bias).mul_(0.5).tanh_().clone().sigmoid_().mean(),
    "an in-place operator on a view": ({ weight, bias }, x) => {
      const y = x.matmul(weight).add(bias);
      y.select(1, 2).mul_(3);
      y.narrow(0, 0, 2).relu_();
      return y.pow(2).mean();
    },
    "views of views": ({ weight, bias }, x) => x.matmul(weight.t().reshape([5, 4]).t()).view([-1]).unflatten(0, [3, 5]).add(bias.expand([3, 5])).transpose(0, 1).sum(0).pow(2).mean(),
    indexing: ({ weight, bias }, x, ids) => torch.at(weight, ids).mul(torch.at(x, 0).sum()).add(torch.at(bias, [1]).sum()).pow(2).mean(),
    "gather and scatter": ({ weight, bias }, x, ids) => x.matmul(weight).gather(1, ids.unsqueeze(1)).add(torch.zeros([3, 5]).scatterAdd(1, ids.unsqueeze(1), torch.ones([3, 1])).mul(bias)).exp().mean(),
    "writing into an index": ({ weight, bias }, x, ids) => x.matmul(weight).indexPut([ids.remainder(3)], bias).pow(2).mean(),
    "a Boolean mask": ({ weight, bias }, x) => x.matmul(weight).maskedFill(x.sum(1, true).gt(0), 0.25).add(bias).pow(2).mean(),
    "several results": ({ weight, bias }, x) => {
      const [values, indices] = x.matmul(weight).add(bias).max(1);
      return values.pow(2).mean().add(indices.sum().mul(1e-3));
    },
    "split, stack and cat": ({ weight, bias }, x) => torch.stack(torch.cat([x.matmul(weight), bias.unsqueeze(0)]).split(2) as Tensor[]).unbind(0)[1]!.pow(2).mean(),
    "a tensor made of nothing": ({ weight, bias }, x) => x.matmul(weight).add(bias).mul(torch.linspace(0, 1, 5)).add(torch.eye(3, 5)).pow(2).mean(),
    "numbers from JavaScript": ({ weight, bias }, x) => x.matmul(weight).add(bias).mul(torch.tensor([1, 2, 3, 4, 5])).pow(2).mean(),
    "detach and noGrad": ({ weight, bias }, x) => {
      const target = torch.noGrad(() => x.matmul(weight).relu());
      return x.matmul(weight).add(bias).sub(target).mul(weight.detach().sum()).pow(2).mean();
    },
    "random numbers": ({ weight, bias }, x) => x.matmul(weight).add(torch.randn([3, 5])).mul(torch.rand([5])).add(bias).pow(2).mean(),
    "a value that is thrown away": ({ weight, bias }, x) => {
      x.matmul(weight).exp().sum();
      return x.matmul(weight).add(bias).pow(2).mean();
    },
    "an empty batch of rows beside a full one": ({ weight, bias }, x) => torch.cat([x.narrow(0, 0, 0), x]).matmul(weight).add(bias).pow(2).mean(),
    "a loss of shape [1]": ({ weight, bias }, x) => x.matmul(weight).add(bias).pow(2).sum().reshape([1]),
    "a loss that is a view": ({ weight, bias }, x) => torch.at(x.matmul(weight).add(bias).pow(2).sum(1), 1),
    "a gradient that is one tensor for both parameters": ({ weight, bias }, x) => x.sum(0).unsqueeze(1).mul(weight).sum().add(bias.mul(weight.sum()).sum()),
    "complex numbers": ({ weight, bias }, x) => torch.fft.fft(x.matmul(weight).add(bias)).abs().pow(2).mean(),
    "a value whose memory is still looked at when it is read for the last time": ({ weight, bias }, x) => {
      const y = x.matmul(weight).add(bias);
      const view = y.transpose(0, 1);
      return y.neg().exp().matmul(view).pow(2).mean();
    },
    "a value that is read twice by one operator": ({ weight, bias }, x) => {
      const y = x.matmul(weight).add(bias).exp();
      return y.add(y).mul(2).sum();
    },
    "a slice of a slice, overwritten": ({ weight, bias }, x) => {
      const y = torch.zeros([3, 5]);
      y.narrow(0, 0, 2).copy_(x.matmul(weight).narrow(0, 1, 2));
      y.narrow(0, 1, 2).add_(bias);
      return y.pow(2).mean();
    },
  };
  test.each(Object.entries(cases))("%s", (_, loss) => {
    const model = new Weights();
    expectReplayLikeAutograd(model, (x, ids) => loss(model, x!, ids!), two(() => [torch.randn([3, 4]), torch.tensor([3, 0, 3])]));
  });
});

describe("what a replay does without", () => {
  test("results are written over operands that nobody needs any more", () => {
    const model = convnet();
    const replay = expectReplayLikeAutograd(model, (x, y) => crossEntropy(model.forward(x!), y!), [[torch.randn([4, 2, 8, 8], { dtype: "float64" }), classes(5, 4)]]);
    expect(replay.text).toMatch(/aten::relu %\d+ over %\d+/);
    expect(replay.text).toMatch(/aten::threshold_backward %(\d+) %\d+ over %\1/);
  });

  test("operators whose result nobody needs, and those that return what is there already", () => {
    const model = mlp();
    const loss = (x: Tensor, y: Tensor) => {
      model.forward(x).exp();
      return crossEntropy(model.forward(x.detach().t().t()).detach().add(model.forward(x).contiguous().view([5, 3])), y);
    };
    const { text } = expectReplayLikeAutograd(model, loss as never, two(() => [torch.randn([5, 6]), classes(3, 5)]));
    expect(text).not.toMatch(/^forward .*aten::(exp|detach|contiguous|view|alias)\b/m);
  });
});
