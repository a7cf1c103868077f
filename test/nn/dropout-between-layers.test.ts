import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { AnotherDevice, elsewhere } from "../support/another-device.js";
import { distance } from "../support/python.js";

// On a GPU recurrent layers with dropout between them run one after the other: the same results as all at once, where both are possible.

const device = new AnotherDevice();
beforeAll(() => device.install());
afterAll(() => device.remove());

const { packPaddedSequence } = nn.utils.rnn;
const lengths = [5, 3, 2];

type Layer = nn.LSTM | nn.GRU | nn.RNN;
const settings = { numLayers: 3, dropout: 0.4, bidirectional: true, dtype: "float64" } as const;
const layers: Record<string, () => Layer> = {
  LSTM: () => new nn.LSTM({ inputSize: 4, hiddenSize: 6, ...settings }),
  "LSTM with projections, without biases": () => new nn.LSTM({ inputSize: 4, hiddenSize: 6, projSize: 3, bias: false, ...settings }),
  GRU: () => new nn.GRU({ inputSize: 4, hiddenSize: 6, ...settings }),
  RNN: () => new nn.RNN({ inputSize: 4, hiddenSize: 6, nonlinearity: "relu", ...settings }),
};

/** Outputs, states and gradients. */
function run(make: () => Layer, where: "cpu" | typeof elsewhere, packed: boolean): Tensor[] {
  torch.manualSeed(0);
  const layer = make().to(where) as Layer;
  const x = torch.randn([5, 3, 4], { dtype: "float64" }).to(where);
  const state = (size: number) => torch.randn([6, 3, size], { dtype: "float64" }).to(where);
  const states = layer instanceof nn.LSTM ? [state(layer.projSize || 6), state(6)] : [state(6)];
  x.requiresGrad = true;
  torch.manualSeed(1);
  const forward = layer.forward.bind(layer) as (input: unknown, state: unknown) => [Tensor | nn.utils.rnn.PackedSequence, Tensor | Tensor[]];
  const [output, after] = forward(packed ? packPaddedSequence(x, lengths) : x, layer instanceof nn.LSTM ? states : states[0]);
  const all = [output instanceof torch.Tensor ? output : output.data, ...(Array.isArray(after) ? after : [after])];
  all.map((each) => each.square().sum()).reduce((sum, each) => sum.add(each)).backward();
  return [...all.map((each) => each.detach()), x.grad!, ...layer.parameters().map(({ grad }) => grad!)];
}

describe.each(Object.keys(layers))("%s", (name) => {
  test.each([["sequences", false], ["packed sequences", true]] as const)("over %s", (_, packed) => {
    const [here, there] = [run(layers[name]!, "cpu", packed), run(layers[name]!, elsewhere, packed)];
    expect(there.length).toBe(here.length);
    here.forEach((tensor, i) => expect(distance(there[i]!, tensor)).toBeLessThan(1e-12));
  });
});

test("a step over them is recorded whole", async () => {
  torch.manualSeed(0);
  const lstm = new nn.LSTM({ inputSize: 4, hiddenSize: 6, ...settings, dtype: "float32", batchFirst: true }).to(elsewhere);
  const step = optim.create(lstm, { method: "sam", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => lstm.forward(x)[0].square().mean());
  const x = torch.randn([3, 5, 4]).to(elsewhere);
  expect((await step(x)).updated).toBe(true);
  expect(step.programs[0]!.backwardObstacle).toBeNull();
  expect(step.programs[0]!.text.match(/aten::native_dropout|aten::bernoulli_/g)?.length).toBe(2);
});

test("under autocast, LibTorch is given float16 alone, whatever the dtype", () => {
  const spies = (["lstm", "gru", "rnnRelu"] as const).map((name) => vi.spyOn(torch, name));
  try {
    for (const [enabled, dtype] of [[true, "float16"], [false, "float32"]] as const) {
      for (const make of Object.values(layers)) {
        const layer = make().to("float32").to(elsewhere) as Layer;
        const x = torch.randn([5, 3, 4]).to(elsewhere);
        torch.autocast(() => void (layer.forward as (x: Tensor) => unknown)(x), { device: "cuda", dtype: "float16", enabled });
      }
      const given = spies.flatMap(({ mock }) => mock.calls.flat(2)).filter((each) => each instanceof torch.Tensor);
      expect(given.length).toBeGreaterThan(100);
      expect(new Set(given.map((each) => (each as Tensor).dtype))).toEqual(new Set([dtype]));
      spies.forEach((spy) => spy.mockClear());
    }
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
});
