import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, setUp, start } from "./processes.js";

// The examples as users run them: `npm run example NAME`, which also checks their types.

setUp();

const run = (...args: string[]) => start(process.execPath, [join(root, "scripts", "example.js"), ...args]).finished;

/** What an example's head says comes out, as a range of test accuracies in percent. */
const expectations: Record<string, { accuracy: [least: number, most: number] }> = {
  digits: { accuracy: [92, 97] },
  closure: { accuracy: [87.5, 94] },
};

test("every example is run here", () => {
  const files = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"));
  expect(files.map((name) => name.slice(0, -3)).sort()).toEqual(Object.keys(expectations).sort());
});

test.each(Object.entries(expectations))("%s comes to what its head says", async (name, { accuracy: [least, most] }) => {
  const head = readFileSync(join(root, "examples", `${name}.ts`), "utf8").split("\nimport ")[0]!;
  expect(head).toContain(`//     npm run example ${name}\n`);
  const stated = Number(/Expected: about (\d+) %/.exec(head)?.[1]);
  expect(stated).toBeGreaterThan(least);
  expect(stated).toBeLessThan(most);

  const { code, stdout, stderr } = await run(name);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const accuracy = Number(/^test accuracy ([\d.]+) %$/m.exec(stdout)?.[1]);
  expect(accuracy).toBeGreaterThan(least);
  expect(accuracy).toBeLessThan(most);
});

test("an unknown example: the names there are", async () => {
  const { code, stderr } = await run("digit");
  expect(stderr).toContain('Expected one of closure, digits as example but received "digit".');
  expect(code).toBe(1);
});
