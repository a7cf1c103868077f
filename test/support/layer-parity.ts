import { beforeAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import type { AnyLayer, Case, Nested } from "../nn/cases/case.js";
import { expectSameProgram } from "../program/replay.js";
import { distance, needsPython, python, runPython, sameLibTorch, unpack } from "./python.js";
import type { Packed } from "./python.js";

interface Pass {
  inputs: Packed[];
  outputs: Packed[];
  /** Null for inputs without a gradient. */
  gradients: (Packed | null)[];
  state: Record<string, Packed>;
}

interface Reference {
  error?: string;
  initial: Record<string, Packed>;
  names: string[];
  parameters: Record<string, Packed | null>[];
  passes: Pass[];
}

const script = `
import traceback

def flat(value):
    if value is None: return []
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else [value]

def state(layer):
    return {name: pack(t) for name, t in layer.state_dict().items()}

def made(spec):
    if isinstance(spec, str): return eval(spec)
    if isinstance(spec, dict): return torch.randint(0, spec["below"], spec["shape"])
    return torch.randn(spec, dtype=torch.float64, requires_grad=True)

def optional(t):
    return None if t is None else pack(t.to_dense())

def reference_of(case):
    torch.manual_seed(0)
    layer = eval(case["python"])
    reference = {"initial": state(layer), "names": list(layer.state_dict()), "parameters": [], "passes": []}
    layer.double()
    for k in range(3):
        layer.train(k < 2)
        layer.zero_grad()
        torch.manual_seed(10 + k)
        inputs = [made(spec) for spec in case["inputs"]]
        before = [pack(t) for t in inputs]
        torch.manual_seed(100 + k)
        results = flat(eval(case["call"]))
        weighted = [(r * torch.arange(r.numel(), dtype=torch.float64).cos().reshape(r.shape)).sum() for r in results if r.requires_grad]
        if weighted: sum(weighted).backward()
        reference["passes"].append({
            "inputs": before,
            "outputs": [pack(t) for t in results],
            "gradients": [optional(t.grad) for t in inputs],
            "state": state(layer),
        })
        reference["parameters"].append({name: optional(p.grad) for name, p in layer.named_parameters()})
    return reference

outputs = []
for case in inputs:
    try:
        outputs.append(reference_of(case))
    except Exception:
        outputs.append({"error": traceback.format_exc()})
`;

function flat(value: Nested): Tensor[] {
  return Array.isArray(value) ? value.flatMap(flat) : value === null ? [] : [value];
}

/** One number of all outputs that have a gradient, with a weight of its own for each element. */
function lossOf(outputs: Tensor[]): Tensor {
  const parts = outputs
    .filter((t) => t.requiresGrad)
    .map((t) => t.mul(torch.arange(t.numel(), { dtype: "float64" }).cos().reshape([...t.shape])).sum());
  return parts.reduce((sum, part) => sum.add(part), torch.zeros([], { dtype: "float64" }));
}

/**
 * Tests for each case: initial weights of the same seed, names and order of the state dict, then, in float64, two steps in
 * training mode (outputs, gradients, buffers) and one in evaluation mode; and that a compiled step does what an eager one does.
 */
export function testLayers(families: Record<string, Case[]>): void {
  const cases = Object.entries(families).flatMap(([family, list]) => list.map((item, i) => ({ ...item, family, name: `${i}: ${item.python}` })));
  let references: Reference[] = [];

  beforeAll(() => {
    if (python === null) return;
    references = runPython<Reference[]>(script, cases.map(({ python, inputs, pythonCall }) => ({ python, inputs, call: pythonCall ?? "layer(*inputs)" })));
  }, 120_000);

  for (const family of Object.keys(families)) {
    const list = cases.map((item, index) => ({ ...item, index })).filter((item) => item.family === family);
    describe.skipIf(python === null)(`${family}: layers are PyTorch's (${needsPython})`, () => {
      test.each(list)("$name", (item) => agree(item, references[item.index]!));
    });
    describe.skipIf(python === null)(`${family}: a compiled step is the eager one (${needsPython})`, () => {
      test.each(list)("$name", (item) => record(item, references[item.index]!));
    });
  }
}

function run({ call }: Case, layer: AnyLayer, inputs: Tensor[]): Tensor[] {
  return flat(call === undefined ? (layer as nn.Module & { forward(...inputs: Tensor[]): Nested }).forward(...inputs) : call(layer, inputs));
}

function agree(item: Case, reference: Reference): void {
  expect(reference.error).toBe(undefined);
  torch.manualSeed(0);
  const layer = item.layer();
  const initial = layer.stateDict();
  expect(Object.keys(initial)).toEqual(reference.names);
  for (const [name, tensor] of Object.entries(initial)) {
    expect(tensor.dtype).toBe(reference.initial[name]!.dtype);
    // The QR factorization of orthogonal weights may add in another order; all else is drawn alike.
    if (sameLibTorch) expect(distance(tensor, unpack(reference.initial[name]!)), `initial ${name}`).toBe(0);
  }

  const states = Object.fromEntries(Object.entries(reference.initial).map(([name, packed]) => [name, unpack(packed)]));
  layer.loadStateDict(states);
  layer.to("float64");
  reference.passes.forEach((pass, k) => {
    layer.train(k < 2).zeroGrad();
    const inputs = pass.inputs.map(unpack);
    inputs.forEach((input, i) => {
      if (Array.isArray(item.inputs[i])) input.requiresGrad = true;
    });
    torch.manualSeed(100 + k);
    const outputs = run(item, layer, inputs);
    const loss = lossOf(outputs);
    if (loss.requiresGrad) loss.backward();

    const compare = (what: string, ours: Tensor | null, theirs: Packed | null | undefined) => {
      expect(ours === null, `${what} of pass ${k}`).toBe(theirs === null || theirs === undefined);
      if (ours !== null && theirs) expect(distance(ours, unpack(theirs)), `${what} of pass ${k}`).toBeLessThan(1e-9);
    };
    expect(outputs.length).toBe(pass.outputs.length);
    outputs.forEach((output, i) => compare(`output ${i}`, output, pass.outputs[i]));
    inputs.forEach((input, i) => compare(`gradient of input ${i}`, input.grad, pass.gradients[i]));
    const parameters = layer.namedParameters();
    expect(parameters.map(([name]) => name)).toEqual(Object.keys(reference.parameters[k]!));
    for (const [name, { grad }] of parameters) compare(`gradient of ${name}`, grad === null ? null : grad.toDense(), reference.parameters[k]![name]);
    for (const [name, tensor] of Object.entries(layer.stateDict())) compare(name, tensor, pass.state[name]);
  });
}

/** The layer behind a trained gain, so that there is something to train, and a gradient through the layer, in any case. */
class Gained extends nn.Module {
  gain = nn.parameter(torch.ones([], { dtype: "float64" }));
  layer: AnyLayer;

  constructor(private readonly item: Case) {
    super();
    torch.manualSeed(0);
    this.layer = item.layer();
    this.to("float64");
  }

  loss(inputs: Tensor[]): Tensor {
    const gained = inputs.map((input, i) => (Array.isArray(this.item.inputs[i]) ? input.mul(this.gain) : input));
    return lossOf(run(this.item, this.layer, gained));
  }
}

async function record(item: Case, reference: Reference): Promise<void> {
  expect(reference.error).toBe(undefined);
  const batches = [0, 1, 0].map((k) => reference.passes[k]!.inputs.map(unpack));
  const [eager, compiled] = [new Gained(item), new Gained(item)];
  const options = { method: "none", base: { name: "sgd", lr: 0.01, momentum: 0.5 } } as const;
  const [plain, replayed] = [optim.create(eager, options), optim.create(compiled, options)];
  const step = replayed.compile((...inputs: Tensor[]) => compiled.loss(inputs));
  for (const [k, batch] of batches.entries()) {
    torch.manualSeed(20 + k);
    if (item.refused !== undefined) {
      expect(() => step.sync(...batch)).toThrow(item.refused);
      return;
    }
    const report = step.sync(...batch);
    torch.manualSeed(20 + k);
    expect(plain.step(() => eager.loss(batch)).loss, `loss of step ${k}`).toBeCloseTo(report.loss, 9);
  }
  const theirs = eager.stateDict();
  for (const [name, tensor] of Object.entries(compiled.stateDict())) expect(distance(tensor, theirs[name]!), name).toBeLessThan(1e-9);
  expect(step.programs.length).toBe(1);
  if (item.backward === undefined) expect(step.explain()).toMatch(/forward and backward are replayed\.$/);
  else expect(step.programs[0]!.backwardObstacle).toMatch(item.backward);
  const other = new Gained(item);
  // These rely on lengths or places in tensors: a recording by shapes leaves them to one with all values.
  const byShapes = !/EmbeddingBag|CTCLoss|AdaptiveLogSoftmax(?!.*log_prob)|pack_padded/.test(`${item.python} ${item.pythonCall}`);
  await expectSameProgram(optim.create(other, options).compile((...inputs: Tensor[]) => other.loss(inputs)), step, batches[0]!, byShapes);
}
