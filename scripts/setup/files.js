import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/**
 * All files below a folder, sorted, as paths. A folder that vanishes meanwhile counts as empty.
 *
 * @param {string} folder
 * @param {(name: string) => boolean} [keep]
 * @returns {string[]}
 */
export function filesBelow(folder, keep = () => true) {
  const found = [];
  for (const entry of list(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesBelow(path, keep));
    else if (keep(entry.name)) found.push(path);
  }
  return found.sort();
}

function list(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

/**
 * A hash of names and contents: it says whether something has to be built again.
 *
 * @param {string} base names are taken relative to it
 * @param {string[]} files
 * @param {string[]} extra further things the result depends on
 */
export function hashFiles(base, files, extra = []) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${relative(base, file)}\0`).update(readFileSync(file)).update("\0");
  for (const text of extra) hash.update(`${text}\0`);
  return hash.digest("hex");
}

/**
 * The parsed content of a JSON file, or undefined when it isn't there or half-written.
 *
 * @param {string} file
 */
export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Writes a file so that another process sees all of it or nothing.
 *
 * @param {string} file
 * @param {unknown} value
 */
export function writeJson(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(temporary, file);
}
