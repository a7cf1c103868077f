// `npm run example NAME`: sets up what is missing, compiles examples/ (any Node can then run them) and runs examples/NAME.ts.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./setup/paths.js";
import { runScript, setup } from "./setup/main.js";
import { SetupError } from "./setup/report.js";
import { run } from "./setup/run.js";

await runScript(async () => {
  const [name = "", ...args] = process.argv.slice(2);
  const names = readdirSync(join(root, "examples")).filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -3));
  if (!names.includes(name)) throw new SetupError(`Expected one of ${names.join(", ")} as example but received ${JSON.stringify(name)}.\n    npm run example ${names[0]}`);
  await setup(undefined, { command: `npm run example ${name}` });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await run(process.execPath, [compiler, "--project", "examples", "--pretty", "false"], { cwd: root });
  if (code !== 0) throw new SetupError(`tsc refused examples/:\n${output.trim()}`);
  const file = join(root, "build", "examples", `${name}.js`);
  process.argv = [process.argv[0], file, ...args];
  await import(pathToFileURL(file).href);
  return process.exitCode;
});
