import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, ownKernels, recorded } from "./own-kernels.js";
import { expectReplayNearAutograd } from "./replay.js";

// gelu and its backward by kernels of our own, beside autograd over LibTorch's in float32 and in float64.

torch.setNumThreads(1);

class Rows extends nn.Module {
  readonly rows: Tensor;
  constructor(values: Tensor) {
    super();
    this.rows = nn.parameter(values);
  }
}

const ours = (text: string) => ownKernels(text, /gelu/);
const pair = ["gelu", "backward gelu_backward"];

describe.each([["none"], ["tanh"]] as const)("approximate %s", (approximate) => {
  const gelu = (x: Tensor) => nn.functional.gelu(x, { approximate });
  const make = (shape: number[]) => {
    torch.manualSeed(3);
    return new Rows(torch.randn(shape));
  };
  type Of = (x: Tensor, rows: Tensor) => Tensor;
  const program = (shape: number[], of: Of) => {
    const subject = () => {
      const model = make(shape);
      return { model, loss: (x: Tensor) => of(x, model.rows).sin().sum() };
    };
    torch.manualSeed(4);
    return expectLikeAutograd(subject, [torch.randn(shape).mul(2)]);
  };

  test.each([[[]], [[1]], [[37]], [[5, 64]], [[2, 3, 4, 5]], [[130, 257]]])("%j, whose slope takes its place", (shape) => {
    const text = program(shape, (x, rows) => gelu(x.mul(rows)));
    expect(ours(text)).toEqual(pair);
    expect(text).toMatch(/%\d+ %\d+ = aten::gelu %(\d+) over %\1 /);
  });

  test.each<[string, Of, string[]]>([
    ["what is read again keeps its place", (x, rows) => gelu(x.mul(rows)).add(x.mul(rows).square()), pair],
    ["of one tensor twice", (x, rows) => {
      const both = x.mul(rows);
      return gelu(both).mul(gelu(both).add(1));
    }, ["gelu", "gelu", "backward gelu_backward", "backward gelu_backward"]],
    ["of what its own result is multiplied with", (x, rows) => {
      const both = x.mul(rows);
      return gelu(both).mul(both);
    }, pair],
    ["of what a view of is read again", (x, rows) => {
      const both = x.mul(rows);
      return gelu(both.view([-1])).add(both.flatten().exp());
    }, pair],
    ["of its own result", (x, rows) => gelu(gelu(x.mul(rows))), [...pair.slice(0, 1), ...pair, ...pair.slice(1)]],
    ["of a parameter, which stays as it is", (x, rows) => gelu(rows).mul(x), pair],
    ["of two copies of a parameter, which are the parameter itself", (x, rows) => gelu(rows.clone()).mul(gelu(rows.clone()).mul(x)), ["gelu", "gelu", "backward gelu_backward", "backward gelu_backward"]],
    ["of a copy of a parameter, of which another is read later", (x, rows) => gelu(rows.clone()).mul(rows.clone().sin()).mul(x), pair],
    ["of an input, whose backward nobody asks for", (x, rows) => gelu(x).mul(rows), ["gelu"]],
  ])("%s", (_, of, expected) => {
    expect(ours(program([7, 33], of))).toEqual(expected);
  });

  test("in a net, over several batches", () => {
    torch.manualSeed(3);
    const model = new nn.Sequential(new nn.Linear(9, 40), new nn.GELU({ approximate }), new nn.Linear(40, 20), new nn.GELU({ approximate }), new nn.Linear(20, 3));
    const before = model.stateDict();
    const batch = () => [torch.randn([11, 9])];
    expect(ours(expectReplayNearAutograd(model, (x: Tensor) => model.forward(x).square().mean(), [batch(), batch(), batch()]).text)).toEqual(["gelu", "gelu", ...pair.slice(1), ...pair.slice(1)]);
    for (const [name, tensor] of Object.entries(model.stateDict())) expect(torch.equal(tensor, before[name]!)).toBe(true);
  });

  test("an image with the channels last", () => {
    torch.manualSeed(3);
    const model = new nn.Sequential(new nn.Conv2d(2, 4, 3), new nn.GELU({ approximate }), new nn.Conv2d(4, 2, 3));
    const batch = () => [torch.randn([3, 2, 7, 7])];
    expect(ours(expectReplayNearAutograd(model, (x: Tensor) => model.forward(x).square().mean(), [batch(), batch()]).text)).toEqual(pair);
  });

  test("of no number", () => {
    const model = new Rows(torch.ones([0, 4]));
    expect(recorded({ model, loss: (x: Tensor) => gelu(x.mul(model.rows)).sum() }, [torch.ones([0, 4])]).loss).toBe(0);
  });

  test("values and slopes from where they vanish to where they are x and 1", () => {
    class Weighted extends Rows {
      readonly weight = nn.parameter(torch.ones(this.rows.shape));
    }
    const at = torch.cat([torch.linspace(-13, 13, 20011), torch.tensor([0, -0, 1e-30, -1e-30, 100, -100, 1e30, -1e30])]);
    const model = new Weighted(at.clone());
    const { gradients } = recorded({ model, loss: () => gelu(model.rows.mul(1)).mul(model.weight).sum() }, []);
    const wide = at.to("float64").requiresGrad_(true);
    const exact = gelu(wide);
    exact.sum().backward();
    const numbers = (tensor: Tensor) => tensor.detach().to("float64").toArray() as number[];
    const [x, slopes, values, trueSlopes, trueValues] = [at, gradients[0]!, gradients[1]!, wide.grad!, exact].map(numbers) as [number[], number[], number[], number[], number[]];
    // Below 0 it is an exponential that is as near as its argument, and float64's own has lost all digits below 1e-16.
    x.forEach((each, i) => {
      expect(Math.abs(slopes[i]! - trueSlopes[i]!), `slope at ${each}`).toBeLessThan(4e-7);
      const near = Math.abs(trueValues[i]!) * (6e-7 + (each < 0 ? 1.5e-7 * each * each : 0)) + 2e-15;
      expect(Math.abs(values[i]! - trueValues[i]!), `value at ${each}`).toBeLessThanOrEqual(near);
    });
  });

  test("of infinities and of what is no number", () => {
    const at = torch.tensor([Infinity, -Infinity, NaN, 1]);
    const model = new Rows(torch.ones([4]));
    const values = [0, 1, 2].map((i) => recorded({ model, loss: (x: Tensor) => gelu(x.mul(model.rows)).select(0, i) }, [at]).loss);
    expect(values).toEqual([Infinity, NaN, NaN]); // LibTorch's are, too, but for the exact form of infinity, which it calls NaN
  });

  test("the number of threads changes nothing", () => {
    const model = make([301, 257]);
    const batch = [torch.randn([301, 257])];
    const gradient = (threads: number) => {
      torch.setNumThreads(threads);
      const { gradients } = recorded({ model, loss: (x: Tensor) => gelu(x.mul(model.rows)).sin().sum() }, batch);
      torch.setNumThreads(1);
      return gradients[0]!;
    };
    expect(torch.equal(gradient(3), gradient(1))).toBe(true);
  });

  test.each<[string, Of]>([
    ["rows with gaps", (x, rows) => gelu(x.mul(rows).narrow(1, 0, 3))],
    ["transposed", (x, rows) => gelu(x.mul(rows).t())],
    ["float64", (x, rows) => gelu(x.mul(rows).to("float64")).to("float32")],
  ])("%s: LibTorch's", (_, of) => {
    expect(ours(program([4, 6], of)).filter((name) => name === "gelu")).toEqual([]);
  });
});
