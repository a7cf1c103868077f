import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { io } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { packageUrl } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";
import { randomNumbers } from "../support/random.mjs";

// A run in a process of its own, killed at random moments and started again until it comes to its end.

const program = `
import { data, nn, optim, torch, train } from ${JSON.stringify(packageUrl)};
const folder = process.argv[2];
torch.setNumThreads(1);
torch.manualSeed(0);
const model = new nn.Sequential(new nn.Linear(20, 64), new nn.BatchNorm1d(64), new nn.ReLU(), new nn.Dropout(0.3), new nn.Linear(64, 5));
const generator = new torch.Generator().manualSeed(1);
const labels = torch.arange(200, { dtype: "int64" }).remainder(5);
const set = new data.TensorDataset(torch.randn([200, 20], { generator }).add(labels.unsqueeze(1)), labels);
await train.fit({
  model,
  loss: (x, y) => nn.functional.crossEntropy(model.forward(x), y),
  optimizer: optim.create(model, { method: "sam", rho: 0.05, accumulationSteps: 2, base: { name: "adamw", lr: 1e-3 }, lrSchedule: { name: "linear", totalSteps: 150 } }),
  data: { train: data.loader(set, { batchSize: 10, shuffle: true, seed: 2 }), validation: data.loader(set, { batchSize: 100 }) },
  epochs: 15,
  folder,
  resume: true,
  checkpoints: { every: 3, keepLast: 2 },
  progress: false,
  callbacks: [{ onCheckpoint: () => void process.stdout.write(".") }],
});
`;

/** Runs the program, and kills it after some milliseconds from its first checkpoint on. @returns whether it came to its end */
function run(file: string, folder: string, patience: number | null): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, folder], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.stdout.once("data", () => {
      if (patience !== null) setTimeout(() => child.kill("SIGKILL"), patience);
    });
    child.stdout.resume();
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(true);
      else if (signal === "SIGKILL" && patience !== null) resolve(false);
      else reject(new Error(`${signal ?? `exit code ${code}`}\n${errors}`));
    });
  });
}

test("a run that is killed again and again comes bit for bit to where it would have come", async () => {
  const place = temporaryFolder();
  const file = join(place, "run.mjs");
  writeFileSync(file, program);
  expect(await run(file, join(place, "whole"), null)).toBe(true);
  const random = randomNumbers(7);
  let kills = 0;
  for (let i = 0; i < 4; i++) if (!(await run(file, join(place, "killed"), Math.floor(250 * random())))) kills++;
  expect(kills).toBeGreaterThan(0);
  await run(file, join(place, "killed"), null);
  const last = (name: string) => {
    const folder = join(place, name, "checkpoints");
    const names = readdirSync(folder).sort();
    // The last ones, the best one perhaps, and nothing half written.
    expect(names.every((each) => /^step-\d{8}$/.test(each))).toBe(true);
    expect(existsSync(join(folder, names.at(-1)!, "state.json"))).toBe(true);
    const tensors = { ...io.loadSafetensors(join(folder, names.at(-1)!, "model.safetensors")), ...io.loadSafetensors(join(folder, names.at(-1)!, "state.safetensors")) };
    return [names.at(-1), Object.fromEntries(Object.entries(tensors).map(([key, tensor]: [string, Tensor]) => [key, Array.from(tensor.toTypedArray() as ArrayLike<number>)]))] as const;
  };
  const [expectedName, expected] = last("whole");
  const [name, found] = last("killed");
  expect(name).toBe(expectedName);
  expect(found).toEqual(expected);
}, 300_000);
