import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { SteppeError, nn, optim } from "../../lib/index.js";
import { readJson, root, runStart, setUp, workFolder } from "./processes.js";

// What the README says is what the package does.

const readme = readFileSync(join(root, "README.md"), "utf8");

/** The first cells of the table whose header begins with `title`; code marks are taken off, "(dev)" too. */
function firstColumn(title: string): string[] {
  const lines = readme.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  expect(start, `a table with the header ${title}`).toBeGreaterThan(-1);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end).map((line) => line.split("|")[1]!.replace(/\(dev\)/, "").trim());
}

const inCode = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** The names that an error message lists as the known ones. */
function known(options: object): string[] {
  try {
    optim.create(new nn.Linear(1, 1), options as never);
  } catch (error) {
    if (error instanceof SteppeError) return /Expected one of (.*) for options/.exec(error.message)![1]!.split(", ").map((name) => name.replaceAll('"', ""));
  }
  throw new Error("Expected a refusal.");
}

test("the example is the one that runs", () => {
  const code = readFileSync(join(root, "examples", "digits.ts"), "utf8");
  expect(readme).toContain(`\`\`\`ts\n${code}\`\`\`\n`);
});

test("methods and base optimizers are those that optim.create takes", () => {
  expect(firstColumn("`method`").flatMap(inCode)).toEqual(known({ method: "nothing" }));
  const bases = /any of these as `base\.name`: (.*?)\. Their options/s.exec(readme)?.[1];
  expect(inCode(bases!).sort()).toEqual(known({ method: "none", base: { name: "nothing" } }).sort());
});

test("every dependency is in the table, and nothing else", () => {
  const packages = readJson(root, "package.json") as Record<"dependencies" | "devDependencies" | "optionalDependencies", object>;
  const listed = firstColumn("package").flatMap((cell) => cell.split(", "));
  expect(listed.sort()).toEqual([packages.dependencies, packages.devDependencies, packages.optionalDependencies].flatMap((each) => Object.keys(each)).sort());
});

describe("npm start", () => {
  setUp();
  test("has the options that are listed", async () => {
    const { stdout } = await runStart(["--help"], workFolder());
    const options = [...stdout.matchAll(/^ {2}(--[a-z]+) /gm)].map(([, name]) => name).filter((name) => name !== "--help");
    expect(firstColumn("option (after `npm start --`)").map((cell) => inCode(cell)[0]!.split(" ")[0])).toEqual(options);
  });
});

test("npm scripts that are named exist", () => {
  const { scripts } = readJson(root, "package.json") as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(3);
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});

test("the codes of SteppeError are all of them", () => {
  const source = readFileSync(join(root, "lib", "errors.ts"), "utf8");
  const codes = [...source.slice(0, source.indexOf("export class")).matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(([, code]) => code);
  expect(inCode(/with a `code` \((.*?)\)/.exec(readme)![1]!)).toEqual(codes);
});

test.each(["README.md", "data/README.md"])("links of %s lead somewhere", (file) => {
  const text = readFileSync(join(root, file), "utf8");
  for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) expect(existsSync(join(root, dirname(file), link!)), link).toBe(true);
});
