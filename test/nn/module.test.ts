import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { modes } from "../../lib/nn/modes.js";

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 2, 3);
  scale = nn.parameter(torch.ones([2]));
  norm = new nn.BatchNorm2d(2);
  fc = new nn.Linear(8, 3, { bias: false });
  mask = this.registerBuffer("mask", torch.ones([3]));
  scratch = this.registerBuffer("scratch", torch.zeros([1]), { persistent: false });
  plain = torch.zeros([4]);
  spare = [new nn.Linear(1, 1)];
  note = "text";
  nothing = null;

  forward(x: Tensor): Tensor {
    return this.fc.forward(this.norm.forward(this.conv.forward(x)).flatten(1)).mul(this.mask);
  }
}

describe("discovery", () => {
  test("own properties in their order: parameters, buffers, then children", () => {
    const net = new Net();
    const names = ["scale", "conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight"];
    expect(net.namedParameters().map(([name]) => name)).toEqual(names);
    expect(net.parameters()[0]).toBe(net.scale);
    expect(net.namedBuffers().map(([name]) => name)).toEqual([
      "mask", "scratch", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    ]);
    expect(Object.keys(net.stateDict())).toEqual([
      "scale", "mask", "conv.weight", "conv.bias",
      "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
      "fc.weight",
    ]);
    expect(net.namedModules().map(([name]) => name)).toEqual(["", "conv", "norm", "fc"]);
    expect(net.children()).toEqual([net.conv, net.norm, net.fc]);
    expect(net.numParameters()).toBe(2 + 18 + 2 + 2 + 2 + 24);
    expect(net.namedParameters({ recurse: false }).map(([name]) => name)).toEqual(["scale"]);
    expect(net.forward(torch.ones([2, 1, 4, 4])).shape).toEqual([2, 3]);
  });

  test("a parameter replaced is the new one; one set to null is gone", () => {
    const layer = new nn.Linear(2, 2);
    layer.weight = nn.parameter(torch.zeros([2, 2]));
    layer.bias = null;
    expect(layer.parameters()).toEqual([layer.weight]);
    expect(layer.forward(torch.ones([1, 2])).toArray()).toEqual([[0, 0]]);
  });

  test("a frozen parameter stays a parameter", () => {
    const layer = new nn.Linear(2, 3);
    layer.bias!.requiresGrad = false;
    expect(layer.parameters().length).toBe(2);
    expect(layer.numParameters()).toBe(9);
    expect(layer.numParameters({ trainableOnly: true })).toBe(6);
    expect(nn.isParameter(nn.parameter(torch.zeros([1]), false))).toBe(true);
    expect(nn.isParameter(torch.zeros([1], { requiresGrad: true }))).toBe(false);
  });

  test("nn.parameter brands the tensor itself, and detaches a computed one", () => {
    const leaf = torch.zeros([2]);
    expect(nn.parameter(leaf)).toBe(leaf);
    const base = torch.ones([2], { requiresGrad: true });
    const computed = nn.parameter(base.mul(2));
    expect(computed.isLeaf && computed.requiresGrad).toBe(true);
    expect(() => nn.parameter([1, 2] as never)).toThrow("Expected a tensor for the parameter but received an array of 2.");
    expect(() => nn.parameter(torch.zeros([2], { dtype: "int64" }))).toThrow("float");
  });
});

describe("shared parts", () => {
  class Tied extends nn.Module {
    encoder = new nn.Embedding(5, 3);
    decoder = new nn.Linear(3, 5, { bias: false });
    again = this.decoder;

    constructor() {
      super();
      this.decoder.weight = this.encoder.weight;
    }
  }

  test("appear once among parameters and modules, and under each name in the state dict", () => {
    const net = new Tied();
    expect(net.namedParameters().map(([name]) => name)).toEqual(["encoder.weight"]);
    expect(net.namedModules().map(([name]) => name)).toEqual(["", "encoder", "decoder"]);
    expect(Object.keys(net.stateDict())).toEqual(["encoder.weight", "decoder.weight", "again.weight"]);
    expect(net.numParameters()).toBe(15);
  });

  test("stay shared through loading and conversion", () => {
    const net = new Tied();
    net.loadStateDict(new Tied().stateDict());
    net.to("float64");
    expect(net.decoder.weight).toBe(net.encoder.weight);
    expect(net.decoder.weight.dtype).toBe("float64");
  });

  test("gradients of all uses add up", () => {
    const net = new Tied();
    const loss = net.decoder.forward(net.encoder.forward(torch.tensor([1], { dtype: "int64" }))).sum();
    loss.backward();
    const grad = net.encoder.weight.grad!;
    // d/dw of sum_j w_j · w_1: row 1 also gets the sum of all rows.
    const sum = net.encoder.weight.detach().sum(0);
    expect(grad.select(0, 0).sub(net.encoder.weight.detach().select(0, 1)).abs().max().item()).toBeLessThan(1e-6);
    expect(grad.select(0, 1).sub(sum.add(net.encoder.weight.detach().select(0, 1))).abs().max().item()).toBeLessThan(1e-5);
  });

  test("a module within itself ends no walk in a loop", () => {
    class Loop extends nn.Module {
      inner = new nn.Linear(1, 1);
      self: nn.Module = this;
    }
    const loop = new Loop();
    expect(loop.modules().length).toBe(2);
    expect(Object.keys(loop.stateDict())).toEqual(["inner.weight", "inner.bias"]);
    expect(String(loop)).toBe("Loop(\n  (inner): Linear(inFeatures=1, outFeatures=1, bias=true)\n  (self): Loop(...)\n)");
    const visited: nn.Module[] = [];
    loop.eval().apply((module) => visited.push(module));
    expect(visited).toEqual([loop.inner, loop]);
  });
});

describe("modes", () => {
  test("train and eval reach all modules; each change counts once", () => {
    const net = new Net();
    expect(net.modules().every((module) => module.training)).toBe(true);
    const before = modes.version;
    net.train();
    expect(modes.version).toBe(before);
    expect(net.eval()).toBe(net);
    expect(net.modules().some((module) => module.training)).toBe(false);
    expect(modes.version).toBe(before + 4);
    net.norm.training = true;
    expect(modes.version).toBe(before + 5);
    expect(() => net.train(1 as never)).toThrow("Expected true or false for training but received 1 of type number.");
  });

  test("dropout drops in training only", () => {
    const x = torch.ones([1000]);
    const layer = new nn.Dropout(0.25);
    torch.manualSeed(1);
    const kept = layer.forward(x);
    expect(new Set(kept.toTypedArray() as Float32Array)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(layer.eval().forward(x).toTypedArray()).toEqual(x.toTypedArray());
  });

  test("two-dimensional dropout drops whole channels", () => {
    torch.manualSeed(2);
    const sums = new nn.Dropout2d().forward(torch.ones([4, 8, 3, 3])).sum([2, 3]).flatten().toArray() as number[];
    expect(new Set(sums)).toEqual(new Set([0, 18]));
  });

  test("batch norm keeps the average of all batches without momentum", () => {
    const norm = new nn.BatchNorm1d(2, { momentum: null, dtype: "float64" });
    const batches = [0, 3, 9].map((shift) => torch.tensor([[1, 2], [3, 6]], { dtype: "float64" }).add(shift));
    for (const batch of batches) norm.forward(batch);
    expect(norm.numBatchesTracked!.item()).toBe(3);
    expect((norm.runningMean!.toArray() as number[]).map((value) => Number(value.toFixed(9)))).toEqual([6, 8]);
    expect((norm.runningVar!.toArray() as number[]).map((value) => Number(value.toFixed(9)))).toEqual([2, 8]);
    norm.resetRunningStats();
    expect([norm.runningMean!.toArray(), norm.runningVar!.toArray(), norm.numBatchesTracked!.item()]).toEqual([[0, 0], [1, 1], 0]);
  });
});

describe("buffers", () => {
  test("null keeps a name; a later tensor is found", () => {
    class Late extends nn.Module {
      cache: Tensor | null = this.registerBuffer("cache", null as Tensor | null);
    }
    const late = new Late();
    expect(late.buffers()).toEqual([]);
    late.cache = torch.zeros([2]);
    expect(late.namedBuffers()).toEqual([["cache", late.cache]]);
  });

  test("misspelled options are refused", () => {
    expect(() => new nn.Module().registerBuffer("b", torch.ones([1]), { persistant: false } as never)).toThrow('received "persistant". Did you mean "persistent"?');
    const layer = new nn.Linear(2, 2);
    const calls = [() => layer.loadStateDict(layer.stateDict(), { strct: false } as never), () => layer.zeroGrad({ setToNon: false } as never), () => layer.numParameters({ trainable: true } as never), () => layer.parameters({ recursive: false } as never), () => layer.buffers({ recursive: false } as never)];
    for (const call of calls) expect(call).toThrow(/^Expected one of \w+ in the options of \w+ but received "/);
    expect(() => layer.loadStateDict(layer.stateDict(), { strict: 1 } as never)).toThrow("Expected true or false for strict of loadStateDict but received 1");
  });

  test("names that are empty, dotted or taken by a method are refused", () => {
    const net = new Net();
    expect(() => net.registerBuffer("a.b", torch.zeros([1]))).toThrow('Expected a non-empty name without dots for a part of Net but received "a.b" of type string.');
    expect(() => net.registerBuffer("", torch.zeros([1]))).toThrow("Expected a non-empty name without dots");
    expect(() => net.registerBuffer("forward", torch.zeros([1]))).toThrow('Expected a name that is not taken for a part of Net but received "forward" of type string.');
    expect(() => net.registerBuffer("ok", 3 as never)).toThrow("Expected a tensor or null for buffer ok but received 3 of type number.");
  });
});

describe("conversion", () => {
  test("keeps the tensors' identity and leaves integers alone", () => {
    const net = new Net();
    const before = net.parameters();
    expect(net.to("float64")).toBe(net);
    expect(net.parameters()).toEqual(before);
    expect(before.every((tensor, i) => tensor === net.parameters()[i] && tensor.dtype === "float64" && tensor.requiresGrad && tensor.isLeaf)).toBe(true);
    expect(net.norm.num_batches_tracked!.dtype).toBe("int64");
    expect(net.mask.dtype).toBe("float64");
    expect(net.forward(torch.ones([2, 1, 4, 4], { dtype: "float64" })).dtype).toBe("float64");
  });

  test("takes gradients along", () => {
    const layer = new nn.Linear(2, 1);
    layer.forward(torch.ones([1, 2])).sum().backward();
    layer.to({ dtype: "float64", device: "cpu" });
    expect([layer.weight.grad!.dtype, layer.weight.grad!.toArray()]).toEqual(["float64", [[1, 1]]]);
    layer.forward(torch.ones([1, 2], { dtype: "float64" })).sum().backward();
    expect(layer.weight.grad!.toArray()).toEqual([[2, 2]]);
  });

  test("to another order in memory: of images, volumes, and their gradients", () => {
    const net = new nn.ModuleList([new nn.Conv2d(3, 8, 3), new nn.Conv2d(1, 8, 3), new nn.Conv3d(2, 4, 2), new nn.Linear(3, 2)]);
    const strides = () => net.parameters().filter((tensor) => tensor.dim() > 1).map((tensor) => tensor.stride().join(" "));
    const plain = strides();
    const weights = net.parameters();
    const values = weights.map((tensor) => tensor.detach().clone({ memoryFormat: "contiguous" }));
    (net[0] as nn.Conv2d).forward(torch.ones([1, 3, 4, 4])).sum().backward();
    const grad = weights[0]!.grad!.clone();
    net.to({ memoryFormat: "channels_last" });
    // PyTorch's, for the same layers.
    expect(strides()).toEqual(["27 1 9 3", "9 1 3 1", plain[2], plain[3]]);
    expect(weights[0]!.grad!.stride()).toEqual([27, 1, 9, 3]);
    expect(weights[0]!.grad!.equal(grad)).toBe(true);
    net.to({ memoryFormat: "channels_last_3d", dtype: "float64" });
    expect(strides()).toEqual(["27 1 9 3", "9 1 3 1", "16 1 8 4 2", plain[3]]);
    expect(net.parameters().every((tensor, i) => tensor === weights[i] && tensor.dtype === "float64" && tensor.equal(values[i]!.double()))).toBe(true);
    expect(net.to({ memoryFormat: "contiguous" }).parameters().map((tensor) => tensor.isContiguous())).not.toContain(false);
  });

  test("to where a tensor is", () => {
    expect(new nn.Linear(2, 1).to(torch.zeros([], { dtype: "bfloat16" })).weight.dtype).toBe("bfloat16");
  });

  test("to what makes no sense is refused", () => {
    const layer = new nn.Linear(2, 1);
    expect(() => layer.to("int64")).toThrow("Expected a floating-point or complex dtype for to but received");
    expect(() => layer.to("flaot64")).toThrow(/^Expected a dtype such as float32, .* or a device such as cpu, .* for to but received "flaot64" of type string\. Did you mean "float64"\?$/);
    expect(() => layer.to({ dtpye: "float64" } as never)).toThrow('Did you mean "dtype"?');
    expect(() => layer.to(3 as never)).toThrow("Expected a dtype, a device, a tensor or { dtype, device, nonBlocking, memoryFormat } for to");
    expect(() => layer.to({ memoryFormat: "nhwc" as never })).toThrow("Expected one of contiguous, preserve, channels_last, channels_last_3d for memoryFormat of to");
    expect(() => layer.to(torch.zeros([1], { dtype: "int64" }))).toThrow("Parameters cannot be integers.");
    expect(() => layer.to("nowhere:0")).toThrow();
    expect(() => layer.to("meta")).toThrow('Expected a device with memory for to but received "meta" of type string.');
    expect(() => new nn.Linear(2, 1, { device: "meta" }).to("cpu")).toThrow('Expected a module with values, which the device "meta" does not hold, for to but received');
    expect(new nn.Linear(2, 1, { device: "meta" }).to("float64").weight.dtype).toBe("float64");
    expect(layer.weight.dtype).toBe("float32");
  });
});

describe("gradients", () => {
  test("zeroGrad drops them, or zeroes them", () => {
    const layer = new nn.Linear(2, 1);
    const step = () => layer.forward(torch.ones([1, 2])).sum().backward();
    step();
    layer.zeroGrad({ setToNone: false });
    expect(layer.weight.grad!.toArray()).toEqual([[0, 0]]);
    step();
    expect(layer.weight.grad!.toArray()).toEqual([[1, 1]]);
    layer.zeroGrad();
    expect(layer.weight.grad).toBe(null);
  });

  test("requiresGrad_ freezes everything", () => {
    const net = new Net().requiresGrad_(false);
    expect(net.numParameters({ trainableOnly: true })).toBe(0);
    expect(net.requiresGrad_().numParameters({ trainableOnly: true })).toBe(net.numParameters());
  });
});

test("in one process a synchronized batch norm is a batch norm", () => {
  const [plain, synchronized] = [new nn.BatchNorm1d(3), new nn.SyncBatchNorm(3)];
  const x = torch.randn([5, 3, 4]);
  expect(synchronized.forward(x).toArray()).toEqual(plain.forward(x).toArray());
  expect(Object.keys(synchronized.stateDict())).toEqual(Object.keys(plain.stateDict()));
  expect(synchronized.running_mean!.toArray()).toEqual(plain.running_mean!.toArray());
});

test("a transformer's mask hides what comes later", () => {
  expect(nn.Transformer.generateSquareSubsequentMask(3).toArray()).toEqual([[0, -Infinity, -Infinity], [0, 0, -Infinity], [0, 0, 0]]);
});

test("an encoder's layers are copies that are trained apart", () => {
  const layer = new nn.TransformerEncoderLayer(4, 2, 8);
  layer.linear1.bias!.requiresGrad = false;
  const encoder = new nn.TransformerEncoder(layer, 2);
  const [first, second] = [...encoder.layers] as [nn.TransformerEncoderLayer, nn.TransformerEncoderLayer];
  expect(first.linear1.weight.toArray()).toEqual(layer.linear1.weight.toArray());
  expect(new Set([layer, first, second].map(({ linear1 }) => linear1.weight)).size).toBe(3);
  expect([first.linear1.bias!.requiresGrad, first.linear1.weight.requiresGrad]).toEqual([false, true]);
});

test("apply visits children first", () => {
  const net = new nn.Sequential(new nn.Linear(1, 1), new nn.Sequential(new nn.ReLU()));
  const seen: string[] = [];
  expect(net.apply((module) => seen.push(module.constructor.name))).toBe(net);
  expect(seen).toEqual(["Linear", "ReLU", "Sequential", "Sequential"]);
});

test("a module prints as a tree", () => {
  class Printed extends nn.Module {
    features = new nn.Sequential(new nn.Conv2d(1, 16, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.MaxPool2d(2));
    blocks = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4), new nn.Linear(4, 2)]);
    drop = new nn.Dropout(0.1);
    loss = new nn.CrossEntropyLoss({ weight: torch.ones([2]) });
  }
  const net = new Printed();
  expect(String(net)).toBe(`Printed(
  (features): Sequential(
    (0): Conv2d(1, 16, kernelSize=[3,3], stride=[1,1], padding=[1,1], bias=false)
    (1): BatchNorm2d(16, eps=0.00001, momentum=0.1, affine=true, bias=true, trackRunningStats=true)
    (2): ReLU()
    (3): MaxPool2d(kernelSize=[2,2], stride=[2,2], padding=[0,0], dilation=[1,1])
  )
  (blocks): ModuleList(
    (0-1): 2 x Linear(inFeatures=4, outFeatures=4, bias=true)
    (2): Linear(inFeatures=4, outFeatures=2, bias=true)
  )
  (drop): Dropout(p=0.1)
  (loss): CrossEntropyLoss(ignoreIndex=-100, reduction="mean", labelSmoothing=0)
)`);
  expect(inspect(net)).toBe(String(net));
});
