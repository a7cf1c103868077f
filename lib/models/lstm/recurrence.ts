import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

/** Hidden and cell state, [1, batch, hiddenSize] each. */
export type LayerState = readonly [hidden: Tensor, cell: Tensor];

/**
 * One layer of a long short-term memory over a sequence, whose recurrent weights may be others than the layer's own.
 *
 * @param layer with `batchFirst` and one layer
 * @param input [batch, length, inputSize]
 * @param state zeros if null
 * @param recurrent [4 · hiddenSize, hiddenSize]
 * @returns [batch, length, hiddenSize], and the state after it
 */
export function recur(layer: nn.LSTM, input: Tensor, state: LayerState | null, recurrent?: Tensor): [output: Tensor, state: LayerState] {
  const { weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 } = layer as unknown as Record<string, Tensor>;
  const { dtype, device } = weight_ih_l0!;
  const zeros = () => torch.zeros([1, input.shape[0]!, layer.hiddenSize], { dtype, device });
  const before = state === null ? [zeros(), zeros()] : [...state];
  // In mixed precision the layer before may have given half precision.
  const [output, hidden, cell] = torch.lstm(input.to(dtype), before, [weight_ih_l0!, recurrent ?? weight_hh_l0!, bias_ih_l0!, bias_hh_l0!], true, 1, 0, layer.training, false, true);
  return [output, [hidden, cell]];
}

/** One layer for {@link recur}. */
export function layerOf(inputSize: number, hiddenSize: number): nn.LSTM {
  return new nn.LSTM(inputSize, hiddenSize, { batchFirst: true });
}

/** Zeroes each feature of a sequence at all of its places or at none: variational dropout. arXiv 1512.05287. */
export class LockedDropout extends nn.Module {
  readonly p: number;

  constructor(p: number) {
    super();
    this.p = p;
  }

  /** @param input [batch, length, width] @returns the same shape */
  forward(input: Tensor): Tensor {
    if (!this.training || this.p === 0) return input;
    const [batch, , width] = input.shape as [number, number, number];
    return input.mul(nn.functional.dropout(torch.ones([batch, 1, width], { dtype: input.dtype, device: input.device }), this.p));
  }

  protected override extraRepr(): string {
    return `p=${this.p}`;
  }
}
