import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

// Checks test/types/ (an error that does not come is an error, too) and, with it, every other test and lib/ itself.
test("tsc accepts every right call and refuses every wrong one", { timeout: 300_000 }, async () => {
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const found = await promisify(execFile)(process.execPath, [compiler, "--project", "test", "--pretty", "false"], { cwd: root }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );
  expect(found).toEqual({ code: 0, stdout: "" });
});
