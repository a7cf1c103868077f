import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";

const script = fileURLToPath(new URL("memory-side.js", import.meta.url));

/**
 * Peak memory of the steps of "base" and "sam", each in processes of their own: the allocator's rounding differs from run to run.
 *
 * @returns {{ base: number, sam: number, parameterBytes: number } | null} medians in bytes; null where the system does not tell
 */
export function measureMemory(runs = 5) {
  if (process.platform !== "linux") return null;
  const found = { base: [], sam: [] };
  let parameterBytes = 0;
  for (let run = 0; run < runs; run++) {
    for (const contender of ["base", "sam"]) {
      const answer = JSON.parse(execFileSync(process.execPath, [script, contender], { encoding: "utf8" }));
      found[contender].push(answer.peak);
      parameterBytes = answer.parameterBytes;
    }
  }
  return { base: median(found.base), sam: median(found.sam), parameterBytes };
}
