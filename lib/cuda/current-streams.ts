import { native } from "../native.js";

const makeCurrent = (streams: readonly number[], device: number): void => {
  streams.forEach((stream, its) => {
    const now = native.currentStream(its);
    // Its GPU becomes the current one, too, on which CUDA then keeps some hundred megabytes for this process: only where it has to be.
    if (native.streamId(now) !== native.streamId(stream)) native.setStream(stream);
    native.freeStream(now);
  });
  native.setDevice(device);
};
const current = (): number[] => Array.from({ length: native.deviceCount() }, (_, device) => native.currentStream(device));

/** The GPU and the streams that are current at a moment, to run something on them later, whatever is current by then. */
export class CurrentStreams {
  readonly #streams = current();
  readonly #device = this.#streams.length === 0 ? 0 : native.currentDevice();

  run<T>(body: () => T): T {
    if (this.#streams.length === 0) return body();
    const [before, device] = [current(), native.currentDevice()];
    makeCurrent(this.#streams, this.#device);
    try {
      return body();
    } finally {
      makeCurrent(before, device);
      for (const stream of before) native.freeStream(stream);
    }
  }

  /** It is not to be run with any more. */
  release(): void {
    for (const stream of this.#streams.splice(0)) native.freeStream(stream);
  }
}
