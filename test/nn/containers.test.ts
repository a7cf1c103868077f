import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";

describe("Sequential", () => {
  test("feeds each module the output of the one before; names are numbers", () => {
    const net = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU(), new nn.Linear(2, 1, { bias: false }));
    expect(Object.keys(net.stateDict())).toEqual(["0.weight", "0.bias", "2.weight"]);
    expect(net.length).toBe(3);
    expect([...net]).toEqual([net[0], net[1], net[2]]);
    nn.init.ones_((net[0] as nn.Linear).weight);
    nn.init.constant_((net[0] as nn.Linear).bias!, -5);
    nn.init.ones_((net[2] as nn.Linear).weight);
    expect(net.forward(torch.tensor([[1, 2, 4], [1, 1, 1]], { dtype: "float32" })).toArray()).toEqual([[4], [0]]);
  });

  test("takes names", () => {
    const net = new nn.Sequential({ fc: new nn.Linear(3, 2), act: new nn.Tanh() });
    expect(net.namedChildren().map(([name]) => name)).toEqual(["fc", "act"]);
    expect(net.forward(torch.zeros([1, 3])).shape).toEqual([1, 2]);
  });

  test("runs a module that appears twice twice", () => {
    const double = new nn.Linear(1, 1, { bias: false });
    nn.init.constant_(double.weight, 2);
    const net = new nn.Sequential(double, double, double);
    expect(net.forward(torch.ones([1, 1])).item()).toBe(8);
    expect(net.parameters().length).toBe(1);
    expect(Object.keys(net.stateDict())).toEqual(["0.weight", "1.weight", "2.weight"]);
  });

  test("and lists take modules in and out at any place, numbered anew as in PyTorch", () => {
    const [a, b, c] = [new nn.Linear(1, 1), new nn.Linear(1, 1, false), new nn.ReLU()];
    const net = new nn.Sequential(a, c);
    expect(net.insert(1, b)).toBe(net);
    expect([...net]).toEqual([a, b, c]);
    expect(Object.keys(net.stateDict())).toEqual(["0.weight", "0.bias", "1.weight"]);
    net.insert(-3, c).insert(4, b);
    expect([[...net], net.length]).toEqual([[c, a, b, c, b], 5]);
    expect([net.pop(), net.pop(0), net.pop(-2)]).toEqual([b, c, b]);
    expect([[...net], Object.keys(net.stateDict())]).toEqual([[a, c], ["0.weight", "0.bias"]]);
    const named = new nn.Sequential({ first: a, second: b, third: c });
    expect([named.pop(0), Object.keys(named.stateDict())]).toEqual([a, ["0.weight"]]);
    expect(() => net.insert(3, a)).toThrow("Expected a place from -2 to 2 for Sequential.insert but received 3 of type number.");
    expect(() => net.insert(0, 3 as never)).toThrow("Expected a module with a forward method for 2 of nn.Sequential");
    expect(() => new nn.ModuleList().pop()).toThrow("Expected a place from 0 to -1 for ModuleList.pop");
    expect([...net]).toEqual([a, c]);
  });

  test("with no modules returns its input", () => {
    const x = torch.ones([2]);
    expect(new nn.Sequential().forward(x)).toBe(x);
    expect(String(new nn.Sequential())).toBe("Sequential()");
  });

  test("refuses what it cannot run, and names that hide a method", () => {
    expect(() => new nn.Sequential(new nn.ReLU(), ((x: unknown) => x) as never)).toThrow("Expected a module with a forward method for 1 of nn.Sequential but received a function.");
    expect(() => new nn.Sequential(new nn.ModuleList() as never)).toThrow("Expected a module with a forward method for 0 of nn.Sequential");
    expect(() => new nn.Sequential(null as never)).toThrow("for 0 of nn.Sequential but received null.");
    expect(() => new nn.Sequential({ forward: new nn.ReLU() })).toThrow('Expected a name that is not taken for a part of Sequential but received "forward" of type string.');
    expect(() => new nn.Sequential({ "a.b": new nn.ReLU() })).toThrow("Expected a non-empty name without dots");
  });
});

describe("ModuleList", () => {
  test("registers its modules under numbers, in order", () => {
    class Net extends nn.Module {
      layers = new nn.ModuleList(Array.from({ length: 11 }, () => new nn.Linear(1, 1, { bias: false })));
    }
    const net = new Net();
    expect(Object.keys(net.stateDict())).toEqual(Array.from({ length: 11 }, (_, i) => `layers.${i}.weight`));
    expect(net.layers[10]).toBe([...net.layers][10]);
    net.layers.append(new nn.Linear(2, 2)).extend([new nn.Linear(3, 3)]);
    expect([net.layers.length, net.layers[12]!.inFeatures]).toEqual([13, 3]);
  });

  test("refuses what is no list of modules", () => {
    expect(() => new nn.ModuleList(3 as never)).toThrow("Expected an array of modules for nn.ModuleList but received 3 of type number.");
    expect(() => new nn.ModuleList([3] as never)).toThrow("Expected a module for child 0 of ModuleList but received 3 of type number.");
  });
});

describe("ModuleDict", () => {
  test("registers its modules under their names, in their order, whatever the names", () => {
    const dict = new nn.ModuleDict({ b: new nn.Linear(1, 2), forward: new nn.ReLU() });
    dict.set("10", new nn.Linear(2, 2, false)).set("2", new nn.Linear(3, 3, false));
    expect(dict.keys()).toEqual(["b", "forward", "10", "2"]);
    expect(Object.keys(dict.stateDict())).toEqual(["b.weight", "b.bias", "10.weight", "2.weight"]);
    expect(dict.get("b").outFeatures).toBe(2);
    expect([...dict].map(([name]) => name)).toEqual(dict.keys());
    expect([dict.delete("2"), dict.has("2"), dict.size]).toEqual([true, false, 3]);
    const [b, relu] = [dict.get("b"), new nn.ReLU()];
    expect([dict.pop("b"), dict.keys()]).toEqual([b, ["forward", "10"]]);
    dict.update({ a: relu }).update(new nn.ModuleDict({ "10": relu }));
    expect([dict.values().slice(1), dict.items().at(-1)]).toEqual([[relu, relu], ["a", relu]]);
    expect(() => dict.pop("b")).toThrow("Expected one of forward, 10, a for nn.ModuleDict");
    expect(() => dict.update(3 as never)).toThrow("Expected an object, or pairs of names and values for nn.ModuleDict.update");
    dict.clear();
    expect([dict.size, dict.children()]).toEqual([0, []]);
  });

  test("refuses unknown names and what is no module", () => {
    const dict = new nn.ModuleDict({ a: new nn.ReLU() });
    expect(() => dict.get("b" as "a")).toThrow('Expected one of a for nn.ModuleDict but received "b" of type string.');
    expect(() => dict.set("b", 3 as never)).toThrow("Expected a module for b of nn.ModuleDict but received 3 of type number.");
    expect(() => dict.set("a.b", new nn.ReLU())).toThrow("Expected a non-empty name without dots for nn.ModuleDict");
  });
});

describe("ParameterList", () => {
  test("registers its tensors under numbers, in order", () => {
    class Net extends nn.Module {
      scales = new nn.ParameterList(Array.from({ length: 11 }, (_, i) => torch.full([1], i, { dtype: "float32" })));
    }
    const { scales } = new Net();
    expect(Object.keys(new Net().stateDict())).toEqual(Array.from({ length: 11 }, (_, i) => `scales.${i}`));
    expect([...scales].map((each) => each.item())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const own = nn.parameter(torch.zeros([2]), false);
    scales.append(own).extend([torch.ones([3])]);
    expect([scales.length, scales[11] === own, scales[12]!.requiresGrad]).toEqual([13, true, true]);
  });

  test("refuses what is no list of tensors", () => {
    expect(() => new nn.ParameterList(3 as never)).toThrow("Expected an array of tensors for nn.ParameterList but received 3 of type number.");
    expect(() => new nn.ParameterList([3] as never)).toThrow("Expected a tensor for the parameter but received 3 of type number.");
  });
});

describe("ParameterDict", () => {
  test("registers its tensors under their names, in their order, whatever the names", () => {
    const dict = new nn.ParameterDict<string>({ b: torch.zeros([1]), forward: torch.ones([2]) });
    dict.set("10", torch.zeros([3])).set("2", torch.zeros([4]));
    expect(dict.namedParameters().map(([name]) => name)).toEqual(["b", "forward", "10", "2"]);
    expect(dict.numParameters()).toBe(10);
    expect(dict.to("float64").get("b").dtype).toBe("float64");
    expect([dict.delete("2"), dict.has("2"), dict.size, dict.keys()]).toEqual([true, false, 3, ["b", "forward", "10"]]);
    dict.update({ "10": torch.zeros([7]) }).update([["d", torch.zeros([5])]]);
    expect([dict.pop("d").shape, dict.values().map(({ shape }) => shape[0]), dict.items().map(([name]) => name)]).toEqual([[5], [1, 2, 7], ["b", "forward", "10"]]);
    expect(() => dict.get("c")).toThrow('Expected one of b, forward, 10 for nn.ParameterDict but received "c" of type string.');
    expect(() => dict.set("a.b", torch.zeros([1]))).toThrow("Expected a non-empty name without dots for nn.ParameterDict");
  });
});
