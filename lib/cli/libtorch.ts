import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { cached, fetchIntoCache, removeCached } from "../../scripts/setup/cached.js";
import type { Cached } from "../../scripts/setup/cached.js";
import { discover } from "../../scripts/setup/discover.js";
import { describe } from "../../scripts/setup/libtorch.js";
import { SetupError } from "../../scripts/setup/report.js";
import { SteppeError } from "../errors.js";
import { binaryInfo } from "../load-binary.js";
import { exitCodes } from "./exit-codes.js";
import { print } from "./options.js";
import { table } from "./table.js";

const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;

/** The folder of the LibTorch that the addon loads. */
const inUse = () => binaryInfo()?.libtorch.path;

/** Whether the addon loads this one, which may be in a folder of the fetched one's. */
function isUsed({ home }: Cached): boolean {
  const used = inUse();
  return used !== undefined && real(used).startsWith(real(home));
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** `steppe libtorch list`. @returns the exit code */
export async function list({ json }: { json?: true }): Promise<number> {
  const all = cached();
  const { libtorch } = await discover();
  if (json === true) {
    const entries = all.map((each) => {
      const { version, cuda } = each.libtorch;
      return { path: each.home, version, cuda, bytes: each.bytes, whole: each.whole, used: isUsed(each) };
    });
    print(JSON.stringify({ used: inUse() ?? null, found: libtorch?.path ?? null, cached: entries }, null, 2));
    return exitCodes.done;
  }
  const rows = all.map((each) => [each.whole ? describe(each.libtorch) : "half-finished", isUsed(each) ? "in use" : "", megabytes(each.bytes), each.home]);
  print(rows.length === 0 ? "No LibTorch was fetched into the cache." : table(["fetched LibTorch", "", "size", "folder"], rows));
  const used = inUse();
  if (used !== undefined && !all.some(isUsed)) print(`The addon uses the one in ${used}, which was there before.`);
  if (libtorch !== undefined && libtorch.path !== used) print(`A build would take ${describe(libtorch)} in ${libtorch.path}.`);
  return exitCodes.done;
}

/** `steppe libtorch fetch`. @returns the exit code */
export async function fetch({ cuda, force }: { cuda?: true; force?: true }): Promise<number> {
  const env = { ...process.env, ...(cuda === true && { STEPPE_CUDA: "1" }) };
  const there = cached(env).find(({ whole, libtorch }) => whole && libtorch.problems.length === 0 && (libtorch.cuda !== "") === (env["STEPPE_CUDA"] === "1"));
  if (there !== undefined && force !== true) {
    print(`${describe(there.libtorch)} is there already: ${there.home}. --force fetches it again.`);
    return exitCodes.done;
  }
  try {
    if (there !== undefined) await removeCached(there, env);
    const libtorch = await fetchIntoCache(env);
    print(`LibTorch ${describe(libtorch)} is in ${libtorch.path}`);
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`steppe: ${error.message}\n`);
    return exitCodes.failed;
  }
}

function unknown(which: string, found: Cached[]): SteppeError {
  const there = found.length === 0 ? "None was fetched." : `There are: ${found.map(({ home }) => home).join(", ")}.`;
  const sentence = `Expected the version or the folder of a fetched LibTorch, or --all, but received ${JSON.stringify(which)}.`;
  return new SteppeError("ARGUMENT", `${sentence} ${there} One that was there before is not removed by this command.`);
}

/** `steppe libtorch remove`. @returns the exit code */
export async function remove(which: string | undefined, { all, force }: { all?: true; force?: true }): Promise<number> {
  const found = cached();
  const wanted = all === true ? found : found.filter(({ home, libtorch }) => libtorch.version === which || describe(libtorch) === which || home === resolve(which ?? ""));
  if (wanted.length === 0) {
    if (all === true) print("No LibTorch is in the cache: nothing to remove.");
    else throw unknown(which ?? "", found);
  }
  const used = wanted.find(isUsed);
  if (used !== undefined && force !== true) {
    throw new SteppeError("ARGUMENT", `Expected a LibTorch that is not in use but received ${used.home}, which the addon loads. --force removes it all the same.`);
  }
  for (const entry of wanted) {
    await removeCached(entry);
    print(`Removed ${entry.home} (${megabytes(entry.bytes)}).`);
  }
  return exitCodes.done;
}
