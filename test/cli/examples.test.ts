import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, setUp, start } from "./processes.js";

// The examples as users run them: `npm run example NAME`, which also checks their types.

setUp();

const run = (...args: string[]) => start(process.execPath, [join(root, "scripts", "example.js"), ...args]).finished;

/** The number that an example's head states and that its last lines print, and what it may be on another processor. */
const expectations: Record<string, { says: RegExp; least: number; most: number }> = {
  digits: { says: /^test accuracy ([\d.]+) %$/m, least: 92, most: 97 },
  closure: { says: /^test accuracy ([\d.]+) %$/m, least: 87.5, most: 94 },
  "vit-digits": { says: /^test accuracy ([\d.]+) %$/m, least: 90, most: 96 },
  "text-classifier": { says: /^test accuracy ([\d.]+) % with SAM/m, least: 80, most: 88 },
  "word-to-phoneme": { says: /^phoneme error rate ([\d.]+) %$/m, least: 12, most: 20 },
  "language-model": { says: /^test loss ([\d.]+) nats per character$/m, least: 1.95, most: 2.08 },
};

test("every example is run here", () => {
  const files = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"));
  expect(files.map((name) => name.slice(0, -3)).sort()).toEqual(Object.keys(expectations).sort());
});

test.each(Object.entries(expectations))("%s comes to what its head says", { timeout: 600_000 }, async (name, { says, least, most }) => {
  const head = readFileSync(join(root, "examples", `${name}.ts`), "utf8").split("\nimport ")[0]!;
  expect(head).toContain(`//     npm run example ${name}\n`);
  const stated = Number(/Expected: about ([\d.]+) /.exec(head)?.[1]);
  expect(stated).toBeGreaterThan(least);
  expect(stated).toBeLessThan(most);

  const { code, stdout, stderr } = await run(name);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const came = Number(says.exec(stdout)?.[1]);
  expect(came).toBeGreaterThan(least);
  expect(came).toBeLessThan(most);
});

test("an unknown example: the names there are", async () => {
  const { code, stderr } = await run("digit");
  expect(stderr).toContain('Expected one of closure, digits, language-model, text-classifier, vit-digits, word-to-phoneme as example but received "digit".');
  expect(code).toBe(1);
});
