#!/usr/bin/env node
// GA-SAM's experiment: a character LSTM on Moby Dick, each method at its own best learning rate and radius, over several seeds.
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { Results, carryOut } from "../experiment/results.js";
import { list, positive } from "../options.js";
import { contenders, plan, seeds, withRho } from "./plan.js";
import { finalTable, flatnessTable, tuningTable } from "./table.js";

const known = Object.keys(contenders);

const program = new Command("node bench/gasam/main.js")
  .description("Tunes and compares GA-SAM, SAM, ASAM, Adam and SGD on a character LSTM, and prints the tables in Markdown.")
  .addOption(new Option("--methods <list>", `some of ${known.join(", ")}, with commas between`).argParser(list(known)).default(known, "all"))
  .addOption(new Option("--phase <phase>", "what runs before the tables are printed").choices(["tune", "final", "all", "none"]).default("all"))
  .option("--seeds <n>", `how many of the ${seeds.final.length} final seeds`, positive, seeds.final.length)
  .addOption(
    new Option("--results <file>", "a JSON line for each finished run; runs that stand there are not run again").default(
      fileURLToPath(new URL("results.jsonl", import.meta.url)),
      "bench/gasam/results.jsonl",
    ),
  )
  .addHelpText("after", "\nEach run takes one thread. Several processes may share the results file if each is given other methods.")
  .parse();
const { methods, phase, seeds: finalSeeds, results: file } = program.opts();
const results = new Results(file);

if (phase !== "none") {
  const { torch } = await import("../../dist/index.js");
  const [{ mobyDick }, { train }] = [await import("./text.js"), await import("./train.js")];
  torch.setNumThreads(1);
  const text = await mobyDick();
  const run = ({ phase: now, id, setting: { lr, rho }, seed }) => {
    const contender = contenders[id];
    return train(text, { method: withRho(contender, rho), base: contender.base, lr, seed, flat: now === "final" });
  };
  const say = ({ id, lr, rho, seed, validation }) => console.error(`${id} lr ${lr} rho ${rho ?? "–"} seed ${seed}: validation ${validation.toFixed(4)}`);
  await carryOut(plan, results, { methods, phase, seeds: finalSeeds }, run, say);
}
console.log([tuningTable, finalTable, flatnessTable].map((table) => table(results.all())).join("\n\n"));
