import { expectedTensor } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { DType } from "../types.js";

// What the attention of all language models shares. Masks are added to the scores. They are made by tensor operations alone,
// so that a recorded step serves every mask.

/**
 * What is added to the score of a key that is not to be seen. Not minus infinity: a row in which nothing is to be seen (a
 * query that is padding itself) then attends to all keys alike and not to NaN.
 */
function unseen(dtype: DType): number {
  return dtype === "float16" ? -65504 : -1e30;
}

/** A float tensor with {@link unseen} where `hidden` is true or not 0, and 0 elsewhere. */
function penalty(hidden: Tensor, dtype: DType): Tensor {
  return hidden.to(dtype).mul(unseen(dtype));
}

/**
 * The mask of a user as one that is added to scores.
 *
 * @param mask [batch, keys], 1 or true for keys that are seen, 0 or false for padding; or [batch, 1 or heads, queries, keys],
 *   either bool or a float tensor that is added as it is; or nothing
 * @throws SteppeError `ARGUMENT` for another number of dimensions
 */
export function additiveMask(mask: Tensor | null | undefined, dtype: DType): Tensor | null {
  if (mask === null || mask === undefined) return null;
  if (mask.dim() === 2) return penalty(mask.eq(0), dtype).unsqueeze(1).unsqueeze(1); // [batch, 1, 1, keys]
  if (mask.dim() !== 4) throw expectedTensor("2 or 4 dimensions", "attentionMask", mask);
  return /float/.test(mask.dtype) ? mask.to(dtype) : penalty(mask.eq(0), dtype);
}

/**
 * A mask that hides from each query the keys after it, and padding.
 *
 * @param past how many keys lie before the first query's own
 * @param mask as for {@link additiveMask}; one of four dimensions is taken as the whole mask
 * @returns [1 or batch, 1, queries, past + queries], or null where nothing is hidden
 */
export function causalMask(queries: number, past: number, mask: Tensor | null | undefined, like: Tensor): Tensor | null {
  const { dtype, device } = like;
  const added = additiveMask(mask, dtype);
  if (queries === 1 || mask?.dim() === 4) return added;
  const later = torch.ones([queries, past + queries], { dtype: "bool", device }).triu(past + 1);
  const causal = penalty(later, dtype).unsqueeze(0).unsqueeze(0);
  // Hidden twice is no more hidden: twice the penalty would be minus infinity in float16.
  return added === null ? causal : torch.minimum(causal, added);
}

/** [batch, length, heads · width] as [batch, heads, length, width]. */
export function splitHeads(states: Tensor, heads: number): Tensor {
  return states.unflatten(2, [heads, -1]).transpose(1, 2);
}

/** [batch, heads, length, width] as [batch, length, heads · width]. */
export function mergeHeads(states: Tensor): Tensor {
  return states.transpose(1, 2).flatten(2);
}

/** Settings of {@link attend}. */
export interface AttentionSettings {
  /** Added to the scores: broadcast to [batch, heads, queries, keys]. */
  mask: Tensor | null;
  /** In place of a mask, without `outputAttentions`: no query sees later keys. Kernels then leave these out; default false. */
  isCausal?: boolean;
  /** By what scores are multiplied. */
  scale: number;
  /** Probability with which attention weights are zeroed; 0 in evaluation. */
  dropout: number;
  /** Whether the weights are wanted beside the result: they are then computed one step at a time. */
  outputAttentions: boolean;
}

/**
 * Scaled dot-product attention. arXiv 1706.03762, section 3.2.1.
 *
 * @param query [batch, heads, queries, width]
 * @param key [batch, heads, keys, width]
 * @param value [batch, heads, keys, width]
 * @returns the result [batch, heads, queries, width], and the weights [batch, heads, queries, keys] if wanted
 */
export function attend(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { mask, isCausal = false, scale, dropout, outputAttentions }: AttentionSettings,
): { context: Tensor; weights: Tensor | null } {
  if (!outputAttentions) {
    return { context: torch.scaledDotProductAttention(query, key, value, mask, dropout, isCausal, { scale }), weights: null };
  }
  const scores = query.matmul(key.transpose(2, 3)).mul(scale);
  const shares = (mask === null ? scores : scores.add(mask)).softmax(-1).to(value.dtype);
  const weights = nn.functional.dropout(shares, { p: dropout });
  return { context: weights.matmul(value), weights };
}
