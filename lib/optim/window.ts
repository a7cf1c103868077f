import { noGrad } from "../autograd.js";
import { adopt } from "../dispatch.js";
import { SteppeError, describe, expected } from "../errors.js";
import type { NativeEngineState } from "../native.js";
import { keep } from "../scope.js";
import { Tensor } from "../tensor.js";
import { flatten, rebuild } from "./structure.js";

/** A micro-batch of a step that is not complete yet, as it is saved. */
export interface SavedMicroBatch {
  /** Which of the optimizer's compiled steps took it, counted from 0 in the order in which they were made. */
  compiled: number;
  /** What that was called with. */
  args: unknown[];
  /** The states of the default generators (the CPU's, and the accelerators' of the arguments) before it. */
  generators: Tensor[];
}

/** Prepares a micro-batch to be taken again, and returns what takes it. */
export type Replay = (args: readonly unknown[], generators: readonly Tensor[]) => () => void;

/** Stands for a tensor in arguments whose tensors the engine holds. */
const placeholder = new Tensor(0);

/**
 * The step that is being accumulated: its micro-batches since the last whole step. Their sums live in the engine and are not
 * saved; after loading, the micro-batches are taken again before the next one.
 */
export class Window {
  readonly #compiled: { step: unknown; replay: Replay }[] = [];
  /** The last micro-batches that were asked for, without their tensors. How many of them are open, the engine knows. */
  #asked: { compiled: number; args: unknown[] }[] = [];
  #loaded: readonly SavedMicroBatch[] = [];

  /** @param length micro-batches per step */
  constructor(readonly length: number) {}

  /**
   * Makes a compiled step known.
   *
   * @param step kept alive, and its programs with it
   * @returns its number
   */
  join(step: unknown, replay: Replay): number {
    return this.length === 1 ? 0 : this.#compiled.push({ step, replay }) - 1;
  }

  /** A micro-batch was handed to the engine. */
  asked(compiled: number, args: readonly unknown[], tensors: number): void {
    if (this.length === 1) return;
    this.#asked.push({ compiled, args: rebuild(args, Array.from({ length: tensors }, () => placeholder)) });
    if (this.#asked.length >= this.length) this.#asked.shift();
  }

  /**
   * Takes the micro-batches of a loaded state again, here and now.
   *
   * @throws SteppeError `ARGUMENT` if they came from a compiled step that does not exist yet
   */
  resume(): void {
    if (this.#loaded.length === 0) return;
    const takes = this.#loaded.map(({ compiled, args, generators }) => {
      const known = this.#compiled[compiled];
      if (known === undefined) {
        throw new SteppeError("ARGUMENT", `The loaded state has a micro-batch of compiled step ${compiled}: compile the same functions in the same order before going on.`);
      }
      return known.replay(args, generators);
    });
    const loaded = this.#loaded;
    this.#loaded = [];
    for (const take of takes) take();
    this.#asked = loaded.map(({ compiled, args }) => ({ compiled, args: rebuild(args, flatten(args).tensors.map(() => placeholder)) }));
  }

  /** The micro-batches to save. Their tensors are copies. */
  read(open: NativeEngineState["window"]): SavedMicroBatch[] {
    if (this.#loaded.length > 0) return this.#loaded.map(copy);
    const asked = this.#asked.slice(this.#asked.length - open.length);
    return open.map(({ inputs, generators }, i) => ({
      compiled: asked[i]!.compiled,
      args: rebuild(asked[i]!.args, inputs.map((handle) => adopt(handle)!)),
      generators: generators.map((handle) => adopt(handle)!),
    }));
  }

  /** @throws SteppeError `ARGUMENT` for a state that `read` cannot have given to an optimizer like this */
  check(saved: readonly SavedMicroBatch[]): void {
    if (!Array.isArray(saved) || saved.length >= this.length) throw expected(`fewer than ${this.length} micro-batches`, "state.window", saved);
    saved.forEach((batch: Partial<SavedMicroBatch> | null, i) => {
      const { compiled, args, generators } = batch ?? {};
      if (!Number.isInteger(compiled) || compiled! < 0) throw expected("the number of a compiled step", `state.window[${i}].compiled`, compiled);
      if (!Array.isArray(args)) throw expected("an array", `state.window[${i}].args`, args);
      flatten(args);
      if (!Array.isArray(generators) || generators.length === 0 || !generators.every((state) => state instanceof Tensor && state.dtype === "uint8")) {
        throw new SteppeError("ARGUMENT", `Expected states of generators for state.window[${i}].generators but received ${describe(generators)}.`);
      }
    });
  }

  /** Goes on from micro-batches that {@link check} has passed. */
  load(saved: readonly SavedMicroBatch[]): void {
    this.#loaded = saved.map(copy).map((batch) => {
      for (const tensor of [...flatten(batch.args).tensors, ...batch.generators]) keep(tensor);
      return batch;
    });
    this.#asked = [];
  }
}

function copy({ compiled, args, generators }: SavedMicroBatch): SavedMicroBatch {
  const clones = (tensors: readonly Tensor[]) => noGrad(() => tensors.map((tensor) => tensor.detach().clone()));
  return { compiled, args: rebuild(args, clones(flatten(args).tensors)), generators: clones(generators) };
}
