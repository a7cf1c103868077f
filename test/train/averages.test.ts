import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nn, optim, torch, train } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, pack, python, runPython } from "../support/python.js";
import { bytes, start, withoutTimes } from "./small-run.js";

// Averaged weights of a net with batch norm: their statistics are made anew before anybody looks at them.

torch.setNumThreads(1);

const swa = { kind: "swa", startStep: 4, every: 3 } as const;

describe.skipIf(python === null)(`as torch.optim.swa_utils.update_bn (${needsPython})`, () => {
  test("validation", async () => {
    const a = start();
    a.model.drop = new nn.Dropout(0);
    const average = optim.average(a.model, swa);
    const run = await train.fit({ ...a, epochs: 3, average, validateEvery: 7 });
    const batches = (loader: Iterable<readonly [Tensor, Tensor]>) => [...loader].map((batch) => batch.map(pack));
    const state = average.stateDict().tensors;
    const [wanted, left] = runPython<{ loss: number; accuracy: number }[]>(
      `
import torch.nn.functional as F, torch.optim.swa_utils as swa
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
    def forward(self, x):
        return self.fc2(self.norm(self.fc1(x)).relu())
model = Net()
model.load_state_dict({name: unpack(t) for name, t in inputs["state"].items()})
x, y = (torch.cat([unpack(t) for t in parts]) for parts in zip(*inputs["validation"]))
def look():
    model.eval()
    return {"loss": F.cross_entropy(model(x), y).item(), "accuracy": (model(x).argmax(1) == y).double().mean().item()}
left = look()
swa.update_bn([[unpack(t) for t in batch] for batch in inputs["train"]], model)
outputs = [look(), left]
`,
      { state: Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, pack(tensor)])), train: batches(a.data.train.again()), validation: batches(a.data.validation) },
    );
    const { validationLoss, accuracy } = run.history.at(-1)!;
    expect(validationLoss).toBeCloseTo(wanted!.loss, 5);
    expect(accuracy).toBeCloseTo(wanted!.accuracy, 10);
    // What fit left in the average is what PyTorch makes of it once more, and not the model's own.
    expect(left!.loss).toBeCloseTo(wanted!.loss, 5);
    const own = a.model.stateDict()["norm.running_mean"]!;
    expect(state["norm.running_mean"]!.sub(own).abs().max().item()).toBeGreaterThan(0.01);
    expect(average.needsUpdateBn).toBe(false);
  }, 120_000);
});

test("training does not notice: neither weights, dropout, the order of the data nor an average of other kinds", async () => {
  const plain = start();
  const { history } = await train.fit({ ...plain, epochs: 3, validateEvery: 5 });
  const a = start();
  const average = optim.average(a.model, swa);
  const run = await train.fit({ ...a, epochs: 3, validateEvery: 5, average });
  expect(bytes(a.model.stateDict())).toEqual(bytes(plain.model.stateDict()));
  expect(run.history.map(({ loss }) => loss)).toEqual(history.map(({ loss }) => loss));
  for (const options of [{ kind: "ema" }, { kind: "swa", useBuffers: true }] as const) {
    const b = start();
    const other = optim.average(b.model, options);
    await train.fit({ ...b, steps: 3, average: other });
    expect(other.needsUpdateBn).toBe(false);
  }
});

test("without validation they are made at the end, of batches in an array, too; the checkpoint has them", async () => {
  const folder = temporaryFolder();
  const a = start();
  const average = optim.average(a.model, { kind: "swa" });
  const batches = [...a.data.train].map(([x, y]) => [x.clone(), y.clone()] as const);
  const run = await train.fit({ ...a, data: { train: batches }, metrics: {}, epochs: 2, average, folder });
  expect(average.needsUpdateBn).toBe(false);
  const b = start();
  const restored = optim.average(b.model, { kind: "swa" });
  restored.loadStateDict((train.loadCheckpoint(run.checkpoint!).state as unknown as { average: optim.AverageState }).average);
  expect(restored.needsUpdateBn).toBe(false);
  expect(bytes(restored.stateDict().tensors)).toEqual(bytes(average.stateDict().tensors));
  expect(readdirSync(join(folder, "checkpoints"))).toEqual(["step-00000008", "step-00000016"]);
});

test("with them a run goes on bit for bit from wherever it was broken off, also while they were made", async () => {
  const whole = start();
  const average = optim.average(whole.model, swa);
  const expected = await train.fit({ ...whole, epochs: 3, average, validateEvery: 5 });
  for (const moment of [5, 8, 13]) {
    const folder = temporaryFolder();
    const a = start();
    const controller = new AbortController();
    let calls = 0;
    const first = optim.average(a.model, swa);
    const loss = (...batch: [Tensor, Tensor]) => {
      // Beside the steps, which are recorded: statistics of a batch.
      if (torch.isGradEnabled() === false && a.model.training && calls >= moment) controller.abort();
      return a.loss(...batch);
    };
    const broken = await train.fit({ ...a, loss, epochs: 3, average: first, validateEvery: 5, folder, signal: controller.signal, callbacks: [{ onStep: () => void calls++ }] });
    expect(broken.end).toBe("aborted");
    const b = start();
    const resumed = optim.average(b.model, swa);
    const { history } = await train.fit({ ...b, epochs: 3, average: resumed, validateEvery: 5, folder, resume: true });
    expect(bytes(b.model.stateDict())).toEqual(bytes(whole.model.stateDict()));
    expect(bytes(resumed.stateDict().tensors)).toEqual(bytes(average.stateDict().tensors));
    expect(withoutTimes(history)).toEqual(withoutTimes(expected.history));
  }
});

test("a signal ends the pass for them at the end of a run, too, and it is made when the run goes on", async () => {
  const run = ({ data, ...rest }: ReturnType<typeof start>) => ({ ...rest, data: { train: data.train }, metrics: {}, epochs: 2 });
  const whole = start();
  const average = optim.average(whole.model, swa);
  expect((await train.fit({ ...run(whole), average })).end).toBe("finished");
  const folder = temporaryFolder();
  const a = start();
  const controller = new AbortController();
  let calls = 0;
  const loss = (...batch: [Tensor, Tensor]) => {
    if (torch.isGradEnabled() === false && calls === 16) controller.abort();
    return a.loss(...batch);
  };
  const broken = await train.fit({ ...run(a), loss, average: optim.average(a.model, swa), folder, signal: controller.signal, callbacks: [{ onStep: () => void calls++ }] });
  expect(broken).toMatchObject({ end: "aborted", step: 16 });
  const b = start();
  const resumed = optim.average(b.model, swa);
  expect((await train.fit({ ...run(b), average: resumed, folder, resume: true })).end).toBe("finished");
  expect(bytes(resumed.stateDict().tensors)).toEqual(bytes(average.stateDict().tensors));
});
