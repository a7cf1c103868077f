import { SteppeError, describe, expected } from "./errors.js";
import { native } from "./native.js";
import { Tensor } from "./tensor.js";

const freed = new FinalizationRegistry<number>((id) => native.freeGenerator(id));

/**
 * A source of random numbers of its own, apart from the default one. The same seed gives the same numbers as PyTorch's
 * `torch.Generator` on the same LibTorch.
 *
 * @example
 * const generator = new torch.Generator().manualSeed(7);
 * torch.randn([2, 3], { generator });
 */
export class Generator {
  /** @internal */
  readonly id: number;

  /**
   * @param device where its numbers are drawn; default "cpu"
   * @throws SteppeError `ARGUMENT` for a device that is not here
   */
  constructor(device = "cpu") {
    if (typeof device !== "string") throw expected("a device", "device", device);
    this.id = native.makeGenerator(device, false);
    freed.register(this, this.id);
  }

  get device(): string {
    return native.generatorDevice(this.id);
  }

  /** Starts its sequence anew. Seeds from -2⁶³ to 2⁶⁴-1, as in PyTorch. */
  manualSeed(seed: number | bigint): this {
    native.generatorSeed(this.id, checkSeed(seed));
    return this;
  }

  /** The seed that it was last given, or started with. */
  initialSeed(): bigint {
    return native.generatorInitialSeed(this.id);
  }

  /** Its whole state, a uint8 tensor, to go back to with {@link setState}. */
  getState(): Tensor {
    return new Tensor(native.generatorState(this.id));
  }

  setState(state: Tensor): this {
    if (!(state instanceof Tensor)) throw expected("a Tensor", "state", state);
    native.setGeneratorState(this.id, state.handle);
    return this;
  }
}

/** The generator that operators draw from when they are given none. */
export function defaultGenerator(device = "cpu"): Generator {
  const generator = Object.create(Generator.prototype) as { id: number };
  generator.id = native.makeGenerator(device, true);
  freed.register(generator, generator.id);
  return generator as Generator;
}

function checkSeed(seed: unknown): number | bigint {
  if (typeof seed === "bigint" || (typeof seed === "number" && Number.isSafeInteger(seed))) return seed;
  throw new SteppeError("ARGUMENT", `Expected an integer for seed but received ${describe(seed)}.`);
}

/** Seeds the default generators of all devices. The same seed gives the same numbers as PyTorch on the same LibTorch. */
export function manualSeed(seed: number | bigint): void {
  native.manualSeed(checkSeed(seed));
}

/** The seed that the CPU's default generator was last given, or started with. */
export function initialSeed(): bigint {
  return defaultGenerator().initialSeed();
}

/**
 * The state of the CPU's default generator, a uint8 tensor, PyTorch's `torch.get_rng_state()`; a GPU's is `torch.cuda.getRngState`. Between
 * steps: while one is under way, it draws from this generator and sets it back for later passes.
 */
export function getRngState(): Tensor {
  return defaultGenerator().getState();
}

/** Goes back to what {@link getRngState} gave, also in PyTorch on the same LibTorch. Between steps, too. */
export function setRngState(state: Tensor): void {
  defaultGenerator().setState(state);
}
