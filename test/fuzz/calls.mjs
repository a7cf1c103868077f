// Random calls of any operator. A call depends on the seed and its own number only: any can be made again by itself.
//   node test/fuzz/calls.mjs SEED FROM TO [JOURNAL]
// Before each call its number and text go to the JOURNAL, so that a crash names what it crashed in. Prints, as JSON, how many
// calls went well and how many were refused, by code. Without a journal each call's outcome is shown.
// What writes beyond its memory often brings down a later call. To see it where it happens, with glibc:
//   LD_PRELOAD=libc_malloc_debug.so.0 MALLOC_CHECK_=3 node test/fuzz/calls.mjs …
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { SteppeError, torch } from "../../dist/index.js";
import { native } from "../../dist/native.js";
import { randomNumbers } from "../support/random.mjs";
import { maker } from "./arguments.mjs";

const [seed, from, to] = process.argv.slice(2, 5).map(Number);
const journal = process.argv[5] === undefined ? null : openSync(process.argv[5], "w");
torch.setNumThreads(1);

const families = new Set(native.operatorNames().map((name) => name.split(".")[0]));
const overloads = [...families].flatMap((name) => native.family(name));

function write(entry) {
  if (journal === null) return;
  ftruncateSync(journal);
  writeSync(journal, entry, 0);
}

function prepare(number) {
  const random = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
  for (let i = 0; i < 4; i++) random();
  const { pick, argument, text } = maker(random);
  const overload = pick(overloads);
  write(`${number} while the arguments were made of ${overload.schema}\n`);
  const positional = [];
  const named = {};
  for (const each of overload.arguments) {
    const value = argument(each);
    if (each.keywordOnly) named[each.name] = value;
    else positional.push(value);
  }
  const options = Object.keys(named).length > 0 ? [named] : [];
  return { text: `${overload.schema}\n  ${text.join(" ")}`, run: () => torch.ops.call(overload.name, ...positional, ...options) };
}

const counts = {};
for (let number = from; number < to; number++) {
  let outcome = "fine";
  torch.manualSeed(number);
  torch.scope(() => {
    const { text, run } = prepare(number);
    write(`${number} ${text}\n`);
    if (journal === null) console.error(text);
    try {
      run();
    } catch (error) {
      if (!(error instanceof SteppeError)) throw new Error(`Call ${number} threw no SteppeError: ${text}`, { cause: error });
      outcome = error.code;
      if (journal === null) console.error(error.message);
    }
  });
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}
if (journal !== null) closeSync(journal);
console.log(JSON.stringify(counts));
