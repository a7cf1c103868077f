import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data, io, models, train } from "../../lib/index.js";
import { imageFiles } from "../support/idx.mjs";
import { writeFile } from "../setup/fixtures.js";
import { onlyRun, readJson, readLines, runStart, setUp, start, startScript, workFolder } from "./processes.js";

// The main job as users start it: real processes, the embedded digits.

setUp();

const methods = ["none", "sam", "msam", "gasam"];
const short = ["--data", "digits", "--epochs", "1"];

/** What is left of a file of JSON when the times are taken out, which differ from run to run. */
const withoutTimes = (values: Record<string, unknown>[]) => values.map(({ msPerStep, ...rest }) => rest);

test("four methods from the same weights: table, settings, metrics, results and weights", async () => {
  const folder = workFolder();
  const { code, stdout, stderr } = await runStart(["--data", "digits", "--epochs", "2", "--seed", "3"], folder);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  // Piped: plain lines, no control characters, no colours.
  expect(stdout).not.toMatch(/[\r\u001b]/);
  expect(stdout).toContain("digits: 1,437 training and 360 test images of 8×8; 2 epochs, batches of 64, seed 3, on cpu.");
  expect(stdout).toMatch(/^SAM +100%  loss \d\.\d{4}  accuracy \d+\.\d %  [\d,]+ images\/s  0:00 left$/m);
  const table = stdout.slice(stdout.indexOf("method  "));
  expect(table).toMatch(/^method +test accuracy +sharpness ρ=0\.05 +time per step +÷ SGD's$/m);
  expect(table).toMatch(/^SGD +\d+\.\d\d % +[\d.e-]+ +[\d.]+ ms +1\.00$/m);
  for (const name of ["SAM", "mSAM (4 shards)", "GA-SAM"]) expect(table).toMatch(new RegExp(`^${name.replace(/[()]/g, "\\$&")} +\\d+\\.\\d\\d % +[\\d.e-]+ +[\\d.]+ ms +\\d+\\.\\d\\d$`, "m"));

  const run = onlyRun(folder);
  expect(readdirSync(run).sort()).toEqual(["gasam.safetensors", "metrics.jsonl", "msam.safetensors", "none.safetensors", "results.json", "sam.safetensors", "settings.json"]);
  const settings = readJson(run, "settings.json");
  expect(settings).toMatchObject({ data: "digits", epochs: 2, seed: 3, device: "cpu", batchSize: 64 });
  expect(Object.keys(settings["methods"] as object)).toEqual(methods);
  const metrics = readLines(run, "metrics.jsonl");
  expect(metrics.map(({ method, epoch }) => [method, epoch])).toEqual(methods.flatMap((method) => [[method, 1], [method, 2]]));

  // The weights are those that the table is about.
  const { test: testSet } = await data.digits();
  const results = readJson(run, "results.json") as unknown as { method: string; testAccuracy: number; sharpness: number; msPerStep: number }[];
  for (const { method, testAccuracy, sharpness, msPerStep } of results) {
    const model = new models.ConvNet({ channels: 1, size: 8, classes: 10 });
    model.loadStateDict(io.loadSafetensors(join(run, `${method}.safetensors`)));
    expect(await train.accuracy(model, data.loader(testSet, { batchSize: 360 }))).toBe(testAccuracy);
    expect(testAccuracy).toBeGreaterThan(0.6);
    expect(sharpness).toBeGreaterThan(0);
    expect(msPerStep).toBeGreaterThan(0);
  }
});

test("the same seed gives the same numbers and weights, byte for byte; another seed others; the methods in the order given", async () => {
  const runs = [];
  for (const seed of ["0", "0", "1"]) {
    const folder = workFolder();
    expect((await runStart([...short, "--methods", "sam,none", "--seed", seed], folder)).code).toBe(0);
    runs.push(onlyRun(folder));
  }
  const contents = runs.map((run) => ({
    metrics: withoutTimes(readLines(run, "metrics.jsonl")),
    results: withoutTimes(readJson(run, "results.json") as unknown as Record<string, unknown>[]),
    weights: ["sam", "none"].map((method) => readFileSync(join(run, `${method}.safetensors`)).toString("base64")),
  }));
  expect(contents[0]!.results.map(({ method }) => method)).toEqual(["sam", "none"]);
  expect(contents[1]).toEqual(contents[0]);
  expect(contents[2]!.weights[0]).not.toBe(contents[0]!.weights[0]);
  // A method starts from the same weights, with others before it or not.
  const alone = workFolder();
  expect((await runStart([...short, "--methods", "none", "--seed", "0", "--device", "cpu"], alone)).code).toBe(0);
  expect(readFileSync(join(onlyRun(alone), "none.safetensors")).toString("base64")).toBe(contents[0]!.weights[1]);
});

test("without SGD there is no ratio to it", async () => {
  const { code, stdout } = await runStart([...short, "--methods", "gasam"], workFolder());
  expect(code).toBe(0);
  expect(stdout).toMatch(/^GA-SAM +.* ms +-$/m);
});

test("Fashion-MNIST's own files are taken where they are found; a damaged one is named", async () => {
  const folder = workFolder();
  const files = imageFiles(256);
  for (const [name, content] of Object.entries(files)) writeFile(join(folder, "data", "fashion-mnist", name), content);
  const env = { STEPPE_DATA: join(folder, "data") };
  const { code, stdout } = await runStart(["--epochs", "1", "--methods", "none"], folder, env);
  expect(stdout).toContain("fashion-mnist: 256 training and 256 test images of 28×28; 1 epoch, batches of 128");
  expect(code).toBe(0);

  const name = "train-images-idx3-ubyte.gz";
  writeFile(join(folder, "data", "fashion-mnist", name), files[name]!.subarray(0, 1000));
  const damaged = await runStart([], folder, env);
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toContain(name);
  expect(damaged.stderr).not.toMatch(/^ +at /m);
});

test("on a terminal a bar is drawn in place", async () => {
  const folder = workFolder();
  // The bar is drawn ten times a second: an epoch of the digits may be over within one of these.
  const command = [process.execPath, startScript, "--data", "digits", "--epochs", "50", "--methods", "none"].map((word) => `'${word}'`).join(" ");
  const { code, stdout } = await start("script", ["-qefc", `stty cols 80; ${command}`, "/dev/null"], { cwd: folder, env: { TERM: "xterm" } }).finished;
  expect(code).toBe(0);
  // All of it within 80 columns, drawn over and over in one line.
  const drawn = [...stdout.matchAll(/SGD {4}(█*)(░*) +(\d+)%  (loss \d\.\d{4}  accuracy \d+\.\d %  [\d,]+ images\/s  \d+:\d\d left)\u001b/g)];
  expect(drawn.length).toBeGreaterThan(1);
  expect(Math.max(...drawn.map(([text]) => text.length - 1))).toBeLessThanOrEqual(80);
  expect(drawn.at(-1)![3]).toBe("100");
  expect(drawn.at(-1)![2]).toBe("");
  expect(stdout).toMatch(/^SGD +\d+\.\d\d %/m);
});

describe.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s", (signal, exitCode) => {
  test("ends the job after the step under way and keeps what is done", async () => {
    const folder = workFolder();
    const { child, finished, said } = start(process.execPath, [startScript, "--data", "digits", "--epochs", "100", "--methods", "none,sam"], { cwd: folder });
    await said(/^SGD +\d+%/m);
    child.kill(signal);
    const { code, stdout, stderr } = await finished;
    expect(stderr).toBe("");
    expect(stdout).toContain("Stopped in the middle of SGD.");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(`Settings, metrics and weights are in ${onlyRun(folder).slice(folder.length + 1)}.`);
    expect(code).toBe(exitCode);
    expect(readLines(onlyRun(folder), "metrics.jsonl").length).toBeGreaterThan(0);
  });
});

test("a reader that has seen enough ends it without a stack", async () => {
  const { code, stderr } = await start("sh", ["-c", `'${process.execPath}' '${startScript}' --data digits --epochs 2 --methods none,sam | head -n 1`], { cwd: workFolder() }).finished;
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

describe("a wrong command line is refused with code 2 before anything is done", () => {
  test.each<[string[], RegExp]>([
    [["--epochs", "0"], /Expected an integer of at least 1/],
    [["--epochs", "1.5"], /Expected an integer of at least 1/],
    [["--epochs"], /argument missing/],
    [["--seed", "-1"], /Expected an integer of at least 0/],
    [["--seed", "9007199254740993"], /Expected an integer of at least 0/],
    [["--data", "mnist"], /Expected one of fashion-mnist, digits but received "mnist"/],
    [["--methods", "none,sma"], /received "sma"\. Did you mean "sam"\?/],
    [["--methods", "sam,sam"], /different words with commas between/],
    [["--methods", ""], /different words with commas between/],
    [["--epoch", "1"], /Did you mean --epochs/],
    [["--device", "cuda:x"], /device/],
    [["--device", "tpu"], /device/],
    [["digits"], /too many arguments/],
  ])("%j", async (args, message) => {
    const folder = workFolder();
    const { code, stdout, stderr } = await runStart(args, folder);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(stdout).toBe("");
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("--help lists every option", async () => {
  const { code, stdout } = await runStart(["--help"], workFolder());
  for (const option of ["--epochs", "--data", "--methods", "--seed", "--device"]) expect(stdout).toContain(option);
  expect(code).toBe(0);
});
