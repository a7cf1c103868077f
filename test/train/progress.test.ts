import { Writable } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { train } from "../../lib/index.js";

/** Collects what is written; a terminal of that many columns if one is given. */
function stream(columns?: number): Writable & { text: string; isTTY?: boolean; columns?: number } {
  const sink = Object.assign(
    new Writable({
      write(chunk, _, done) {
        sink.text += String(chunk);
        done();
      },
    }),
    { text: "", ...(columns === undefined ? {} : { isTTY: true, columns }) },
  );
  return sink;
}

test("no terminal: a line at most every interval, with rate and time left, and one at the end", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const out = stream();
  const progress = new train.Progress({ label: "sam", total: 100_000, stream: out, interval: 5 });
  vi.advanceTimersByTime(4_000);
  progress.advance(10_000, { loss: 0.123456, accuracy: "81.2 %" });
  expect(out.text).toBe("");
  vi.advanceTimersByTime(1_000);
  progress.advance(10_000, { loss: 0.5 });
  expect(out.text).toBe("sam  20%  loss 0.5000  4,000 images/s  0:20 left\n");
  vi.advanceTimersByTime(4_000);
  progress.advance(79_999, { loss: 0.25 });
  progress.stop();
  expect(out.text.split("\n").slice(1)).toEqual(["sam  99%  loss 0.2500  11,111 images/s  0:00 left", ""]);
  progress.stop();
  expect(out.text.split("\n")).toHaveLength(3);
});

test("time left beyond an hour", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const out = stream();
  const progress = new train.Progress({ label: "sam", total: 7322, stream: out });
  vi.advanceTimersByTime(10_000);
  progress.advance(10);
  expect(out.text).toContain("1 images/s  2:01:52 left");
});

test("nothing done, nothing said", () => {
  const out = stream();
  new train.Progress({ label: "sam", total: 400, stream: out }).stop();
  expect(out.text).toBe("");
});

test.each([40, 80, 200])("a terminal of %i columns: the bar takes the room that the words leave", (columns) => {
  const out = stream(columns);
  const progress = new train.Progress({ label: "sam", total: 400, stream: out, unit: "words" });
  progress.advance(300, { loss: 0.5 });
  progress.stop();
  const last = out.text.slice(out.text.lastIndexOf("sam ")).split("\u001b")[0]!;
  expect(last.trimEnd().length).toBeLessThanOrEqual(columns);
  const [, full, empty] = /^sam (█+)(░+) +75%/.exec(last)!;
  const size = full!.length + empty!.length;
  expect(full!.length).toBe(Math.floor(size * 0.75));
  if (columns === 80) expect(last.trimEnd().length).toBe(columns - 1);
  if (columns === 200) expect(size).toBe(40);
  if (columns > 40) expect(last).toMatch(/75%  loss 0\.5000  [\d,]+ words\/s  0:00 left/);
});

test("Ctrl-C stays the program's: no listener is left or added", () => {
  const before = process.listenerCount("SIGINT");
  const progress = new train.Progress({ label: "sam", total: 4, stream: stream(80) });
  expect(process.listenerCount("SIGINT")).toBe(before);
  progress.stop();
});

test("more than the total counts as the total", () => {
  const out = stream(80);
  const progress = new train.Progress({ label: "sam", total: 4, stream: out });
  progress.advance(9);
  progress.stop();
  expect(out.text).toContain(" 100%");
});

test.each([0, -1, 1.5, NaN, "4"])("a total of %j is refused", (total) => {
  expect(() => new train.Progress({ label: "sam", total: total as number, stream: stream() })).toThrow(
    expect.objectContaining({ code: "ARGUMENT", message: expect.stringContaining("a positive integer for total") }),
  );
});

test.each([-1, NaN])("%j items are refused", (items) => {
  const progress = new train.Progress({ label: "sam", total: 4, stream: stream() });
  expect(() => progress.advance(items)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
});
