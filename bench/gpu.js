#!/usr/bin/env node
// SAM steps on a GPU beside PyTorch's, with no set-up: what scripts/gpu-check runs. `bench/main.js --device cuda` has more options.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { torch } from "../dist/index.js";
import { cases } from "./cases.js";
import { measureCase } from "./measure.js";
import { engineTable, facts, pytorchTable, toMarkdown, toText } from "./report.js";

const known = ["mlp-2", "mlp-20", "convnet", "resnet18", "lstm", "transformer"];
const { rounds, roundMs, markdown, cases: wanted, contenders } = new Command("node bench/gpu.js")
  .option("--cases <list>", "with commas between", (text) => text.split(","), known)
  .option("--contenders <list>", "Steppe's and PyTorch's, with commas between", (text) => text.split(","), ["sam", "captured", "base", "passes", "textbook", "foreach", "compiled", "graphs"])
  .option("--rounds <n>", "rounds, in each of which every contender takes its steps", Number, 3)
  .option("--round-ms <n>", "how long a contender steps in a round, in milliseconds", Number, 300)
  .option("--markdown <file>", "writes the tables to a file, too")
  .parse()
  .opts();

const python = process.env.STEPPE_PYTHON || "python3";
const version = execFileSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" }).trim();
const results = [];
let failed = 0;
for (const each of cases.filter(({ id }) => wanted.includes(id))) {
  const begun = performance.now();
  try {
    results.push({ case: { ...each, goal: undefined }, threads: 1, ...(await measureCase(each, { threads: 1, rounds, roundMs, python, contenders, device: "cuda" })) });
    console.log(`${each.title}: measured in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  } catch (error) {
    failed++;
    console.log(`${each.title}: ${error.message}`);
  }
}
const tables = [pytorchTable(results), engineTable(results)].filter((table) => table !== null);
const machine = facts({ torch: version, rounds, roundMs, device: `cuda:0, ${torch.cuda.getDeviceName()}` });
console.log(`\n${machine}\n\n${tables.map(toText).join("\n\n")}`);
if (markdown !== undefined) writeFileSync(markdown, `${machine}\n\n${tables.map(toMarkdown).join("\n\n")}\n`);
process.exitCode = failed > 0 ? 1 : 0;
