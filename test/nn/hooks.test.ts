import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

describe("hooks", () => {
  test("see what a module takes and gives, in their order, until they are removed", () => {
    const net = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU());
    const linear = net[0] as nn.Linear;
    const seen: string[] = [];
    const first = linear.registerForwardPreHook((module, [input]) => void seen.push(`before ${module === linear} ${input.shape}`));
    const second = linear.registerForwardHook((_module, [input], output) => void seen.push(`after ${input.shape} ${output.shape}`));
    const third = net.registerForwardHook(() => void seen.push("net"));
    net.forward(torch.zeros([4, 3]));
    expect(seen).toEqual(["before true 4,3", "after 4,3 4,2", "net"]);
    first.remove();
    first.remove();
    net.forward(torch.zeros([4, 3]));
    expect(seen.slice(3)).toEqual(["after 4,3 4,2", "net"]);
    second.remove();
    third.remove();
    net.forward(torch.zeros([4, 3]));
    expect(seen.length).toBe(5);
    expect(Object.getOwnPropertyNames(linear)).not.toContain("forward");
  });

  test("change inputs and outputs", () => {
    const layer = new nn.Linear(2, 2);
    const x = torch.ones([1, 2]);
    const plain = layer.forward(x);
    layer.registerForwardPreHook((_module, [input]) => [input.mul(0)]);
    expect(layer.forward(x).toArray()).toEqual([layer.bias!.toArray()]);
    layer.registerForwardHook((_module, _inputs, output) => output.sub(layer.bias!));
    layer.registerForwardHook((_module, _inputs, output) => output.add(1));
    expect(layer.forward(x).toArray()).toEqual([[1, 1]]);
    expect(plain.shape).toEqual([1, 2]);
  });

  test("come before those that are there if they are to", () => {
    const layer = new nn.Identity();
    const order: string[] = [];
    const say = (text: string) => () => void order.push(text);
    layer.registerForwardHook(say("third"));
    layer.registerForwardHook(say("fourth"));
    const second = layer.registerForwardHook(say("second"), { prepend: true });
    layer.registerForwardPreHook(say("zeroth"));
    layer.registerForwardPreHook(say("minus first"), { prepend: true });
    layer.registerForwardHook(say("first"), { prepend: true });
    layer.forward(torch.zeros([1]));
    expect(order).toEqual(["minus first", "zeroth", "first", "second", "third", "fourth"]);
    second.remove();
    layer.forward(torch.zeros([1]));
    expect(order.slice(6)).toEqual(["minus first", "zeroth", "first", "third", "fourth"]);
    expect(() => layer.registerForwardHook(() => undefined, { prepand: true } as never)).toThrow('Did you mean "prepend"?');
  });

  test("are called once where a class's forward calls its parent's", () => {
    const norm = new nn.BatchNorm1d(2);
    let calls = 0;
    norm.registerForwardHook(() => void calls++);
    norm.forward(torch.randn([3, 2]));
    expect(calls).toBe(1);
  });

  test("are part of a program as far as they compute", () => {
    const layer = new nn.Linear(2, 1, { bias: false });
    let calls = 0;
    layer.registerForwardHook((_module, _inputs, output) => {
      calls++;
      return output.mul(3);
    });
    const step = optim.create(layer, { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => layer.forward(x).sum());
    const plain = layer.weight.sum().item() as number;
    for (let i = 0; i < 3; i++) expect(step.sync(torch.ones([1, 2])).loss).toBeCloseTo(3 * plain, 5);
    expect(calls).toBe(1);
  });

  test("leave parameters, children and state dicts alone", () => {
    const layer = new nn.Linear(2, 2);
    layer.registerForwardHook(() => undefined);
    expect(Object.keys(layer.stateDict())).toEqual(["weight", "bias"]);
    expect(layer.children()).toEqual([]);
  });

  test("that are none are refused", () => {
    expect(() => new nn.Linear(1, 1).registerForwardHook(3 as never)).toThrow("Expected a function for a hook of Linear but received 3 of type number.");
    expect(() => new nn.ModuleList().registerForwardHook(() => undefined)).toThrow("Expected a module with a forward method for a hook but received an object of type ModuleList.");
    const layer = new nn.Linear(1, 1);
    layer.registerForwardPreHook(() => 3 as never);
    expect(() => layer.forward(torch.ones([1, 1]))).toThrow("Expected an array of inputs or nothing for the result of a hook before the forward of Linear but received 3 of type number.");
  });
});

describe("parts by path", () => {
  class Net extends nn.Module {
    body = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2));
  }
  const net = new Net();

  test("are found", () => {
    expect(net.getSubmodule("body.1")).toBe(net.body[1]);
    expect(net.getSubmodule("")).toBe(net);
    expect(net.getParameter("body.0.weight")).toBe((net.body[0] as nn.Linear).weight);
    expect(net.getBuffer("body.1.running_mean").shape).toEqual([2]);
  });

  test("that there are not are named", () => {
    expect(() => net.getSubmodule("body.2")).toThrow('Expected the path of a module for Net but received "body.2" of type string. Did you mean "body.');
    expect(() => net.getParameter("body.0.wieght")).toThrow('Did you mean "body.0.weight"?');
    expect(() => net.getBuffer("mean")).toThrow('Expected the path of a buffer for Net but received "mean" of type string.');
  });
});

describe("summary", () => {
  const net = new nn.Sequential({
    features: new nn.Sequential(new nn.Conv2d(1, 4, 3, { bias: false }), new nn.BatchNorm2d(4), new nn.Flatten()),
    fc: new nn.Linear(144, 10),
  });

  test("shows modules, output shapes and parameters", () => {
    (net.getSubmodule("fc") as nn.Linear).bias!.requiresGrad = false;
    net.train();
    expect(net.summary(torch.zeros([2, 1, 8, 8]))).toBe(
`Module                   Output        Parameters
-------------------------------------------------
Sequential               [2, 10]
  features (Sequential)  [2, 144]
    0 (Conv2d)           [2, 4, 6, 6]          36
    1 (BatchNorm2d)      [2, 4, 6, 6]           8
    2 (Flatten)          [2, 144]
  fc (Linear)            [2, 10]            1,450
-------------------------------------------------
1,494 parameters, 1,484 of them trained; 6,016 bytes with buffers`,
    );
    expect(net.modules().every((module) => module.training)).toBe(true);
    expect(net.getBuffer("features.1.num_batches_tracked").item()).toBe(0);
    expect(net.forward(torch.zeros([2, 1, 8, 8])).shape).toEqual([2, 10]);
  });

  test("has no shapes without inputs, and counts shared parameters once", () => {
    const shared = new nn.Linear(2, 2);
    expect(new nn.Sequential(shared, new nn.Tanh(), shared).summary()).toBe(`Module        Parameters
------------------------
Sequential
  0 (Linear)           6
  1 (Tanh)
------------------------
6 parameters, 6 of them trained; 24 bytes with buffers`);
  });

  test("puts everything back when the forward fails", () => {
    const broken = new nn.Sequential(new nn.Linear(2, 2));
    expect(() => broken.summary(torch.zeros([1, 3]))).toThrow();
    expect(broken.training).toBe(true);
    expect(Object.getOwnPropertyNames(broken[0])).not.toContain("forward");
  });
});
