import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { oneOf, or, read } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { Recurrent, recurrentArguments } from "./recurrent.js";
import type { PackedSequence } from "./utils/packed-sequence.js";

const { inputSize, hiddenSize, numLayers, ...others } = recurrentArguments;
const signature = {
  inputSize,
  hiddenSize,
  numLayers,
  /** What makes a state of the sum of input and last state. */
  nonlinearity: or(oneOf("tanh", "relu"), "tanh"),
  ...others,
};

/**
 * A plain recurrent network: h = tanh(W x + b + V h' + c), h' the state before. Weights start uniform in ±1/√hiddenSize.
 * Elman 1990.
 *
 * Parameters of layer k: `weight_ih_lk` [hiddenSize, in], `weight_hh_lk` [hiddenSize, hiddenSize], `bias_ih_lk` and `bias_hh_lk`
 * [hiddenSize]; `_reverse` is added for the second direction.
 *
 * @example
 * const rnn = new nn.RNN(10, 20, { batchFirst: true });
 * const [output, hidden] = rnn.forward(torch.randn([3, 5, 10])); // [3, 5, 20], [1, 3, 20]
 */
export class RNN extends Recurrent {
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<
      [
        numLayers: number, nonlinearity: "tanh" | "relu", bias: boolean, batchFirst: boolean, dropout: number, bidirectional: boolean,
        device: Device, dtype: DType,
      ],
      typeof signature
    >
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    const { nonlinearity, ...settings } = read("nn.RNN", signature, args);
    super("nn.RNN", 1, ["hidden state"], settings);
    this.nonlinearity = nonlinearity;
  }

  /**
   * @param input [sequence, batch, inputSize], [batch, sequence, inputSize] with `batchFirst`, [sequence, inputSize], or packed
   * @param state [numLayers · directions, batch, hiddenSize] before the sequence, zeros if left out
   * @returns the last layer's output at each step, [..., directions · hiddenSize], and the state after it
   * @throws SteppeError `ARGUMENT` for a wrong shape or dtype
   */
  forward<Input extends Tensor | PackedSequence>(input: Input, state?: Tensor | null): [output: Input, state: Tensor] {
    const { bias, training, bidirectional, batchFirst } = this;
    const rnn = this.nonlinearity === "tanh" ? torch.rnnTanh : torch.rnnRelu;
    const [output, [hidden]] = this.over(input, state ? [state] : null, (data, batchSizes, [before], weights, { numLayers, dropout }) =>
      batchSizes === null
        ? rnn(data, before!, weights, bias, numLayers, dropout, training, bidirectional, batchFirst)
        : rnn(data, batchSizes, before!, weights, bias, numLayers, dropout, training, bidirectional),
    );
    return [output, hidden!];
  }
}
