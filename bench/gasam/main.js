#!/usr/bin/env node
// GA-SAM's experiment: a character LSTM on Moby Dick, each method at its own best learning rate and radius, over several seeds.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { at, best, contenders, seeds, tuningSettings, withRho } from "./plan.js";
import { finalTable, tuningTable } from "./table.js";

const known = Object.keys(contenders);
const list = (text) => {
  const ids = text.split(",");
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new InvalidArgumentError(`Expected some of ${known.join(", ")}.`);
  return ids;
};
const count = (text) => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Expected a positive integer.");
  return Number(text);
};

const program = new Command("node bench/gasam/main.js")
  .description("Tunes and compares GA-SAM, SAM, ASAM, Adam and SGD on a character LSTM, and prints the tables in Markdown.")
  .addOption(new Option("--methods <list>", `some of ${known.join(", ")}, with commas between`).argParser(list).default(known, "all"))
  .addOption(new Option("--phase <phase>", "what runs before the tables are printed").choices(["tune", "final", "all", "none"]).default("all"))
  .option("--seeds <n>", `how many of the ${seeds.final.length} final seeds`, count, seeds.final.length)
  .addOption(
    new Option("--results <file>", "a JSON line for each finished run; runs that stand there are not run again").default(
      fileURLToPath(new URL("results.jsonl", import.meta.url)),
      "bench/gasam/results.jsonl",
    ),
  )
  .addHelpText("after", "\nEach run takes one thread. Several processes may share the results file if each is given other methods.")
  .parse();
const { methods, phase, seeds: finalSeeds, results: file } = program.opts();

const results = () =>
  !existsSync(file) ? [] : readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));

if (phase !== "none") {
  const { torch } = await import("../../dist/index.js");
  const [{ mobyDick }, { train }] = [await import("./text.js"), await import("./train.js")];
  torch.setNumThreads(1);
  const text = mobyDick();
  const run = (id, setting, seed) => {
    if (at(results(), id, setting, [seed]).length > 0) return;
    const contender = contenders[id];
    const result = train(text, { method: withRho(contender, setting.rho), base: contender.base, lr: setting.lr, seed });
    appendFileSync(file, `${JSON.stringify({ id, ...setting, seed, ...result })}\n`);
    console.error(`${id} lr ${setting.lr} rho ${setting.rho ?? "–"} seed ${seed}: validation ${result.validation.toFixed(4)}`);
  };
  if (phase !== "final") {
    for (const id of methods) {
      for (const seed of seeds.tune) for (const { lr, rho } of tuningSettings(results(), id, seed)) run(id, { lr, rho }, seed);
    }
  }
  if (phase !== "tune") {
    for (const seed of seeds.final.slice(0, finalSeeds)) {
      for (const id of methods) {
        const setting = best(results(), id);
        if (setting !== null) run(id, setting, seed);
      }
    }
  }
}
console.log(`${tuningTable(results())}\n\n${finalTable(results())}`);
