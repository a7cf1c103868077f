import { expected, expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, or, orNull, probability, read, requireTensors, tensor } from "./arguments.js";
import type { Named, Rest, Values } from "./arguments.js";
import { attendHeads } from "./functional/multi-head-attention.js";
import type { Heads } from "./functional/multi-head-attention.js";
import { xavierNormal_, xavierUniform_, zeros_ } from "./init.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  /** A multiple of `numHeads`. */
  embedDim: count,
  numHeads: count,
  /** Probability with which attention weights are zeroed in training. */
  dropout: or(probability, 0),
  /** Whether the projections have a bias. */
  bias: or(flag, true),
  /** Whether keys and values get a learned vector more. */
  addBiasKv: or(flag, false),
  /** Whether keys and values get zeros more. */
  addZeroAttn: or(flag, false),
  /** Width of the keys; `embedDim` if left out. */
  kdim: orNull(count),
  /** Width of the values; `embedDim` if left out. */
  vdim: orNull(count),
  /** Whether inputs and output are [batch, sequence, features] rather than [sequence, batch, features]. */
  batchFirst: or(flag, false),
  ...factory,
};

const forwardArguments = {
  keyPaddingMask: orNull(tensor),
  needWeights: or(flag, true),
  attnMask: orNull(tensor),
  averageAttnWeights: or(flag, true),
  isCausal: or(flag, false),
};
type ForwardRest = Rest<
  [keyPaddingMask: Tensor | null, needWeights: boolean, attnMask: Tensor | null, averageAttnWeights: boolean, isCausal: boolean],
  typeof forwardArguments
>;
const owner = "nn.MultiheadAttention";

/**
 * Attention of several heads: each projects queries, keys and values, and mixes values by the softmax of query · key / √width.
 * arXiv 1706.03762.
 *
 * Parameters: `in_proj_weight` [3·embedDim, embedDim] for queries, keys and values, or `q_proj_weight`, `k_proj_weight` and
 * `v_proj_weight` where their widths differ; `in_proj_bias` [3·embedDim]; `bias_k` and `bias_v` [1, 1, embedDim]; `out_proj`.
 *
 * @example
 * const attention = new nn.MultiheadAttention(512, 8, { batchFirst: true });
 * const [output] = attention.forward(x, x, x, { needWeights: false }); // [N, L, 512] in and out
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  readonly batchFirst: boolean;
  readonly kdim: number;
  readonly vdim: number;
  // Named as in the state dict.
  q_proj_weight: Parameter | null = null;
  k_proj_weight: Parameter | null = null;
  v_proj_weight: Parameter | null = null;
  in_proj_weight: Parameter | null = null;
  in_proj_bias: Parameter | null;
  bias_k: Parameter | null = null;
  bias_v: Parameter | null = null;
  out_proj: Linear;

  constructor(
    embedDim: number,
    numHeads: number,
    ...rest: Rest<
      [
        dropout: number, bias: boolean, addBiasKv: boolean, addZeroAttn: boolean, kdim: number | null, vdim: number | null,
        batchFirst: boolean, device: Device, dtype: DType,
      ],
      typeof signature
    >
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const options = read(owner, signature, args);
    const { embedDim, numHeads, bias, addBiasKv } = options;
    const where = { device: options.device, dtype: options.dtype };
    if (embedDim % numHeads !== 0) throw expected(`a multiple of numHeads (${numHeads})`, `embedDim of ${owner}`, embedDim);
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = options.dropout;
    this.addZeroAttn = options.addZeroAttn;
    this.batchFirst = options.batchFirst;
    this.kdim = options.kdim ?? embedDim;
    this.vdim = options.vdim ?? embedDim;
    if (this.kdim === embedDim && this.vdim === embedDim) {
      this.in_proj_weight = emptyParameter([3 * embedDim, embedDim], where);
    } else {
      this.q_proj_weight = emptyParameter([embedDim, embedDim], where);
      this.k_proj_weight = emptyParameter([embedDim, this.kdim], where);
      this.v_proj_weight = emptyParameter([embedDim, this.vdim], where);
    }
    this.in_proj_bias = bias ? emptyParameter([3 * embedDim], where) : null;
    this.out_proj = new Linear(embedDim, embedDim, { bias, ...where });
    if (addBiasKv) {
      this.bias_k = emptyParameter([1, 1, embedDim], where);
      this.bias_v = emptyParameter([1, 1, embedDim], where);
    }
    this.#draw();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    this.out_proj.resetParameters();
    this.#draw();
  }

  #draw(): void {
    for (const weight of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) {
      if (weight !== null) xavierUniform_(weight);
    }
    for (const bias of [this.in_proj_bias, this.out_proj.bias]) if (bias !== null) zeros_(bias);
    for (const vector of [this.bias_k, this.bias_v]) if (vector !== null) xavierNormal_(vector);
  }

  /**
   * @param query [L, N, embedDim], [N, L, embedDim] with `batchFirst`, or [L, embedDim]
   * @param key [S, N, kdim], [N, S, kdim] or [S, kdim]
   * @param value [S, N, vdim], [N, S, vdim] or [S, vdim]
   * @param rest `keyPaddingMask` [N, S] or [S] and `attnMask` [L, S] or [N · numHeads, L, S]: boolean, true where a key is not to be
   *   attended to, or numbers added to the scores; `needWeights` (true): whether the weights are returned, too, without which
   *   attention is faster; `averageAttnWeights` (true): their mean over the heads; `isCausal`: says that `attnMask` is causal
   * @returns the output, of the query's shape, and the weights, [N, L, S] or, not averaged, [N, numHeads, L, S], or null
   * @throws SteppeError `ARGUMENT` for shapes that do not fit
   */
  forward(query: Tensor, key: Tensor, value: Tensor, ...rest: ForwardRest): [output: Tensor, weights: Tensor | null] {
    const options = read(`${owner}.forward`, forwardArguments, rest);
    requireTensors(owner, { query, key, value });
    if (query.dim() === 2) {
      const [q, k, v] = [query, key, value].map((x) => x.unsqueeze(this.batchFirst ? 0 : 1)) as [Tensor, Tensor, Tensor];
      const [output, weights] = this.forward(q, k, v, { ...options, keyPaddingMask: options.keyPaddingMask?.unsqueeze(0) ?? null });
      return [output.squeeze(this.batchFirst ? 0 : 1), weights?.squeeze(0) ?? null];
    }
    this.#check(query, key, value);
    if (options.isCausal && options.attnMask === null) {
      throw expected("a tensor beside isCausal", `attnMask of ${owner}.forward`, null);
    }
    const [output, weights] = attendHeads(owner, ...this.#sequencesFirst(query, key, value), this.#heads(options));
    return [this.batchFirst ? output.transpose(0, 1) : output, weights];
  }

  /** One and the same tensor stays one. */
  #sequencesFirst(query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor, Tensor] {
    if (!this.batchFirst) return [query, key, value];
    const turned = new Map([query, key, value].map((x) => [x, x.transpose(0, 1)]));
    return [turned.get(query)!, turned.get(key)!, turned.get(value)!];
  }

  /** What the functional form needs to know. */
  #heads(options: Values<typeof forwardArguments>): Heads {
    return {
      ...options,
      ...{ numHeads: this.numHeads, addZeroAttn: this.addZeroAttn, dropout: this.training ? this.dropout : 0 },
      projections: this.in_proj_weight ?? [this.q_proj_weight!, this.k_proj_weight!, this.v_proj_weight!],
      ...{ projectionBias: this.in_proj_bias, biasK: this.bias_k, biasV: this.bias_v },
      ...{ outWeight: this.out_proj.weight, outBias: this.out_proj.bias },
    };
  }

  #check(query: Tensor, key: Tensor, value: Tensor): void {
    const given = [["query", query, this.embedDim], ["key", key, this.kdim], ["value", value, this.vdim]] as const;
    for (const [name, x, width] of given) {
      if (x.dim() !== 3 || x.shape[2] !== width) {
        throw expectedTensor(`2 or 3 dimensions, the last ${width}`, `the ${name} of ${owner}`, x);
      }
    }
    const batchDim = this.batchFirst ? 0 : 1;
    for (const [name, x] of given.slice(1)) {
      if (x.shape[batchDim] !== query.shape[batchDim] || x.shape[1 - batchDim] !== key.shape[1 - batchDim]) {
        throw expectedTensor(`${query.shape[batchDim]} samples and ${key.shape[1 - batchDim]} places`, `the ${name} of ${owner}`, x);
      }
    }
  }

  protected override extraRepr(): string {
    return `${this.embedDim}, ${this.numHeads}, dropout=${this.dropout}, batchFirst=${this.batchFirst}`;
  }
}
