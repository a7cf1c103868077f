import { SingleBar } from "cli-progress";
import { expected } from "../errors.js";

/** Where the progress goes: `process.stdout`, or any stream in a test. */
export interface ProgressStream extends NodeJS.WritableStream {
  isTTY?: boolean;
  /** The terminal's width. */
  columns?: number;
}

/** What a {@link Progress} bar shows, and where. */
export interface ProgressOptions {
  /** What is being done: "sam". */
  label: string;
  /** How many items (images) there are in all. */
  total: number;
  /** What the items are called in the rate; default "images". */
  unit?: string;
  /** Default `process.stdout`. A bar is drawn on a terminal; anything else gets plain lines. */
  stream?: ProgressStream;
  /** Seconds between plain lines; default 5. */
  interval?: number;
}

/** Characters of the bar. */
const BAR = { least: 4, most: 40 };

/**
 * The progress of a long job: a bar on a terminal, plain lines elsewhere, with rate and time left.
 *
 * @example
 * const progress = new train.Progress({ label: "sam", total: 60_000 });
 * progress.advance(128, { loss: 0.52, accuracy: "81.2 %" });
 * progress.stop();
 */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #unit: string;
  readonly #stream: ProgressStream;
  readonly #interval: number;
  readonly #bar: SingleBar | null;
  readonly #start = performance.now();
  #lastLine = performance.now();
  #done = 0;
  /** What the last plain line said to be done. */
  #printed = 0;
  #text = "";

  constructor({ label, total, unit = "images", stream = process.stdout, interval = 5 }: ProgressOptions) {
    if (!Number.isSafeInteger(total) || total < 1) throw expected("a positive integer", "total", total);
    this.#label = label;
    this.#total = total;
    this.#unit = unit;
    this.#stream = stream;
    this.#interval = interval;
    // gracefulExit would take Ctrl-C away from the program that shows the progress. linewrap: lines are cut to the terminal's width.
    this.#bar = stream.isTTY === true ? new SingleBar({ format: () => this.#drawing(), stream, linewrap: true, gracefulExit: false }) : null;
    this.#bar?.start(total, 0);
  }

  /**
   * Counts items as done and shows values beside the bar.
   *
   * @param items how many more are done
   * @param values what to show, in this order; numbers with four digits
   */
  advance(items: number, values: Record<string, number | string> = {}): void {
    if (!(items >= 0)) throw expected("a number of at least 0", "items", items);
    this.#done = Math.min(this.#total, this.#done + items);
    const seconds = (performance.now() - this.#start) / 1000;
    const rate = this.#done / seconds;
    const shown = Object.entries(values).map(([name, value]) => `${name} ${typeof value === "number" ? value.toPrecision(4) : value}`);
    const left = clock((this.#total - this.#done) / rate);
    this.#text = [...shown, `${Math.round(rate).toLocaleString("en")} ${this.#unit}/s`, `${left} left`].join("  ");
    if (this.#bar !== null) this.#bar.update(this.#done);
    else if (performance.now() - this.#lastLine >= 1000 * this.#interval) this.#line();
  }

  /** Leaves the last state on the screen. Call it also when the job fails. */
  stop(): void {
    if (this.#bar !== null) this.#bar.stop();
    else if (this.#done > this.#printed) this.#line();
  }

  #line(): void {
    this.#lastLine = performance.now();
    this.#printed = this.#done;
    this.#stream.write(`${this.#label} ${this.#percentage()}  ${this.#text}\n`);
  }

  /** The bar takes what the words leave of the terminal's width. */
  #drawing(): string {
    const words = this.#label.length + this.#text.length + " ".length + " 100%  ".length;
    const size = Math.max(BAR.least, Math.min(BAR.most, (this.#stream.columns ?? 80) - 1 - words));
    const filled = Math.floor((size * this.#done) / this.#total);
    return `${this.#label} ${"█".repeat(filled)}${"░".repeat(size - filled)} ${this.#percentage()}  ${this.#text}`;
  }

  #percentage(): string {
    return `${Math.floor((100 * this.#done) / this.#total)}%`.padStart(4);
  }
}

/** 75.2 → "1:15" */
function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}
