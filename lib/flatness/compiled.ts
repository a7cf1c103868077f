import { enableGrad } from "../autograd.js";
import { SteppeError } from "../errors.js";
import { native } from "../native.js";
import { recordProgram } from "../optim/record-program.js";
import { flatten, rebuild } from "../optim/structure.js";
import { trainingJob, underWay } from "../optim/training-jobs.js";
import type { Tensor } from "../tensor.js";

/** What is recorded of a batch: returns a scalar to differentiate, and further scalars. */
export type Recordable = (args: readonly unknown[]) => { result: Tensor; extras: Tensor[] };

/** More signatures than this, and the oldest program is forgotten. */
const maxPrograms = 64;

/**
 * A function of batches as programs, one for each signature, which run on the training thread and at other weights than the model's.
 * The model must be in the mode that it is measured in whenever it is called.
 */
export class Compiled {
  readonly #record: Recordable;
  readonly #parameters: readonly Tensor[];
  readonly #buffers: readonly Tensor[];
  /** By signature; null for what cannot be recorded. */
  readonly #programs = new Map<string, number | null>();

  constructor(record: Recordable, parameters: readonly Tensor[], buffers: readonly Tensor[]) {
    this.#record = record;
    this.#parameters = parameters;
    this.#buffers = buffers;
  }

  /**
   * One pass on the training thread.
   *
   * @param args the batch, and whatever else the function takes; tensors in them are the program's inputs
   * @param weights in the parameters' places
   * @param into empty for the forward alone; or a tensor for each parameter, to which the gradient times `weight` is added
   * @returns the result and the extras as numbers; null where the function cannot be recorded for such arguments
   */
  async pass(args: readonly unknown[], weights: readonly Tensor[], into: readonly Tensor[] = [], weight = 1): Promise<number[] | null> {
    const handles = (list: readonly Tensor[]) => list.map((tensor) => tensor.handle);
    let inputs: Tensor[];
    let structure: string;
    try {
      ({ tensors: inputs, structure } = flatten(args));
    } catch (error) {
      if (error instanceof SteppeError && error.code === "ARGUMENT") return null; // an object of a class: nobody knows what is in it
      throw error;
    }
    const signature = `${structure}|${native.inputSignature(handles(inputs), handles(this.#parameters), handles(this.#buffers))}`;
    if (!this.#programs.has(signature)) {
      // Steps that follow one another with nothing between them leave no pause: then this thread waits.
      for (let waits = 0, job = trainingJob(); job !== null; job = trainingJob()) {
        if (++waits > 100) {
          native.drain();
          break;
        }
        await job;
      }
      this.#remember(signature, await this.#recorded(args, inputs));
    }
    const program = this.#programs.get(signature);
    if (program === null || program === undefined) return null;
    return underWay(native.programPass(program, handles(weights), handles(this.#buffers), handles(inputs), handles(into), weight));
  }

  /** Lets the programs go. */
  dispose(): void {
    for (const program of this.#programs.values()) if (program !== null) native.freeProgram(program);
    this.#programs.clear();
  }

  #remember(signature: string, program: number | null): void {
    const oldest = this.#programs.size >= maxPrograms ? this.#programs.entries().next().value : undefined;
    if (oldest !== undefined) {
      this.#programs.delete(oldest[0]);
      if (oldest[1] !== null) native.freeProgram(oldest[1]);
    }
    this.#programs.set(signature, program);
  }

  /** The program of these arguments, or null: if it is the function itself that is wrong, running it as it is shows that. */
  async #recorded(args: readonly unknown[], inputs: readonly Tensor[]): Promise<number | null> {
    const evaluate = (tensors: readonly Tensor[]) => {
      const { result, extras } = enableGrad(() => this.#record(rebuild(args, tensors)));
      return { objective: result, extras };
    };
    const record = async () => recordProgram({ parameters: this.#parameters, buffers: this.#buffers, inputs: () => inputs, evaluate }, false);
    try {
      return (await underWay(record())).program;
    } catch (error) {
      if (error instanceof SteppeError) return null;
      throw error;
    }
  }
}
