import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
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
  const lock = writeFile(join(folder, "setup.lock"), JSON.stringify({ pid, identity: `${pid}@1`, host: hostname() }));
  const { code, output } = await run(script, ["libtorch"], env);
  expect(output).toContain(`taking over the lock of a setup that has died (process ${pid}`);
  expect(code).toBe(0);
  expect(existsSync(lock)).toBe(false);
});

test("a process that has the id of a dead holder does not count as the holder", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  writeFile(join(folder, "setup.lock"), JSON.stringify({ pid: process.pid, identity: `${process.pid}@1`, host: hostname() }));
  expect((await run(script, ["libtorch"], env)).code).toBe(0);
});

test("the lock of a live holder on another machine is waited for; a silent one's is taken over", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const lock = writeFile(join(folder, "setup.lock"), JSON.stringify({ pid: 1, identity: "1@1", host: "elsewhere" }));
  const waiting = start(script, ["libtorch"], env);
  await waiting.said(/another setup is running \(process 1 on elsewhere\); waiting for it/);
  rmSync(lock);
  expect((await waiting.finished).code).toBe(0);

  rmSync(join(folder, "libtorch-2.13.0-cpu"), { recursive: true });
  writeFile(lock, JSON.stringify({ pid: 1, identity: "1@1", host: "elsewhere" }));
  const old = new Date(Date.now() - 120_000);
  utimesSync(lock, old, old);
  const { code, output } = await run(script, ["libtorch"], env);
  expect(output).toContain("taking over the lock");
  expect(code).toBe(0);
});

/** Whether a process runs: one that has ended and that nobody asked about counts as gone. */
function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)("%s: what setup had started ends with it, or before the next setup does its work", async (signal) => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const hang = join(folder, "pid");
  const { url } = await serve((_, response) => response.writeHead(404).end());
  const { child, finished, said } = start(script, ["libtorch"], cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "slow"), { hang }) }));
  await said(/the server answered 404/);
  while (!existsSync(hang)) await new Promise((resolve) => setTimeout(resolve, 20));
  const pid = Number(readFileSync(hang, "utf8"));
  expect(runs(pid)).toBe(true);
  child.kill(signal);
  const { code, output } = await finished;
  if (signal === "SIGKILL") expect(runs(pid)).toBe(true);
  else {
    expect(runs(pid)).toBe(false);
    expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect(output.trimEnd().split("\n").at(-1)).toBe("steppe: setup interrupted; what was done is kept, the rest is done next time");
    expect(output).not.toContain("Possible solutions");
  }

  const next = await serve((_, response) => response.end(archive));
  const second = await run(script, ["libtorch"], cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: next.url, path: fakePython(join(folder, "bin")) }));
  expect(second.code).toBe(0);
  expect(runs(pid)).toBe(false);
  expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
});

test("what another setup has started is left alone", async () => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(archive));
  const other = spawn("sleep", ["600"], { detached: true, env: { ...process.env, STEPPE_SETUP_PROCESS: "1@2" } });
  onTestFinished(() => void other.kill("SIGKILL"));
  writeFile(join(folder, "setup.lock"), JSON.stringify({ pid: process.pid, identity: `${process.pid}@1`, host: hostname() }));
  const env = cleanEnvironment(folder, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  expect((await run(script, ["libtorch"], env)).code).toBe(0);
  expect(runs(other.pid!)).toBe(true);
});
