import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { cleanEnvironment, fakePython, libtorchFiles, makeLibTorch, run, serve, temporaryFolder, under, writeFile, zip } from "../setup/fixtures.js";
import { setUp } from "./processes.js";

// `npx steppe libtorch` in caches of its own.

setUp();
vi.setConfig({ testTimeout: 600_000 });

const script = "scripts/steppe.js";
const folders = (cache: string) => readdirSync(cache).filter((name) => name.startsWith("libtorch-") || name.startsWith(".fetch-"));

test("fetch, list, fetch again, remove", async () => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const { url, requests } = await serve((_, response) => response.end(zip(under("libtorch", libtorchFiles()))));
  const env = cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const libtorch = (...args: string[]) => run(script, ["libtorch", ...args], env);
  const home = join(cache, "libtorch-2.13.0-cpu");

  expect((await libtorch("list")).output).toContain("No LibTorch was fetched into the cache.");
  const fetched = await libtorch("fetch");
  expect(fetched.output).toContain(`LibTorch 2.13.0 for CPU is in ${join(home, "libtorch")}`);
  expect(fetched.code).toBe(0);
  const list = await libtorch("list");
  expect(list.output).toMatch(/^fetched LibTorch +size +folder$/m);
  expect(list.output).toMatch(/^2\.13\.0 for CPU +\d+ MB +\S*libtorch-2\.13\.0-cpu$/m);
  expect(list.output).toContain(`A build would take 2.13.0 for CPU in ${join(home, "libtorch")}.`);
  expect((await libtorch("fetch")).output).toContain("is there already");
  expect(requests).toHaveLength(1);
  expect((await libtorch("fetch", "--force")).code).toBe(0);
  expect(requests).toHaveLength(2);

  writeFile(join(cache, "libtorch-2.12.0-cpu", "half"), "x");
  expect((await libtorch("list")).output).toMatch(/^half-finished +0 MB/m);
  const wrong = await libtorch("remove", "2.11.0");
  expect(wrong.code).toBe(2);
  expect(wrong.output).toContain('Expected the version or the folder of a fetched LibTorch, or --all, but received "2.11.0".');
  const removed = await libtorch("remove", "2.13.0");
  expect(removed.output).toContain(`Removed ${home} (`);
  expect(removed.code).toBe(0);
  expect(existsSync(home)).toBe(false);
  expect((await libtorch("remove", "--all")).code).toBe(0);
  expect(folders(cache)).toEqual([]);
});

test("one that was there before is not removed; a fetch that fails says what helps", async () => {
  const folder = temporaryFolder();
  const own = makeLibTorch(join(folder, "own"));
  const env = cleanEnvironment(join(folder, "cache"), { LIBTORCH: own, path: fakePython(join(folder, "bin")), STEPPE_LIBTORCH_URL: "http://127.0.0.1:1/" });
  const refused = await run(script, ["libtorch", "remove", own], env);
  expect(refused.code).toBe(2);
  expect(refused.output).toContain("One that was there before is not removed by this command.");
  expect(existsSync(own)).toBe(true);
  const failed = await run(script, ["libtorch", "fetch"], env);
  expect(failed.code).toBe(1);
  expect(failed.output).toContain("Tried:");
  expect(failed.output).toContain("pip: python3 -m pip download torch==2.13.0");
});
