import { existsSync, readFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { io, torch } from "../../lib/index.js";
import { runProgram } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";

const hours = (count: number) => Date.now() / 1000 - 3600 * count;

test("what a killed process has left of a file goes an hour later with the next one; nothing else does", async () => {
  const folder = temporaryFolder();
  const [file, other] = [join(folder, "weights.safetensors"), join(folder, "others.safetensors")];
  io.saveSafetensors(file, { w: torch.ones([3]) });
  for (const path of [file, other]) {
    const program = `
      const { writeWhole } = await import(new URL("io/whole-file.js", packageUrl));
      const pieces = function* () { yield Buffer.alloc(1000); process.kill(process.pid, "SIGKILL"); };
      writeWhole(${JSON.stringify(path)}, pieces());`;
    expect((await runProgram(program)).signal).toBe("SIGKILL");
  }
  const left = readdirSync(folder).filter((name) => name.endsWith(".tmp"));
  expect(left.length).toBe(2);
  expect(existsSync(other)).toBe(false);
  expect(io.loadSafetensors(file)["w"]!.toArray()).toEqual([1, 1, 1]);

  // Half an hour later another process may still be at it.
  for (const name of left) utimesSync(join(folder, name), hours(0.5), hours(0.5));
  io.saveSafetensors(file, { w: torch.zeros([3]) });
  expect(readdirSync(folder).sort()).toEqual([...left, "weights.safetensors"].sort());

  writeFileSync(join(folder, "weights.safetensors.tmp"), "somebody else's");
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), hours(2), hours(2));
  io.saveSafetensors(file, { w: torch.ones([2]) });
  const [survivor, ...rest] = readdirSync(folder).sort();
  expect(rest).toEqual(["weights.safetensors", "weights.safetensors.tmp"]);
  expect(left).toContain(survivor);
  io.saveSafetensors(other, { w: torch.ones([1]) });
  expect(readdirSync(folder).sort()).toEqual(["others.safetensors", "weights.safetensors", "weights.safetensors.tmp"]);
  expect(readFileSync(join(folder, "weights.safetensors.tmp"), "utf8")).toBe("somebody else's");
});
