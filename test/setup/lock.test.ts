import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnvironment, fakePython, libtorchFiles, run, serve, start, temporaryFolder, under, writeFile, zip } from "./fixtures.js";

const script = "scripts/setup/main.js";
const archive = zip(under("libtorch", libtorchFiles()));

test("five setups at once fetch once and all succeed", async () => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const { url, requests } = await serve((_, response) => void setTimeout(() => response.end(archive), 300));
  const env = cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const all = await Promise.all(Array.from({ length: 5 }, () => run(script, ["libtorch"], env)));
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  expect(requests).toHaveLength(1);
  expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
});

test("the lock of a dead process is taken over", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const child = spawn("true");
  const pid = child.pid;
  await new Promise((resolve) => child.on("close", resolve));
  const lock = writeFile(join(folder, "setup.lock"), JSON.stringify({ pid, started: "1", host: hostname() }));
  const { code, output } = await run(script, ["libtorch"], env);
  expect(output).toContain(`taking over the lock of a setup that has died (process ${pid}`);
  expect(code).toBe(0);
  expect(existsSync(lock)).toBe(false);
});

test("a process that has the id of a dead holder does not count as the holder", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  writeFile(join(folder, "setup.lock"), JSON.stringify({ pid: process.pid, started: "1", host: hostname() }));
  expect((await run(script, ["libtorch"], env)).code).toBe(0);
});

test("the lock of a live holder on another machine is waited for; a silent one's is taken over", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const lock = writeFile(join(folder, "setup.lock"), JSON.stringify({ pid: 1, started: "1", host: "elsewhere" }));
  const waiting = start(script, ["libtorch"], env);
  await waiting.said(/another setup is running \(process 1 on elsewhere\); waiting for it/);
  rmSync(lock);
  expect((await waiting.finished).code).toBe(0);

  rmSync(join(folder, "libtorch-2.13.0-cpu"), { recursive: true });
  writeFile(lock, JSON.stringify({ pid: 1, started: "1", host: "elsewhere" }));
  const old = new Date(Date.now() - 120_000);
  utimesSync(lock, old, old);
  const { code, output } = await run(script, ["libtorch"], env);
  expect(output).toContain("taking over the lock");
  expect(code).toBe(0);
});
