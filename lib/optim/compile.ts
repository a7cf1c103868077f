import { autocast, readAutocast } from "../autocast.js";
import { enableGrad } from "../autograd.js";
import { CurrentStreams } from "../cuda/current-streams.js";
import { call, family } from "../dispatch.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { native, type NativeProgram, type NativeReport } from "../native.js";
import { modes } from "../nn/modes.js";
import type { Module } from "../nn/module.js";
import { Tensor } from "../tensor.js";
import { asCalled } from "./as-called.js";
import { explain, type CompileOptions, type CompiledStep, type ProgramInfo, type StepReport } from "./compiled-step.js";
import type { Values } from "./fields.js";
import type { Collected } from "./groups.js";
import { outcomeOf } from "./loss-form.js";
import type { Resolved } from "./options.js";
import { recordProgram } from "./record-program.js";
import { ForeignBuffersFound, ForeignBuffers } from "./foreign-buffers.js";
import { checkBatch, flatten, rebuild } from "./structure.js";
import { trainingJob, underWay } from "./training-jobs.js";
import type { Window } from "./window.js";

interface Recorded extends NativeProgram {
  wanted: Wanted;
  /** Number of the optimizer's buffers, which are slots of it. */
  buffers: number;
}

/** What a compiled step needs of its optimizer. */
export interface StepContext {
  readonly engine: number;
  readonly collected: Collected;
  readonly resolved: Resolved;
  readonly window: Window;
  /** The batch of a loaded state that the next step takes once more, of all its micro-batches; else none. */
  loadedBatch(): readonly Tensor[];
  /** Hands changed hyperparameters to the engine: the groups' present ones, or those of an earlier moment. */
  configure(groups?: readonly Values[]): void;
  /** The groups' present hyperparameters, without schedules. */
  hyperparameters(): Values[];
  /** A step was asked for / is over, and was it taken (neither skipped nor thrown). */
  begun(): void;
  /** A step that was asked for waits for a recording / no longer does. Whether one does. */
  queued(change?: 1 | -1): boolean;
  ended(taken: boolean): void;
}

/** More signatures than this, and the oldest program is forgotten. */
const MAX_PROGRAMS = 256;

/** Steps that wait for a recording, in the order of their calls; later ones of this environment must not overtake them. */
let waiting: Promise<unknown> | null = null;

const discarded = new FinalizationRegistry<Map<string, Recorded>>((programs) => {
  for (const { program } of programs.values()) native.freeProgram(program);
});

/** What one call comes down to. */
interface Prepared {
  args: readonly unknown[];
  tensors: Tensor[];
  batched: boolean[];
  batchSize: number;
  /** The programs that its passes need. */
  wanted: Wanted[];
}

interface Wanted {
  /** What it is recorded with, if not with the call's own arguments. */
  source?: Pick<Prepared, "args" | "tensors" | "batched" | "batchSize">;
  /** Number of samples. */
  count: number;
  /** The objective that is climbed, not the loss. */
  climbed: boolean;
  signature: string;
  /** Modules that recording went through, with their modes. */
  seen?: Map<Module, boolean>;
}

/** See {@link Optimizer.compile}. */
export function compileStep<Args extends unknown[]>(
  lossFunction: (...args: Args) => unknown,
  context: StepContext,
  options: CompileOptions = {},
): CompiledStep<Args> {
  if (typeof lossFunction !== "function") throw expected("a function", "loss", lossFunction);
  checkKeys(options, ["autocast", "graphs"]);
  const onDevice = deviceForm(options.graphs);
  const mixed = options.autocast === undefined ? undefined : readAutocast(options.autocast, "options.autocast");
  const run = <T>(body: () => T): T => enableGrad(() => (mixed === undefined ? body() : autocast(body, mixed)));
  const { definition, numbers } = context.resolved;
  const objectives = definition.climbed === undefined ? [false] : [false, true];
  const cuts = definition.cutsBatch?.(numbers) === true && definition.parts(numbers).rule === undefined;
  const programs = new Map<string, Recorded>();
  let training = { version: -1, bits: "" };

  function modeBits(): string {
    if (training.version !== modes.version) {
      const modules = context.collected.modules.flatMap((module) => module.modules());
      // Modes of modules that the optimizer does not know (a body under the head that is trained) are in no signature.
      for (const [signature, { program, wanted }] of programs) {
        if (![...wanted.seen!].some(([module, mode]) => !modules.includes(module) && module.training !== mode)) continue;
        programs.delete(signature);
        native.freeProgram(program);
      }
      training = { version: modes.version, bits: modules.map((module) => (module.training ? "t" : "e")).join("") };
    }
    return training.bits;
  }

  function prepare(args: readonly unknown[]): Prepared {
    const { tensors, structure } = flatten(args);
    const handles = tensors.map((tensor) => tensor.handle);
    context.configure();
    const { batchSize, counts, signature } = native.engineSignature(context.engine, handles);
    const whole = counts.length === 1 && counts[0] === batchSize;
    const batched = tensors.map((tensor) => tensor.dim() > 0);
    if (!whole || (cuts && batchSize < 0)) checkBatch(tensors, batched, batchSize);
    const prefix = `${modeBits()}|${structure}|${signature}`;
    const wanted: Wanted[] = counts.flatMap((count) => objectives.map((climbed) => ({ count, climbed, signature: `${prefix}|${count}${climbed ? "c" : ""}` })));
    const earlier = context.loadedBatch();
    for (let i = 0; tensors.length > 0 && i + tensors.length <= earlier.length; i += tensors.length) {
      const batch = earlier.slice(i, i + tensors.length);
      const its = native.engineSignature(context.engine, batch.map((tensor) => tensor.handle));
      const source = { args: rebuild(args, batch), tensors: batch, batched, batchSize: its.batchSize };
      wanted.push({ source, count: its.batchSize, climbed: false, signature: `${modeBits()}|${structure}|${its.signature}|${its.batchSize}` });
    }
    return { args, tensors, batched, batchSize, wanted };
  }

  /** Records a program; unless `here`, with no more than the loss function's shapes on this thread: then a promise. */
  function record(prepared: Prepared, wanted: Wanted, here: boolean, then = asItIs, around = asItIs): NativeProgram | Promise<NativeProgram> {
    const { args, tensors, batched, batchSize } = wanted.source ?? prepared;
    const { count, climbed } = wanted;
    const cut = (tensor: Tensor, i: number) => (batched[i]! && count !== batchSize ? (call(family("aten::narrow"), [tensor, 0, 0, count]) as Tensor) : tensor);
    const seen = (wanted.seen = new Map<Module, boolean>());
    const foreign = new ForeignBuffers(context.collected);
    const evaluate = (inputs: readonly Tensor[]) =>
      then(() => {
        const result = foreign.watch(() => run(() => outcomeOf(lossFunction(...(rebuild(args, inputs) as Args)), definition, numbers, climbed, count, "the result of the compiled function")), seen);
        if (foreign.found) throw new ForeignBuffersFound();
        return result;
      });
    try {
      return recordProgram({ ...context.collected, inputs: () => tensors.map(cut), evaluate, around }, here);
    } catch (error) {
      foreign.putBack();
      if (!(error instanceof ForeignBuffersFound)) throw error;
      foreign.addTo(context.engine);
      return record(prepared, wanted, here, then, around);
    }
  }

  function remember(wanted: Wanted, made: NativeProgram): void {
    if (programs.size >= MAX_PROGRAMS) {
      const [oldest, { program }] = programs.entries().next().value!;
      programs.delete(oldest);
      native.freeProgram(program);
    }
    const { count, climbed, signature, seen } = wanted;
    const stale = programs.get(signature);
    if (stale !== undefined) native.freeProgram(stale.program);
    programs.set(signature, { ...made, wanted: { count, climbed, signature, seen: seen! }, buffers: context.collected.buffers.length });
  }

  /** `begun`: the context knows of it already. */
  function submit(prepared: Prepared, sync: boolean, generators: readonly Tensor[] = [], begun = false): NativeReport | Promise<NativeReport> {
    const { tensors, batched, batchSize, wanted } = prepared;
    const triples = wanted.flatMap(({ count, climbed, signature }) => [count, climbed ? 1 : 0, programs.get(signature)!.program]);
    const handles = (list: readonly Tensor[]) => list.map((tensor) => tensor.handle);
    if (!begun) context.begun();
    let result: NativeReport | Promise<NativeReport>;
    try {
      result = native.engineStep(context.engine, triples, handles(tensors), batched, batchSize, sync, handles(generators), onDevice);
      context.window.asked(number, prepared.args, tensors.length);
    } catch (error) {
      context.ended(false);
      throw error;
    }
    if (result instanceof Promise) {
      result.then(
        (report) => context.ended(report.updated),
        () => context.ended(false),
      );
    } else {
      context.ended(result.updated);
    }
    return result;
  }

  const fits = ({ signature }: Wanted) => programs.get(signature)?.buffers === context.collected.buffers.length;
  const isRecorded = (prepared: Prepared) => prepared.wanted.every(fits);
  /** The first one is recorded before the next is asked for: recording may meet further buffers. */
  function* missing(prepared: Prepared): Generator<Wanted> {
    for (let wanted; (wanted = prepared.wanted.find((each) => !fits(each))) !== undefined; ) yield wanted;
  }
  const recordHere = (prepared: Prepared) => {
    if (isRecorded(prepared)) return;
    native.drain();
    for (const wanted of missing(prepared)) remember(wanted, record(prepared, wanted, true) as NativeProgram);
  };

  /**
   * Recording runs the loss function on this thread: it waits, without blocking, until the training thread is idle. What was
   * the case when the step was asked for holds for it: modes, mixed precision, hyperparameters, the current streams.
   */
  async function recordThenSubmit(prepared: Prepared, before: Promise<unknown> | null): Promise<NativeReport> {
    const copies = prepared.tensors.map((tensor) => tensor.detach()); // the caller may dispose of its own meanwhile
    const held = { ...prepared, args: rebuild(prepared.args, copies), tensors: copies };
    const then = asCalled(context.collected.modules);
    const streams = new CurrentStreams();
    const around: typeof asItIs = (body) => streams.run(body);
    const hyperparameters = context.hyperparameters();
    context.begun();
    context.queued(1);
    let submitted = false;
    try {
      if (before !== null) await before;
      for (const wanted of missing(held)) {
        for (let job = trainingJob(); job !== null; job = trainingJob()) await job;
        remember(wanted, await underWay(recordLater(held, wanted, then, around)));
      }
      context.configure(hyperparameters); // schedules have gone on meanwhile
      submitted = true;
      context.queued(-1);
      return await underWay(around(() => submit(held, false, [], true)) as Promise<NativeReport>);
    } finally {
      streams.release();
      if (!submitted) {
        context.queued(-1);
        context.ended(false);
      }
      for (const copy of copies) copy.dispose();
    }
  }

  async function recordLater(prepared: Prepared, wanted: Wanted, then: typeof asItIs, around: typeof asItIs): Promise<NativeProgram> {
    return record(prepared, wanted, false, then, around);
  }

  /** Calls `recordThenSubmit` when those that wait are done. */
  function queue(prepared: Prepared): Promise<NativeReport> {
    const result = recordThenSubmit(prepared, waiting);
    const done = () => {
      if (waiting === mine) waiting = null;
    };
    const mine: Promise<void> = result.then(done, done);
    waiting = mine;
    return result;
  }

  const step = ((...args: Args): Promise<StepReport> => {
    try {
      if (!context.queued()) context.window.resume();
      const prepared = prepare(args);
      return waiting === null && isRecorded(prepared) ? underWay(submit(prepared, false) as Promise<NativeReport>) : queue(prepared);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }) as CompiledStep<Args>;

  step.sync = (...args: Args): StepReport => {
    if (context.queued()) throw new SteppeError("ARGUMENT", "Await the steps that are under way before step.sync().");
    context.window.resume();
    const prepared = prepare(args);
    recordHere(prepared);
    return submit(prepared, true) as NativeReport;
  };
  const number = context.window.join(step, (args, generators) => {
    const prepared = prepare(args);
    native.drain();
    recordHere(prepared);
    return () => void submit(prepared, true, generators);
  });
  Object.defineProperty(step, "programs", {
    get: (): ProgramInfo[] =>
      [...programs].map(([signature, { program, instructions, obstacle, computed, wanted }]) => ({
        signature,
        samples: wanted.count,
        climbed: wanted.climbed,
        instructions,
        backwardObstacle: obstacle === "" ? null : obstacle,
        text: native.programText(program),
        computed,
        program,
      })),
  });
  step.explain = () => explain(step.programs, onDevice === 0 ? undefined : (program) => native.engineDeviceNote(context.engine, program, onDevice === 2));
  discarded.register(step, programs);
  return step;
}

function asItIs<T>(body: () => T): T {
  return body();
}

function deviceForm(graphs: CompileOptions["graphs"] = false): number {
  if (graphs !== true && graphs !== false && graphs !== "uncaptured") throw expected('true, false or "uncaptured"', "options.graphs", graphs);
  return graphs === false ? 0 : graphs === "uncaptured" ? 1 : 2;
}
