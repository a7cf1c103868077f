import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, orNull, probability, read, real, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";

const attentionArguments = {
  attnMask: orNull(tensor),
  dropoutP: or(probability, 0),
  isCausal: or(flag, false),
  scale: orNull(real),
  enableGqa: or(flag, false),
};

/**
 * softmax(query · keyᵀ · scale + mask) · value, in one kernel where there is one. arXiv 1706.03762, 2205.14135.
 *
 * @param query [..., L, E]
 * @param key [..., S, E]
 * @param value [..., S, V]
 * @param rest `attnMask`: broadcast to [..., L, S], added to the scores, or boolean, true where a key may be attended to;
 *   `dropoutP` (0), also in evaluation; `isCausal`: no query sees later keys; `scale` (1/√E); `enableGqa`: fewer heads in key and value
 * @returns [..., L, V]
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  ...rest: Rest<
    [attnMask: Tensor | null, dropoutP: number, isCausal: boolean, scale: number | null, enableGqa: boolean],
    typeof attentionArguments
  >
): Tensor {
  const { attnMask, dropoutP, isCausal, scale, enableGqa } = read("nn.functional.scaledDotProductAttention", attentionArguments, rest);
  return torch.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal, { scale, enableGqa });
}
