import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { ownKernels, recorded } from "./own-kernels.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd } from "./replay.js";

// Zeros, a row that is added to all rows, relu, and sums of two tensors by kernels of our own: LibTorch's numbers, to the bit.

torch.setNumThreads(1);

class Rows extends nn.Module {
  readonly rows: Tensor;
  constructor(shape: number[]) {
    super();
    this.rows = nn.parameter(torch.randn(shape));
  }
}

function make(shape: number[]) {
  torch.manualSeed(3);
  return new Rows(shape);
}

type Sum = (x: Tensor, row: Tensor) => Tensor;

/** What kernels of our own do of the operators named, in a program that adds up the sines of what comes out. */
function own(sum: Sum, model: Rows, row: Tensor, among: RegExp) {
  const batch = () => [torch.randn(model.rows.shape), row];
  const loss = (x: Tensor, row: Tensor) => sum(x.mul(model.rows), row).sin().sum().to("float32");
  return ownKernels(expectReplayLikeAutograd(model, loss, [batch(), batch()]).text, among);
}

describe("a row added to all rows, in place", () => {
  test.each([[[1, 1]], [[7, 1]], [[1, 19]], [[5, 64]], [[3, 4, 33]], [[2, 3, 2, 65]], [[19]]])("%j", (shape) => {
    expect(own((x, row) => x.add_(row), make(shape), torch.randn(shape.slice(-1)), /add_/)).toEqual(["add_"]);
  });

  test("a linear layer's bias after a product in three dimensions, transposed", () => {
    torch.manualSeed(3);
    const model = new nn.Linear(6, 5);
    const loss = (x: Tensor) => model.forward(x.transpose(0, 1)).sin().mean();
    expect(ownKernels(expectReplayNearAutograd(model, loss, [[torch.randn([4, 7, 6])]]).text, /add_/)).toEqual(["add_"]);
  });

  test("what looks at the same memory sees it", () => {
    const sum: Sum = (x, row) => x.view([8, 3]).add_(row).exp().sum().add(x);
    expect(own(sum, make([4, 6]), torch.randn([3]), /add_/)).toEqual(["add_", "backward add_"]);
  });

  test("infinities and what is no number", () => {
    const model = make([2, 3]);
    const x = torch.tensor([[Infinity, -Infinity, NaN], [1, 2, 3e38]]);
    const row = torch.tensor([-Infinity, -Infinity, 3e38]);
    const at = (i: number, j: number) => recorded({ model, loss: (x, row) => x.mul(1).add_(row).add(model.rows).select(0, i).select(0, j) }, [x, row]).loss;
    expect([at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(1, 2)]).toEqual([NaN, -Infinity, NaN, -Infinity, Infinity]);
  });

  test("the number of threads changes nothing", () => {
    const model = make([301, 257]);
    const batch = [torch.randn([301, 257]), torch.randn([257])];
    const gradient = (threads: number) => {
      torch.setNumThreads(threads);
      const { gradients } = recorded({ model, loss: (x, row) => x.mul(model.rows).add_(row).sin().sum() }, batch);
      torch.setNumThreads(1);
      return gradients[0]!;
    };
    expect(torch.equal(gradient(3), gradient(1))).toBe(true);
  });

  test.each<[string, Sum]>([
    ["times a number", (x, row) => x.add_(row, { alpha: 2 })],
    ["rows with gaps", (x, row) => x.transpose(0, 1).add_(row.narrow(0, 0, 4).mul(2))],
    ["one number for all", (x, row) => x.add_(row.narrow(0, 0, 1).mul(2))],
    ["a number for each row", (x, row) => x.add_(row.narrow(0, 0, 4).unsqueeze(1).mul(2))],
    ["float64", (x, row) => x.to("float64").add_(row.to("float64"))],
    ["another dtype", (x, row) => x.add_(row.to("float64"))],
  ])("%s: LibTorch's", (_, sum) => {
    expect(own(sum, make([4, 6]), torch.randn([6]), /add_/)).toEqual([]);
  });
});

describe("zeros", () => {
  test.each([[[]], [[1]], [[5]], [[2, 3, 4]], [[0, 5]], [[33, 65]]])("%j, which are changed in place in every pass", (shape) => {
    expect(own((x, row) => x.add(torch.zeros(shape).add_(row).add_(row).sum()), make([2, 3]), torch.randn(shape), /zeros/)).toEqual(["zeros"]);
  });

  test("before an LSTM's first step", () => {
    torch.manualSeed(3);
    const model = new nn.LSTM(6, 5);
    const { loss, text } = recorded({ model, loss: (x) => model.forward(x)[0].sin().sum() }, [torch.ones([4, 3, 6])]);
    expect(ownKernels(text, /zeros/)).not.toEqual([]);
    expect(Math.abs(loss / (model.forward(torch.ones([4, 3, 6]))[0].sin().sum().item() as number) - 1)).toBeLessThan(1e-6);
  });

  test.each<[string, () => Tensor]>([
    ["many", () => torch.zeros([1 << 9, 1 << 8])],
    ["float64", () => torch.zeros([4], { dtype: "float64" })],
    ["integers", () => torch.zeros([4], { dtype: "int64" })],
  ])("%s: LibTorch's", (_, zeros) => {
    expect(own((x) => zeros().sum().add(x), make([2, 3]), torch.randn([3]), /zeros/)).toEqual([]);
  });
});

describe("relu and its backward", () => {
  const relus = /relu|threshold/;
  const { relu, threshold } = nn.functional;

  test.each([[[]], [[1]], [[37]], [[5, 64]], [[2, 3, 4, 5]], [[0, 4]], [[130, 257]]])("%j, in place where nobody else reads what it is taken of", (shape) => {
    expect(own((x) => relu(x), make(shape), torch.randn([1]), relus)).toEqual(["relu", "backward threshold_backward"]);
  });

  test("of what is read again", () => {
    expect(own((x) => relu(x).add(x).add(relu(x.mul(2))), make([5, 9]), torch.randn([1]), relus)).toEqual(["relu", "relu", "backward threshold_backward", "backward threshold_backward"]);
  });

  test("whose gradient is read again", () => {
    expect(own((x) => relu(x.mul(3)).add(x), make([5, 9]), torch.randn([1]), relus)).toEqual(["relu", "backward threshold_backward"]);
  });

  test("of a parameter and of an input themselves, which stay as they are", () => {
    const model = make([4, 6]);
    const x = torch.randn([4, 6]);
    const before = [model.rows.toArray(), x.toArray()];
    const { text } = recorded({ model, loss: (x: Tensor) => relu(model.rows).add(relu(x)).square().sum() }, [x]);
    expect(ownKernels(text, relus)).toEqual(["relu", "relu", "backward threshold_backward"]);
    expect([model.rows.toArray(), x.toArray()]).toEqual(before);
  });

  test("an image with the channels last", () => {
    torch.manualSeed(3);
    const model = new nn.Sequential(new nn.Conv2d(2, 4, 3), new nn.ReLU(), new nn.Conv2d(4, 2, 3));
    const loss = (x: Tensor) => model.forward(x).square().mean();
    const batch = () => [torch.randn([3, 2, 7, 7])];
    expect(ownKernels(expectReplayNearAutograd(model, loss, [batch(), batch()]).text, relus)).toEqual(["relu", "backward threshold_backward"]);
  });

  test("infinities, zeros and what is no number", () => {
    const model = new Rows([8]);
    torch.noGrad(() => model.rows.zero_());
    const x = torch.tensor([Infinity, -Infinity, NaN, 0, -0, 1e-45, -1e-45, -3]);
    const own = recorded({ model, loss: (x: Tensor) => relu(x.add(model.rows)).mul(torch.arange(8).add(1)).sum() }, [x]);
    expect(own.gradients[0]!.toArray()).toEqual([1, 0, 3, 0, 0, 6, 0, 0]);
    if (process.arch !== "x64") return; // elsewhere LibTorch's own is +0
    const signs = (x: Tensor) => relu(x.mul(model.rows.add(1))).reciprocal().select(0, 4);
    expect(recorded({ model, loss: signs }, [x]).loss).toBe(signs(x).item());
  });

  test("of a threshold its backward alone", () => {
    expect(own((x) => threshold(x, 0.3, -2), make([6, 7]), torch.randn([1]), relus)).toEqual(["backward threshold_backward"]);
  });

  test("the number of threads changes nothing", () => {
    const model = make([301, 257]);
    const batch = [torch.randn([301, 257])];
    const gradient = (threads: number) => {
      torch.setNumThreads(threads);
      const { gradients } = recorded({ model, loss: (x: Tensor) => relu(x.mul(model.rows)).sin().sum() }, batch);
      torch.setNumThreads(1);
      return gradients[0]!;
    };
    expect(torch.equal(gradient(3), gradient(1))).toBe(true);
  });

  test.each<[string, Sum]>([
    ["rows with gaps", (x) => relu(x.narrow(1, 0, 3))],
    ["transposed", (x) => relu(x.t())],
    ["float64", (x) => relu(x.to("float64"))],
  ])("%s: LibTorch's", (_, sum) => {
    expect(own(sum, make([4, 6]), torch.randn([6]), relus).filter((name) => name === "relu")).toEqual([]);
  });
});

describe("a row of several dimensions added to all rows", () => {
  const added = /aten::add\.Tensor/;

  test.each([
    [[3, 16, 20], [16, 20]],
    [[3, 16, 20], [1, 16, 20]],
    [[2, 3, 300], [300]],
    [[1, 16, 20], [16, 20]],
    [[2, 3, 257, 1], [257, 1]],
    [[5, 70, 300], [70, 300]],
  ])("%j and %j", (shape, row) => {
    expect(own((x, y) => x.add(y), make(shape), torch.randn(row), added)).toEqual(["add"]);
    expect(own((x, y) => x.sin().add(y).add(x), make(shape), torch.randn(row), added)).toEqual(expect.arrayContaining(["add", "add"]));
  });

  test.each([[[16, 20]], [[1, 16, 20]], [[300]]])("a parameter of %j: its gradient is a sum over the first dimensions", (shape) => {
    const model = make(shape);
    const batch = () => [torch.randn(shape.length === 1 ? [5, 16, 300] : [5, 16, 20])];
    const { text } = expectReplayNearAutograd(model, (x: Tensor) => x.add(model.rows).sin().sum(), [batch(), batch()]);
    expect(ownKernels(text, added)).toEqual(["add"]);
    expect(ownKernels(text, /aten::sum/)).toEqual(["backward sum"]);
  });

  test("the number of threads changes nothing", () => {
    const model = make([130, 257]);
    const batch = [torch.randn([9, 130, 257])];
    const gradient = (threads: number) => {
      torch.setNumThreads(threads);
      const { gradients } = recorded({ model, loss: (x) => x.add(model.rows).sin().sum() }, batch);
      torch.setNumThreads(1);
      return gradients[0]!;
    };
    expect(torch.equal(gradient(3), gradient(1))).toBe(true);
  });

  test.each<[string, number[], Sum]>([
    ["short", [4, 6], (x, row) => x.add(row)],
    ["times a number", [2, 300], (x, row) => x.add(row, { alpha: 2 })],
    ["another dimension's", [300, 300], (x, row) => x.add(row.unsqueeze(1))],
    ["with gaps", [2, 300], (x, row) => x.add(torch.stack([row, row], 1).select(1, 0))],
    ["float64", [2, 300], (x, row) => x.to("float64").add(row.to("float64"))],
  ])("%s: LibTorch's", (_, shape, sum) => {
    expect(own(sum, make(shape), torch.randn(shape.slice(-1)), added)).toEqual([]);
  });
});

describe("a sum of two tensors", () => {
  const sums = /aten::add(_\.|\.)Tensor/;
  const counted = (text: string) => ownKernels(text, sums);

  test.each([[[]], [[1]], [[37]], [[5, 64]], [[2, 3, 4, 5]], [[0, 4]], [[130, 257]]])("%j", (shape) => {
    expect(own((x) => x.add(x.mul(2)), make(shape), torch.randn([1]), sums)).toContain("add");
    expect(own((x) => x.add_(x.mul(2)), make(shape), torch.randn([1]), sums)).toContain("add_");
  });

  test("of a tensor and itself, of what is read again, and over the second operand", () => {
    expect(own((x) => x.add(x), make([5, 9]), torch.randn([1]), sums)).toContain("add");
    expect(own((x) => x.add_(x), make([5, 9]), torch.randn([1]), sums)).toContain("add_");
    expect(own((x) => x.mul(2).add(x).mul(x), make([5, 9]), torch.randn([1]), sums)).toContain("add");
    expect(own((x) => x.add(x.mul(3)).add(x), make([5, 9]), torch.randn([1]), sums)).toEqual(expect.arrayContaining(["add", "add"]));
  });

  test("a layer's output beside its input: images with the channels last", () => {
    torch.manualSeed(3);
    const model = new nn.Sequential(new nn.Conv2d(2, 4, 3), new nn.Conv2d(4, 4, 3, { padding: 1 }), new nn.Conv2d(4, 2, 3));
    const [first, middle, last] = [model[0]!, model[1]!, model[2]!] as nn.Conv2d[];
    const loss = (x: Tensor) => {
      const hidden = first!.forward(x);
      return last!.forward(middle!.forward(hidden).add(hidden)).square().mean();
    };
    expect(counted(expectReplayNearAutograd(model, loss, [[torch.randn([3, 2, 9, 9])]]).text)).toEqual(expect.arrayContaining(["add"]));
  });

  test("in place, what looks at the same memory sees it", () => {
    expect(own((x) => x.view([8, 3]).add_(x.mul(3).view([8, 3])).exp().sum().add(x), make([4, 6]), torch.randn([3]), sums)).toContain("add_");
  });

  test("of memory that overlaps is LibTorch's error, also where only a later batch looks at a buffer", () => {
    class Memory extends nn.Module {
      readonly rows = nn.parameter(torch.ones([1]));
      readonly memory = torch.zeros([12]);
      constructor() {
        super();
        this.registerBuffer("memory", this.memory);
      }
    }
    const model = new Memory();
    const all = torch.arange(20).to("float32");
    const loss = (x: Tensor) => torch.noGrad(() => model.memory.add_(x)).sum().mul(model.rows).sum();
    const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0 } }).compile(loss);
    expect(step.sync(torch.ones([12])).loss).toBe(12);
    expect(counted(step.programs[0]!.text)).toEqual(["add_"]);
    expect(() => recorded({ model, loss: (x: Tensor) => x.narrow(0, 0, 12).add_(x.narrow(0, 4, 12)).mul(model.rows).sum() }, [all.mul(1)])).toThrow("memory location");
  });

  test.each<[string, Sum]>([
    ["times a number", (x) => x.add(x.mul(3), { alpha: 2 })],
    ["one number for all", (x, row) => x.add(row.narrow(0, 0, 1).mul(2))],
    ["rows with gaps", (x) => x.narrow(1, 0, 3).add(x.narrow(1, 2, 3))],
    ["float64", (x) => x.to("float64").add(x.to("float64").mul(2))],
    ["another dtype", (x) => x.add(x.to("float64"))],
  ])("%s: LibTorch's", (_, sum) => {
    const model = make([4, 6]);
    const loss = (x: Tensor, row: Tensor) => sum(x.mul(model.rows), row).sin().sum().to("float32");
    const { text } = expectReplayLikeAutograd(model, loss, [[torch.randn([4, 6]), torch.randn([6])]]);
    expect(counted(text.split("\n").filter((line) => line.startsWith("forward")).join("\n"))).toEqual([]);
  });
});
