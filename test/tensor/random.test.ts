import { describe, expect, test } from "vitest";
import { Generator, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, pack, python, runPython, sameLibTorch, type Packed } from "../support/python.js";

const draw = (generator?: Generator) => torch.rand([4], generator === undefined ? {} : { generator }).toArray();

describe("seeds", () => {
  test("the same seed gives the same numbers, another seed others", () => {
    torch.manualSeed(3);
    const first = [draw(), torch.randn([3]).toArray(), torch.randperm(5).toArray()];
    torch.manualSeed(3);
    expect([draw(), torch.randn([3]).toArray(), torch.randperm(5).toArray()]).toEqual(first);
    torch.manualSeed(4);
    expect(draw()).not.toEqual(first[0]);
  });

  test("wrong seeds", () => {
    for (const seed of [1.5, NaN, "3", null, undefined, 2 ** 60]) {
      expect(() => torch.manualSeed(seed as number)).toThrow(/Expected an integer for seed/);
      expect(() => new Generator().manualSeed(seed as number)).toThrow(/Expected an integer for seed/);
    }
    for (const seed of [2n ** 64n, -(2n ** 63n) - 1n, 2n ** 80n]) expect(() => torch.manualSeed(seed)).toThrow(/Expected an integer of 64 bits for seed/);
  });
});

describe("Generator", () => {
  test("is a stream of its own", () => {
    torch.manualSeed(1);
    const undisturbed = draw();
    torch.manualSeed(1);
    const generator = new Generator().manualSeed(1);
    draw(generator);
    expect(draw()).toEqual(undisturbed);
    expect(draw(generator.manualSeed(1))).toEqual(undisturbed);
  });

  test("state goes back and forth", () => {
    const generator = new Generator();
    const state = generator.getState();
    expect(state.dtype).toBe("uint8");
    const first = draw(generator);
    const clone = new Generator().setState(state);
    expect(draw(clone)).toEqual(first);
    expect(draw(generator.setState(state))).toEqual(first);
    expect(generator.initialSeed()).toBe(clone.initialSeed());
    expect(generator.device).toBe("cpu");
    expect(() => generator.setState(torch.zeros([3], { dtype: "uint8" }))).toThrow(expect.objectContaining({ code: "OPERATOR" }));
    expect(() => generator.setState([1] as never)).toThrow("Expected a Tensor for state but received an array of 1.");
  });

  test("the default one is the one that operators draw from", () => {
    torch.manualSeed(9);
    expect(torch.defaultGenerator().initialSeed()).toBe(9n);
    const numbers = draw();
    torch.defaultGenerator().manualSeed(9);
    expect(draw()).toEqual(numbers);
    expect(draw(torch.defaultGenerator().manualSeed(9))).toEqual(numbers);
  });

  test("its seed and state have PyTorch's names in torch, too", () => {
    torch.manualSeed(9);
    expect(torch.initialSeed()).toBe(9n);
    const state = torch.getRngState();
    const numbers = draw();
    expect(draw()).not.toEqual(numbers);
    torch.setRngState(state);
    expect(draw()).toEqual(numbers);
    expect(() => torch.setRngState(9 as never)).toThrow("Expected a Tensor for state but received 9 of type number.");
  });

  test("seeds of all 64 bits", () => {
    expect(new Generator().manualSeed(2n ** 64n - 1n).initialSeed()).toBe(2n ** 64n - 1n);
    expect(new Generator().manualSeed(-1).initialSeed()).toBe(2n ** 64n - 1n);
    expect(new Generator().manualSeed(-(2n ** 63n)).initialSeed()).toBe(2n ** 63n);
  });

  test("wrong arguments", () => {
    expect(() => new Generator(5 as never)).toThrow("Expected a device for device but received 5 of type number.");
    expect(() => torch.rand([1], { generator: {} as never })).toThrow(/Expected a Generator or null for generator/);
  });
});

describe.skipIf(python === null || !sameLibTorch)(`the same numbers as ${needsPython}`, () => {
  const draws: [string, (generator?: Generator) => Tensor, string][] = [
    ["rand", (generator) => torch.rand([20], { generator }), "torch.rand(20, generator=g)"],
    ["randn, few", (generator) => torch.randn([7], { generator }), "torch.randn(7, generator=g)"],
    ["randn, many", (generator) => torch.randn([5, 7], { generator }), "torch.randn(5, 7, generator=g)"],
    ["randn in float64", (generator) => torch.randn([20], { generator, dtype: "float64" }), "torch.randn(20, generator=g, dtype=torch.float64)"],
    ["randint", (generator) => torch.randint(-5, 100, [10], { generator }), "torch.randint(-5, 100, (10,), generator=g)"],
    ["randperm", (generator) => torch.randperm(50, { generator }), "torch.randperm(50, generator=g)"],
    ["bernoulli", (generator) => torch.bernoulli(torch.full([20], 0.3), { generator }), "torch.bernoulli(torch.full((20,), 0.3), generator=g)"],
    ["multinomial", (generator) => torch.multinomial(torch.tensor([0.1, 0.2, 0.7]), 10, true, { generator }), "torch.multinomial(torch.tensor([0.1, 0.2, 0.7]), 10, True, generator=g)"],
    ["uniform_", (generator) => torch.empty([9]).uniform_(-2, 3, { generator }), "torch.empty(9).uniform_(-2, 3, generator=g)"],
    ["normal_", (generator) => torch.empty([9], { dtype: "float64" }).normal_(1, 2, { generator }), "torch.empty(9, dtype=torch.float64).normal_(1, 2, generator=g)"],
    ["exponential_", (generator) => torch.empty([9]).exponential_(2, { generator }), "torch.empty(9).exponential_(2, generator=g)"],
    ["random_", (generator) => torch.empty([9], { dtype: "int64" }).random_(1000, { generator }), "torch.empty(9, dtype=torch.int64).random_(1000, generator=g)"],
    ["poisson", (generator) => torch.poisson(torch.full([9], 4.0, { dtype: "float32" }), { generator }), "torch.poisson(torch.full((9,), 4.0), generator=g)"],
  ];
  const seeds = [0, 1, 42, -1, 2 ** 40];
  const script = `
outputs = []
for code in inputs["code"]:
    of_code = []
    for seed in inputs["seeds"]:
        g = torch.Generator().manual_seed(seed)
        own = eval(code)
        g = None
        torch.manual_seed(seed)
        of_code.append([pack(own), pack(eval(code))])
    outputs.append(of_code)
`;
  const theirs = python === null || !sameLibTorch ? [] : runPython<[Packed, Packed][][]>(script, { code: draws.map(([, , code]) => code), seeds });

  test.each(draws.map(([name, ours], i) => [name, ours, i] as const))("%s", (_, ours, i) => {
    seeds.forEach((seed, k) => {
      expect(pack(ours(new Generator().manualSeed(seed)))).toEqual(theirs[i]![k]![0]);
      torch.manualSeed(seed);
      expect(pack(ours())).toEqual(theirs[i]![k]![1]);
    });
  });

  test("dropout's masks, and a generator's state", () => {
    const script = `
torch.manual_seed(6)
dropped = F.dropout(torch.ones(30), 0.4)
outputs = [pack(dropped), pack(torch.get_rng_state().to(torch.int64))]
`;
    const [mask, state] = runPython<Packed[]>(script);
    torch.manualSeed(6);
    expect(pack(torch.dropout(torch.ones([30]), 0.4, true))).toEqual(mask);
    expect(pack(torch.defaultGenerator().getState().to("int64"))).toEqual(state);
  });
});
