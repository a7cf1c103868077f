// `npm start`: sets up what is missing, then runs the main job with the arguments given.
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { root } from "./setup/paths.js";
import { runScript, setup } from "./setup/main.js";

const main = join(root, "dist", "cli", "main.js");
await runScript(async () => {
  await setup(undefined, { command: "npm start" });
  process.argv = [process.argv[0], main, "start", ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
  return process.exitCode;
});
