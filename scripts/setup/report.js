/** A failure with a message that says what to do: printed without a stack. */
export class SetupError extends Error {}

const terminal = process.stderr.isTTY === true;
let line = "";

function clear() {
  if (line !== "") process.stderr.write("\r\x1b[K");
  line = "";
}

/**
 * One line about what is being done. Setup speaks on stderr: stdout belongs to the job that follows.
 *
 * @param {string} text
 */
export function say(text) {
  clear();
  process.stderr.write(`${text}\n`);
}

/**
 * A title, and why the step is needed.
 *
 * @param {string} title
 * @param {string} why
 */
export function announce(title, why) {
  say(`steppe: ${title} (${why})`);
}

const PLAIN_INTERVAL_MS = 10_000;

/**
 * Progress of one long thing: a line that is rewritten on a terminal, a line every ten seconds elsewhere.
 *
 * @param {string} label
 * @returns {{ update(text: string): void, done(text: string): void }}
 */
export function progress(label) {
  let last = Date.now();
  return {
    update(text) {
      const now = Date.now();
      if (terminal) {
        if (now - last < 100) return;
        line = `  ${label}: ${text}`.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1));
        process.stderr.write(`\r\x1b[K${line}`);
      } else {
        if (now - last < PLAIN_INTERVAL_MS) return;
        process.stderr.write(`  ${label}: ${text}\n`);
      }
      last = now;
    },
    done(text) {
      say(`  ${label}: ${text}`);
    },
  };
}

/**
 * @param {number} bytes
 */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/**
 * @param {number} startedMs from `Date.now()`
 */
export function since(startedMs) {
  const seconds = (Date.now() - startedMs) / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
