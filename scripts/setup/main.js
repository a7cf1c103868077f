#!/usr/bin/env node
// All that `npm start` and `npm test` need before they can do their job. See `setup` below.
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { explain } from "./advice.js";
import { sayData } from "./data.js";
import { dependenciesAreCurrent, installDependencies } from "./dependencies.js";
import { discover, trace } from "./discover.js";
import { archiveUrl, fetchLibTorch } from "./fetch.js";
import { handleInterrupts } from "./interrupt.js";
import { describe } from "./libtorch.js";
import { withLock } from "./lock.js";
import { buildNative, nativeIsCurrent } from "./native.js";
import { cacheFolders, root } from "./paths.js";
import { SetupError, say } from "./report.js";
import { buildTypescript, typescriptIsCurrent } from "./typescript.js";

/**
 * A step is looked at without a lock first: where all is done, nothing is written and nothing is waited for.
 *
 * @typedef {object} Step
 * @property {() => Promise<boolean> | boolean} isDone
 * @property {() => Promise<void>} make
 * @property {string} lock the folder whose lock guards it
 */

/** The TypeScript before LibTorch: `steppe doctor` is there when LibTorch is the trouble. */
const ORDER = ["dependencies", "typescript", "libtorch", "native"];

/**
 * Does the steps that are not done yet, in order.
 *
 * @param {string[]} [names] some of dependencies, typescript, libtorch, native; all by default
 * @param {{ command?: string }} [options] `command`: what the user ran, for the advice in messages
 * @throws {SetupError} with a message that says what to do
 */
export async function setup(names = ORDER, { command = "npm start" } = {}) {
  const unknown = names.find((name) => !ORDER.includes(name));
  if (unknown !== undefined) throw new SetupError(`Expected some of ${ORDER.join(", ")} as steps but received ${JSON.stringify(unknown)}.`);
  const giveBack = handleInterrupts();
  try {
    let worked = false;
    const all = steps(command);
    for (const name of ORDER.filter((each) => names.includes(each))) {
      const step = all[name];
      if (await step.isDone()) continue;
      worked = true;
      await withLock(step.lock, async () => {
        if (!(await step.isDone())) await step.make();
      });
    }
    if (worked && names.includes("native")) sayData();
  } finally {
    giveBack();
  }
}

/** @returns {Record<string, Step>} */
function steps(command) {
  const checkout = join(root, ".cache");
  /** @type {Awaited<ReturnType<typeof discover>> | undefined} */
  let last;
  let libtorch;
  const find = async () => {
    last = await discover();
    libtorch = last.libtorch;
    return libtorch !== undefined;
  };
  return {
    dependencies: { isDone: dependenciesAreCurrent, make: installDependencies, lock: checkout },
    typescript: { isDone: typescriptIsCurrent, make: buildTypescript, lock: checkout },
    libtorch: {
      isDone: find,
      async make() {
        const { attempts } = last;
        // LIBTORCH is the user's own choice: to fetch another one behind their back would hide that it can't be used.
        if (!process.env.LIBTORCH) libtorch = await fetchLibTorch(attempts);
        if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command, archive: archiveUrl() }));
        say(`steppe: LibTorch ${describe(libtorch)} is in ${libtorch.path}`);
      },
      lock: cacheFolders()[0],
    },
    native: {
      isDone: async () => (libtorch !== undefined || (await find())) && nativeIsCurrent(libtorch),
      async make() {
        if (libtorch === undefined) throw new SetupError(explain(last.attempts, trace(last.attempts), { command, archive: archiveUrl() }));
        await buildNative(libtorch);
      },
      lock: checkout,
    },
  };
}

/**
 * Runs a script's body; a SetupError ends it with its message alone.
 *
 * @param {() => Promise<number | void>} body its result is the exit code
 */
export async function runScript(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\nsteppe: ${error.message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  await runScript(() => setup(names.length > 0 ? names : undefined, { command: "npm run setup" }));
}
