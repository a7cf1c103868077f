import { native, type NativeProgram } from "../native.js";
import { modes } from "../nn/modes.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { ProgramInfo } from "./compiled-step.js";
import type { Collected } from "./groups.js";

/** A program that a step needs. */
export interface WantedProgram {
  /** What it is recorded with, if not with the call's own arguments. */
  source?: { args: readonly unknown[]; tensors: Tensor[]; batched: boolean[]; batchSize: number };
  /** Number of samples. */
  count: number;
  /** The objective that is climbed, not the loss. */
  climbed: boolean;
  signature: string;
  /** Modules that recording went through, with their modes. */
  seen?: Map<Module, boolean>;
}

interface Recorded extends NativeProgram {
  wanted: WantedProgram;
  /** Number of the optimizer's buffers, which are slots of it. */
  buffers: number;
}

/** More signatures than this, and the oldest program is forgotten. */
const MAX_PROGRAMS = 256;

/** Their numbers: more would keep the model alive, too, until the registry is run. */
const discarded = new FinalizationRegistry<Set<number>>((programs) => {
  for (const program of programs) native.freeProgram(program);
});

/** The programs of a compiled step, by signature. */
export class RecordedPrograms {
  readonly #programs = new Map<string, Recorded>();
  readonly #numbers = new Set<number>();
  readonly #collected: Collected;
  #training = { version: -1, bits: "" };

  constructor(collected: Collected) {
    this.#collected = collected;
  }

  /** Which modules are in training mode: a part of signatures. */
  modeBits(): string {
    if (this.#training.version !== modes.version) {
      const modules = this.#collected.modules.flatMap((module) => module.modules());
      // Modes of modules that the optimizer does not know (a body under the head that is trained) are in no signature.
      for (const [signature, { program, wanted }] of this.#programs) {
        if (![...wanted.seen!].some(([module, mode]) => !modules.includes(module) && module.training !== mode)) continue;
        this.#programs.delete(signature);
        this.#free(program);
      }
      this.#training = { version: modes.version, bits: modules.map((module) => (module.training ? "t" : "e")).join("") };
    }
    return this.#training.bits;
  }

  /** Forgets all. */
  clear(): void {
    for (const { program } of this.#programs.values()) this.#free(program);
    this.#programs.clear();
  }

  /** Its number. It is there: see `fit`. */
  of(signature: string): number {
    return this.#programs.get(signature)!.program;
  }

  /** Whether all are there, and know all buffers. */
  fit(wanted: readonly WantedProgram[]): boolean {
    return wanted.every((each) => this.#fits(each));
  }

  /** The first one is to be recorded before the next is asked for: recording may meet further buffers. */
  *missing(wanted: readonly WantedProgram[]): Generator<WantedProgram> {
    for (let next; (next = wanted.find((each) => !this.#fits(each))) !== undefined; ) yield next;
  }

  remember(wanted: WantedProgram, made: NativeProgram): void {
    if (this.#programs.size >= MAX_PROGRAMS) {
      const [oldest, { program }] = this.#programs.entries().next().value!;
      this.#programs.delete(oldest);
      this.#free(program);
    }
    const { count, climbed, signature, seen } = wanted;
    const stale = this.#programs.get(signature);
    if (stale !== undefined) this.#free(stale.program);
    this.#numbers.add(made.program);
    this.#programs.set(signature, { ...made, wanted: { count, climbed, signature, seen: seen! }, buffers: this.#collected.buffers.length });
  }

  list(): ProgramInfo[] {
    return [...this.#programs].map(([signature, { program, instructions, obstacle, computed, wanted }]) => ({
      signature,
      samples: wanted.count,
      climbed: wanted.climbed,
      instructions,
      backwardObstacle: obstacle === "" ? null : obstacle,
      text: native.programText(program),
      computed,
      program,
    }));
  }

  /** Frees all that are there at the time; then none can be used. Holds nothing else. */
  get freeing(): () => void {
    const numbers = this.#numbers;
    return () => numbers.forEach((program) => native.freeProgram(program));
  }

  /** Frees them once nobody holds the step any more. */
  freeAfter(step: object): void {
    discarded.register(step, this.#numbers);
  }

  #free(program: number): void {
    this.#numbers.delete(program);
    native.freeProgram(program);
  }

  #fits({ signature }: WantedProgram): boolean {
    return this.#programs.get(signature)?.buffers === this.#collected.buffers.length;
  }
}
