import { native } from "../native.js";

const makeCurrent = (streams: readonly number[], device: number): void => {
  for (const stream of streams) native.setStream(stream); // its GPU becomes the current one, too
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
