import { compareConfig, loadConfig } from "../experiment/index.js";
import type { Comparison } from "../experiment/index.js";
import { exitCodes } from "./exit-codes.js";
import { interruptible } from "./interruptible.js";
import { print, short } from "./options.js";
import { table } from "./table.js";

export interface CompareCommand {
  folder?: string;
  seeds?: number[];
  methods?: string[];
  set?: string[];
  json?: true;
  quiet?: true;
}

/**
 * `steppe compare CONFIG`.
 *
 * @returns the exit code
 */
export async function compare(path: string, { folder, seeds, methods, set = [], json, quiet }: CompareCommand): Promise<number> {
  const loaded = await loadConfig(path, set);
  const { config, name } = loaded;
  const place = folder ?? config.folder ?? `runs/${name}-compare`;
  const say = quiet === true || json === true ? () => {} : print;
  const { code, value: result } = await interruptible((signal) => {
    signal.addEventListener("abort", () => process.stderr.write("\nFinishing the step under way; once more ends at once.\n"), { once: true });
    return compareConfig(loaded, {
      folder: place,
      ...(seeds && { seeds }),
      ...(methods && { methods }),
      signal,
      tell: say,
      ...(quiet !== true && json !== true && process.stdout.isTTY === true && { progress: process.stdout }),
      onRun: ({ method, seed, index, of, setting }) => say(`${index + 1} of ${of}: ${setting === null ? "" : "tuning "}${method}, ${setting === null ? "" : `${setting}, `}seed ${seed}`),
      onResult: ({ method, seed, metric, value, known, setting }) => say(`  ${method}, ${setting === null ? "" : `${setting}, `}seed ${seed}: ${value === null ? "NaN or infinity" : `${metric} ${short(value)}`}${known ? ", from before" : ""}`),
    });
  });
  if (json === true) print(JSON.stringify(result, null, 2));
  else if (result.methods.length > 0) print(`\n${tableOf(result)}`);
  say(`\nRuns, settings and comparison.json are in ${place}. As one page: npx steppe report ${place}`);
  if (result.complete) return exitCodes.done;
  const given = [...set.map((each) => `--set '${each}'`), ...(seeds ? [`--seeds ${seeds.join(",")}`] : []), ...(methods ? [`--methods '${methods.join(",")}'`] : [])];
  process.stderr.write(`Stopped; what is finished stays. To go on:\n  ${["npx steppe compare", path, ...given, `--folder ${place}`].join(" ")}\n`);
  return code;
}

/** Mean ± standard deviation, the difference to the baseline with its interval, and p. */
export function tableOf({ methods, metric, baseline, choose, on }: Comparison): string {
  const base = methods.find(({ method }) => method === baseline)?.stepMilliseconds ?? null;
  const rows = methods.map(({ method, mean, std, values, against, stepMilliseconds }) => [
    method,
    std === null ? short(mean) : `${short(mean)} ± ${short(std)}`,
    String(Object.keys(values).length),
    against === null ? "-" : `${signed(against.mean)}${against.halfWidth === null ? "" : ` ± ${short(against.halfWidth)}`}`,
    against === null || against.p === null ? "-" : against.p < 1e-4 ? "< 0.0001" : against.p.toFixed(4),
    stepMilliseconds === null ? "-" : `${stepMilliseconds.toFixed(2)} ms`,
    stepMilliseconds === null || base === null ? "-" : (stepMilliseconds / base).toFixed(2),
  ]);
  const header = ["method", on === "test" ? `test ${metric}` : choose === "best" ? `best ${metric}` : metric, "seeds", `− ${baseline}`, "p", "time per step", `÷ ${baseline}'s`];
  const words = [`${metric}: mean ± standard deviation over the seeds. − ${baseline}: mean difference over the same seeds ± half its 95 % interval;`, "p: Student's paired test, two-sided."];
  const tuned = methods.flatMap(({ method, tuned: found }) => {
    if (found === null) return [];
    const values = Object.entries(found.values).map(([path, value]) => `${path} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
    return [`${method}: ${values.join(", ")}, the best of ${found.of} on validation data with seed ${found.seed}.`];
  });
  return [table(header, rows), "", ...tuned, ...words].join("\n");
}

const signed = (value: number) => `${value > 0 ? "+" : ""}${short(value)}`;
