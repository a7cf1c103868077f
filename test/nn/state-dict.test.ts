import { beforeEach, describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, pack, python, runPython } from "../support/python.js";

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 2, 3);
  norm = new nn.BatchNorm2d(2);
  fc = new nn.Linear(2, 3);
}

const values = (net: nn.Module) => Object.fromEntries(Object.entries(net.stateDict()).map(([name, tensor]) => [name, tensor.toArray()]));

describe("state dicts", () => {
  let net: Net;
  let state: Record<string, Tensor>;

  beforeEach(() => {
    net = new Net();
    state = new Net().stateDict();
  });

  test("load into another model, which computes the same", () => {
    const parameters = net.parameters();
    expect(net.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(values(net)).toEqual(Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, tensor.toArray()])));
    expect(net.parameters().every((tensor, i) => tensor === parameters[i] && tensor.requiresGrad)).toBe(true);
  });

  test("are views of the model: no gradient history, the same memory", () => {
    const weight = net.stateDict()["fc.weight"]!;
    expect(weight.requiresGrad).toBe(false);
    nn.init.constant_(net.fc.weight, 7);
    expect(weight.toArray()).toEqual([[7, 7], [7, 7], [7, 7]]);
  });

  test("without values, or for a model that can hold none, are refused before anything changes", () => {
    const before = values(net);
    const hollow = { ...state, "fc.weight": torch.empty([3, 2], { device: "meta" }) };
    expect(() => net.loadStateDict(hollow)).toThrow('"fc.weight": the given tensor is on the device "meta", which holds no values');
    expect(values(net)).toEqual(before);
    const linear = new nn.Linear(2, 3, { device: "meta" });
    expect(() => linear.loadStateDict(net.fc.stateDict())).toThrow('"weight": this module\'s tensor is on the device "meta", which holds no values');
  });

  test("are converted to the model's dtype", () => {
    const doubled = Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, tensor.to("float64")]));
    net.loadStateDict(doubled);
    expect([net.fc.weight.dtype, net.norm.num_batches_tracked!.dtype]).toEqual(["float32", "int64"]);
    expect(net.fc.weight.toArray()).toEqual(state["fc.weight"]!.toArray());
  });

  test("missing, unexpected and mis-shaped entries come together, and nothing is loaded", () => {
    const before = values(net);
    const { "conv.bias": _bias, "fc.weight": _weight, ...rest } = state;
    const wrong = { ...rest, "fc.wieght": state["fc.weight"]!, extra: torch.zeros([1]), "norm.weight": torch.zeros([3, 2]), "norm.bias": 3 as never };
    let message = "";
    try {
      net.loadStateDict(wrong);
    } catch (error) {
      expect(error).toMatchObject({ name: "SteppeError", code: "ARGUMENT" });
      message = (error as Error).message;
    }
    expect(message).toBe(
      [
        "The state dict does not fit Net.",
        '  missing: "conv.bias", "fc.weight"',
        '  unexpected: "fc.wieght", "extra"',
        '  "norm.weight": expected shape [2] but received [3, 2]',
        '  "norm.bias": expected a tensor but received 3 of type number',
      ].join("\n"),
    );
    expect(values(net)).toEqual(before);
  });

  test("not strictly: missing and unexpected names are returned, shapes still have to fit", () => {
    const { "conv.bias": _bias, ...rest } = state;
    expect(net.loadStateDict({ ...rest, extra: torch.zeros([1]) }, { strict: false })).toEqual({ missingKeys: ["conv.bias"], unexpectedKeys: ["extra"] });
    expect(net.conv.weight.toArray()).toEqual(state["conv.weight"]!.toArray());
    expect(() => net.loadStateDict({ "fc.bias": torch.zeros([4]) }, { strict: false })).toThrow('"fc.bias": expected shape [3] but received [4]');
  });

  test("of old files lack the number of batches, or keep it as a vector", () => {
    const { "norm.num_batches_tracked": _count, ...old } = state;
    expect(net.loadStateDict(old).missingKeys).toEqual([]);
    net.loadStateDict({ ...state, "norm.num_batches_tracked": torch.tensor([5], { dtype: "int64" }) });
    expect(net.norm.numBatchesTracked!.item()).toBe(5);
  });

  test("hold persistent buffers only", () => {
    class Buffers extends nn.Module {
      kept = this.registerBuffer("kept", torch.ones([2]));
      made = this.registerBuffer("made", torch.ones([2]), { persistent: false });
    }
    const module = new Buffers();
    expect(Object.keys(module.stateDict())).toEqual(["kept"]);
    expect(() => module.loadStateDict({ kept: torch.zeros([2]), made: torch.zeros([2]) })).toThrow('unexpected: "made"');
  });

  test("of what is none are refused", () => {
    expect(() => net.loadStateDict(null as never)).toThrow("Expected an object of tensors by name for the state dict but received null.");
    expect(() => net.loadStateDict([] as never)).toThrow("Expected an object of tensors by name for the state dict but received an array of 0.");
  });
});

describe.skipIf(python === null)(`state dicts beside PyTorch's (${needsPython})`, () => {
  test("one from here loads there strictly, and computes the same", () => {
    const net = new nn.Sequential(new nn.Embedding(5, 4), new nn.LayerNorm(4), new nn.Linear(4, 2)).to("float64");
    const x = torch.tensor([[0, 3, 4]], { dtype: "int64" });
    const state = Object.fromEntries(Object.entries(net.stateDict()).map(([name, tensor]) => [name, pack(tensor)]));
    const theirs = runPython<number[][][]>(
      `
net = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 2)).double()
net.load_state_dict({name: unpack(t) for name, t in inputs["state"].items()})
outputs = net(unpack(inputs["x"])).tolist()
`,
      { state, x: pack(x) },
    ).flat(2);
    const ours = net.forward(x).flatten().toArray() as number[];
    expect(ours.every((value, i) => Math.abs(value - theirs[i]!) < 1e-12)).toBe(true);
    expect(ours.length).toBe(theirs.length);
  });
});

describe("shared tensors", () => {
  class Tied extends nn.Module {
    embedding = new nn.Embedding(5, 3);
    head = new nn.Linear(3, 5, { bias: false });
    constructor() {
      super();
      this.head.weight = this.embedding.weight;
    }
  }
  const values = torch.arange(15, { dtype: "float32" }).view([5, 3]);

  test.each(["embedding.weight", "head.weight"])("one of their names is enough: %s", (name) => {
    const model = new Tied();
    expect(model.loadStateDict({ [name]: values })).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(model.head.weight.toArray()).toEqual(values.toArray());
  });

  test("none of their names: all are missing", () => {
    expect(() => new Tied().loadStateDict({})).toThrow('missing: "embedding.weight", "head.weight"');
  });

  test("both names with the same values, and with different ones", () => {
    const model = new Tied();
    model.loadStateDict({ "embedding.weight": values, "head.weight": values.clone() });
    const other = { "embedding.weight": values, "head.weight": values.add(1) };
    expect(() => model.loadStateDict(other)).toThrow('"embedding.weight" and "head.weight" are one tensor here but hold different values');
    expect(model.head.weight.toArray()).toEqual(values.toArray());
  });
});
