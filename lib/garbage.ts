import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collector = (options?: { type: "minor"; execution: "sync" }) => void;

let collector: Collector | null | undefined;

/** V8's own collector. It has a name only where Node was started with --expose-gc; setting the flag late works as well. */
function find(): Collector | null {
  const exposed = (globalThis as { gc?: Collector }).gc;
  if (typeof exposed === "function") return exposed;
  try {
    setFlagsFromString("--expose-gc");
    const found: unknown = runInNewContext("gc");
    setFlagsFromString("--no-expose-gc");
    return typeof found === "function" ? (found as Collector) : null;
  } catch {
    return null; // a runtime that does not allow it: memory is then bounded by V8's own schedule
  }
}

/**
 * Runs the garbage collector, so that the addon can see which tensors nobody holds any more. Inside a synchronous loop
 * nothing else would: Node runs finalizers only when the event loop turns.
 *
 * @param full false: a scavenge of young objects, well under a millisecond; true: everything
 */
export function collectGarbage(full: boolean): void {
  if (collector === undefined) collector = find();
  // Node 20 knows no `type: "major"` and takes any other object for a wish for a scavenge.
  if (full) collector?.();
  else collector?.({ type: "minor", execution: "sync" });
}
