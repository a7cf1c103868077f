import { expected, expectedTensor } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, orNull, probability, read, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { additive } from "../masks.js";
import { scaledDotProductAttention } from "./attention.js";
import { dropout } from "./dropout.js";
import { linear } from "./linear.js";
import { pad } from "./pad.js";

/** @internal What attention of several heads is computed with; all sequences come first: [L, N, embedDim], [S, N, ...]. */
export interface Heads {
  numHeads: number;
  /** Of queries, keys and values together [3·embedDim, embedDim], or of each. */
  projections: Tensor | readonly [Tensor, Tensor, Tensor];
  projectionBias: Tensor | null;
  /** Vectors that keys and values get more, [1, 1, embedDim]. */
  biasK: Tensor | null;
  biasV: Tensor | null;
  addZeroAttn: boolean;
  dropout: number;
  outWeight: Tensor;
  outBias: Tensor | null;
  keyPaddingMask: Tensor | null;
  attnMask: Tensor | null;
  needWeights: boolean;
  averageAttnWeights: boolean;
  isCausal: boolean;
  /** In place of projected keys and values, [N · numHeads, S, width of a head]. */
  staticK?: Tensor | null;
  staticV?: Tensor | null;
}

function project(query: Tensor, key: Tensor, value: Tensor, { projections, projectionBias: bias }: Heads): [Tensor, Tensor, Tensor] {
  if (projections instanceof Tensor && query === key && key === value) return linear(query, projections, bias).chunk(3, -1) as [Tensor, Tensor, Tensor];
  const weights = projections instanceof Tensor ? projections.chunk(3) : projections;
  const biases = bias?.chunk(3) ?? [null, null, null];
  return [query, key, value].map((x, i) => linear(x, weights[i]!, biases[i]!)) as [Tensor, Tensor, Tensor];
}

/** @internal @param owner whose masks they are, for messages */
export function attendHeads(owner: string, query: Tensor, key: Tensor, value: Tensor, heads: Heads): [output: Tensor, weights: Tensor | null] {
  const { numHeads, needWeights } = heads;
  const [length, batch, embedDim] = query.shape as [number, number, number];
  const [given, width] = [heads.staticK?.shape[1] ?? key.shape[0]!, embedDim / numHeads];
  const projected = project(query, key, value, heads);
  const { dtype, device } = projected[0];
  let padding = additive(heads.keyPaddingMask, dtype, `keyPaddingMask of ${owner}`, [batch, given]);
  let mask = additive(heads.attnMask, dtype, `attnMask of ${owner}`, [length, given], [batch * numHeads, length, given]);
  const isCausal = heads.isCausal && padding === null && !needWeights && heads.biasK === null && !heads.addZeroAttn;

  const apart = (x: Tensor) => x.reshape([-1, batch, numHeads, width]).permute([1, 2, 0, 3]); // [N, heads, sequence, width]
  const fixed = (x: Tensor | null | undefined, otherwise: Tensor) => (x ? x.reshape([batch, numHeads, -1, width]) : apart(otherwise));
  const q = apart(projected[0]);
  let [k, v] = [fixed(heads.staticK, projected[1]), fixed(heads.staticV, projected[2])];
  const lengthen = (moreKeys: Tensor, moreValues: Tensor) => {
    const shape = [batch, numHeads, 1, width];
    [k, v] = [torch.cat([k, moreKeys.expand(shape)], 2), torch.cat([v, moreValues.expand(shape)], 2)];
    if (mask !== null) mask = pad(mask, [0, 1]);
    if (padding !== null) padding = pad(padding, [0, 1]);
  };
  const vector = (x: Tensor) => x.reshape([1, numHeads, 1, width]);
  if (heads.biasK !== null && heads.biasV !== null) lengthen(vector(heads.biasK), vector(heads.biasV));
  if (heads.addZeroAttn) {
    const zeros = torch.zeros([1, 1, 1, 1], { dtype: k.dtype, device });
    lengthen(zeros, zeros);
  }

  const seen = k.shape[2]!;
  if (mask !== null && mask.dim() === 3) mask = mask.reshape([batch, numHeads, length, seen]);
  const closed = padding?.reshape([batch, 1, 1, seen]) ?? null;
  const both = mask === null || closed === null ? (mask ?? closed) : mask.add(closed);
  const output = (x: Tensor) => linear(x.permute([2, 0, 1, 3]).reshape([length, batch, embedDim]), heads.outWeight, heads.outBias);

  if (!needWeights) return [output(scaledDotProductAttention(q, k, v, isCausal ? null : both, heads.dropout, isCausal)), null];
  const scores = q.mul(1 / Math.sqrt(width)).matmul(k.transpose(-2, -1));
  const weights = dropout((both === null ? scores : scores.add(both)).softmax(-1), heads.dropout);
  return [output(weights.matmul(v)), heads.averageAttnWeights ? weights.mean(1) : weights];
}

const signature = {
  training: or(flag, true),
  keyPaddingMask: orNull(tensor),
  needWeights: or(flag, true),
  attnMask: orNull(tensor),
  useSeparateProjWeight: or(flag, false),
  qProjWeight: orNull(tensor),
  kProjWeight: orNull(tensor),
  vProjWeight: orNull(tensor),
  staticK: orNull(tensor),
  staticV: orNull(tensor),
  averageAttnWeights: or(flag, true),
  isCausal: or(flag, false),
};
type MaybeTensor = Tensor | null;
const owner = "nn.functional.multiHeadAttentionForward";

/**
 * What `nn.MultiheadAttention` computes, of parameters that are kept elsewhere. arXiv 1706.03762.
 *
 * @param query [L, N, embedDim] or [L, embedDim]
 * @param key [S, N, embedDim], or of its own width with `useSeparateProjWeight`
 * @param value [S, N, embedDim]
 * @param embedDimToCheck the width of the queries
 * @param inProjWeight [3·embedDim, embedDim]; null with `useSeparateProjWeight`
 * @param inProjBias [3·embedDim]
 * @param biasK a vector that the keys get more, [1, 1, embedDim]
 * @param biasV the same of the values
 * @param addZeroAttn whether keys and values get zeros more
 * @param dropoutP probability with which attention weights are zeroed in training
 * @param outProjWeight [embedDim, embedDim]
 * @param outProjBias [embedDim]
 * @param rest `training` (true); `keyPaddingMask` [N, S] or [S], `attnMask` [L, S] or [N · numHeads, L, S], boolean, true where a key is not to
 *   be attended to, or numbers added to the scores; `needWeights` (true), `averageAttnWeights` (true); `isCausal`: says that `attnMask` is
 *   causal; `useSeparateProjWeight` with `qProjWeight`, `kProjWeight`, `vProjWeight`; `staticK`, `staticV` [N · numHeads, S, embedDim / numHeads]
 *   in place of projected keys and values
 * @returns the output, of the query's shape, and the weights, [N, L, S] or, not averaged, [N, numHeads, L, S], or null
 * @throws SteppeError `ARGUMENT` for shapes that do not fit
 */
export function multiHeadAttentionForward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  embedDimToCheck: number,
  numHeads: number,
  inProjWeight: MaybeTensor,
  inProjBias: MaybeTensor,
  biasK: MaybeTensor,
  biasV: MaybeTensor,
  addZeroAttn: boolean,
  dropoutP: number,
  outProjWeight: Tensor,
  outProjBias: MaybeTensor,
  ...rest: Rest<
    [
      training: boolean, keyPaddingMask: MaybeTensor, needWeights: boolean, attnMask: MaybeTensor, useSeparateProjWeight: boolean,
      qProjWeight: MaybeTensor, kProjWeight: MaybeTensor, vProjWeight: MaybeTensor, staticK: MaybeTensor, staticV: MaybeTensor,
      averageAttnWeights: boolean, isCausal: boolean,
    ],
    typeof signature
  >
): [output: Tensor, weights: Tensor | null] {
  const options = read(owner, signature, rest);
  for (const [name, given] of Object.entries({ query, key, value, outProjWeight })) tensor.read(given, `${name} of ${owner}`);
  for (const [name, given] of Object.entries({ inProjWeight, inProjBias, biasK, biasV, outProjBias })) orNull(tensor).read(given, `${name} of ${owner}`);
  if (query.dim() === 2) {
    const one = (x: Tensor) => x.unsqueeze(1);
    const [output, weights] = multiHeadAttentionForward(
      one(query), one(key), one(value), embedDimToCheck, numHeads, inProjWeight, inProjBias, biasK, biasV, addZeroAttn, dropoutP, outProjWeight,
      outProjBias, { ...options, keyPaddingMask: options.keyPaddingMask?.unsqueeze(0) ?? null },
    );
    return [output.squeeze(1), weights?.squeeze(0) ?? null];
  }
  if (query.dim() !== 3 || query.shape[2] !== embedDimToCheck) throw expectedTensor(`2 or 3 dimensions, the last ${embedDimToCheck}`, `the query of ${owner}`, query);
  if (!Number.isSafeInteger(numHeads) || numHeads < 1 || embedDimToCheck % numHeads !== 0) throw expected(`a divisor of ${embedDimToCheck}`, `numHeads of ${owner}`, numHeads);
  if (key.dim() !== 3 || value.dim() !== 3 || String(key.shape.slice(0, 2)) !== String(value.shape.slice(0, 2)) || key.shape[1] !== query.shape[1]) {
    throw expectedTensor(`${query.shape[1]} sequences, as long as the keys,`, `the value of ${owner}`, value);
  }
  if (options.isCausal && options.attnMask === null) throw expected("a tensor beside isCausal", `attnMask of ${owner}`, null);
  const separate = [options.qProjWeight, options.kProjWeight, options.vProjWeight];
  const projections = options.useSeparateProjWeight ? separate : inProjWeight;
  if (projections === null || (Array.isArray(projections) && projections.includes(null))) {
    throw expected("tensors", `${options.useSeparateProjWeight ? "qProjWeight, kProjWeight and vProjWeight" : "inProjWeight"} of ${owner}`, null);
  }
  return attendHeads(owner, query, key, value, {
    ...options,
    ...{ numHeads, biasK, biasV, addZeroAttn, projections: projections as Heads["projections"], projectionBias: inProjBias },
    ...{ dropout: options.training ? probability.read(dropoutP, `dropoutP of ${owner}`) : 0, outWeight: outProjWeight, outBias: outProjBias },
  });
}
