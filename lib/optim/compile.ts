import { autocast, readAutocast } from "../autocast.js";
import { enableGrad } from "../autograd.js";
import { CurrentStreams } from "../cuda/current-streams.js";
import { call, family } from "../dispatch.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { native, type NativeProgram, type NativeReport } from "../native.js";
import { modes } from "../nn/modes.js";
import type { Module } from "../nn/module.js";
import { outsideScopes } from "../scope.js";
import { Tensor } from "../tensor.js";
import { asCalled } from "./as-called.js";
import { explain, type CompileOptions, type CompiledStep, type ProgramInfo, type StepReport } from "./compiled-step.js";
import type { Values } from "./fields.js";
import type { Collected } from "./groups.js";
import { outcomeOf } from "./loss-form.js";
import type { Resolved } from "./options.js";
import { recordProgram } from "./record-program.js";
import { RecordedPrograms, type WantedProgram } from "./recorded-programs.js";
import { ForeignBuffersFound, ForeignBuffers } from "./foreign-buffers.js";
import { checkBatch, flatten, rebuild } from "./structure.js";
import { trainingJob, underWay } from "./training-jobs.js";
import type { Window } from "./window.js";

/** What a compiled step needs of its optimizer. */
export interface StepContext {
  readonly engine: number;
  /** Told how to free the programs of the step that is made. */
  compiled(freePrograms: () => void): void;
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

/** Steps that were compiled: each has a number, under which the engine knows its last call. */
let compiledSteps = 0;

/** Steps that wait for a recording, in the order of their calls; later ones of this environment must not overtake them. */
let waiting: Promise<unknown> | null = null;

/** What one call comes down to. */
interface Prepared {
  args: readonly unknown[];
  structure: string;
  tensors: Tensor[];
  batched: boolean[];
  batchSize: number;
  /** The programs that its passes need. */
  wanted: WantedProgram[];
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
  const programs = new RecordedPrograms(context.collected);
  const id = compiledSteps++;
  /** What the engine does not know of the last call, that it knows by `id`. */
  let known: { structure: string; modes: number; buffers: number } | null = null;

  function prepare(args: readonly unknown[]): Prepared {
    const { tensors, structure } = flatten(args);
    context.configure();
    const { batchSize, counts, signature } = native.engineSignature(context.engine, handlesOf(tensors));
    const whole = counts.length === 1 && counts[0] === batchSize;
    const batched = tensors.map((tensor) => tensor.dim() > 0);
    if (!whole || (cuts && batchSize < 0)) checkBatch(tensors, batched, batchSize);
    const prefix = `${programs.modeBits()}|${structure}|${signature}`;
    const wanted: WantedProgram[] = counts.flatMap((count) => objectives.map((climbed) => ({ count, climbed, signature: `${prefix}|${count}${climbed ? "c" : ""}` })));
    const earlier = context.loadedBatch();
    for (let i = 0; tensors.length > 0 && i + tensors.length <= earlier.length; i += tensors.length) {
      const batch = earlier.slice(i, i + tensors.length);
      const its = native.engineSignature(context.engine, handlesOf(batch));
      const source = { args: rebuild(args, batch), tensors: batch, batched, batchSize: its.batchSize };
      wanted.push({ source, count: its.batchSize, climbed: false, signature: `${programs.modeBits()}|${structure}|${its.signature}|${its.batchSize}` });
    }
    return { args, structure, tensors, batched, batchSize, wanted };
  }

  /** Records a program; unless `here`, with no more than the loss function's shapes on this thread: then a promise. */
  function record(prepared: Prepared, wanted: WantedProgram, here: boolean, then = asItIs, around = asItIs): NativeProgram | Promise<NativeProgram> {
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

  /** `begun`: the context knows of it already. */
  function submit(prepared: Prepared, sync: boolean, generators: readonly Tensor[] = [], begun = false): NativeReport | Promise<NativeReport> {
    const { structure, tensors, batched, batchSize, wanted } = prepared;
    const triples = wanted.flatMap(({ count, climbed, signature }) => [count, climbed ? 1 : 0, programs.of(signature)]);
    const comesAgain = !begun && generators.length === 0 && wanted.every(({ source }) => source === undefined);
    if (comesAgain) known = null; // until the engine knows this call and not the last one
    if (!begun) context.begun();
    let result: NativeReport | Promise<NativeReport>;
    try {
      result = native.engineStep(context.engine, triples, handlesOf(tensors), batched, batchSize, sync, handlesOf(generators), onDevice, comesAgain ? id : undefined);
      context.window.asked(number, prepared.args, tensors.length);
    } catch (error) {
      context.ended(false);
      throw error;
    }
    if (comesAgain) known = { structure, modes: modes.version, buffers: context.collected.buffers.length };
    return follow(result);
  }

  /** A step like the last one, with no more than one native call for it; undefined if it is not. */
  function submitAgain(args: readonly unknown[], sync: boolean): NativeReport | Promise<NativeReport> | undefined {
    if (known === null || known.modes !== modes.version || known.buffers !== context.collected.buffers.length) return undefined;
    if (waiting !== null || context.loadedBatch().length > 0) return undefined;
    const { tensors, structure } = flatten(args);
    if (structure !== known.structure) return undefined;
    context.configure();
    const result = native.engineStepAgain(context.engine, id, handlesOf(tensors), sync);
    if (result === undefined) return undefined;
    context.begun();
    context.window.asked(number, args, tensors.length);
    return follow(result);
  }

  function follow(result: NativeReport | Promise<NativeReport>): NativeReport | Promise<NativeReport> {
    if (result instanceof Promise) return underWay(result, (report) => context.ended(report?.updated === true));
    context.ended(result.updated);
    return result;
  }

  const recordHere = (prepared: Prepared) => {
    if (programs.fit(prepared.wanted)) return;
    native.drain();
    try {
      for (const wanted of programs.missing(prepared.wanted)) programs.remember(wanted, record(prepared, wanted, true) as NativeProgram);
    } catch (error) {
      native.engineDropWindow(context.engine); // as any error does
      throw error;
    }
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
      for (const wanted of programs.missing(held.wanted)) {
        for (let job = trainingJob(); job !== null; job = trainingJob()) await job;
        try {
          programs.remember(wanted, await underWay(recordLater(held, wanted, then, around)));
        } catch (error) {
          native.engineDropWindow(context.engine);
          throw error;
        }
      }
      context.configure(hyperparameters); // schedules have gone on meanwhile
      submitted = true;
      context.queued(-1);
      return await around(() => submit(held, false, [], true));
    } finally {
      streams.release();
      if (!submitted) {
        context.queued(-1);
        context.ended(false);
      }
      for (const copy of copies) copy.dispose();
    }
  }

  async function recordLater(prepared: Prepared, wanted: WantedProgram, then: typeof asItIs, around: typeof asItIs): Promise<NativeProgram> {
    return record(prepared, wanted, false, then, around);
  }

  /** Calls `recordThenSubmit` when those that wait are done. */
  function queue(prepared: Prepared): Promise<NativeReport> {
    // What recording makes outlives the scope that the step was asked for in.
    const result = outsideScopes(() => recordThenSubmit(prepared, waiting));
    const done = () => {
      if (waiting === mine) waiting = null;
    };
    const mine: Promise<void> = result.then(done, done);
    waiting = mine;
    return result.then((report) => report); // which nobody has handled yet: a failure that the caller does not look at is told
  }

  const step = ((...args: Args): Promise<StepReport> => {
    try {
      if (!context.queued()) context.window.resume();
      const again = submitAgain(args, false);
      if (again !== undefined) return again as Promise<NativeReport>;
      const prepared = prepare(args);
      return waiting === null && programs.fit(prepared.wanted) ? (submit(prepared, false) as Promise<NativeReport>) : queue(prepared);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }) as CompiledStep<Args>;

  step.sync = (...args: Args): StepReport => {
    if (context.queued()) throw new SteppeError("ARGUMENT", "Await the steps that are under way before step.sync().");
    context.window.resume();
    const again = submitAgain(args, true);
    if (again !== undefined) return again as NativeReport;
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
    get: (): ProgramInfo[] => programs.list(),
  });
  step.reset = () => {
    if (context.queued()) throw new SteppeError("ARGUMENT", "Await the steps that are under way before step.reset().");
    known = null;
    programs.clear();
  };
  step.explain = () => explain(step.programs, onDevice === 0 ? undefined : (program) => native.engineDeviceNote(context.engine, program, onDevice === 2));
  programs.freeAfter(step);
  context.compiled(programs.freeing);
  return step;
}

function handlesOf(tensors: readonly Tensor[]) {
  return tensors.map((tensor) => tensor.handle);
}

function asItIs<T>(body: () => T): T {
  return body();
}

function deviceForm(graphs: CompileOptions["graphs"] = false): number {
  if (graphs !== true && graphs !== false && graphs !== "uncaptured") throw expected('true, false or "uncaptured"', "options.graphs", graphs);
  return graphs === false ? 0 : graphs === "uncaptured" ? 1 : 2;
}
