import { stopAll } from "./run.js";

/** What must not be left behind when the process is told to end in the middle of it. */
const cleanups = new Set();
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Registers something to do if an interrupt comes.
 *
 * @param {() => void} cleanup synchronous
 * @returns {() => void} forgets it again
 */
export function atExit(cleanup) {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/**
 * From now on an interrupt ends what setup started, cleans up and exits.
 *
 * @returns {() => void} gives the signals back
 */
export function handleInterrupts() {
  let asked = false;
  const onSignal = async (signal) => {
    // What was started may need a moment to tidy up behind itself. A second signal doesn't wait for it.
    if (!asked) {
      asked = true;
      await stopAll();
    }
    for (const cleanup of [...cleanups].reverse()) cleanup();
    process.stderr.write(`\nsteppe: setup interrupted; what was done is kept, the rest is done next time\n`);
    process.exit(SIGNALS[signal]);
  };
  for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
  return () => {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
  };
}
