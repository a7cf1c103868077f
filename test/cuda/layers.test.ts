import { afterAll, beforeAll, describe, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { families } from "../nn/cases/all.js";
import type { AnyLayer, Case, Nested } from "../nn/cases/case.js";
import { needsPython, python, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { expectTrainedAlike, isRecurrent, weighted } from "./beside-cpu.js";

const cases = Object.values(families).flat().filter(({ refused }) => refused === undefined).map((item, index) => ({ ...item, index, name: `${index}: ${item.python} ${item.pythonCall ?? ""}` }));

const script = `
torch.manual_seed(0)
def made(spec):
    if isinstance(spec, str): return eval(spec)
    if isinstance(spec, dict): return torch.randint(0, spec["below"], spec["shape"])
    return torch.randn(spec, dtype=torch.float64)
outputs = [[pack(made(spec)) for spec in case] for case in inputs]
`;

const flat = (value: Nested): Tensor[] => (Array.isArray(value) ? value.flatMap(flat) : value === null ? [] : [value]);

/** The layer behind a trained gain, so that there is something to train, and a gradient through the layer, in any case. */
class Gained extends nn.Module {
  gain = nn.parameter(torch.ones([], { dtype: "float64" }));
  layer: AnyLayer;

  constructor(private readonly item: Case) {
    super();
    this.layer = item.layer();
  }

  loss(inputs: Tensor[]): Tensor {
    const gained = inputs.map((input, i) => (Array.isArray(this.item.inputs[i]) ? input.mul(this.gain) : input));
    const { call } = this.item;
    return weighted(flat(call === undefined ? (this.layer as nn.Module & { forward(...inputs: Tensor[]): Nested }).forward(...gained) : call(this.layer, gained)));
  }
}

describe.skipIf(!torch.cuda.isAvailable() || python === null)(`every layer trains on a GPU as on the CPU (${needsPython})`, () => {
  let inputs: Packed[][] = [];
  beforeAll(() => {
    inputs = runPython<Packed[][]>(script, cases.map((item) => item.inputs));
  }, 120_000);
  const uncaptured: string[] = [];
  afterAll(() => console.log(`Not captured in a graph: ${uncaptured.length === 0 ? "none" : `\n${uncaptured.join("\n")}`}`));

  test.each(cases)("$name", async (item) => {
    const task = {
      make: () => new Gained(item),
      batch: () => inputs[item.index]!.map(unpack),
      loss: (model: nn.Module, given: readonly unknown[]) => (model as Gained).loss(given as Tensor[]),
    };
    const said = await expectTrainedAlike(task, "cuda:0", !isRecurrent(task.make()));
    if (!said.startsWith("Steps are taken as")) uncaptured.push(`${item.name}: ${said}`);
  });
});
