// The measuring process's side of the conversation with measure.js: a command a line in, its answer a line out, as JSON.
import { createInterface } from "node:readline";

/** Answers until the input ends: `{ command, ...arguments }` by `commands[command](arguments)`. */
export async function answer(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...rest } = JSON.parse(line);
    let result;
    try {
      result = await commands[command](rest);
    } catch (error) {
      result = { error: String(error?.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
