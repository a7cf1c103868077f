import { loadConfig } from "../experiment/index.js";
import { benchmark, builtInNets } from "../experiment/benchmark.js";
import type { BenchmarkResult, NetName } from "../experiment/benchmark.js";
import { torch } from "../torch.js";
import { exitCodes } from "./exit-codes.js";
import { print, thousands } from "./options.js";
import { table } from "./table.js";

export interface BenchCommand {
  net?: NetName[];
  methods?: string[];
  steps: number;
  batchSize?: number;
  threads?: number;
  device?: string;
  set?: string[];
  json?: true;
}

/**
 * `steppe bench [CONFIG]`: how long steps take on this machine.
 *
 * @returns the exit code
 */
export async function bench(path: string | undefined, { net, methods, steps, batchSize, threads, device, set = [], json }: BenchCommand): Promise<number> {
  if (threads !== undefined) torch.setNumThreads(threads);
  const options = { steps, ...(methods && { methods }), ...(batchSize !== undefined && { batchSize }), ...(device !== undefined && { device }) };
  const own = path === undefined ? null : await loadConfig(path, set);
  const results: BenchmarkResult[] = [];
  const kernels = torch.getNumThreads() === 1 ? "1 thread" : `${torch.getNumThreads()} threads`;
  if (json !== true) print(`Steppe on LibTorch ${torch.libtorch.version}, ${kernels}, ${steps} steps of each method in turn; the median counts.`);
  for (const each of own === null ? (net ?? (Object.keys(builtInNets) as NetName[])) : [own]) {
    const result = await benchmark(each, options);
    results.push(result);
    if (json !== true) print(`\n${tableOf(result)}`);
  }
  if (json === true) print(JSON.stringify({ libtorch: torch.libtorch.version, threads: torch.getNumThreads(), steps, results }, null, 2));
  return exitCodes.done;
}

function tableOf({ name, parameters, batchSize, methods }: BenchmarkResult): string {
  const base = methods[0]!.milliseconds;
  const rows = methods.map(({ method, milliseconds }) => [method, `${milliseconds.toFixed(2)} ms`, thousands(Math.round((1000 * batchSize) / milliseconds)), (milliseconds / base).toFixed(2)]);
  return `${name}: ${thousands(parameters)} parameters, batches of ${batchSize}\n${table(["method", "time per step", "samples per second", `÷ ${methods[0]!.method}'s`], rows)}`;
}
