#!/usr/bin/env node
// The evidence for the three papers: each experiment tunes every method by the same budget, compares them over seeds, and prints
// its tables. It can be interrupted at any time; the same command goes on.
import { fileURLToPath } from "node:url";
import { Argument, Command, Option } from "commander";
import { Results, carryOut } from "../experiment/results.js";
import { positive } from "../options.js";
import { intoDocument, tables } from "./report.js";
import { names, studyOf } from "./studies.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const list = (text) => text.split(",");

const program = new Command("node bench/evidence/main.js")
  .description("Runs what is missing of an experiment, and prints its tables in Markdown.")
  .addArgument(new Argument("<experiment>").choices(names))
  .addOption(new Option("--full", "the large setting, for a GPU").conflicts("quick"))
  .option("--quick", "the smallest setting, to see that it runs")
  .option("--device <device>", "where to train", "cpu")
  .option("--methods <list>", "some of the methods, with commas between (default: all)", list)
  .option("--tasks <list>", "some of the tasks, with commas between (default: all)", list)
  .addOption(new Option("--phase <phase>", "what runs before the tables are printed").choices(["tune", "final", "all", "none"]).default("all"))
  .option("--seeds <n>", "how many of the final seeds (default: all)", positive)
  .option("--results <file>", "a JSON line for each finished run; what stands there is not run again (default: bench/evidence/results/…)")
  .option("--write", "puts the tables into docs/evidence, too")
  .addHelpText("after", "\nRuns take one thread. Several processes may share the results file if each is given other methods or tasks.")
  .parse();
const [name] = program.args;
const options = program.opts();
const size = options.full ? "full" : options.quick ? "quick" : "standard";
const study = studyOf(name, size);
const some = (given, known, what) => {
  const unknown = (given ?? []).find((id) => !known.includes(id));
  if (unknown !== undefined) program.error(`error: expected some of ${known.join(", ")} for ${what} but received ${unknown}.`);
  return given ?? known;
};
const methods = some(options.methods, Object.keys(study.plan.contenders), "--methods");
const tasks = some(options.tasks, study.plan.tasks, "--tasks");
const results = new Results(options.results ?? (size === "quick" ? `.cache/evidence/${name}.jsonl` : here(`results/${name}${size === "full" ? "-full" : ""}.jsonl`)));

if (options.phase !== "none") {
  const { torch } = await import("../../dist/index.js");
  const { prepare, run } = await import(study.module);
  torch.setNumThreads(1);
  const settings = { ...study.settings, device: options.device };
  const sets = await prepare(settings);
  const { phase, seeds } = options;
  const say = ({ task, id, lr, rho, seed, validation }) => console.error(`${task}: ${id} lr ${lr} rho ${rho ?? "–"} seed ${seed}: validation ${validation?.toFixed(4) ?? "diverged"}`);
  const runOne = (next) => run(next, { ...study.plan.contenders[next.id], sets, settings });
  await carryOut(study.plan, results, { methods, tasks, phase, ...(seeds === undefined ? {} : { seeds }) }, runOne, say);
}
const [result, differences, tuning] = tables(study, results.all());
console.log([result, differences, tuning].join("\n\n"));
if (options.write) intoDocument(here(`../../docs/evidence/${study.document}.md`), { [`${name}: results`]: result, [`${name}: differences`]: differences, [`${name}: tuning`]: tuning });
