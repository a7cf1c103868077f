import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { hasWideRegisters, recorded } from "./own-kernels.js";
import { expectReplayNearAutograd } from "./replay.js";

// Layers of an LSTM run by kernels of our own in a program: beside autograd over LibTorch's, and over its cells in float64.

torch.setNumThreads(1);

type Options = { numLayers?: number; bias?: boolean; batchFirst?: boolean; bidirectional?: boolean; dropout?: number };

/** A loss that looks at everything that comes out. */
const lossOf = (layer: nn.LSTM) => (x: Tensor, h: Tensor, c: Tensor) => {
  const [y, [hn, cn]] = layer.forward(x, [h, c]);
  return y.mul(y).sum().add(hn.exp().sum()).add(cn.mul(0.5).sin().sum());
};

function make(options: Options, dtype: "float32" | "float64" = "float32", { inputs = 6, hidden = 10, samples = 3, steps = 7 } = {}) {
  torch.manualSeed(4);
  const layer = new nn.LSTM(inputs, hidden, options).to(dtype);
  const size = options.batchFirst === true ? [samples, steps, inputs] : [steps, samples, inputs];
  const states = [(options.numLayers ?? 1) * (options.bidirectional === true ? 2 : 1), samples, hidden];
  const batch = [size, states, states].map((shape) => torch.randn(shape).to(dtype));
  torch.noGrad(() => void batch[0]!.mul_(Math.sqrt(6 / inputs))); // gates alike, however many add up
  // Gates far from 0, too, where an activation is flat.
  torch.noGrad(() => void layer.parameters()[0]!.mul_(6));
  return { layer, batch };
}

const run = (layer: nn.LSTM, batch: Tensor[]) => recorded({ model: layer, loss: lossOf(layer) as (...args: Tensor[]) => Tensor }, batch);

describe.each<[string, Options]>([
  ["one layer", {}],
  ["batch first", { batchFirst: true }],
  ["no biases", { bias: false }],
  ["two layers, both directions", { numLayers: 2, bidirectional: true }],
  ["both directions, batch first, no biases", { bidirectional: true, batchFirst: true, bias: false }],
])("%s", (_, options) => {
  test("float32: as autograd over LibTorch's, up to rounding", () => {
    const { layer, batch } = make(options);
    const { loss, gradients, text } = run(layer, batch);
    const eager = lossOf(layer)(batch[0]!, batch[1]!, batch[2]!);
    eager.backward();
    expect(Math.abs(loss / (eager.item() as number) - 1)).toBeLessThan(1e-6);
    layer.parameters().forEach((parameter, i) => {
      const scale = parameter.grad!.abs().max().item() as number;
      expect(gradients[i]!.sub(parameter.grad!).abs().max().item() as number).toBeLessThan(3e-6 * scale);
    });
    const layers = (options.numLayers ?? 1) * (options.bidirectional === true ? 2 : 1);
    for (const half of ["mkldnn_rnn_layer ", "mkldnn_rnn_layer_backward "]) {
      const lines = text.split("\n").filter((line) => line.includes(`aten::${half}`));
      expect(lines.filter((line) => line.endsWith("by a kernel of our own"))).toHaveLength(layers);
    }
  });

  test("float32: as near to float64 as LibTorch's own", () => {
    const { layer, batch } = make(options);
    const wide = make(options, "float64");
    wide.layer.loadStateDict(layer.stateDict());
    const { gradients } = run(layer, batch);
    lossOf(layer)(batch[0]!, batch[1]!, batch[2]!).backward();
    const exact = batch.map((tensor) => tensor.to("float64"));
    lossOf(wide.layer)(exact[0]!, exact[1]!, exact[2]!).backward();
    const error = (of: (i: number) => Tensor) => Math.max(...wide.layer.parameters().map((parameter, i) => of(i).to("float64").sub(parameter.grad!).abs().max().item() as number));
    expect(error((i) => gradients[i]!)).toBeLessThan(3 * error((i) => layer.parameters()[i]!.grad!) + 1e-6);
  });
});

// Up to here the products of a time step are LibTorch's. Of whole registers they are taken in panels, the forward's of the four gates of 16 units, the
// last with those of up to 31, and of blocks of up to 6 rows.
describe("in panels", () => {
  test.each([
    [16, 17, 1],
    [48, 7, 3],
    [112, 5, 4],
    [112, 1, 16],
    [64, 13, 5],
    // Of few samples threads share the units. From 144 units on the backward's matrix is in panels, too.
    [128, 3, 20],
    [192, 4, 6],
    [208, 13, 4],
    // Units that fill no register: the last panel takes them along.
    [17, 6, 4],
    [40, 18, 3],
    [88, 3, 9],
    [200, 5, 7],
    [266, 13, 3], // the backward's matrix has more rows than are multiplied at a time
    // A large matrix: threads share the units of many samples, too.
    [394, 25, 2],
    // Gates of all inputs are one product, and are brought into the order of the panels.
    [40, 3, 6, 1100],
    [64, 9, 3, 1100],
  ])("%i units, %i samples, %i steps, both directions: as LibTorch's, and where the loops are ours the same with any number of threads", (hidden, samples, steps, inputs = 6) => {
    const sizes = { inputs, hidden, samples, steps };
    const { layer, batch } = make({ bidirectional: true }, "float32", sizes);
    const { gradients, loss } = run(layer, batch);
    for (const threads of hasWideRegisters ? [2, 3] : []) {
      torch.setNumThreads(threads);
      const again = run(layer, batch);
      torch.setNumThreads(1);
      expect(again.loss).toBe(loss);
      // Sums of what the backward over time gives: products over all steps are LibTorch's.
      layer.namedParameters().forEach(([name], i) => {
        if (name.startsWith("bias")) expect(torch.equal(again.gradients[i]!, gradients[i]!), name).toBe(true);
      });
    }
    const wide = make({ bidirectional: true }, "float64", sizes);
    wide.layer.loadStateDict(layer.stateDict());
    const exact = batch.map((tensor) => tensor.to("float64"));
    lossOf(wide.layer)(exact[0]!, exact[1]!, exact[2]!).backward();
    lossOf(layer)(batch[0]!, batch[1]!, batch[2]!).backward();
    layer.parameters().forEach((parameter, i) => {
      const reference = wide.layer.parameters()[i]!.grad!;
      const error = (of: Tensor) => of.to("float64").sub(reference).abs().max().item() as number;
      expect(error(gradients[i]!)).toBeLessThan(3 * error(parameter.grad!) + 1e-6 * (reference.abs().max().item() as number));
    });
  });
});

// Where threads share the units, they take the products with inputs in pieces while they wait for each other: gates from inputs ahead of their time step,
// and gradients of inputs, which the layer below is made of, behind theirs.
describe("of two layers, the gradients of the lower one", () => {
  test.each([
    [128, 4, 9, true],
    [128, 4, 35, false],
    [48, 7, 5, true],
    [40, 5, 6, true], // 80 columns of inputs, 40 of units
    [72, 6, 4, false],
    [96, 1, 30, true],
    [144, 5, 11, false], // the backward's matrix in panels
  ])("%i units, %i samples, %i steps, in both directions: %s", (hidden, samples, steps, bidirectional) => {
    const { layer, batch } = make({ numLayers: 2, bidirectional }, "float32", { inputs: 24, hidden, samples, steps });
    const { gradients, loss } = run(layer, batch);
    for (const threads of hasWideRegisters ? [2, 3, 4] : []) {
      torch.setNumThreads(threads);
      const again = [1, 2, 3].map(() => run(layer, batch));
      torch.setNumThreads(1);
      for (const each of again) {
        expect(each.loss).toBe(loss);
        layer.namedParameters().forEach(([name], i) => expect(torch.equal(each.gradients[i]!, gradients[i]!), `${name} on ${threads} threads`).toBe(true));
      }
    }
    const eager = lossOf(layer)(batch[0]!, batch[1]!, batch[2]!);
    eager.backward();
    layer.parameters().forEach((parameter, i) => {
      const scale = parameter.grad!.abs().max().item() as number;
      expect(gradients[i]!.sub(parameter.grad!).abs().max().item() as number).toBeLessThan(1e-5 * scale);
    });
  });
});

test("other dtypes are LibTorch's: float64 bit for bit", () => {
  const { layer, batch } = make({}, "float64");
  const { gradients } = run(layer, batch);
  lossOf(layer)(batch[0]!, batch[1]!, batch[2]!).backward();
  layer.parameters().forEach((parameter, i) => expect(torch.equal(gradients[i]!, parameter.grad!)).toBe(true));
});

test("values that are not finite come through", () => {
  const { layer, batch } = make({});
  torch.noGrad(() => void batch[0]!.select(0, 3).fill_(NaN));
  expect(run(layer, batch).loss).toBeNaN();
  // Gates beyond what e to them can hold.
  const huge = make({});
  torch.noGrad(() => void huge.batch[0]!.mul_(1e30));
  const { loss } = run(huge.layer, huge.batch);
  const eager = lossOf(huge.layer)(huge.batch[0]!, huge.batch[1]!, huge.batch[2]!).item() as number;
  expect(Math.abs(loss / eager - 1)).toBeLessThan(1e-5);
});

describe("where the first or the last state is", () => {
  const near = (layer: nn.LSTM, loss: (...batch: Tensor[]) => Tensor, batch: Tensor[]) => {
    const { loss: value, gradients, text } = recorded({ model: layer, loss }, batch);
    const eager = loss(...batch);
    eager.backward();
    expect(Math.abs(value / (eager.item() as number) - 1)).toBeLessThan(1e-6);
    layer.parameters().forEach((parameter, i) => {
      const scale = parameter.grad!.abs().max().item() as number;
      expect(gradients[i]!.sub(parameter.grad!).abs().max().item() as number).toBeLessThan(3e-6 * scale);
    });
    expect(text).toMatch(/mkldnn_rnn_layer .* by a kernel of our own/);
  };
  const both = { bidirectional: true };

  test("nobody looks at the last state", () => {
    const { layer, batch } = make(both);
    near(layer, (x, h, c) => layer.forward(x!, [h!, c!])[0].sin().sum(), batch);
  });

  test("the gradient is one number for all outputs", () => {
    const { layer, batch } = make(both);
    near(layer, (x, h, c) => layer.forward(x!, [h!, c!])[0].sum(), batch);
  });

  test.each(["h", "c"])("somebody looks at nothing but the last %s", (which) => {
    const { layer, batch } = make(both);
    near(layer, (x, h, c) => layer.forward(x!, [h!, c!])[1][which === "h" ? 0 : 1].sin().sum(), batch);
  });

  test("the first state is zeros", () => {
    const { layer, batch } = make(both);
    near(layer, (x) => layer.forward(x!)[0].sin().sum(), batch.slice(0, 1));
  });

  test("the gradient goes on into inputs and first states, which lie otherwise in memory", () => {
    const { layer, batch } = make({ ...both, numLayers: 2 });
    const [x, h, c] = [batch[0]!.transpose(0, 2).contiguous(), batch[1]!.transpose(1, 2).contiguous(), batch[2]!.transpose(0, 1).contiguous()];
    class Scaled extends nn.Module {
      readonly lstm = layer;
      readonly x = nn.parameter(torch.randn(x.shape));
      readonly h = nn.parameter(torch.randn(h.shape));
      readonly c = nn.parameter(torch.randn(c.shape));
    }
    const model = new Scaled();
    const loss = (x: Tensor, h: Tensor, c: Tensor) => {
      const states: [Tensor, Tensor] = [h.mul(model.h).transpose(1, 2), c.mul(model.c).transpose(0, 1)];
      const [y, [last]] = layer.forward(x.mul(model.x).transpose(0, 2), states);
      return y.transpose(0, 1).sin().sum().add(last.transpose(0, 1).exp().sum());
    };
    const { text } = expectReplayNearAutograd(model, loss, [[x, h, c]]);
    expect(text).toMatch(/mkldnn_rnn_layer .* by a kernel of our own/);
  });
});
