#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SteppeError } from "../errors.js";
import { doctor } from "./doctor.js";

const { version, description } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string; description: string };

/** A wrong command line: what shells and schedulers expect for it. */
const USAGE = 2;

/**
 * The `steppe` command.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 a wrong command line
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
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (!(error instanceof SteppeError)) throw error;
    process.stderr.write(`steppe: ${error.message}\n`);
    return error.code === "ARGUMENT" ? USAGE : 1;
  }
}

// `npm start | head`: whoever reads has seen enough. The code is that of a program ended by SIGPIPE.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(141);
});

process.exitCode = await main(process.argv.slice(2));
