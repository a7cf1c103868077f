// `npm test`: sets up what is missing, runs vitest, ends with the line `N passed, N failed`.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "./setup/files.js";
import { runScript, setup } from "./setup/main.js";
import { root } from "./setup/paths.js";
import { become } from "./setup/run.js";

const results = join(root, "build", `test-results-${process.pid}.json`);

await runScript(async () => {
  await setup(undefined, { command: "npm test" });
  mkdirSync(join(root, "build"), { recursive: true });
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
  const code = await become(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)], { cwd: root });

  const { passed, skipped, ...counted } = count(readJson(results));
  rmSync(results, { force: true });
  // A crash or an error outside of any test fails the run and stands in no test's result.
  const failed = code !== 0 && counted.failed === 0 ? 1 : counted.failed;
  if (skipped > 0) process.stdout.write(`\n${skipped} skipped: what they need is not on this machine\n`);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed > 0 ? code || 1 : 0;
});

/** Tests by result; a file that could not be run at all counts as one failed test. */
function count(report) {
  const files = report?.testResults ?? [];
  const broken = files.filter(({ status, assertionResults }) => status === "failed" && !assertionResults.some((test) => test.status === "failed"));
  return {
    passed: report?.numPassedTests ?? 0,
    failed: (report?.numFailedTests ?? 0) + broken.length,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
}
