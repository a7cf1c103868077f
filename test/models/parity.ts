import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { io, models, optim, torch } from "../../lib/index.js";
import type { DType, Tensor, nn } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython } from "../support/python.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd, expectSameProgram } from "../program/replay.js";

// Small models of Hugging Face's with random weights, saved in Python and loaded here: names, outputs, loss and gradients.

/** What a model is called with. */
export type Inputs = Record<string, Tensor | boolean>;
type AnyModel = nn.Module & { forward(inputs: never): Record<string, unknown> };

export interface Case {
  name: string;
  /** Hugging Face's class, which is ours, too. */
  model: models.ArchitectureName;
  configClass: string;
  /** In snake_case: what Python's class of configurations takes. */
  config: Record<string, unknown>;
  /** In camelCase: what forward takes. */
  inputs: Inputs;
  /** Attention step by step in Python, which alone gives the weights. */
  eager?: boolean;
  /** A head with weights of its own in a class of Python's that ties it. */
  untie?: boolean;
}

export interface Reference {
  names: string[];
  parameters: string[];
}

const tolerances = { float32: 1e-5, float64: 1e-9 } as const;

const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const script = readFileSync(fileURLToPath(new URL("reference.py", import.meta.url)), "utf8");
const support = fileURLToPath(new URL("../support", import.meta.url));

/** A folder for the tests of one file. */
export function folderOfFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "steppe-models-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs Python once for all cases. `more` may add to `outputs`, and use `make(case)` and what else reference.py defines. */
export function runCases<More = unknown>(folder: string, cases: readonly Case[], more = "", extra: unknown = {}): { references: Record<string, Reference> } & More {
  const described = cases.map(({ name, model, configClass, config, inputs, eager, untie }, seed) => ({
    name,
    model,
    config_class: configClass,
    config,
    seed,
    eager: eager ?? false,
    untie: untie ?? false,
    inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [snake(key), typeof value === "boolean" ? value : pack(value)])),
  }));
  return runPython(`${script}\noutputs = {"references": references()}\n${more}`, { folder, support, cases: described, extra });
}

/** The model of a folder that Python's save_pretrained has written, in evaluation mode. */
export async function load<Name extends models.ArchitectureName>(folder: string, architecture: Name): Promise<models.ModelOf<Name> & AnyModel> {
  return (await models.fromPretrained(folder, { architecture, dtype: "float32" })) as models.ModelOf<Name> & AnyModel;
}

/** Tensors of an output by Python's names: hiddenStates[1] is hidden_states.1. */
function flat(name: string, value: unknown): [string, Tensor][] {
  if (value instanceof torch.Tensor) return [[name, value]];
  if (Array.isArray(value)) return value.flatMap((element, i) => flat(`${name}.${i}`, element));
  return [];
}

function cast(inputs: Inputs, dtype: DType): Inputs {
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, value instanceof torch.Tensor && /float/.test(value.dtype) ? value.to(dtype) : value]));
}

/** The loss, or where there is none the outputs weighted as in reference.py. */
function objective(results: [string, Tensor][]): Tensor {
  const loss = results.find(([name]) => name === "loss");
  if (loss !== undefined) return loss[1];
  const weighted = results.map(([, r]) => r.mul(torch.arange(r.numel(), { dtype: r.dtype }).cos().reshape([...r.shape])).sum());
  return weighted.reduce((sum, part) => sum.add(part));
}

function results(output: Record<string, unknown>): [string, Tensor][] {
  return Object.entries(output).flatMap(([name, value]) => flat(snake(name), value));
}

/** One value beside another: the difference is measured against the largest value, where that is above 1. */
export function expectClose(ours: Tensor, theirs: Tensor, tolerance: number, what: string): void {
  const scale = Math.max(1, Number(theirs.abs().max().item()));
  expect(distance(ours, theirs) / scale, what).toBeLessThan(tolerance);
}

/**
 * The tests of all cases of an architecture.
 *
 * @param near a tolerance for compiled steps where the engine brings images into another order in memory, also in float64; else they are autograd's
 *   bit for bit there, and near them in float32, where kernels of our own round in another way
 */
export function parityTests(title: string, configClass: string, given: readonly Omit<Case, "configClass">[], near: number | null = null): void {
  const cases = given.map((item): Case => ({ ...item, configClass }));
  describe.skipIf(python === null)(`${title} is Hugging Face's (${needsPython})`, () => {
    const folder = folderOfFile();
    let references: Record<string, Reference> = {};
    beforeAll(() => {
      references = runCases(folder, cases).references;
    });

    test.each(cases)("$name: names, outputs, loss and gradients", async ({ name, model: className, inputs }) => {
      const model = await load(join(folder, name), className);
      expect(Object.keys(model.stateDict()).sort()).toEqual(references[name]!.names);
      const expected = io.loadSafetensors(join(folder, name, "reference.safetensors"));
      let compared = 0;
      for (const dtype of ["float32", "float64"] as const) {
        model.to(dtype);
        for (const mode of ["eval", "train"] as const) {
          model.train(mode === "train").zeroGrad();
          torch.manualSeed(11);
          const found = results(model.forward(cast(inputs, dtype) as never));
          objective(found).backward();
          const gradients = model.namedParameters().flatMap(([path, { grad }]) => (grad === null ? [] : [[`grad/${path}`, grad] as [string, Tensor]]));
          const prefix = `${dtype}.${mode}/`;
          const names = [...found, ...gradients].map(([key]) => prefix + key).sort();
          expect(names).toEqual(Object.keys(expected).filter((key) => key.startsWith(prefix)).sort());
          for (const [key, value] of [...found, ...gradients]) expectClose(value, expected[prefix + key]!, tolerances[dtype], prefix + key);
          compared += names.length;
        }
      }
      expect(compared).toBe(Object.keys(expected).length);
    });

    test.each(cases)("$name: a compiled step is recorded with its backward, also in mixed precision", async ({ name, model: className, inputs }) => {
      const model = (await load(join(folder, name), className)).train();
      const tensors = Object.entries(inputs).filter((entry): entry is [string, Tensor] => entry[1] instanceof torch.Tensor);
      const settings = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof torch.Tensor)));
      const loss = (...batch: Tensor[]) => {
        const given = Object.fromEntries(tensors.map(([key], i) => [key, batch[i]]));
        return objective(results(model.forward({ ...settings, ...given } as never)));
      };
      const batch = tensors.map(([, value]) => value);
      const batches = [batch, batch.map((value) => value.clone())];
      if (near === null) {
        const wide = (await load(join(folder, name), className)).to("float64").train();
        const wideInputs = cast(Object.fromEntries(tensors), "float64");
        const wideBatch = tensors.map(([key]) => wideInputs[key] as Tensor);
        const wideLoss = (...given: Tensor[]) => objective(results(wide.forward({ ...settings, ...Object.fromEntries(tensors.map(([key], i) => [key, given[i]])) } as never)));
        expectReplayLikeAutograd(wide, wideLoss, [wideBatch, wideBatch.map((value) => value.clone())]);
      }
      const { step } = expectReplayNearAutograd(model, loss, batches, near ?? undefined);
      expect(step.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);

      const optimizer = optim.create(model, { method: "sam", rho: 0, base: { name: "sgd", lr: 0 } });
      const mixed = optimizer.compile(loss, { autocast: {} });
      torch.manualSeed(1);
      const report = mixed.sync(...batch);
      expect(mixed.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
      torch.manualSeed(1);
      const eager = Number(torch.autocast(() => loss(...batch)).item()); // without a gradient, attention would choose other kernels
      // Layer norms of our own, and oneDNN over images in another order in memory, may have numbers rounded to bfloat16 in the other direction.
      expect(Math.abs(report.loss - eager)).toBeLessThanOrEqual(2 ** -8 * Math.max(1, Math.abs(eager)));
      await expectSameProgram(optimizer.compile(loss, { autocast: {} }), mixed, batch);
    });
  });
}
