#!/usr/bin/env node
// The `steppe` command. In a checkout it is there before the first build, with `steppe doctor` for when that fails.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runScript, setup } from "./setup/main.js";
import { installed, root } from "./setup/paths.js";

const main = join(root, "dist", "cli", "main.js");
await runScript(async () => {
  if (!installed && !existsSync(main)) await setup(["dependencies", "typescript"], { command: "npm start" });
  await import(pathToFileURL(main).href);
  return process.exitCode;
});
