import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** One of the two child processes; it answers a JSON line to each that it is sent. */
export class Side {
  #child;
  #lines;
  #complaints = "";

  /**
   * @param {string} program
   * @param {string[]} args
   */
  constructor(program, args) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => {}); // its end is told by the missing answer
    this.#child.on("error", (error) => (this.#complaints += error.message));
    this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#complaints = (this.#complaints + text).slice(-4000)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * @param {string} command
   * @param {Record<string, unknown>} values
   * @returns {Promise<any>} the answer
   * @throws {Error} if the process refuses or ends
   */
  async ask(command, values = {}) {
    this.#child.stdin.write(`${JSON.stringify({ command, ...values })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnfile} ended: ${this.#complaints.trim() || "without a word"}`);
    const answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  /** Of the process. */
  get pid() {
    return this.#child.pid;
  }

  async end() {
    this.#child.stdin.end();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    await new Promise((resolve) => this.#child.once("close", resolve));
  }
}
