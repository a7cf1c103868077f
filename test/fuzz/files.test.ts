import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { setUp } from "../cli/processes.js";
import { runWatched } from "../support/watched.js";

// Damaged files of every binary format that is read: each is read as what it says, or refused by a `FORMAT` error, in little memory and in no time.
//   STEPPE_FUZZ_READS=100000 STEPPE_FUZZ_SEED=2 npx vitest run test/fuzz/files     more of them, or others
//
// Seeds 2 and 3 ran through whole, 16,000 files each.

setUp();

const READS = Number(process.env.STEPPE_FUZZ_READS ?? 250);
const SEED = Number(process.env.STEPPE_FUZZ_SEED ?? 1);
const PER_PROCESS = 2000;
const program = fileURLToPath(new URL("files.mjs", import.meta.url));

type Counts = Record<string, { read: number; refused: number }>;

/** Reads some, in a process of its own. @returns what came of them, by kind */
async function readSome(from: number, to: number, journal: string): Promise<Counts> {
  const { death, last, said, stderr } = await runWatched(["--max-old-space-size=512", program, String(SEED), String(from), String(to), journal], journal);
  if (death === null) return JSON.parse(said) as Counts;
  const number = Number.parseInt(last);
  throw new Error(`${death} in file ${last}To see it again: node test/fuzz/files.mjs ${SEED} ${number} ${number + 1}\n${stderr}`);
}

test(`${READS} damaged files, seed ${SEED}`, { timeout: 3600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "steppe-fuzz-"));
  const all = { read: 0, refused: 0 };
  const kinds = new Set<string>();
  try {
    for (let from = 0; from < READS; from += PER_PROCESS) {
      const counts = await readSome(from, Math.min(from + PER_PROCESS, READS), join(folder, "journal"));
      for (const [kind, { read, refused }] of Object.entries(counts)) {
        kinds.add(kind);
        all.read += read;
        all.refused += refused;
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  expect(kinds.size).toBeGreaterThan(30);
  // The damage is worth something: some of it is seen, and some goes deep or is none.
  expect(all.refused).toBeGreaterThan(READS / 4);
  expect(all.read).toBeGreaterThan(READS / 20);
});
