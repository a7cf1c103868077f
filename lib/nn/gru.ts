import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { read } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { Recurrent, recurrentArguments } from "./recurrent.js";
import type { PackedSequence } from "./utils/packed-sequence.js";

/**
 * Gated recurrent units. Weights start uniform in ±1/√hiddenSize. arXiv 1406.1078.
 *
 * Parameters of layer k: `weight_ih_lk` [3·hiddenSize, in], `weight_hh_lk` [3·hiddenSize, hiddenSize], `bias_ih_lk` and
 * `bias_hh_lk` [3·hiddenSize]; `_reverse` is added for the second direction. The three parts are the reset, update and new gate.
 *
 * @example
 * const gru = new nn.GRU(10, 20, { batchFirst: true });
 * const [output, hidden] = gru.forward(torch.randn([3, 5, 10])); // [3, 5, 20], [1, 3, 20]
 */
export class GRU extends Recurrent {
  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<
      [numLayers: number, bias: boolean, batchFirst: boolean, dropout: number, bidirectional: boolean, device: Device, dtype: DType],
      typeof recurrentArguments
    >
  );
  constructor(options: Named<typeof recurrentArguments>);
  constructor(...args: unknown[]) {
    super("nn.GRU", 3, ["hidden state"], read("nn.GRU", recurrentArguments, args));
  }

  /**
   * @param input [sequence, batch, inputSize], [batch, sequence, inputSize] with `batchFirst`, [sequence, inputSize], or packed
   * @param state [numLayers · directions, batch, hiddenSize] before the sequence, zeros if left out
   * @returns the last layer's output at each step, [..., directions · hiddenSize], and the state after it
   * @throws SteppeError `ARGUMENT` for a wrong shape or dtype
   */
  forward<Input extends Tensor | PackedSequence>(input: Input, state?: Tensor | null): [output: Input, state: Tensor] {
    const { bias, training, bidirectional, batchFirst } = this;
    const [output, [hidden]] = this.over(input, state ? [state] : null, (data, batchSizes, [before], weights, { numLayers, dropout }) =>
      batchSizes === null
        ? torch.gru(data, before!, weights, bias, numLayers, dropout, training, bidirectional, batchFirst)
        : torch.gru(data, batchSizes, before!, weights, bias, numLayers, dropout, training, bidirectional),
    );
    return [output, hidden!];
  }
}
