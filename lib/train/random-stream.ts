import { Generator } from "../random.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";

/** Whose numbers the default generator holds; null where no run's that goes on. */
let active: RandomStream | null = null;
/** Settles when the step under way, of whatever run, has ended. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * A run's own sequence of random numbers on the CPU. Steps draw from the default generator; where several runs go on in one
 * process, each finds it as it has left it, so that what one draws does not depend on the others. Steps of different runs take turns:
 * there is one training thread.
 */
export class RandomStream {
  /** While another run's numbers are in the default generator; null: it goes on from wherever that stands. */
  #state: Tensor | null = null;

  /** @param seed null: from where the default generator stands */
  constructor(seed: number | null) {
    if (seed !== null) this.#state = new Generator().manualSeed(seed).getState();
  }

  /** Does `work` with this run's numbers in the default generator, when no other run's work is under way. */
  async draw<T>(work: () => Promise<T>): Promise<T> {
    const before = turn;
    let release = () => {};
    turn = new Promise<void>((resolve) => (release = resolve));
    await before;
    try {
      this.#enter();
      return await work();
    } finally {
      release();
    }
  }

  get state(): Tensor {
    return active === this || this.#state === null ? torch.defaultGenerator().getState() : this.#state;
  }

  set state(state: Tensor) {
    if (active === this) torch.defaultGenerator().setState(state);
    else this.#state = state;
  }

  /** The run has ended: the default generator stays as it has left it. */
  close(): void {
    if (active === this) active = null;
  }

  #enter(): void {
    if (active === this) return;
    if (active !== null) active.#state = torch.defaultGenerator().getState();
    if (this.#state !== null) torch.defaultGenerator().setState(this.#state);
    this.#state = null;
    active = this;
  }
}
