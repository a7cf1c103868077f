import { afterEach, expect } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import { recording } from "../../lib/recording.js";
import type { Tensor } from "../../lib/index.js";

// A recorded program beside autograd on the same batches. The base optimizer with momentum keeps the gradient of its first
// step as it came, and a learning rate of 0 keeps the weights: so the public interface shows a program's gradients.

type Loss = (...batch: Tensor[]) => Tensor;

/** What one pass leaves: the loss, each parameter's gradient (null where there is none), each buffer. */
interface Pass {
  loss: number;
  gradients: Record<string, string | null>;
  buffers: Record<string, string>;
}

/** A model, its loss and the compiled step of it. */
export class Replay {
  readonly optimizer: optim.Optimizer;
  readonly step: optim.CompiledStep<Tensor[]>;

  constructor(
    readonly model: nn.Module,
    readonly loss: Loss,
  ) {
    this.optimizer = optim.create(model, { method: "none", base: { name: "sgd", lr: 0, momentum: 0.5 } });
    this.step = this.optimizer.compile(loss);
  }

  /** The pass as autograd does it; buffers are put back. */
  eager(batch: Tensor[], seed = 0): Pass {
    const before = this.model.buffers().map((buffer) => buffer.clone());
    this.model.zeroGrad();
    torch.manualSeed(seed);
    const loss = this.loss(...batch);
    loss.backward();
    const pass = {
      loss: loss.item() as number,
      gradients: Object.fromEntries(this.model.namedParameters().map(([name, parameter]) => [name, parameter.grad === null ? null : bits(parameter.grad)])),
      buffers: this.#buffers(),
    };
    this.model.zeroGrad();
    torch.noGrad(() => this.model.buffers().forEach((buffer, i) => buffer.copy_(before[i]!)));
    return pass;
  }

  /** The same as the engine does it; buffers are put back. */
  replayed(batch: Tensor[], seed = 0): Pass {
    const before = this.model.buffers().map((buffer) => buffer.clone());
    this.optimizer.loadStateDict({ ...this.optimizer.stateDict(), steps: 0, tensors: {} });
    torch.manualSeed(seed);
    const { loss } = this.step.sync(...batch);
    const { tensors } = this.optimizer.stateDict();
    const pass = {
      loss,
      gradients: Object.fromEntries(
        this.model.namedParameters().map(([name]) => {
          const gradient = tensors[`${name}/momentum_buffer`];
          return [name, gradient === undefined ? null : bits(gradient)];
        }),
      ),
      buffers: this.#buffers(),
    };
    torch.noGrad(() => this.model.buffers().forEach((buffer, i) => buffer.copy_(before[i]!)));
    return pass;
  }

  /** The operators of the only program. */
  get text(): string {
    expect(this.step.programs).toHaveLength(1);
    return this.step.programs[0]!.text;
  }

  #buffers(): Record<string, string> {
    return Object.fromEntries(this.model.namedBuffers().map(([name, buffer]) => [name, bits(buffer)]));
  }
}

/**
 * A step that returns a promise records by shapes alone, on two threads: `step` is to come to the same program of the batch as
 * `computed`, which recorded it on the spot with all values computed. Not `byShapes`: what needs values is recorded with them.
 */
export async function expectSameProgram(step: optim.CompiledStep<Tensor[]>, computed: optim.CompiledStep<Tensor[]>, batch: Tensor[], byShapes = true): Promise<void> {
  const { shapesFrom } = recording;
  recording.shapesFrom = 1;
  try {
    await step(...batch);
  } finally {
    recording.shapesFrom = shapesFrom;
  }
  expect(step.programs[0]!.text).toBe(computed.programs[0]!.text);
  expect([step.programs[0]!.computed, computed.programs[0]!.computed]).toEqual([!byShapes, true]);
}

const replays: [Replay, Tensor[]][] = [];
afterEach(async () => {
  for (const [{ model, loss, step }, batch] of replays.splice(0)) {
    await expectSameProgram(optim.create(model, { method: "none", base: { name: "sgd", lr: 0 } }).compile(loss), step, batch);
  }
});

/** Every bit of the values, as text that a failing test can show. */
function bits(tensor: Tensor): string {
  return Buffer.from(tensor.detach().toBytes()).toString("hex");
}

/** Replays the program over each batch, the first one again at the end, and expects bit for bit what autograd gives. */
export function expectReplayLikeAutograd(model: nn.Module, loss: Loss, batches: Tensor[][]): Replay {
  const replay = new Replay(model, loss);
  [...batches, batches[0]!].forEach((batch, i) => {
    const expected = replay.eager(batch, i);
    expect(replay.replayed(batch, i), `batch ${i}`).toEqual(expected);
    expect(Object.values(expected.gradients).some((gradient) => gradient !== null)).toBe(true);
  });
  expect(replay.step.programs.every(({ backwardObstacle }) => backwardObstacle === null)).toBe(true);
  replays.push([replay, batches[0]!]);
  return replay;
}

/**
 * The same where the engine may put images into another order in memory, or runs an LSTM by kernels of its own: float32 values
 * then differ by rounding.
 *
 * @param tolerance of the loss, or of 1 where that is more; of each tensor's largest value, or of a tenth of the largest of all
 */
export function expectReplayNearAutograd(model: nn.Module, loss: Loss, batches: Tensor[][], tolerance = 1e-5): Replay {
  const replay = new Replay(model, loss);
  batches.forEach((batch, i) => {
    const [expected, got] = [replay.eager(batch, i), replay.replayed(batch, i)];
    expect(Math.abs(got.loss - expected.loss)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(expected.loss))); // some losses are sums that cancel
    for (const part of ["gradients", "buffers"] as const) {
      expect(Object.keys(got[part])).toEqual(Object.keys(expected[part]));
      const most = Math.max(0, ...Object.values(expected[part]).map((value) => largest(floats(value ?? ""))));
      for (const [name, value] of Object.entries(expected[part])) {
        const [a, b] = [value, got[part][name]].map((text) => floats(text ?? ""));
        const scale = Math.max(largest(a!), most / 10); // some gradients are sums that cancel, as of a key's bias in attention
        expect(Math.max(0, ...a!.map((x, k) => Math.abs(x - b![k]!))), `${part} ${name}`).toBeLessThanOrEqual(tolerance * scale);
      }
    }
  });
  replays.push([replay, batches[0]!]);
  return replay;
}

function largest(values: number[]): number {
  return Math.max(0, ...values.map(Math.abs));
}

function floats(text: string): number[] {
  return Array.from(new Float32Array(new Uint8Array(Buffer.from(text, "hex")).buffer));
}
