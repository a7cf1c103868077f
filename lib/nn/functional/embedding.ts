import { expected, expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, integer, oneOf, or, orNull, read, real, requireTensors, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";

const embeddingArguments = {
  paddingIdx: orNull(integer),
  maxNorm: orNull(real),
  normType: or(real, 2),
  scaleGradByFreq: or(flag, false),
  sparse: or(flag, false),
};

/**
 * Rows of a table.
 *
 * @param input numbers of rows, any shape, int64 or int32
 * @param weight [rows, width]
 * @param rest `paddingIdx`: a row that gets no gradient; `maxNorm`: rows looked up are first scaled down to it, in place
 * @returns [...input.shape, width]
 */
export function embedding(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [paddingIdx: number | null, maxNorm: number | null, normType: number, scaleGradByFreq: boolean, sparse: boolean],
    typeof embeddingArguments
  >
): Tensor {
  const { paddingIdx, maxNorm, normType, scaleGradByFreq, sparse } = read("nn.functional.embedding", embeddingArguments, rest);
  if (maxNorm !== null) torch.noGrad(() => torch.embeddingRenorm_(weight, input.contiguous(), maxNorm, normType));
  return torch.embedding(weight, input, rowOf(paddingIdx, weight) ?? -1, scaleGradByFreq, sparse); // -1 is none
}

/** What becomes of the rows in a bag. */
export type BagMode = "sum" | "mean" | "max";
const bagCode = { sum: 0, mean: 1, max: 2 };

export const bagArguments = {
  maxNorm: orNull(real),
  normType: or(real, 2),
  scaleGradByFreq: or(flag, false),
  mode: or(oneOf("sum", "mean", "max"), "mean"),
  sparse: or(flag, false),
};
const embeddingBagArguments = {
  offsets: orNull(tensor),
  ...bagArguments,
  perSampleWeights: orNull(tensor),
  includeLastOffset: or(flag, false),
  paddingIdx: orNull(integer),
};

/**
 * Sums, means or maxima of rows of a table, without the rows in between.
 *
 * @param input numbers of rows, int64 or int32: [bags, rows in each], or [all rows] with `offsets`
 * @param weight [rows, width]
 * @param rest `offsets` [bags]: where each bag begins; `maxNorm`: rows looked up are first scaled down to it, in place; `mode`
 *   ("mean"); `perSampleWeights` of the input's shape, for "sum" only; `includeLastOffset`: the last offset is the input's length;
 *   `paddingIdx`: a row that does not count
 * @returns [bags, width]
 * @throws SteppeError `ARGUMENT` for offsets that are missing or too many, and for weights of another shape or mode
 */
export function embeddingBag(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [
      offsets: Tensor | null, maxNorm: number | null, normType: number, scaleGradByFreq: boolean, mode: BagMode, sparse: boolean,
      perSampleWeights: Tensor | null, includeLastOffset: boolean, paddingIdx: number | null,
    ],
    typeof embeddingBagArguments
  >
): Tensor {
  const owner = "nn.functional.embeddingBag";
  const options = read(owner, embeddingBagArguments, rest);
  const { offsets, maxNorm, normType, scaleGradByFreq, mode, sparse, perSampleWeights, includeLastOffset, paddingIdx } = options;
  requireTensors(owner, { input, weight });
  if (perSampleWeights !== null && mode !== "sum") throw expected('"sum" beside perSampleWeights', `mode of ${owner}`, mode);
  if (perSampleWeights !== null && String(perSampleWeights.shape) !== String(input.shape)) {
    throw expectedTensor(`shape [${input.shape.join(", ")}], as the input,`, `perSampleWeights of ${owner}`, perSampleWeights);
  }
  if (input.dim() !== 1 && input.dim() !== 2) {
    throw expectedTensor("a tensor of 1 or 2 dimensions", `input of ${owner}`, input);
  }
  if ((input.dim() === 1) !== (offsets !== null)) {
    throw expected(input.dim() === 1 ? "a tensor" : "none for bags of equal size", `offsets of ${owner}`, offsets);
  }
  const starts = offsets ?? torch.arange(0, input.numel(), Math.max(1, input.shape[1]!), { dtype: input.dtype, device: input.device });
  const rows = input.reshape([-1]);
  if (maxNorm !== null) torch.noGrad(() => torch.embeddingRenorm_(weight, rows, maxNorm, normType));
  const shares = perSampleWeights === null ? null : perSampleWeights.reshape([-1]);
  const padding = rowOf(paddingIdx, weight);
  return torch.embeddingBag(weight, rows, starts, scaleGradByFreq, bagCode[mode], sparse, shares, includeLastOffset, padding)[0];
}

/** Negative numbers count from the end. */
function rowOf(index: number | null, weight: Tensor): number | null {
  return index !== null && index < 0 ? weight.shape[0]! + index : index;
}
