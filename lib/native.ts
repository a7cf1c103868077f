/**
 * The one typed door to the binary. Everything native that lib/ uses is declared here; meaning (defaults, messages,
 * documentation) lives in the files that call it.
 */
import { SteppeError, tidy, type SteppeErrorCode } from "./errors.js";
import { collectGarbage } from "./garbage.js";
import { loadBinary } from "./load-binary.js";
import { openNest, sealNest } from "./nest.js";

/** A tensor's number in the addon; 0 stands for none. */
export type Handle = number;

export type ArgumentKind =
  | "Tensor" | "int" | "float" | "bool" | "Scalar" | "str" | "ScalarType" | "Layout" | "Device" | "MemoryFormat" | "Generator" | "unsupported";

/** One argument of an operator's schema. */
export interface NativeArgument {
  readonly name: string;
  readonly kind: ArgumentKind;
  readonly list: boolean;
  readonly optional: boolean;
  readonly optionalElements: boolean;
  /** N of `int[N]`: a single value stands for N. 0 if there is none. */
  readonly size: number;
  readonly keywordOnly: boolean;
  readonly write: boolean;
  readonly out: boolean;
  readonly hasDefault: boolean;
}

export interface NativeReturn {
  readonly kind: ArgumentKind;
  readonly list: boolean;
  /** Index of the argument that comes back changed, or -1. */
  readonly sameAs: number;
}

/** One registered operator: an overload of a family. */
export interface NativeOverload {
  readonly op: number;
  /** "aten::add.Tensor" */
  readonly name: string;
  readonly schema: string;
  readonly arguments: readonly NativeArgument[];
  readonly returns: readonly NativeReturn[];
}

/** A GPU as NVIDIA's driver describes it; memory and caches in bytes. */
export interface NativeGpu {
  name: string;
  /** Compute capability. */
  major: number;
  minor: number;
  totalMemory: number;
  multiProcessorCount: number;
  maxThreadsPerMultiProcessor: number;
  warpSize: number;
  l2CacheSize: number;
  sharedMemoryPerBlock: number;
  isIntegrated: boolean;
}

/** What NVIDIA's driver says, whether LibTorch can use it or not. */
export interface NativeDriver {
  /** Why it cannot be used, or "". */
  problem: string;
  /** The newest CUDA that it runs: 13000 for 13.0. */
  cuda: number;
  gpus: NativeGpu[];
}

/** What was recorded; `obstacle` is empty if the backward was. */
export interface NativeProgram {
  program: number;
  draws: boolean;
  obstacle: string;
  instructions: number;
  /** The recording computed what it wrote down; else it went by shapes alone. */
  computed: boolean;
}

/** What a step reports; `perturbedLoss` is undefined if no pass was taken at a perturbed point. */
export interface NativeReport {
  loss: number;
  perturbedLoss: number | undefined;
  gradNorm: number;
  skipped: boolean;
  updated: boolean;
}

export interface NativeEngineSettings {
  /** The method's parts by place: native/sam/parts.h. */
  method: Readonly<Partial<Record<string, { readonly name: string; readonly numbers: Readonly<Record<string, number>> }>>>;
  perturbs: boolean;
  base: string;
  /** 0: no clipping. */
  maxGradNorm: number;
  maxGradValue: number;
  startStep: number;
  sameNoise: boolean;
  throwNonFinite: boolean;
  lossScale: { initial: number; growth: number; backoff: number; interval: number };
  accumulationSteps: number;
  perturbsPerMicro: boolean;
  names: readonly string[];
  groupOf: readonly number[];
  inSubset: readonly boolean[];
}

/** Tensors by name, one per parameter, with those of the last batch where the method keeps it. */
export interface NativeEngineState {
  steps: number;
  methodSteps: number;
  base: Record<string, (Handle | null)[]>;
  method: Record<string, (Handle | null)[]>;
  batch: Handle[] | null;
  numbers: Record<string, number[]>;
  lossScale: number;
  goodSteps: number;
  /** The micro-batches of the step that is being accumulated: copies of their tensors, and the generators' states before each. */
  window: { inputs: Handle[]; generators: Handle[] }[];
}

export interface Native {
  initialize(hooks: { createError(code: SteppeErrorCode, message: string): Error; collect(full: boolean): void; openNest: Float64Array }): void;
  /** Ends the training thread and a recording that is under way; everything else goes on working. */
  stop(): void;
  version(): {
    builtFor: string;
    headers: string;
    builtForCuda: string;
    threads: number;
    cpuCapability: string;
    accelerator: string;
    devices: number;
  };

  operatorNames(): string[];
  family(name: string): NativeOverload[];
  /** One tensor comes back; 0 if it is undefined. */
  invokeTensor(op: number, ...values: unknown[]): Handle;
  /** Any other result. */
  invoke(op: number, ...values: unknown[]): unknown;

  shape(tensor: Handle): number[];
  stride(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  device(tensor: Handle): string;
  layout(tensor: Handle): string;
  numel(tensor: Handle): number;
  dim(tensor: Handle): number;
  itemSize(tensor: Handle): number;
  storageOffset(tensor: Handle): number;
  dataPointer(tensor: Handle): string;
  isLeaf(tensor: Handle): boolean;
  gradFn(tensor: Handle): string | null;
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, value: boolean): void;
  setData(tensor: Handle, data: Handle): void;
  fromBytes(bytes: ArrayBufferView | ArrayBuffer, dtype: string, shape: readonly number[]): Handle;
  /** Converted to a dtype, if one is given. */
  toBytes(tensor: Handle, dtype: string | null, caller: string): ArrayBuffer;
  /** A copy that no recorder sees. */
  copyUnrecorded(tensor: Handle): Handle;

  /** Watch the tensors of a nest, whose handles stand in `openNest`: see lib/nest.ts. */
  sealNest(nest: readonly object[], count: number): void;
  release(tensor: Handle): void;
  alive(tensor: Handle): boolean;
  setScope(scope: number): void;
  moveToScope(tensor: Handle, scope: number): void;
  releaseScope(scope: number): void;
  memory(): { tensors: number; bytes: number; sweeps: number; stepBytes: number };
  sweep(): void;
  setMemoryLimits(bytes: number, count: number): void;
  setNumThreads(threads: number): void;
  getNumThreads(): number;

  backward(outputs: Handle[], gradOutputs: (Handle | null)[], retainGraph: boolean | null, createGraph: boolean, inputs: Handle[]): void;
  gradients(
    outputs: Handle[],
    inputs: Handle[],
    gradOutputs: (Handle | null)[],
    retainGraph: boolean | null,
    createGraph: boolean,
    allowUnused: boolean,
  ): (Handle | null)[];
  grad(tensor: Handle): Handle | null;
  setGrad(tensor: Handle, grad: Handle | null): void;
  retainGrad(tensor: Handle): void;
  /** What autograd saves on this thread until `leaveSegment` is the segment's, to be computed again: see native/checkpoint.cc. */
  enterSegment(segment: number): void;
  leaveSegment(): void;
  /** The segments whose functions will not run again. */
  endedSegments(): number[];
  /** What runs a segment's function again, in a backward. */
  onSegment(runAgain: (segment: number) => void): void;
  /** Sets what autocast does on a device, and gives back what it was. */
  swapAutocast(device: string, enabled: boolean, dtype: string): { enabled: boolean; dtype: string };
  gradMode(): boolean;
  setGradMode(enabled: boolean): void;

  /** GPUs that LibTorch can use. All others of these throw `DEVICE` where there is none; a device of -1 is the current one. */
  deviceCount(): number;
  currentDevice(): number;
  setDevice(device: number): void;
  synchronize(device: number): void;
  driver(): NativeDriver;
  /** By PyTorch's names: "allocated_bytes.all.current". */
  deviceMemory(device: number): Record<string, number>;
  resetMemoryFigures(device: number, accumulated: boolean): void;
  memoryInfo(device: number): [free: number, total: number];
  emptyCache(): void;
  backendSwitch(name: string): boolean;
  setBackendSwitch(name: string, value: boolean): void;
  matmulPrecision(): "highest" | "high" | "medium";
  setMatmulPrecision(precision: string): void;
  makeStream(device: number, priority: number): number;
  currentStream(device: number): number;
  defaultStream(device: number): number;
  setStream(stream: number): void;
  streamDevice(stream: number): string;
  streamId(stream: number): bigint;
  streamQuery(stream: number): boolean;
  streamSynchronize(stream: number): void;
  freeStream(stream: number): void;
  recordStream(tensor: Handle, stream: number): void;
  makeEvent(enableTiming: boolean): number;
  eventRecord(event: number, stream: number): void;
  eventWait(event: number, stream: number): void;
  eventQuery(event: number): boolean;
  eventSynchronize(event: number): void;
  eventElapsed(begin: number, end: number): number;
  freeEvent(event: number): void;

  manualSeed(seed: number | bigint): void;
  makeGenerator(device: string, isDefault: boolean): number;
  freeGenerator(generator: number): void;
  generatorSeed(generator: number, seed: number | bigint): void;
  generatorInitialSeed(generator: number): bigint;
  generatorDevice(generator: number): string;
  generatorState(generator: number): Handle;
  setGeneratorState(generator: number, state: Handle): void;

  /** Tensors to give the loss function in the inputs' places. `slots`: parameters and buffers. */
  recordStandIns(inputs: Handle[], slots: Handle[]): Handle[];
  /**
   * `ownOrder`: images keep the order that they have in memory; else convolutions may bring them into a faster one.
   * `shapesFrom`: computes no operator of so many elements that need not be, to write it down; 0: computes all.
   */
  recordBegin(parameters: Handle[], buffers: Handle[], inputs: Handle[], ownOrder: boolean, shapesFrom: number): void;
  /** Unless `here`, a promise: the training thread records the backward and checks the program. */
  recordEnd(loss: Handle, extras: Handle[], here: boolean): NativeProgram | Promise<NativeProgram>;
  /** Whether images were brought into another order: then that may be why the recording failed. */
  recordAbort(): boolean;
  programText(program: number): string;
  /** The loss of the last of `times` passes, forward and backward: what a benchmark compares steps with. */
  programRun(program: number, parameters: Handle[], buffers: Handle[], inputs: Handle[], times: number): Promise<number>;
  /**
   * The loss and the extras of one pass. `into`: empty, and the forward alone runs; or a tensor for each parameter, to which its
   * gradient times `weight` is added. The parameters need not be the model's.
   */
  programPass(program: number, parameters: Handle[], buffers: Handle[], inputs: Handle[], into: Handle[], weight: number): Promise<number[]>;
  /** What a program depends on of its inputs, as `engineSignature` has it. */
  inputSignature(inputs: Handle[], parameters: Handle[], buffers: Handle[]): string;
  freeProgram(program: number): void;

  /** It lives as long as `holder`, or until `freeEngine`. */
  engineCreate(settings: NativeEngineSettings, parameters: Handle[], buffers: Handle[], holder: object): number;
  /** Buffers that it was not given at first. Programs that were recorded without them do not fit it any more. */
  engineAddBuffers(engine: number, buffers: Handle[]): void;
  /**
   * Everything that a program depends on, besides the arguments' structure: the inputs' dtypes, shapes, devices, layout and
   * sharing, and which parameters require gradients. With it the batch size (-1 if there is none) and the numbers of samples
   * that the method's passes run over.
   */
  engineSignature(engine: number, inputs: Handle[]): { batchSize: number; counts: number[]; signature: string };
  /** The groups' hyperparameters for each number of steps that may have been taken before, from `first` on. */
  engineConfigure(engine: number, first: number, groups: Record<string, number>[][]): void;
  engineStep(
    engine: number,
    /** Triples: number of samples, whether the climbed objective's (1) or the loss's (0), program. */
    programs: number[],
    inputs: Handle[],
    batched: boolean[],
    batchSize: number,
    sync: boolean,
    /** A micro-batch that is taken again: the generators' states that it starts from. */
    generators: Handle[],
    /** 1: without a wait for the device between the passes, 2: in a CUDA graph, where that can be; 0: as always. */
    onDevice: number,
    /** A number under which `engineStepAgain` finds the call. */
    compiled?: number,
  ): NativeReport | Promise<NativeReport>;
  /**
   * The last step under this number once more, with other inputs that are like its own; undefined if they are not, or its programs are gone. That
   * the arguments' structure and the modules' modes are the same, and the buffers, the caller has seen.
   */
  engineStepAgain(engine: number, compiled: number, inputs: Handle[], sync: boolean): NativeReport | Promise<NativeReport> | undefined;
  /** `closure` gives what is differentiated and the loss to report. */
  engineStepClosure(engine: number, closure: (climbed: boolean) => [objective: Handle, loss: Handle]): NativeReport;
  /** Over the gradients in the parameters' `grad`; undefined where none has one. */
  engineStepStored(engine: number): NativeReport | undefined;
  engineState(engine: number): NativeEngineState;
  /** Loads all but the window, which it empties. */
  engineLoadState(engine: number, state: Omit<NativeEngineState, "window">): void;
  /** Forgets the micro-batches of a step that is accumulated, once the training thread is idle. */
  engineDropWindow(engine: number): void;
  engineLossScale(engine: number): number;
  /** How many steps were taken as `onDevice` asked for. */
  engineStepsOnDevice(engine: number): number;
  /** Why steps over a program are not taken so, or (`captures`) not in a graph; "" if they are, as far as can be told. */
  engineDeviceNote(engine: number, program: number, captures: boolean): string;
  /** How many of them were replays of a captured graph. */
  engineGraphReplays(engine: number): number;
  freeEngine(engine: number): void;
  drain(): void;

  /** Whether there is a device that copies from pinned memory. */
  canPin(): boolean;
  /** Each transform: its name, then its numbers (native/data/transforms.h). 0 stands for no generator, and comes back for what stayed as it was. */
  transformBatch(batch: Handle[], transforms: readonly NativeTransform[], generator: number): Handle[];
  /** Rows `order[start]`, … of each tensor, all of them without an order (0), gathered and transformed on the loading thread. */
  loadBatch(tensors: Handle[], order: Handle, start: number, count: number, transforms: readonly NativeTransform[], generator: number, pin: boolean): Promise<Handle[]>;
}

export type NativeTransform = readonly [name: string, ...numbers: number[]];

export const native = loadBinary() as Native;

native.initialize({
  createError: (code, message) => new SteppeError(code, tidy(message)),
  collect: (full) => {
    sealNest();
    collectGarbage(full);
  },
  openNest,
});

// Node tears nothing down on process.exit(): LibTorch's destructors would run under the training thread.
process.once("exit", () => native.stop());
