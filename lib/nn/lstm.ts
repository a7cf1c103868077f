import { currentAutocast } from "../autocast.js";
import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { or, read, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { Recurrent, recurrentArguments } from "./recurrent.js";
import type { PackedSequence } from "./utils/packed-sequence.js";

const { device, dtype, ...others } = recurrentArguments;
const signature = {
  ...others,
  /** Size to which hidden states are projected; 0 for no projection. */
  projSize: or(size, 0),
  device,
  dtype,
};

/**
 * Hidden and cell state: [numLayers · directions, batch, projSize or hiddenSize] and [numLayers · directions, batch, hiddenSize].
 */
export type LSTMState = [hidden: Tensor, cell: Tensor];

/**
 * Under autocast with float16 on a CPU, of a float32 tensor the float16 one. LibTorch gives an LSTM of float32 to oneDNN, which then casts to
 * float16 and on most processors has no kernel for it; a float16 input goes another way from the start.
 */
function inHalf(tensor: Tensor): Tensor {
  const { enabled, dtype } = currentAutocast("cpu");
  return enabled === true && dtype === "float16" && tensor.device === "cpu" && tensor.dtype === "float32" ? tensor.to("float16") : tensor;
}

/**
 * A long short-term memory. Weights start uniform in ±1/√hiddenSize. Hochreiter and Schmidhuber 1997; projections: arXiv 1402.1128.
 *
 * Parameters of layer k: `weight_ih_lk` [4·hiddenSize, in], `weight_hh_lk` [4·hiddenSize, projSize or hiddenSize],
 * `bias_ih_lk` and `bias_hh_lk` [4·hiddenSize], `weight_hr_lk` [projSize, hiddenSize]; `_reverse` is added for the second
 * direction. The four parts are the input, forget, cell and output gate.
 *
 * @example
 * const lstm = new nn.LSTM(10, 20, { numLayers: 2, batchFirst: true });
 * const [output, [hidden, cell]] = lstm.forward(torch.randn([3, 5, 10])); // [3, 5, 20], [2, 3, 20], [2, 3, 20]
 */
export class LSTM extends Recurrent {
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
    const options = read("nn.LSTM", signature, args);
    const { hiddenSize, projSize } = options;
    if (projSize >= hiddenSize) throw expected(`a size below hiddenSize (${hiddenSize})`, "projSize of nn.LSTM", projSize);
    super("nn.LSTM", 4, ["hidden state", "cell state"], options);
  }

  /**
   * @param input [sequence, batch, inputSize], [batch, sequence, inputSize] with `batchFirst`, [sequence, inputSize], or packed
   * @param state the states before the sequence, zeros if left out; without a batch dimension where the input has none
   * @returns the last layer's output at each step, [..., directions · (projSize or hiddenSize)], and the states after it
   * @throws SteppeError `ARGUMENT` for a wrong shape or dtype
   */
  forward<Input extends Tensor | PackedSequence>(input: Input, state?: LSTMState | null): [output: Input, state: LSTMState] {
    const { bias, training, bidirectional, batchFirst } = this;
    const [output, [hidden, cell]] = this.over(input, state ?? null, (given, batchSizes, before, weights, { numLayers, dropout }) => {
      const [data, states] = [inHalf(given), before.map(inHalf)];
      return batchSizes === null
        ? torch.lstm(data, states, weights, bias, numLayers, dropout, training, bidirectional, batchFirst)
        : torch.lstm(data, batchSizes, states, weights, bias, numLayers, dropout, training, bidirectional);
    });
    return [output, [hidden!, cell!]];
  }
}
