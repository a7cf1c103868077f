import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { advise } from "../../scripts/setup/advice.js";
import { fashionMnistPlaces } from "../../scripts/setup/data.js";
import { discover, trace } from "../../scripts/setup/discover.js";
import { describe, inspect, SUPPORTED } from "../../scripts/setup/libtorch.js";
import { binaryInfo, loadBinary } from "../load-binary.js";
import { gpuReport } from "./gpu-report.js";

const WIDTH = 12;

/**
 * Prints the whole situation of this machine, and what helps where something is amiss.
 *
 * @returns 0 when nothing is amiss, else 1
 */
export async function doctor(): Promise<number> {
  const { libtorch, attempts } = await discover();
  const addon = addonReport();
  const gpus = gpuReport();
  const lines = [
    row("Node", `${process.version} (${process.platform} ${process.arch}, Node-API ${process.versions["napi"]})`),
    row("compiler", firstLine(process.env["CXX"] ?? "c++", ["--version"])),
    row("cmake", firstLine("cmake", ["--version"])),
    row("Python", firstLine(process.env["STEPPE_PYTHON"] ?? "python3", ["--version"])),
    row("threads", `${availableParallelism()} of ${cpus().length} processors usable, ${(totalmem() / 2 ** 30).toFixed(1)} GiB memory${environment("OMP_NUM_THREADS")}`),
    row("LibTorch", libtorch === undefined ? `none found that can be used (supported: ${SUPPORTED})` : describe(libtorch)),
    ...(libtorch === undefined ? [] : [row("", libtorch.path)]),
    row("", "looked at, in this order:"),
    ...trace(attempts).split("\n").map((line) => row("", line)),
    ...addon.lines,
    ...gpus.lines.map((line, i) => row(i === 0 ? "GPU" : "", line)),
    ...dataReport(),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);

  // An addon that loads has its LibTorch, wherever a search in this environment would lead.
  const help = addon.loads ? [] : [...(libtorch === undefined ? advise(attempts) : []), ...addon.help];
  if (help.length > 0) process.stdout.write(`\nWhat helps:\n${help.join("\n")}\n`);
  else if (gpus.help.length > 0) process.stdout.write(`\nAll is well but for the GPU:\n${gpus.help.join("\n")}\n`);
  else process.stdout.write("\nAll is well.\n");
  return help.length > 0 ? 1 : 0;
}

/** The binary, what it was built for, and whether it loads: the one sure test. */
function addonReport(): { lines: string[]; loads: boolean; help: string[] } {
  const info = binaryInfo();
  if (info === undefined) {
    return { lines: [row("addon", "not built")], loads: false, help: ["- Build the addon:\n    npm run build:native"] };
  }
  const { builtFor } = info;
  const lines = [
    row("addon", `${info.file} (${info.kind})`),
    row("", `built for LibTorch ${describe(builtFor.libtorch)}, ${builtFor.platform} ${builtFor.arch}, Node-API ${builtFor.napi}`),
    row("", `LibTorch beside it: ${info.libtorch.version === "" ? "none" : describe(info.libtorch)} in ${info.libtorch.path}`),
  ];
  try {
    const { version } = loadBinary() as { version(): { threads: number; cpuCapability: string; accelerator: string; devices: number } };
    const { threads, cpuCapability, accelerator, devices } = version();
    lines.push(row("", `loads; ${threads} threads, ${cpuCapability}, ${accelerator === "" ? "no accelerator" : `${devices} × ${accelerator}`}`));
    return { lines, loads: true, help: [] };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    lines.push(row("", `does not load: ${text.split("\n")[0]}`));
    // A library that has gone since the addon was built: the loader names but the first.
    if (builtFor.libtorch.cuda !== "") {
      for (const problem of inspect(info.libtorch.path).problems) if (problem.kind === "nvidia") lines.push(row("", `LibTorch: ${problem.text}`));
    }
    return { lines, loads: false, help: text.split("\n").slice(1) };
  }
}

function dataReport(): string[] {
  const places = fashionMnistPlaces();
  const found = places.find((place) => place.found);
  const lines = [row("data", found === undefined ? "the embedded digits: Fashion-MNIST is not on this machine" : `Fashion-MNIST in ${found.folder} (${found.source})`)];
  if (found === undefined) {
    lines.push(...places.map(({ source, folder }) => row("", `  ${source}: ${folder}: ${existsSync(folder) ? "not all four files" : "not there"}`)));
    lines.push(row("", "Debian has it: apt-get install dataset-fashion-mnist"));
  }
  return lines;
}

function row(name: string, text: string): string {
  return `${name.padEnd(WIDTH)}${text}`;
}

function environment(name: string): string {
  const value = process.env[name];
  return value === undefined ? "" : `, ${name}=${value}`;
}

function firstLine(program: string, args: string[]): string {
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error !== undefined) return `no ${program} found`;
  return `${(stdout + stderr).split("\n")[0]} (${program})`;
}
