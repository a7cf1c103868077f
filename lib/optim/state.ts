import { noGrad } from "../autograd.js";
import { adopt } from "../dispatch.js";
import { SteppeError, describe, expected } from "../errors.js";
import { native, type Handle, type NativeEngineState } from "../native.js";
import { Tensor } from "../tensor.js";
import { expectedShape } from "./base-state.js";
import type { Values } from "./fields.js";
import type { Collected } from "./groups.js";
import type { PlateauState, Schedules } from "./schedules.js";
import type { SavedMicroBatch, Window } from "./window.js";

/** Everything that a later run needs to go on as if nothing had happened, besides the model's own state dict. */
export interface OptimizerState {
  method: string;
  base: string;
  /** Steps taken, skipped ones not counted. */
  steps: number;
  /** Those of them that the method has taken (after `startStep`, with ρ above 0). */
  methodSteps: number;
  /** Hyperparameters per group. */
  groups: Values[];
  /** Tensors of the base optimizer and of the method, as "parameter/name": "fc.weight/momentum_buffer". */
  tensors: Record<string, Tensor>;
  /** Numbers that the method keeps. */
  numbers: Record<string, number[]>;
  /** The last step's batch, where the method needs it again. */
  batch: Tensor[] | null;
  /** What the schedules keep: null for all but "plateau". */
  schedules: { lr: PlateauState | null; rho: PlateauState | null };
  /** The loss scale, and good steps since it last changed. */
  lossScale: number;
  goodSteps: number;
  /** The micro-batches of a step that is being accumulated, up to the last call; they are taken again before the next one. */
  window: SavedMicroBatch[];
}

/** Reads an engine's state. Its tensors are copies. */
export function readState(engine: number, { keys, groups }: Collected, open: Window): Omit<OptimizerState, "method" | "base" | "schedules"> {
  const { steps, methodSteps, base, method, numbers, batch, lossScale, goodSteps, window } = native.engineState(engine);
  const tensors: Record<string, Tensor> = {};
  for (const [name, handles] of Object.entries({ ...base, ...method })) {
    handles.forEach((handle, k) => {
      const tensor = adopt(handle);
      if (tensor !== null) tensors[`${keys[k]!}/${name}`] = tensor;
    });
  }
  const inputs = batch === null || batch.length === 0 ? null : batch.map((handle) => adopt(handle)!);
  const values = groups.map((group) => group.toJSON());
  return { steps, methodSteps, groups: values, tensors, numbers, batch: inputs, lossScale, goodSteps, window: open.read(window) };
}

/** The states of schedules. */
export function scheduleStates({ lr, rho }: Schedules): OptimizerState["schedules"] {
  return { lr: lr?.state() ?? null, rho: rho?.state() ?? null };
}

/**
 * Gives an engine and its schedules a saved state. Nothing changes unless all of it fits.
 *
 * @throws SteppeError `ARGUMENT` for other groups, unknown parameters, wrong shapes
 */
export function loadState(engine: number, state: OptimizerState, { keys, parameters, groups }: Collected, schedules: Schedules, window: Window): void {
  checkShape(state, groups.length);
  window.check(state.window);
  const present = native.engineState(engine);
  release(present);
  const empty = (all: Record<string, unknown[]>) => Object.fromEntries(Object.entries(all).map(([name, list]) => [name, list.map((): Handle | null => null)]));
  const base = empty(present.base);
  const method = empty(present.method);
  const converted: Tensor[] = [];
  const elements = parameters.reduce((sum, parameter) => sum + parameter.numel(), 0);
  for (const [key, tensor] of Object.entries(state.tensors)) {
    const cut = key.lastIndexOf("/");
    const index = keys.indexOf(key.slice(0, cut));
    const name = key.slice(cut + 1);
    const list = base[name] ?? method[name];
    if (index < 0 || list === undefined) throw new SteppeError("ARGUMENT", `Expected the state of this optimizer's parameters but received ${describe(key)}.`);
    if (!(tensor instanceof Tensor)) throw expected("a Tensor", `state.tensors[${JSON.stringify(key)}]`, tensor);
    const shape = expectedShape(name, tensor.shape, parameters[index]!.shape, elements);
    if (shape !== null) throw new SteppeError("ARGUMENT", `Expected shape ${shape} for ${key} but received [${tensor.shape.join(", ")}].`);
    list[index] = (base[name] === undefined ? asKept(tensor, name, parameters[index]!, key, converted) : tensor).handle;
  }
  for (const [name, values] of Object.entries(present.numbers)) {
    const given: unknown = state.numbers?.[name];
    if (!Array.isArray(given) || given.length !== values.length || !given.every((value) => typeof value === "number")) {
      throw expected(`an array of ${values.length} numbers`, `state.numbers.${name}`, given);
    }
  }
  state.groups.forEach((values, g) => groups[g]!.check(values));
  const before = scheduleStates(schedules);
  try {
    schedules.lr?.load(state.schedules?.lr ?? null);
    schedules.rho?.load(state.schedules?.rho ?? null);
  } catch (error) {
    schedules.lr?.load(before.lr);
    throw error;
  }
  const batch = state.batch?.map((tensor) => tensor.handle) ?? null;
  const { steps, methodSteps, numbers, lossScale, goodSteps } = state;
  native.engineLoadState(engine, { steps, methodSteps, base, method, numbers, batch, lossScale, goodSteps });
  for (const tensor of converted) tensor.dispose();
  window.load(state.window);
  state.groups.forEach((values, g) => groups[g]!.load(values));
}

/** What can be told of a state without an optimizer. */
function checkShape(state: OptimizerState, groups: number): void {
  if (!Array.isArray(state.groups) || state.groups.length !== groups) throw expected(`${groups} groups`, "state.groups", state.groups);
  state.groups.forEach((values, g) => {
    if (!isRecord(values)) throw expected("an object of hyperparameters", `state.groups[${g}]`, values);
  });
  for (const name of ["steps", "methodSteps", "goodSteps"] as const) {
    if (!Number.isSafeInteger(state[name]) || state[name] < 0) throw expected("a number of steps", `state.${name}`, state[name]);
  }
  if (!Number.isFinite(state.lossScale) || state.lossScale <= 0) throw expected("a positive number", "state.lossScale", state.lossScale);
  if (!isRecord(state.tensors)) throw expected("an object of tensors", "state.tensors", state.tensors);
  const { batch } = state;
  if (batch !== null && batch !== undefined && !(Array.isArray(batch) && batch.every((tensor) => tensor instanceof Tensor))) {
    throw expected("an array of tensors, or null", "state.batch", batch);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Tensor);
}

/**
 * A method's tensor in the dtype in which it keeps it: the parameter's, sums of squares in float32 at least, masks as booleans. The
 * base optimizers see to theirs themselves.
 */
function asKept(tensor: Tensor, name: string, parameter: Tensor, key: string, converted: Tensor[]): Tensor {
  if (name === "mask" ? tensor.dtype !== "bool" : !tensor.isFloatingPoint()) {
    throw expected(name === "mask" ? "a tensor of booleans" : "a floating-point tensor", `state.tensors[${JSON.stringify(key)}]`, tensor.dtype);
  }
  const dtype = name === "mask" ? "bool" : name === "squares" && parameter.dtype !== "float64" ? "float32" : parameter.dtype;
  if (tensor.dtype === dtype) return tensor;
  converted.push(noGrad(() => tensor.to(dtype)));
  return converted.at(-1)!;
}

function release({ base, method, batch, window }: NativeEngineState): void {
  const open = window.flatMap(({ inputs, generators }) => [...inputs, ...generators]);
  for (const handle of [...Object.values(base), ...Object.values(method), batch ?? [], open].flat()) if (handle !== null) native.release(handle);
}
