// Damaged files for every reader of a binary format. A file depends on the seed and its own number only: any can be made again by itself.
//   node test/fuzz/files.mjs SEED FROM TO [JOURNAL]
// Before a file is read its number and kind go to the JOURNAL, so that a crash or a hang names what it came from. Prints, as JSON, how many files
// were read and how many were refused, by kind. A file that ends in anything else than a value or an error of its format, or for which more
// memory is taken than files of this size can want, ends the process. Without a journal each file's outcome is shown.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SteppeError, torch } from "../../dist/index.js";
import { randomNumbers } from "./arguments.mjs";
import { kinds } from "./file-kinds.mjs";

const [seed, from, to] = process.argv.slice(2, 5).map(Number);
const journal = process.argv[5] === undefined ? null : openSync(process.argv[5], "w");
torch.setNumThreads(1);

/** Bytes that one file may take: the largest sample has 50,000, and DEFLATE makes a thousand of one at most. */
const mostMemory = 256 * 2 ** 20;

const interesting = [0, 1, 2, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xfe, 0xff];
const sizes = [0, 1, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0xfffffffe, 0x20000000];

/** A copy with a few bytes changed, cut out, put in, doubled or cut off, and now and then a whole number. */
function damage(bytes, random) {
  let result = Buffer.from(bytes);
  const below = (n) => Math.floor(random() * n);
  // Heads and ends of files say most about them.
  const place = () => (random() < 0.5 ? below(result.length) : random() < 0.5 ? below(Math.min(600, result.length)) : result.length - 1 - below(Math.min(600, result.length)));
  for (let i = 1 + below(4); i > 0 && result.length > 0; i--) {
    const at = place();
    switch (below(7)) {
      case 0:
        result[at] = below(256);
        break;
      case 1:
        result[at] = interesting[below(interesting.length)];
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + below(8))]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at - Math.min(at, below(4096))), result.subarray(at)]);
        break;
      case 4:
        if (random() < 0.2) result = result.subarray(0, at);
        break;
      case 5: {
        const size = sizes[below(sizes.length)];
        if (at + 8 > result.length) break;
        if (random() < 0.5) result.writeUInt32LE(size, at);
        else result.writeUInt32BE(size, at);
        if (random() < 0.3) result.writeUInt32LE(random() < 0.5 ? 0 : 0xffffffff, at + 4);
        break;
      }
      default: // text of numbers, as tar and JSON have them
        result.write(["9".repeat(12), "77777777777", "-1", "1e9", "null", '"x"', "[[", "00000000000"][below(8)], at, "latin1");
    }
  }
  return result;
}

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
