import { exitCodes } from "./exit-codes.js";

const codes = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const;

/**
 * Does `work` with a signal that a first Ctrl-C (SIGINT) or SIGTERM aborts. A second one ends the process at once.
 *
 * @returns what `work` returns, and the exit code that shells expect: 130 after SIGINT, 143 after SIGTERM, else 0
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<{ code: number; value: T }> {
  const controller = new AbortController();
  let code: number = exitCodes.done;
  const listener = (name: keyof typeof codes) => {
    code = codes[name];
    stopListening();
    controller.abort();
  };
  const stopListening = () => (Object.keys(codes) as (keyof typeof codes)[]).forEach((name) => process.off(name, listener));
  for (const name of Object.keys(codes)) process.on(name, listener);
  try {
    return { value: await work(controller.signal), code };
  } finally {
    stopListening();
  }
}
