import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateRawSync } from "node:zlib";
import { onTestFinished } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A folder of this test's own, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "steppe-setup-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Stands for a shared library where nobody loads it. */
const library = "x".repeat(64);

/** The files of a LibTorch that setup looks at, by name. */
export function libtorchFiles({ version = "2.13.0", cuda = "" } = {}): Record<string, string> {
  const [major, minor, patch] = version.split(".");
  const header = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  return {
    "lib/libtorch.so": library,
    "lib/libtorch_cpu.so": "x".repeat(100_000),
    "lib/libc10.so": library,
    "include/ATen/core/Tensor.h": "",
    "include/c10/core/Device.h": "",
    "include/torch/csrc/api/include/torch/torch.h": "",
    "include/torch/headeronly/version.h": header,
    "version.py": `__version__ = '${version}+${cuda === "" ? "cpu" : `cu${cuda.replace(".", "")}`}'\ncuda: Optional[str] = ${cuda === "" ? "None" : `'${cuda}'`}\n`,
    ...(cuda === "" ? {} : { "lib/libtorch_cuda.so": library, "lib/libc10_cuda.so": library }),
  };
}

export function makeLibTorch(folder: string, options: { version?: string; cuda?: string } = {}): string {
  for (const [name, content] of Object.entries(libtorchFiles(options))) writeFile(join(folder, name), content);
  return folder;
}

/** A real shared library that needs another one, which is not there, or lies in that folder. */
export function libraryWithout(dependency: string, folder: string, lies?: string): string {
  const source = join(folder, "empty.cc");
  writeFile(source, "");
  const needed = join(folder, dependency);
  const file = join(folder, "broken.so");
  const compiler = process.env["CXX"] ?? "c++";
  for (const args of [["-shared", "-o", needed, `-Wl,-soname,${dependency}`, source], ["-shared", "-o", file, source, "-Wl,--no-as-needed", needed]]) {
    const { status, stderr } = spawnSync(compiler, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  }
  if (lies !== undefined) writeFile(join(lies, dependency), readFileSync(needed));
  rmSync(needed);
  return file;
}

/** A zip file of the given contents, some of them stored, the others deflated: as wheels and archives are. */
export function zip(files: Record<string, string | Buffer>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const raw = Buffer.from(content);
    const method = raw.length > 100 ? 8 : 0;
    const packed = method === 8 ? deflateRawSync(raw) : raw;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(raw), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(raw.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), common, tail, Buffer.from(name)]));
    bodies.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, ...directory, end]);
}

/** Files under a folder of the archive: `under("torch", files)`. */
export function under(folder: string, files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
}

/**
 * A python3 whose torch lies in `torch`, and whose `pip download` delivers `wheel` or fails with `pipError`. With `hang`, pip
 * starts a program that takes forever and writes its process id into that file. With `needs`, the wheel comes only if that is
 * among pip's arguments.
 *
 * @returns the folder for the PATH
 */
export function fakePython(folder: string, { torch = "", wheel = "", pipError = "ERROR: No matching distribution found for torch", hang = "", needs = "" } = {}): string {
  const script = `#!/bin/sh
if [ "$1" = "-c" ]; then echo "${torch}"; exit 0; fi
if [ "$1" = "-m" ] && [ "$2" = "pip" ]; then
  if [ -n "${hang}" ]; then sh -c 'echo $$ > "${hang}.part"; mv "${hang}.part" "${hang}"; exec sleep 600'; fi
  if [ -z "${wheel}" ]; then echo "${pipError}" >&2; exit 1; fi
  case "$*" in *"${needs}"*) cp "${wheel}" .; exit 0;; esac
  echo "${pipError}" >&2; exit 1
fi
echo "Python 3.11.0"
`;
  writeFile(join(folder, "python3"), script);
  chmodSync(join(folder, "python3"), 0o755);
  return folder;
}

/** An environment in which setup finds only what the test put there. */
export function cleanEnvironment(cache: string, more: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const { path, ...rest } = more;
  const env: NodeJS.ProcessEnv = { ...process.env, STEPPE_CACHE: cache, STEPPE_LIBTORCH_URL: "http://127.0.0.1:65535/libtorch.zip", ...rest };
  for (const name of ["LIBTORCH", "STEPPE_PYTHON", "STEPPE_CUDA", "LD_LIBRARY_PATH"]) if (!(name in more)) delete env[name];
  if (path !== undefined) env["PATH"] = `${path}${delimiter}${process.env["PATH"]}`;
  return env;
}

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

/** Starts a script of the repository as a real process. */
export function start(script: string, args: string[], env: NodeJS.ProcessEnv, folder = root) {
  const child = spawn(process.execPath, [join(folder, script), ...args], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const listener of listeners) listener();
    });
  }
  const finished = new Promise<Finished>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, output })));
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(output) && resolve();
      listeners.add(look);
      look();
      void finished.then(() => reject(new Error(`it ended without ${pattern}:\n${output}`)));
    });
  return { child, finished, said };
}

export async function run(script: string, args: string[], env: NodeJS.ProcessEnv, folder = root): Promise<Finished> {
  return start(script, args, env, folder).finished;
}

/** @returns the server's address, and the requests it got so far */
export async function serve(listener: RequestListener): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`, requests };
}

export function writeFile(file: string, content: string | Buffer): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}
