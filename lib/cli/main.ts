#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { SteppeError } from "../errors.js";
import { description, version } from "../version.js";
import type { CompareCommand } from "./compare.js";
import { doctor } from "./doctor.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import { collected, integersOf, wordsOf } from "./options.js";
import { addReport } from "./report.js";
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
