import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { root, run, writeFile } from "./fixtures.js";

/** Runs `npm test`'s script on a project of one test file; inside the repository, where it finds vitest. */
async function summaryOf(content: string): Promise<{ code: number | null; last: string; skipped?: number }> {
  mkdirSync(join(root, "build"), { recursive: true });
  const folder = mkdtempSync(join(root, "build", "summary-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFile(join(folder, "some.test.js"), `import { expect, test } from "vitest";\n${content}`);
  writeFile(join(folder, "vitest.config.js"), "export default { test: {} };\n");
  const { code, output } = await run("scripts/test.js", ["--root", folder], process.env);
  const skipped = /^(\d+) skipped: /m.exec(output);
  return { code, last: output.trimEnd().split("\n").at(-1)!, ...(skipped === null ? {} : { skipped: Number(skipped[1]) }) };
}

test("the last line counts passed, failed and skipped tests, and the exit code agrees", async () => {
  const good = `test("a", () => {}); test("b", () => {});`;
  expect(await summaryOf(good)).toEqual({ code: 0, last: "2 passed, 0 failed" });
  expect(await summaryOf(`${good} test.skip("c", () => {});`)).toEqual({ code: 0, skipped: 1, last: "2 passed, 0 failed" });
  expect(await summaryOf(`${good} test("c", () => expect(1).toBe(2));`)).toEqual({ code: 1, last: "2 passed, 1 failed" });
});

test("a file that can't be run, an error outside of a test and no file at all are failures", async () => {
  expect(await summaryOf(`import "./nowhere.js"; test("a", () => {});`)).toEqual({ code: 1, last: "0 passed, 1 failed" });
  expect(await summaryOf(`test("a", () => { setTimeout(() => { throw new Error("late"); }); return new Promise((r) => setTimeout(r, 50)); });`)).toEqual({ code: 1, last: "1 passed, 1 failed" });
  expect(await summaryOf("throw new Error('at once');")).toEqual({ code: 1, last: "0 passed, 1 failed" });
});
