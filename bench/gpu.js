#!/usr/bin/env node
// SAM steps on a GPU beside PyTorch's, with no set-up: what scripts/gpu-check runs. `bench/main.js --device cuda` has more options.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { torch } from "../dist/index.js";
import { measureBandwidth } from "./bandwidth.js";
import { cases, pytorchContenders, steppeContenders } from "./cases.js";
import { measureCase } from "./measure.js";
import { list, positive } from "./options.js";
import { bandwidthTable, engineTable, facts, pytorchTable, toMarkdown, toText } from "./report.js";

const known = ["mlp-2", "mlp-20", "convnet", "resnet18", "lstm", "transformer", "bert-base", "gpt2"];
const contenders = [...Object.keys(steppeContenders), ...pytorchContenders];
const options = new Command("node bench/gpu.js")
  .option("--cases <list>", "with commas between", list(known), known)
  .option("--bandwidth <list>", "cases whose norms, perturbation and update are held against the memory's speed", list(known), ["resnet18", "bert-base", "gpt2"])
  .option("--contenders <list>", "Steppe's and PyTorch's, with commas between", list(contenders), ["sam", "captured", "msam", "base", "passes", "textbook", "foreach", "compiled", "graphs"])
  .addOption(new Option("--precision <kind>", "of products of matrices").choices(["float32", "tf32", "bfloat16"]).default("float32"))
  .option("--device <device>", "where both sides compute", "cuda")
  .option("--little", "the nets as small as can be, to try the program")
  .option("--rounds <n>", "rounds, in each of which every contender takes its steps", positive, 3)
  .option("--round-ms <n>", "how long a contender steps in a round, in milliseconds", positive, 300)
  .option("--seconds <n>", "begins no case after that many", positive, Infinity)
  .option("--markdown <file>", "writes the tables to a file, too, after each case")
  .parse()
  .opts();
const { rounds, roundMs, device, precision, little, markdown } = options;

const python = process.env.STEPPE_PYTHON || "python3";
const version = execFileSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" }).trim();
const on = device === "cpu" ? "cpu" : `${device}, ${torch.cuda.getDeviceName(device)}`;
const machine = facts({ torch: version, rounds, roundMs, device: on, precision });
const results = [];
const speeds = [];
const tables = () => [pytorchTable(results), engineTable(results), bandwidthTable(speeds, { device })].filter((table) => table !== null);
let failed = 0;

/** What was found so far is written: the machine may be taken away. */
async function measure(what, body) {
  const begun = performance.now();
  if (begun / 1000 > options.seconds) return void console.log(`${what}: left out, ${options.seconds} s are over`);
  try {
    await body();
    console.log(`${what}: measured in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  } catch (error) {
    failed++;
    console.log(`${what}: ${error.message}`);
  }
  if (markdown !== undefined) writeFileSync(markdown, `${machine}\n\n${tables().map(toMarkdown).join("\n\n")}\n`);
}

const small = ({ little = {}, title, ...rest }) => ({ ...rest, ...little, title: `${title} (tried${little.data === undefined ? "" : ", much smaller"})` });
const named = (ids) => cases.filter(({ id }) => ids.includes(id)).map((each) => ({ ...(little ? small(each) : each), goal: undefined }));
for (const each of named(options.bandwidth)) {
  await measure(`${each.title}, norms, perturbation and update`, async () => {
    speeds.push(await measureBandwidth(each, { device, rounds, roundMs, captures: options.contenders.includes("captured") }));
  });
}
for (const each of named(options.cases)) {
  await measure(each.title, async () => {
    results.push({ case: each, threads: 1, ...(await measureCase(each, { threads: 1, rounds, roundMs, python, contenders: options.contenders, device, precision })) });
  });
}
console.log(`\n${machine}\n\n${tables().map(toText).join("\n\n")}`);
process.exitCode = failed > 0 ? 1 : 0;
