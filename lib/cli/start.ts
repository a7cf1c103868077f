import { Command, CommanderError } from "commander";
import * as data from "../data/index.js";
import { torch } from "../torch.js";
import { RunFolder } from "../train/index.js";
import { compareMethods, methodsFor, names, percent, settings, sharpnessSettings, stepsOf } from "./compare-methods.js";
import { exitCodes } from "./exit-codes.js";
import { interruptible } from "./interruptible.js";
import { integerOf, oneOf, print, wordsOf } from "./options.js";
import { table } from "./table.js";
import type { DataName, Job, MethodId, Result } from "./compare-methods.js";

/**
 * The main job, `npm start`: trains a small convolutional network with SGD, SAM, mSAM and GA-SAM and prints a table.
 *
 * @param argv the options, for example `["--epochs", "1"]`
 * Ctrl-C ends it after the step under way; what is done by then stays in the run folder. A second one ends it at once.
 *
 * @returns the exit code: 0 done, 2 a wrong command line, 130 or 143 ended by SIGINT or SIGTERM
 * @throws SteppeError for what fails on the way: data that is not found, a device that is not there
 */
export async function start(argv: string[]): Promise<number> {
  const program = commandLine();
  try {
    program.parse(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    throw error;
  }
  const options = program.opts<Partial<Job>>();
  const set = options.data ?? (data.fashionMnistFolder() === undefined ? "digits" : "fashion-mnist");
  const job: Job = {
    data: set,
    epochs: options.epochs ?? settings[set].epochs,
    methods: options.methods ?? (Object.keys(names) as MethodId[]),
    seed: options.seed ?? 0,
    device: options.device ?? "cpu",
  };
  torch.zeros([1], { device: job.device }).dispose(); // a device that is not there is an error before anything is loaded
  const images = set === "digits" ? await data.digits() : await data.fashionMnist();
  const run = RunFolder.create("runs", timestamp(new Date()), describeJob(job, images));
  print(introduction(job, images, run));
  const { code, value: results } = await interruptible((signal) => compareMethods(job, images, run, signal));
  if (results.length > 0) print(report(results, job));
  const unfinished = job.methods[results.length];
  if (unfinished !== undefined) print(`\nStopped in the middle of ${names[unfinished]}.`);
  print(`Settings, metrics and weights are in ${run.path}.`);
  return unfinished === undefined ? 0 : code;
}

function commandLine(): Command {
  return new Command("npm start --")
    .description("Trains a small convolutional network on real images with several methods, from the same initial weights, and compares them.")
    .option("--epochs <n>", `passes over the training images (default: ${settings["fashion-mnist"].epochs}, for digits ${settings.digits.epochs})`, integerOf(1))
    .option("--data <name>", "fashion-mnist or digits (default: fashion-mnist where it is found)", oneOf(Object.keys(settings) as DataName[]))
    .option("--methods <list>", "with commas between (default: none,sam,msam,gasam; none is plain SGD)", (text) => wordsOf(text).map(oneOf(Object.keys(names) as MethodId[])))
    .option("--seed <n>", "decides initial weights and order of the images (default: 0)", integerOf(0))
    .option("--device <name>", "cpu or cuda:0 (default: cpu)")
    .exitOverride();
}

/** What goes into settings.json. */
function describeJob(job: Job, images: data.ImageClasses): object {
  const { libtorch } = torch;
  const { batchSize, width } = settings[job.data];
  const all = methodsFor(job.data, stepsOf(job, images));
  return {
    ...job,
    methods: Object.fromEntries(job.methods.map((id) => [id, all[id]])),
    batchSize,
    width,
    sharpness: sharpnessSettings,
    environment: { node: process.version, libtorch: libtorch.version, cuda: libtorch.cuda, threads: torch.getNumThreads() },
  };
}

function introduction({ data: set, epochs, seed, device }: Job, { train, test }: data.ImageClasses, run: RunFolder): string {
  const [count, , height, width] = train.tensors[0].shape;
  const images = `${count!.toLocaleString("en")} training and ${test.length.toLocaleString("en")} test images of ${height}×${width}`;
  return `${set}: ${images}; ${epochs} ${epochs === 1 ? "epoch" : "epochs"}, batches of ${settings[set].batchSize}, seed ${seed}, on ${device}. Run folder: ${run.path}\n`;
}

function report(results: readonly Result[], { data: set }: Job): string {
  const sgd = results.find(({ method }) => method === "none");
  const rows = results.map(({ name, testAccuracy, sharpness, msPerStep }) => [
    name,
    percent(testAccuracy, 2),
    sharpness.toPrecision(4),
    `${msPerStep.toFixed(2)} ms`,
    sgd === undefined ? "-" : (msPerStep / sgd.msPerStep).toFixed(2),
  ]);
  const { rho, steps, samples } = sharpnessSettings;
  const part = set === "digits" ? "the training set" : `the first ${samples.toLocaleString("en")} training images`;
  return [
    "",
    table(["method", "test accuracy", `sharpness ρ=${rho}`, "time per step", "÷ SGD's"], rows),
    "",
    `Sharpness: the largest rise of the loss on ${part} within a distance of ${rho} from the weights, found by ${steps} steps of ascent.`,
  ].join("\n");
}

/** 2026-01-31T12-00-00, local time */
function timestamp(date: Date): string {
  const local = new Date(date.getTime() - 60_000 * date.getTimezoneOffset());
  return local.toISOString().slice(0, 19).replaceAll(":", "-");
}
