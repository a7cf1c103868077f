import { checkKeys, expected } from "../errors.js";
import { native } from "../native.js";
import { Tensor } from "../tensor.js";
import { indexOf, restoring, type CudaDevice } from "./devices.js";

const freedStreams = new FinalizationRegistry<number>((id) => native.freeStream(id));
const freedEvents = new FinalizationRegistry<number>((id) => native.freeEvent(id));

export interface StreamOptions {
  /** Default: the current GPU. */
  device?: CudaDevice;
  /** Lower numbers go first: 0 (default) or negative. */
  priority?: number;
}

/**
 * A queue of work of a GPU. Work of one stream runs in order, of several at the same time. A tensor that one stream makes and
 * another reads needs an {@link Event} or {@link Stream.waitStream} between them, and {@link Stream.recordStream} if it may be
 * disposed before the other stream has read it.
 *
 * @example
 * const copies = new torch.cuda.Stream();
 * const next = torch.cuda.stream(copies, () => batch.pinMemory().to("cuda", { nonBlocking: true }));
 * torch.cuda.currentStream().waitStream(copies);
 */
export class Stream {
  /** @internal */
  readonly id: number;

  /** @throws SteppeError `DEVICE` where there is no GPU, `ARGUMENT` for a wrong option */
  constructor(options: StreamOptions = {}) {
    checkKeys(options, ["device", "priority"]);
    const { device, priority = 0 } = options;
    if (!Number.isSafeInteger(priority) || priority > 0) throw expected("0 or a negative integer", "priority", priority);
    this.id = native.makeStream(indexOf(device), priority);
    freedStreams.register(this, this.id);
  }

  /** "cuda:0" */
  get device(): string {
    return native.streamDevice(this.id);
  }

  /** LibTorch's number of the stream: two objects with the same one and the same device are one stream. */
  get streamId(): bigint {
    return native.streamId(this.id);
  }

  /** Whether all that was asked of it is done. */
  query(): boolean {
    return native.streamQuery(this.id);
  }

  /** Waits until all that was asked of it is done. */
  synchronize(): void {
    native.streamSynchronize(this.id);
  }

  /** What is asked of it from now on waits for an event. */
  waitEvent(event: Event): void {
    if (!(event instanceof Event)) throw expected("an Event", "event", event);
    native.eventWait(event.id, this.id);
  }

  /** What is asked of it from now on waits for what was asked of another stream so far. */
  waitStream(stream: Stream): void {
    this.waitEvent(checkStream(stream).recordEvent());
  }

  /** An event at this point of the stream: the one given, or a new one. */
  recordEvent(event: Event = new Event()): Event {
    event.record(this);
    return event;
  }

  /** A tensor's memory is not given to others before this stream has done what was asked of it so far. */
  recordStream(tensor: Tensor): void {
    if (!(tensor instanceof Tensor)) throw expected("a Tensor", "tensor", tensor);
    native.recordStream(tensor.handle, this.id);
  }
}

export interface EventOptions {
  /** So that {@link Event.elapsedTime} can be asked; default false. */
  enableTiming?: boolean;
}

/** A point in a stream, to wait for and to measure time between. */
export class Event {
  /** @internal */
  readonly id: number;

  /** @throws SteppeError `DEVICE` where there is no GPU */
  constructor(options: EventOptions = {}) {
    checkKeys(options, ["enableTiming"]);
    const { enableTiming = false } = options;
    if (typeof enableTiming !== "boolean") throw expected("a boolean", "enableTiming", enableTiming);
    indexOf();
    this.id = native.makeEvent(enableTiming);
    freedEvents.register(this, this.id);
  }

  /** Puts it behind what was asked of a stream so far; default: the current stream. */
  record(stream: Stream = currentStream()): void {
    native.eventRecord(this.id, checkStream(stream).id);
  }

  /** What is asked of a stream from now on waits for it; default: the current stream. */
  wait(stream: Stream = currentStream()): void {
    native.eventWait(this.id, checkStream(stream).id);
  }

  /** Whether its point was reached. */
  query(): boolean {
    return native.eventQuery(this.id);
  }

  /** Waits until its point is reached. */
  synchronize(): void {
    native.eventSynchronize(this.id);
  }

  /** Milliseconds between the points of two events, both recorded with `enableTiming` and reached. */
  elapsedTime(end: Event): number {
    if (!(end instanceof Event)) throw expected("an Event", "end", end);
    return native.eventElapsed(this.id, end.id);
  }
}

function checkStream(stream: unknown): Stream {
  if (!(stream instanceof Stream)) throw expected("a Stream", "stream", stream);
  return stream;
}

function existing(id: number): Stream {
  const stream = Object.create(Stream.prototype) as { id: number };
  stream.id = id;
  freedStreams.register(stream, id);
  return stream as Stream;
}

/** The stream that work of this thread goes to. */
export function currentStream(device?: CudaDevice): Stream {
  return existing(native.currentStream(indexOf(device)));
}

/** The stream that is current until another one is set. */
export function defaultStream(device?: CudaDevice): Stream {
  return existing(native.defaultStream(indexOf(device)));
}

/** Makes a stream the current one of its GPU on this thread, and its GPU the current one. */
export function setStream(stream: Stream): void {
  native.setStream(checkStream(stream).id);
}

/**
 * Runs a synchronous function whose work goes to a stream. A compiled step that it asks for takes the stream along.
 *
 * @returns what `body` returns
 * @throws SteppeError `ARGUMENT` for an async function
 */
export function stream<T>(stream: Stream, body: () => T): T {
  const device = native.currentDevice();
  const index = indexOf(checkStream(stream).device as CudaDevice);
  const before = native.currentStream(index);
  native.setStream(stream.id);
  return restoring(body, "torch.cuda.stream", () => {
    native.setStream(before);
    native.freeStream(before);
    native.setDevice(device);
  });
}
