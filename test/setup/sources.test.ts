import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("setup uses nothing but Node's own modules: it runs before there are others", () => {
  const files = readdirSync(`${root}scripts/setup`).filter((name) => name.endsWith(".js"));
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const source = readFileSync(`${root}scripts/setup/${file}`, "utf8");
    const imported = [...source.matchAll(/^(?:import|export) [^;]*?from "([^"]+)"|import\("([^"]+)"\)|^import "([^"]+)"/gm)].map((match) => match[1] ?? match[2] ?? match[3]!);
    expect([file, imported.filter((name) => !/^(node:|\.\.?\/)/.test(name))]).toEqual([file, []]);
  }
});

test("CMakeLists.txt and binding.gyp build the addon with the same definitions", () => {
  const cmake = /target_compile_definitions\(steppe PRIVATE([^)]*)\)/.exec(readFileSync(`${root}CMakeLists.txt`, "utf8"))![1]!;
  const gyp = /"defines": \[([^\]]*)\]/.exec(readFileSync(`${root}binding.gyp`, "utf8"))![1]!;
  const names = (text: string) => [...text.replace(/#.*/g, "").matchAll(/\b(_?[A-Z][A-Z0-9_]{3,})\b(?=[=,"\s])/g)].map((match) => match[1]!);
  const own = (list: string[]) => [...new Set(list)].filter((name) => !/^(NODE_GYP_MODULE_NAME|STEPPE_LIBTORCH)$/.test(name)).sort();
  expect(own(names(gyp))).toEqual(own(names(cmake)));
  expect(own(names(gyp))).toContain("NDEBUG");
});
