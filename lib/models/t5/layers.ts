import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { attend, mergeHeads, splitHeads } from "../attention.js";
import type { KeyValueCache } from "../generation/cache.js";
import type { T5Config } from "./config.js";

// The layers of T5: pre-norm transformer layers without biases. arXiv 1910.10683, section 2.1.

/** Root mean square normalisation: no mean is taken off, and there is no bias. arXiv 1910.07467. */
export class T5LayerNorm extends nn.Module {
  /** [width] */
  weight: Parameter;
  readonly eps: number;

  constructor(width: number, eps: number) {
    super();
    this.weight = nn.parameter(torch.ones([width]));
    this.eps = eps;
  }

  override get isNormalization(): boolean {
    return true;
  }

  /** @param input [..., width] @returns the same shape */
  forward(input: Tensor): Tensor {
    const half = input.dtype === "bfloat16" || input.dtype === "float16";
    const wide = half ? input.to("float32") : input; // squares of half precision overflow
    const normal = wide.mul(wide.square().mean(-1, true).add(this.eps).rsqrt());
    return this.weight.mul(half ? normal.to(this.weight.dtype) : normal);
  }
}

/** What a feed-forward network does between its layers: an activation, or in version 1.1 an activation that gates a second map. */
class T5FeedForward extends nn.Module {
  readonly wo: nn.Linear;
  readonly dropout: nn.Dropout;
  readonly #hidden: (states: Tensor) => Tensor;

  constructor({ dModel, dFf, dropoutRate, feedForwardProj, initializerFactor }: T5Config) {
    super();
    const gated = feedForwardProj.startsWith("gated-");
    const name = gated ? feedForwardProj.slice("gated-".length) : feedForwardProj;
    const activate = activation(gated && name === "gelu" ? "gelu_new" : name, "feedForwardProj");
    const into = (property: string) => {
      const layer = new nn.Linear(dModel, dFf, { bias: false });
      nn.init.normal_(layer.weight, { std: initializerFactor * dModel ** -0.5 });
      this.registerModule(property, layer);
      return layer;
    };
    if (gated) {
      const [gate, linear] = [into("wi_0"), into("wi_1")];
      this.#hidden = (states) => activate(gate.forward(states)).mul(linear.forward(states));
    } else {
      const linear = into("wi");
      this.#hidden = (states) => activate(linear.forward(states));
    }
    this.wo = new nn.Linear(dFf, dModel, { bias: false });
    nn.init.normal_(this.wo.weight, { std: initializerFactor * dFf ** -0.5 });
    this.dropout = new nn.Dropout(dropoutRate);
  }

  forward(states: Tensor): Tensor {
    return this.wo.forward(this.dropout.forward(this.#hidden(states)));
  }
}

/** Number of the bucket of each distance (place of the key minus place of the query), int64 of the same shape. */
function buckets(distance: Tensor, bidirectional: boolean, count: number, maxDistance: number): Tensor {
  const half = bidirectional ? count / 2 : count; // one half for keys after the query, where there may be any
  const away = bidirectional ? distance.abs() : distance.neg().clamp(0);
  const exact = Math.floor(half / 2); // as many distances have a bucket of their own; beyond they grow with the logarithm
  const share = away.to("float32").div(exact).log().div(Math.log(maxDistance / exact));
  const far = share.mul(half - exact).to("int64").add(exact).clamp(null, half - 1);
  const bucket = torch.where(away.lt(exact), away, far);
  return bidirectional ? bucket.add(distance.gt(0).to("int64").mul(half)) : bucket;
}

/** What an attention is told besides its input. */
export interface T5AttentionSettings {
  /** Added to the scores: positions and masks. */
  bias: Tensor | null;
  outputAttentions: boolean;
  cache?: KeyValueCache | undefined;
}

export class T5Attention extends nn.Module {
  q: nn.Linear;
  k: nn.Linear;
  v: nn.Linear;
  o: nn.Linear;
  /** [buckets, heads], in the first layer of each stack: all layers use it. */
  relative_attention_bias: nn.Embedding | null;
  readonly heads: number;
  readonly dropout: number;
  readonly layer: number;
  readonly maxDistance: number;

  constructor(config: T5Config, layer: number, hasRelativeAttentionBias: boolean) {
    super();
    const { dModel, dKv, numHeads, initializerFactor: factor } = config;
    const inner = numHeads * dKv;
    const linear = (from: number, to: number, std: number) => {
      const made = new nn.Linear(from, to, { bias: false });
      nn.init.normal_(made.weight, { std: factor * std });
      return made;
    };
    this.q = linear(dModel, inner, (dModel * dKv) ** -0.5); // scores are not scaled: the weights are
    this.k = linear(dModel, inner, dModel ** -0.5);
    this.v = linear(dModel, inner, dModel ** -0.5);
    this.o = linear(inner, dModel, inner ** -0.5);
    this.relative_attention_bias = hasRelativeAttentionBias ? new nn.Embedding(config.relativeAttentionNumBuckets, numHeads) : null;
    if (this.relative_attention_bias !== null) nn.init.normal_(this.relative_attention_bias.weight, { std: factor * dModel ** -0.5 });
    this.heads = numHeads;
    this.dropout = config.dropoutRate;
    this.layer = layer;
    this.maxDistance = config.relativeAttentionMaxDistance;
  }

  /**
   * What is added to the scores for the distance between query and key.
   *
   * @param past how many keys lie before the first query's own
   * @returns [1, heads, queries, past + queries]
   */
  positionBias(queries: number, past: number, bidirectional: boolean): Tensor {
    const { weight, numEmbeddings } = this.relative_attention_bias!;
    const keys = past + queries;
    // Each distance is looked up once; the rows of the matrix are windows of these.
    const distances = torch.arange(1 - keys, queries, { dtype: "int64", device: weight.device });
    const values = nn.functional.embedding(buckets(distances, bidirectional, numEmbeddings, this.maxDistance), weight);
    return values.t().unfold(1, keys, 1).flip([1]).unsqueeze(0);
  }

  /**
   * @param states of the queries [batch, queries, dModel]
   * @param source states of the keys, where these are the encoder's
   */
  forward(states: Tensor, { bias, outputAttentions, cache }: T5AttentionSettings, source?: Tensor): { states: Tensor; weights: Tensor | null } {
    const split = (projection: nn.Linear, of: Tensor) => splitHeads(projection.forward(of), this.heads);
    const make = () => ({ key: split(this.k, source ?? states), value: split(this.v, source ?? states) });
    let { key, value } = source !== undefined && cache !== undefined ? cache.cross(this.layer, make) : make();
    if (source === undefined && cache !== undefined) ({ key, value } = cache.extend(this.layer, key, value));
    const dropout = this.training ? this.dropout : 0;
    const { context, weights } = attend(split(this.q, states), key, value, { mask: bias, scale: 1, dropout, outputAttentions });
    return { states: this.o.forward(mergeHeads(context)), weights };
  }
}

/** A part of a block: normalised input, dropped out result, added to what there was. */
abstract class T5Part extends nn.Module {
  layer_norm: T5LayerNorm;
  dropout: nn.Dropout;

  constructor({ dModel, layerNormEpsilon, dropoutRate }: T5Config) {
    super();
    this.layer_norm = new T5LayerNorm(dModel, layerNormEpsilon);
    this.dropout = new nn.Dropout(dropoutRate);
  }
}

export class T5SelfAttentionPart extends T5Part {
  SelfAttention: T5Attention;

  constructor(config: T5Config, layer: number) {
    super(config);
    this.SelfAttention = new T5Attention(config, layer, layer === 0);
  }

  forward(input: Tensor, settings: T5AttentionSettings): { states: Tensor; weights: Tensor | null } {
    const { states, weights } = this.SelfAttention.forward(this.layer_norm.forward(input), settings);
    return { states: input.add(this.dropout.forward(states)), weights };
  }
}

export class T5CrossAttentionPart extends T5Part {
  EncDecAttention: T5Attention;

  constructor(config: T5Config, layer: number) {
    super(config);
    this.EncDecAttention = new T5Attention(config, layer, false);
  }

  forward(input: Tensor, source: Tensor, settings: T5AttentionSettings): { states: Tensor; weights: Tensor | null } {
    const { states, weights } = this.EncDecAttention.forward(this.layer_norm.forward(input), settings, source);
    return { states: input.add(this.dropout.forward(states)), weights };
  }
}

export class T5FeedForwardPart extends T5Part {
  DenseReluDense: T5FeedForward;

  constructor(config: T5Config) {
    super(config);
    this.DenseReluDense = new T5FeedForward(config);
  }

  forward(input: Tensor): Tensor {
    return input.add(this.dropout.forward(this.DenseReluDense.forward(this.layer_norm.forward(input))));
  }
}
