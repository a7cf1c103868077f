import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";

/** The results of an experiment: a file with a JSON line for each run that ended. Several processes may add to it. */
export class Results {
  #file;

  constructor(file) {
    this.#file = file;
  }

  all() {
    if (!existsSync(this.#file)) return [];
    return readFileSync(this.#file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line));
  }

  add(result) {
    mkdirSync(dirname(this.#file), { recursive: true });
    this.#dropHalfLine();
    appendFileSync(this.#file, `${JSON.stringify(result)}\n`);
  }

  /** A process that was killed while it wrote may have left a line without its end. */
  #dropHalfLine() {
    if (!existsSync(this.#file)) return;
    const bytes = readFileSync(this.#file);
    const whole = bytes.lastIndexOf("\n") + 1;
    if (whole < bytes.length) truncateSync(this.#file, whole);
  }
}

/** Runs whatever is missing, in the plan's order, and adds each result as it comes, with the elapsed seconds that it took. */
export async function carryOut(plan, results, options, run, say = () => {}) {
  for (;;) {
    const next = plan.next(results.all(), options);
    if (next === null) return;
    const { task, id, setting, seed } = next;
    const began = performance.now();
    const measured = await run(next);
    const result = { ...(task === undefined ? {} : { task }), id, ...setting, seed, ...measured, seconds: (performance.now() - began) / 1000 };
    results.add(result);
    say(result);
  }
}
