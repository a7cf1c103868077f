import { mkdirSync, readFileSync, rmSync, rmdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./interrupt.js";
import { say } from "./report.js";
import { endOrphans, identityOf } from "./run.js";

const POLL_MS = 200;
/** The holder touches its lock this often; */
const HEARTBEAT_MS = 5_000;
/** a lock of another machine that was not touched for this long has lost its holder. */
const SILENT_MS = 60_000;
/** Taking a dead lock away takes milliseconds: a guard older than this was left by a process that died doing it. */
const GUARD_MS = 10_000;

/**
 * Does `work` while no other process does its own under the same lock.
 *
 * A lock whose process has died is taken over. An interrupt releases it.
 *
 * @template T
 * @param {string} folder where the lock lies; made if missing
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(folder, work) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "setup.lock");
  await acquire(file);
  const release = () => rmSync(file, { force: true });
  const forget = atExit(release);
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    forget();
    release();
  }
}

async function acquire(file) {
  const own = JSON.stringify({ pid: process.pid, identity: identityOf(process.pid), host: hostname() });
  let told = false;
  while (true) {
    try {
      writeFileSync(file, own, { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isDead(file) && (await removeDead(file))) continue;
    if (!told) say(`steppe: another setup is running (${holderOf(file)}); waiting for it. Its lock: ${file}`);
    told = true;
    await sleep(POLL_MS);
  }
}

/** Only one process at a time may judge and remove, else a second one removes the lock the first has just taken. */
async function removeDead(file) {
  const guard = `${file}.takeover`;
  try {
    mkdirSync(guard);
  } catch {
    if (ageOf(guard) > GUARD_MS) rmSync(guard, { recursive: true, force: true });
    return false;
  }
  try {
    if (!isDead(file)) return false;
    say(`steppe: taking over the lock of a setup that has died (${holderOf(file)})`);
    // Two compilers must not share a folder.
    const { identity, host } = read(file) ?? {};
    if (host === hostname()) await endOrphans(identity ?? "");
    rmSync(file, { force: true });
    return true;
  } finally {
    rmdirSync(guard);
  }
}

function isDead(file) {
  const holder = read(file);
  // An empty lock is one being written this moment, or one whose process died right then.
  if (holder === undefined) return ageOf(file) > GUARD_MS;
  if (holder.host !== hostname()) return ageOf(file) > SILENT_MS;
  return !isAlive(holder.pid) || identityOf(holder.pid) !== holder.identity;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function holderOf(file) {
  const holder = read(file);
  return holder === undefined ? "its process is unknown" : `process ${holder.pid} on ${holder.host}`;
}

/** -1 when the file is gone. */
function ageOf(file) {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return -1;
  }
}

function touch(file) {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // Somebody removed the lock by hand: the work is done by moves that are safe without it.
  }
}
