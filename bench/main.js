#!/usr/bin/env node
// The same work in Node and in Python, in one run, as ratios. `npm run bench -- --help` tells the options.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Command, Option } from "commander";
import { runScript, setup } from "../scripts/setup/main.js";
import { SetupError, say } from "../scripts/setup/report.js";
import { cases, methodContenders, netsOfMethods, pytorchContenders, steppeContenders } from "./cases.js";
import { measureAdd, measureCase } from "./measure.js";
import { list, positive } from "./options.js";
import { measureMemory } from "./memory.js";
import { addTable, engineTable, facts, memoryTable, methodsTable, pytorchTable, toMarkdown, toText } from "./report.js";

const everything = ["add", ...cases.map(({ id }) => id), "methods", "memory", "loader"];
const usual = everything.filter((id) => id !== "methods" && cases.find((each) => each.id === id)?.slow !== true);

const program = new Command("npm run bench --")
  .description("Times optimizer steps of Steppe and of PyTorch on the same LibTorch, in turn, and prints their ratios.")
  .option("--cases <list>", `some of ${everything.join(", ")}, with commas between`, list(everything), usual)
  .option("--contenders <list>", "Steppe's and PyTorch's, with commas between (default: all)", list([...Object.keys(steppeContenders), ...pytorchContenders]))
  .option("--threads <list>", "numbers of threads, with commas between", (text) => text.split(",").map(positive), [...new Set([1, availableParallelism()])])
  .option("--device <device>", "where both sides compute", "cpu")
  .addOption(new Option("--precision <kind>", "of products of matrices").choices(["float32", "tf32", "bfloat16"]).default("float32"))
  .option("--rounds <n>", "rounds, in each of which every contender takes its steps", positive, 9)
  .option("--round-ms <n>", "how long a contender steps in a round, in milliseconds", positive, 300)
  .option("--markdown <file>", "writes the tables to a file, too")
  .addHelpText("after", "\nPyTorch's side runs in STEPPE_PYTHON, or python3; without a torch there it is left out.");

/** The Python to compare with, and its torch; null if it has none. */
function findPython() {
  const path = process.env.STEPPE_PYTHON || "python3";
  try {
    return { path, torch: execFileSync(path, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() };
  } catch {
    return null;
  }
}

/** "cuda:0, NVIDIA H100 80GB HBM3" */
async function deviceName(device) {
  if (!device.startsWith("cuda")) return device;
  const { torch } = await import("../dist/index.js");
  return `${device}, ${torch.cuda.getDeviceName(device)}`;
}

await runScript(async () => {
  program.parse();
  const { cases: ids, contenders, threads, rounds, roundMs, markdown, device, precision } = program.opts();
  await setup(undefined, { command: "npm run bench" });
  const found = findPython();
  if (found === null) say("bench: no Python with torch: PyTorch's side is left out. Set STEPPE_PYTHON to one.");
  const python = found?.path ?? null;

  const add = ids.includes("add") ? await measureAdd({ rounds, python }) : null;
  const measured = async (chosen, options) => {
    const results = [];
    for (const each of cases.filter(({ id }) => chosen.includes(id))) {
      for (const count of threads) {
        say(`bench: ${each.title}, ${count} ${count === 1 ? "thread" : "threads"}`);
        try {
          results.push({ case: each, threads: count, ...(await measureCase(each, { threads: count, rounds, roundMs, device, precision, ...options })) });
        } catch (error) {
          throw new SetupError(`${each.title}: ${error.message}`);
        }
      }
    }
    return results;
  };
  const results = await measured(ids, { python, contenders });
  const methods = ids.includes("methods") ? await measured(netsOfMethods, { python: null, contenders: ["passes", ...Object.keys(methodContenders)] }) : [];
  const memory = ids.includes("memory") ? measureMemory() : null;
  // It reads the built package, which is there only now.
  const { measureLoader, loaderTables } = await import("./loader.js");
  if (ids.includes("loader")) say("bench: batches of a loader");
  const loader = ids.includes("loader") ? await measureLoader({ rounds, python }) : null;

  const tables = [addTable(add), pytorchTable(results), engineTable(results), methodsTable(methods), memoryTable(memory), ...loaderTables(loader)].filter((table) => table !== null);
  const machine = facts({ torch: found?.torch ?? null, rounds, roundMs, device: await deviceName(device), precision });
  process.stdout.write(`\n${machine}\n\n${tables.map(toText).join("\n\n")}\n`);
  if (markdown !== undefined) writeFileSync(markdown, `${machine}\n\n${tables.map(toMarkdown).join("\n\n")}\n`);
});
