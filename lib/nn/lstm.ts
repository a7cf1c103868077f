import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, or, probability, read, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { uniform_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  inputSize: count,
  hiddenSize: count,
  /** Layers on top of each other. */
  numLayers: or(count, 1),
  bias: or(flag, true),
  /** Whether input and output are [batch, sequence, features] rather than [sequence, batch, features]. */
  batchFirst: or(flag, false),
  /** Probability with which outputs of all layers but the last are zeroed in training. */
  dropout: or(probability, 0),
  /** Whether a second direction reads the sequence from its end. */
  bidirectional: or(flag, false),
  /** Size to which hidden states are projected; 0 for no projection. */
  projSize: or(size, 0),
  ...factory,
};

/** Hidden and cell state: [numLayers · directions, batch, projSize or hiddenSize] and [numLayers · directions, batch, hiddenSize]. */
export type LSTMState = [hidden: Tensor, cell: Tensor];

/**
 * A long short-term memory. Weights start uniform in ±1/√hiddenSize.
 *
 * Parameters of layer k: `weight_ih_lk` [4·hiddenSize, in], `weight_hh_lk` [4·hiddenSize, projSize or hiddenSize],
 * `bias_ih_lk` and `bias_hh_lk` [4·hiddenSize], `weight_hr_lk` [projSize, hiddenSize]; `_reverse` is added for the second
 * direction. The four parts are the input, forget, cell and output gate.
 *
 * @example
 * const lstm = new nn.LSTM(10, 20, { numLayers: 2, batchFirst: true });
 * const [output, [hidden, cell]] = lstm.forward(torch.randn([3, 5, 10])); // [3, 5, 20], [2, 3, 20], [2, 3, 20]
 */
export class LSTM extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  readonly #weightNames: string[] = [];

  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<
      [
        numLayers: number, bias: boolean, batchFirst: boolean, dropout: number, bidirectional: boolean, projSize: number,
        device: Device, dtype: DType,
      ],
      typeof signature
    >
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const options = read("nn.LSTM", signature, args);
    const { hiddenSize, projSize } = options;
    if (projSize >= hiddenSize) throw expected(`a size below hiddenSize (${hiddenSize})`, "projSize of nn.LSTM", projSize);
    this.inputSize = options.inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = options.numLayers;
    this.bias = options.bias;
    this.batchFirst = options.batchFirst;
    this.dropout = options.dropout;
    this.bidirectional = options.bidirectional;
    this.projSize = projSize;
    const output = this.#outputSize;
    for (let layer = 0; layer < options.numLayers; layer++) {
      const input = layer === 0 ? options.inputSize : output * this.#directions;
      for (const suffix of options.bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
        const add = (name: string, ...shape: number[]) => {
          this.#weightNames.push(`${name}_${suffix}`);
          Reflect.set(this, `${name}_${suffix}`, emptyParameter(shape, options));
        };
        add("weight_ih", 4 * hiddenSize, input);
        add("weight_hh", 4 * hiddenSize, output);
        if (options.bias) add("bias_ih", 4 * hiddenSize);
        if (options.bias) add("bias_hh", 4 * hiddenSize);
        if (projSize > 0) add("weight_hr", projSize, hiddenSize);
      }
    }
    this.resetParameters();
  }

  get #directions(): number {
    return this.bidirectional ? 2 : 1;
  }

  get #outputSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const weight of this.parameters()) uniform_(weight, -bound, bound);
  }

  /**
   * @param input [sequence, batch, inputSize], [batch, sequence, inputSize] with `batchFirst`, or [sequence, inputSize]
   * @param state the states before the sequence, zeros if left out; without a batch dimension where the input has none
   * @returns the last layer's output at each step, [..., directions · (projSize or hiddenSize)], and the states after it
   * @throws SteppeError `ARGUMENT` for a wrong shape or dtype
   */
  forward(input: Tensor, state?: LSTMState | null): [output: Tensor, state: LSTMState] {
    const weights = this.#weightNames.map((name) => Reflect.get(this, name) as Parameter);
    if (input.dim() === 2) {
      const batched = state ? ([state[0].unsqueeze(1), state[1].unsqueeze(1)] as LSTMState) : null;
      const batchDim = this.batchFirst ? 0 : 1;
      const [output, [hidden, cell]] = this.forward(input.unsqueeze(batchDim), batched);
      return [output.squeeze(batchDim), [hidden.squeeze(1), cell.squeeze(1)]];
    }
    this.#check(input, weights[0]!);
    const batch = input.shape[this.batchFirst ? 0 : 1]!;
    const depth = this.numLayers * this.#directions;
    const zeros = (width: number) => torch.zeros([depth, batch, width], { dtype: input.dtype, device: input.device });
    const hx = state ?? [zeros(this.#outputSize), zeros(this.hiddenSize)];
    this.#checkState("hidden state", hx[0], [depth, batch, this.#outputSize]);
    this.#checkState("cell state", hx[1], [depth, batch, this.hiddenSize]);
    const { bias, numLayers, dropout, training, bidirectional, batchFirst } = this;
    const [output, hidden, cell] = torch.lstm(input, hx, weights, bias, numLayers, dropout, training, bidirectional, batchFirst);
    return [output, [hidden, cell]];
  }

  #check(input: Tensor, weight: Tensor): void {
    if (input.dim() !== 3 || input.shape[2] !== this.inputSize) {
      throw expected(`2 or 3 dimensions, the last ${this.inputSize}`, "the input of nn.LSTM", [...input.shape]);
    }
    if (input.dtype !== weight.dtype) throw expected(`${weight.dtype}, as the weights,`, "the input of nn.LSTM", input.dtype);
  }

  #checkState(what: string, state: Tensor, shape: number[]): void {
    if (String(state.shape) !== String(shape)) throw expected(`shape [${shape.join(", ")}]`, `the ${what} of nn.LSTM`, [...state.shape]);
  }

  protected override extraRepr(): string {
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (this.projSize !== 0) parts.push(`projSize=${this.projSize}`);
    if (this.numLayers !== 1) parts.push(`numLayers=${this.numLayers}`);
    if (!this.bias) parts.push("bias=false");
    if (this.batchFirst) parts.push("batchFirst=true");
    if (this.dropout !== 0) parts.push(`dropout=${this.dropout}`);
    if (this.bidirectional) parts.push("bidirectional=true");
    return parts.join(", ");
  }
}
