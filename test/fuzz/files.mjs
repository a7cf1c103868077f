// Damaged files for every reader of a binary format. A file depends on the seed and its own number only: any can be made again by itself.
//   node test/fuzz/files.mjs SEED FROM TO [JOURNAL]
// Before a file is read its number and kind go to the JOURNAL, so that a crash or a hang names what it came from. Prints, as JSON, how many files
// were read and how many were refused, by kind. A file that ends in anything else than a value or an error of its format, or for which more
// memory is taken than files of this size can want, ends the process. Without a journal each file's outcome is shown.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SteppeError, torch } from "../../dist/index.js";
import { damage, randomNumbers } from "../support/random.mjs";
import { kinds } from "./file-kinds.mjs";

const [seed, from, to] = process.argv.slice(2, 5).map(Number);
const journal = process.argv[5] === undefined ? null : openSync(process.argv[5], "w");
torch.setNumThreads(1);

/** Bytes that one file may take: the largest sample has 50,000, and DEFLATE makes a thousand of one at most. */
const mostMemory = 256 * 2 ** 20;

function write(entry) {
  if (journal === null) return;
  ftruncateSync(journal);
  writeSync(journal, entry, 0);
}

const folder = mkdtempSync(join(tmpdir(), "steppe-fuzz-files-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const peak = () => process.resourceUsage().maxRSS * 1024;
const counts = {};
for (let number = from; number < to; number++) {
  const random = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
  for (let i = 0; i < 4; i++) random();
  const kind = kinds[number % kinds.length];
  const at = join(folder, String(number));
  const harmed = Math.floor(random() * kind.harmed.length);
  write(`${number} ${kind.name}, ${kind.harmed[harmed]}\n`);
  for (const [name, { bytes, pack = (content) => content }] of Object.entries(kind.files)) {
    const path = join(at, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, name === kind.harmed[harmed] ? pack(damage(bytes, random)) : pack(bytes));
  }
  const before = Math.max(peak(), process.memoryUsage().rss);
  let outcome = "read";
  try {
    await kind.read(at);
  } catch (error) {
    if (!(error instanceof SteppeError) || error.code !== "FORMAT") throw new Error(`File ${number}, ${kind.name}, ended in another error.`, { cause: error });
    outcome = "refused";
    if (journal === null) console.error(number, kind.name, error.message);
  }
  rmSync(at, { recursive: true, force: true });
  torch.sweep();
  if (number > from + 2 * kinds.length && peak() - before > mostMemory) throw new Error(`File ${number}, ${kind.name}, took ${Math.round((peak() - before) / 2 ** 20)} MiB.`);
  counts[kind.name] ??= { read: 0, refused: 0 };
  counts[kind.name][outcome]++;
}
if (journal !== null) closeSync(journal);
console.log(JSON.stringify(counts));
