import { expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, oneOf, or, read, requireTensors } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { uniform_ } from "./init.js";
import type { LSTMState } from "./lstm.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Factory, Parameter } from "./parameter.js";

const signature = { inputSize: count, hiddenSize: count, bias: or(flag, true), ...factory };
type CellRest = Rest<[bias: boolean, device: Device, dtype: DType], typeof signature>;

/** What one step of recurrent layers shares. Weights start uniform in ±1/√hiddenSize. */
abstract class Cell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  // Named as in the state dict. As high as the gates together.
  weight_ih: Parameter;
  weight_hh: Parameter;
  bias_ih: Parameter | null;
  bias_hh: Parameter | null;

  constructor(
    private readonly owner: string,
    gates: number,
    { inputSize, hiddenSize, bias, device, dtype }: { inputSize: number; hiddenSize: number; bias: boolean } & Factory,
  ) {
    super();
    const where = { device, dtype };
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.weight_ih = emptyParameter([gates * hiddenSize, inputSize], where);
    this.weight_hh = emptyParameter([gates * hiddenSize, hiddenSize], where);
    this.bias_ih = bias ? emptyParameter([gates * hiddenSize], where) : null;
    this.bias_hh = bias ? emptyParameter([gates * hiddenSize], where) : null;
    this.resetParameters();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const weight of this.parameters()) uniform_(weight, -bound, bound);
  }

  /** The step on [batch, features], also for an input [features]. Absent states are zeros. */
  protected step(input: Tensor, states: (Tensor | null)[], run: (input: Tensor, states: Tensor[]) => Tensor[]): Tensor[] {
    requireTensors(this.owner, { input });
    if (!Array.isArray(states) || states.some((state) => state !== null && !(state instanceof Tensor))) throw expected("tensors", `the state of ${this.owner}`, states);
    if (input.dim() === 1) return this.step(input.unsqueeze(0), states.map((state) => state?.unsqueeze(0) ?? null), run).map((x) => x.squeeze(0));
    if (input.dim() !== 2 || input.shape[1] !== this.inputSize) {
      throw expectedTensor(`1 or 2 dimensions, the last ${this.inputSize}`, `the input of ${this.owner}`, input);
    }
    const shape = [input.shape[0]!, this.hiddenSize];
    const before = states.map((state) => {
      if (state === null) return torch.zeros(shape, { dtype: input.dtype, device: input.device });
      if (String(state.shape) !== String(shape)) {
        throw expectedTensor(`shape [${shape.join(", ")}]`, `the state of ${this.owner}`, state);
      }
      return state;
    });
    return run(input, before);
  }

  protected override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.bias_ih === null ? ", bias=false" : ""}`;
  }
}

const { device, dtype, ...plain } = signature;
const rnnSignature = { ...plain, nonlinearity: or(oneOf("tanh", "relu"), "tanh"), device, dtype };

/** One step of `nn.RNN`. `weight_ih` [hiddenSize, inputSize], `weight_hh` [hiddenSize, hiddenSize], `bias_ih`, `bias_hh`. */
export class RNNCell extends Cell {
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<[bias: boolean, nonlinearity: "tanh" | "relu", device: Device, dtype: DType], typeof rnnSignature>
  );
  constructor(options: Named<typeof rnnSignature>);
  constructor(...args: unknown[]) {
    const { nonlinearity, ...settings } = read("nn.RNNCell", rnnSignature, args);
    super("nn.RNNCell", 1, settings);
    this.nonlinearity = nonlinearity;
  }

  /**
   * @param input [batch, inputSize] or [inputSize]
   * @param state [batch, hiddenSize] or [hiddenSize]; zeros if left out
   * @returns the new state
   */
  forward(input: Tensor, state: Tensor | null = null): Tensor {
    const cell = this.nonlinearity === "tanh" ? torch.rnnTanhCell : torch.rnnReluCell;
    return this.step(input, [state], (x, [h]) => [cell(x, h!, this.weight_ih, this.weight_hh, this.bias_ih, this.bias_hh)])[0]!;
  }
}

/** One step of `nn.GRU`. `weight_ih` [3·hiddenSize, inputSize], `weight_hh` [3·hiddenSize, hiddenSize], `bias_ih`, `bias_hh`. */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, ...rest: CellRest);
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super("nn.GRUCell", 3, read("nn.GRUCell", signature, args));
  }

  /**
   * @param input [batch, inputSize] or [inputSize]
   * @param state [batch, hiddenSize] or [hiddenSize]; zeros if left out
   * @returns the new state
   */
  forward(input: Tensor, state: Tensor | null = null): Tensor {
    return this.step(input, [state], (x, [h]) => [torch.gruCell(x, h!, this.weight_ih, this.weight_hh, this.bias_ih, this.bias_hh)])[0]!;
  }
}

/** One step of `nn.LSTM`. `weight_ih` [4·hiddenSize, inputSize], `weight_hh` [4·hiddenSize, hiddenSize], `bias_ih`, `bias_hh`. */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, ...rest: CellRest);
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super("nn.LSTMCell", 4, read("nn.LSTMCell", signature, args));
  }

  /**
   * @param input [batch, inputSize] or [inputSize]
   * @param state hidden and cell, each [batch, hiddenSize] or [hiddenSize]
   * @returns the new ones
   */
  forward(input: Tensor, state: LSTMState | null = null): LSTMState {
    const run = (x: Tensor, states: Tensor[]) => torch.lstmCell(x, states, this.weight_ih, this.weight_hh, this.bias_ih, this.bias_hh);
    return this.step(input, state ?? [null, null], run) as LSTMState;
  }
}
