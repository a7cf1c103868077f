import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data, io, models, train } from "../../lib/index.js";
import { readJson, readLines, root, setUp, start } from "./processes.js";
import { config, program, startSteppe, steppe, withConfig } from "./steppe.js";

// `npx steppe train` as users start it: real processes, the embedded digits.

setUp();

/** A TypeScript configuration whose run sends itself a signal at a step, as a terminal does for Ctrl-C. */
const typed = (hooks: string) => `import { defineConfig, models, nn, type Tensor } from "steppe";
const settings = ${JSON.stringify(config)} as const;
export default defineConfig({
  ...settings,
  model: ({ data }) => new models.MLP({ inFeatures: 64, hidden: [16], numClasses: data.classes!, dropout: 0.3 }),
  loss: (model: models.MLP, x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y),
  average: { kind: "ema", decay: 0.9 },
  callbacks: [${hooks}],
});
`;
const interrupting = typed("{ onStep: (_, run) => { if (run.step === 15 && process.env.STOP) process.kill(process.pid, process.env.STOP); } }");

const withoutTimes = (history: unknown) => (history as Record<string, unknown>[]).map(({ seconds: _, ...rest }) => rest);

describe("a run", () => {
  test("says what it does, leaves settings, metrics, checkpoints, result and weights, and is finished when asked again", async () => {
    const folder = withConfig();
    const first = await steppe(folder, "train", "sam.json");
    expect(first.stderr).toBe("");
    expect(first.code).toBe(0);
    expect(first.stdout).not.toMatch(/[\r\u001b]/);
    expect(first.stdout).toContain("sam: digits, 432 training and 360 validation samples; ConvNet, 678 parameters; sam over sgd;\n3 epochs, 39 steps in batches of 32, seed 2, on cpu. Run folder: runs/sam\n");
    expect(first.stdout).toMatch(/^epoch 1 {2}step 13 {2}loss \d\.\d{4} {2}validationLoss \d\.\d{4} {2}accuracy \d\.\d{4} {2}[\d.]+ s$/m);
    expect(first.stdout).toMatch(/^Finished: epoch 3 {2}step 39 .*\nSettings, metrics, checkpoints and weights are in runs\/sam\.\n$/m);

    const run = join(folder, "runs", "sam");
    expect(readdirSync(run).filter((name) => !name.startsWith("events.")).sort()).toEqual(["checkpoints", "metrics.jsonl", "model.safetensors", "result.json", "settings.json"]);
    expect(readJson(run, "settings.json")).toMatchObject({ label: "sam", source: join("..", "..", "sam.json"), config, optimizer: { lrSchedule: { totalSteps: 39 } }, seed: 2, parameters: 678, data: { samples: 432, validation: 360 } });
    const result = readJson(run, "result.json");
    expect(result).toMatchObject({ end: "finished", epoch: 3, step: 39 });
    expect(readLines(run, "metrics.jsonl").filter(({ kind }) => kind === "record").map(({ kind: _, ...record }) => record)).toEqual(result["history"]);
    // The weights are those that the last record is about.
    const model = new models.ConvNet({ channels: 1, size: 8, classes: 10, width: 4 });
    model.loadStateDict(io.loadSafetensors(join(run, "model.safetensors")));
    expect(await train.accuracy(model, data.loader((await data.digits()).test, { batchSize: 128 }))).toBe((result["final"] as { accuracy: number }).accuracy);

    const again = await steppe(folder, "train", "sam.json", "--resume");
    expect(again.code).toBe(0);
    expect(again.stdout).toContain("This run came to its end before: nothing is left to do.");
    expect(readJson(run, "result.json")).toEqual(result);
    const longer = await steppe(folder, "train", "sam.json", "--resume", "--set", "epochs=4");
    expect(longer.stdout).toMatch(/^Going on from runs\/sam\/checkpoints\/step-00000039$/m);
    expect(readJson(run, "result.json")).toMatchObject({ epoch: 4, step: 52 });
    // Without --resume the next folder; another configuration does not go on with this run.
    const other = await steppe(folder, "train", "sam.json", "-q", "--set", "epochs=1");
    expect(other.stdout).toBe("");
    expect(existsSync(join(folder, "runs", "sam-2", "result.json"))).toBe(true);
    const refused = await steppe(folder, "train", "sam.json", "-f", "runs/sam", "-r", "--set", "optimizer.rho=0.2");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("began with but received another:\n  optimizer.rho: the run has 0.1, the configuration 0.2");
  });

  test.each(["SIGINT", "SIGTERM"])("%s ends it after the step, and it goes on bit for bit: TypeScript, dropout, an average", async (signal) => {
    const folder = withConfig("mine.ts", interrupting);
    const whole = await steppe(folder, "train", "mine.ts", "--folder", "whole");
    expect(whole.stderr).toBe("");
    const broken = await startSteppe(folder, ["train", "mine.ts", "--folder", "broken"], { STOP: signal }).finished;
    expect(broken.stderr).toContain("Finishing the step under way; once more ends at once.");
    expect(broken.code).toBe(signal === "SIGINT" ? 130 : 143);
    const [, step, command] = /Stopped after step (\d+), with a checkpoint\. To go on:\n {2}npx steppe (.*)\n$/.exec(broken.stdout)!;
    expect(Number(step)).toBeGreaterThanOrEqual(15);
    expect(Number(step)).toBeLessThan(39);
    expect(existsSync(join(folder, "broken", "model.safetensors"))).toBe(false);

    const resumed = await steppe(folder, ...command!.split(" "));
    expect(resumed.stderr).toBe("");
    expect(resumed.code).toBe(0);
    expect(readFileSync(join(folder, "broken", "model.safetensors")).equals(readFileSync(join(folder, "whole", "model.safetensors")))).toBe(true);
    const [a, b] = ["whole", "broken"].map((name) => readJson(folder, name, "result.json"));
    expect(withoutTimes(b!["history"])).toEqual(withoutTimes(a!["history"]));
    // Every step stands in the log once.
    const steps = (name: string) => readLines(folder, name, "metrics.jsonl").map(({ kind, step }) => `${String(kind)} ${String(step)}`);
    expect(steps("broken")).toEqual(steps("whole"));
  });

  test("a full disk is an error, and no file is lost: the run goes on from the last whole checkpoint", async () => {
    const folder = withConfig("mlp.json", { ...config, model: { name: "MLP", hidden: [64] }, optimizer: { ...config.optimizer, lrSchedule: undefined } });
    const train = (...args: string[]) => ["train", "mlp.json", "-q", "--folder", "full", "--resume", ...args];
    expect((await steppe(folder, ...train("--set", "epochs=1"))).code).toBe(0);
    // No file may grow beyond 8 KiB: what the system says then is what it says of a full disk, in the middle of a file.
    const limited = await start("/bin/sh", ["-c", 'ulimit -f 16; exec "$@"', "sh", process.execPath, program, ...train()], { cwd: folder }).finished;
    expect(limited.stderr).toMatch(/^steppe: Expected to be able to write full\/checkpoints\/step-00000026 but received: EFBIG/m);
    expect(limited.code).toBe(1);
    expect(readdirSync(join(folder, "full", "checkpoints"))).toEqual(["step-00000013"]);
    expect((await steppe(folder, ...train())).code).toBe(0);
    await steppe(folder, "train", "mlp.json", "-q", "--folder", "whole");
    const [a, b] = ["full", "whole"].map((name) => readJson(folder, name, "result.json"));
    expect(withoutTimes(a!["history"])).toEqual(withoutTimes(b!["history"]));
  });

  test("a second Ctrl-C ends it at once", async () => {
    const folder = withConfig("stuck.ts", typed("{ onRecord: async () => { console.log('stuck'); await new Promise((resolve) => setTimeout(resolve, 1e9)); } }"));
    const { child, said, finished } = startSteppe(folder, ["train", "stuck.ts"]);
    const told = new Promise<void>((resolve) => child.stderr.on("data", (text: string) => text.includes("once more") && resolve()));
    await said(/^stuck$/m);
    child.kill("SIGINT");
    await told;
    child.kill("SIGINT");
    expect((await finished).signal).toBe("SIGINT");
  });
});

describe("what is wrong has a code and a message", () => {
  test.each<[string, string[], number, string]>([
    ["a misspelled key", ["train", "sam.json", "--set", "optimizer.rhoo=1"], 2, 'optimizer.rhoo: there is no such key. Did you mean "rho"?'],
    ["a misspelled option of the model", ["train", "sam.json", "--set", "model.widht=3"], 2, 'steppe: model.widht: there is no such key. Did you mean "width"?'],
    ["a missing file", ["train", "sma.json"], 1, "Expected to be able to read sma.json"],
    ["missing data", ["train", "sam.json", "--set", 'data={"name":"safetensors","train":"nothing.safetensors"}'], 1, "nothing.safetensors"],
    ["a folder that is a file", ["train", "sam.json", "-f", "sam.json"], 1, "Expected to be able to write sam.json but received"],
    ["no configuration", ["train"], 2, "missing required argument 'config'"],
    ["a misspelled option", ["train", "sam.json", "--resum"], 2, "(Did you mean --resume?)"],
    ["a misspelled command", ["trian"], 2, "(Did you mean train?)"],
    ["NaN", ["train", "sam.json", "--set", "optimizer.base.lr=1e30"], 3, "holds NaN or infinity"],
  ])("%s", async (_, args, code, message) => {
    const folder = withConfig();
    const finished = await steppe(folder, ...args);
    expect(finished.stderr).toContain(message);
    expect(finished.code).toBe(code);
    // What failed before its first step is not in the way of the next try.
    if (code < 3) expect(existsSync(join(folder, "runs", "sam"))).toBe(false);
  });

  test("every option has help", async () => {
    const { stdout, code } = await steppe(root, "help", "train");
    expect(code).toBe(0);
    expect(stdout).toMatch(/--resume +go on from/);
    expect((JSON.parse((await steppe(root, "train", "--schema")).stdout) as { title: string }).title).toBe("A configuration of steppe");
  });
});
