#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { SteppeError } from "../errors.js";
import { description, version } from "../version.js";
import type { BenchCommand } from "./bench.js";
import type { CompareCommand } from "./compare.js";
import { doctor } from "./doctor.js";
import type { RunCommand } from "./evaluate.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import type { LandscapeCommand } from "./landscape.js";
import { collected, integerOf, integersOf, oneOf, positiveNumber, wordsOf } from "./options.js";
import { addReport } from "./report.js";
import type { SharpnessCommand } from "./sharpness.js";
import type { TrainCommand } from "./train.js";

/**
 * The `steppe` command.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code: see exit-codes.ts
 */
async function main(argv: string[]): Promise<number> {
  let code = 0;
  const program = new Command("steppe").description(description).version(version).exitOverride().showSuggestionAfterError();
  program
    .command("start")
    .description("the main job: SGD, SAM, mSAM and GA-SAM side by side on real images; `steppe start --help` lists its options")
    // The job knows its own options: `npm start -- --epochs 2` hands them over as they are.
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .argument("[options...]")
    .action(async () => {
      // Only here: `doctor` has to run where the native addon does not load.
      const { start } = await import("./start.js");
      code = await start(argv.slice(argv.indexOf("start") + 1));
    });
  program
    .command("doctor")
    .description("what is installed, which LibTorch is used and why, and what to do where something is amiss")
    .action(async () => {
      code = await doctor();
    });
  program
    .command("train")
    .description("trains what a configuration describes: JSON, or TypeScript with defineConfig")
    .argument("[config]", "its file: .json, .ts, .mts, .js or .mjs")
    .option("-f, --folder <path>", "the run's folder (default: the configuration's, else runs/NAME)")
    .option("-r, --resume", "go on from the newest checkpoint in the folder; begin if there is none")
    .option("-s, --set <path=value>", "another value in the configuration, such as optimizer.base.lr=0.1; may be given several times", collected)
    .option("-q, --quiet", "say nothing but errors and how to go on")
    .option("--schema", "print the JSON schema of configurations, for editors, and end")
    .action(async (config: string | undefined, options: TrainCommand & { schema?: true }, command: Command) => {
      if (options.schema === true) {
        const { jsonSchema } = await import("../experiment/json-schema.js");
        process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
        return;
      }
      if (config === undefined) command.error("error: missing required argument 'config'", { exitCode: exitCodes.usage });
      const { train } = await import("./train.js");
      code = await train(config, options);
    });
  program
    .command("compare")
    .description("trains the methods of a configuration's `compare` with several seeds, from the same weights on the same data, and tests their differences")
    .argument("<config>", "its file: .json, .ts, .mts, .js or .mjs")
    .option("-f, --folder <path>", "where the runs go (default: the configuration's, else runs/NAME-compare); finished ones there are not done again")
    .option("--seeds <list>", "with commas between, in place of the configuration's", integersOf)
    .option("--methods <list>", "only these, by their names in the configuration, with commas between", wordsOf)
    .option("-s, --set <path=value>", "another value in the configuration; may be given several times", collected)
    .option("--json", "print the comparison as JSON and nothing else")
    .option("-q, --quiet", "print the table and nothing else")
    .action(async (config: string, options: CompareCommand) => {
      const { compare } = await import("./compare.js");
      code = await compare(config, options);
    });
  addReport(program);
  program
    .command("bench")
    .description("how long a step takes on this machine: SAM and others beside the base optimizer, for nets of the package or a configuration's own")
    .argument("[config]", "a configuration: its model, data, loss and base optimizer (default: the package's nets)")
    .option("--net <list>", "some of mlp, convnet, resnet, with commas between (default: all)", (text) => wordsOf(text).map(oneOf(["mlp", "convnet", "resnet"] as const)))
    .option("--methods <list>", "by their ids, with commas between (default: none,sam,msam,gasam; for a configuration none and its own)", wordsOf)
    .option("--steps <n>", "measured steps of each", integerOf(1), 30)
    .option("--batch-size <n>", "samples in a batch", integerOf(1))
    .option("--threads <n>", "threads of LibTorch", integerOf(1))
    .option("--device <name>", "cpu or cuda:0")
    .option("-s, --set <path=value>", "another value in the configuration; may be given several times", collected)
    .option("--json", "print JSON and nothing else")
    .action(async (config: string | undefined, options: BenchCommand) => {
      const { bench } = await import("./bench.js");
      code = await bench(config, options);
    });
  const libtorch = program.command("libtorch").description("the LibTorch that setup fetched: list, fetch, remove");
  libtorch
    .command("list")
    .description("what is in the cache, what the addon uses, what a build would take")
    .option("--json", "print JSON and nothing else")
    .action(async (options: { json?: true }) => {
      const { list } = await import("./libtorch.js");
      code = await list(options);
    });
  libtorch
    .command("fetch")
    .description("fetches the default version into the cache: the official archive, else out of the wheel that pip downloads")
    .option("--cuda", "a build for CUDA")
    .option("--force", "again, where it is there already")
    .action(async (options: { cuda?: true; force?: true }) => {
      const { fetch } = await import("./libtorch.js");
      code = await fetch(options);
    });
  libtorch
    .command("remove")
    .description("removes one from the cache; what was not fetched by setup stays")
    .argument("[which]", "its version, or its folder")
    .option("--all", "all of them")
    .option("--force", "also the one that the addon uses")
    .action(async (which: string | undefined, options: { all?: true; force?: true }) => {
      const { remove } = await import("./libtorch.js");
      code = await remove(which, options);
    });
  const aboutRun = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .argument("<run>", "its folder, as steppe train made it")
      .option("-c, --checkpoint <which>", 'last, best, or the path of a checkpoint (default: "last")')
      .option("--split <part>", "train, validation or test", oneOf(["train", "validation", "test"] as const))
      .option("-s, --set <path=value>", "another value in the run's configuration, such as data.test=other.csv; may be given several times", collected)
      .option("--json", "print JSON and nothing else");
  aboutRun("evaluate", "the loss and the metrics of a trained run, on its test data unless --split says otherwise")
    .option("-n, --samples <n>", "only the first so many samples", integerOf(1))
    .action(async (run: string, options: RunCommand) => {
      const { evaluate } = await import("./evaluate.js");
      code = await evaluate(run, options);
    });
  aboutRun("sharpness", "how flat the minimum of a trained run is, on its training data unless --split says otherwise; saved in its folder")
    .option("-n, --samples <n>", "on the first so many samples (default: 2000)", integerOf(1))
    .option("--rho <radius>", "radius of the ball in which the loss is driven up", positiveNumber, 0.05)
    .option("--steps <n>", "steps of the ascent", integerOf(1), 20)
    .option("--adaptive", "in ASAM's ball, which scales with the weights")
    .option("--shards <m>", "m-sharpness, too: the mean over batches of m samples", integerOf(1))
    .option("--average <n>", "the mean rise in n random directions, too", integerOf(1))
    .option("--eigenvalues <k>", "the k largest eigenvalues of the Hessian, too", integerOf(1))
    .option("--trace <n>", "the Hessian's trace, from n draws, too", integerOf(1))
    .option("--density", "the density of the Hessian's spectrum, too")
    .action(async (run: string, options: SharpnessCommand) => {
      const { sharpness } = await import("./sharpness.js");
      code = await sharpness(run, options);
    });
  aboutRun("landscape", "the loss around the weights of a trained run, or on the way to another's, as JSON and CSV in its folder")
    .option("-n, --samples <n>", "on the first so many samples (default: 2000)", integerOf(1))
    .option("--dimensions <n>", "random directions: 1 or 2", (text) => Number(oneOf(["1", "2"] as const)(text)) as 1 | 2, 2)
    .option("--range <a>", "from -a to a along each, in lengths of the filters", positiveNumber, 1)
    .option("--points <n>", "points along each", integerOf(2), 21)
    .option("--normalization <kind>", "filter: directions as long as the weights' filters; none: as drawn", oneOf(["filter", "none"] as const), "filter" as const)
    .option("--seed <n>", "decides the directions", integerOf(0), 0)
    .option("--to <run>", "along the straight line to another run's weights instead")
    .action(async (run: string, options: LandscapeCommand) => {
      const { landscape } = await import("./landscape.js");
      code = await landscape(run, options);
    });
  program.addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 a wrong command line or configuration, 3 NaN or infinity in training, 130 and 143 ended by SIGINT and SIGTERM.");
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    if (!(error instanceof SteppeError)) throw error;
    process.stderr.write(`steppe: ${error.message}\n`);
    return exitCodeOf(error);
  }
}

// `npm start | head`: whoever reads has seen enough. The code is that of a program ended by SIGPIPE.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(141);
});

process.exitCode = await main(process.argv.slice(2));
