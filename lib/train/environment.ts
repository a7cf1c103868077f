import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { torch } from "../torch.js";

/** What a run's numbers depend on besides its settings: versions, machine, threads. Plain JSON. */
export function environment(): Record<string, string | number | null> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  const { libtorch } = torch;
  return {
    steppe: version,
    libtorch: libtorch.version,
    cuda: libtorch.cuda ?? null,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? null,
    cores: cpus().length,
    threads: torch.getNumThreads(),
  };
}
