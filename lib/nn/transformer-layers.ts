import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, kind, or, orNull, probability, read, real, requireTensors, tensor } from "./arguments.js";
import type { Argument, Named, Rest, Values } from "./arguments.js";
import { takeCopies } from "./copying.js";
import { Dropout } from "./dropout.js";
import { gelu, relu } from "./functional/index.js";
import { LayerNorm } from "./layer-norm.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { MultiheadAttention } from "./multihead-attention.js";
import { factory } from "./parameter.js";

/** What stands between the two linear maps of a block: a name or a function. */
export type Activation = "relu" | "gelu" | ((input: Tensor) => Tensor);

export const activation: Argument<Activation, Activation, false> = kind<Activation>(
  'one of "relu", "gelu" or a function',
  (value) => value === "relu" || value === "gelu" || typeof value === "function",
);

const signature = {
  /** Features of input and output: a multiple of `nhead`. */
  dModel: count,
  /** Heads of attention. */
  nhead: count,
  /** Width between the two linear maps. */
  dimFeedforward: or(count, 2048),
  dropout: or(probability, 0.1),
  activation: or(activation, "relu"),
  /** Added to the variance in layer normalizations. */
  layerNormEps: or(real, 1e-5),
  /** Whether inputs and output are [batch, sequence, features] rather than [sequence, batch, features]. */
  batchFirst: or(flag, false),
  /** Whether each part is normalized before it rather than after it. */
  normFirst: or(flag, false),
  bias: or(flag, true),
  ...factory,
};

/** All arguments of a transformer's layer by name. */
export type TransformerLayerOptions = Named<typeof signature>;
type LayerRest = Rest<
  [
    dimFeedforward: number, dropout: number, activation: Activation, layerNormEps: number, batchFirst: boolean, normFirst: boolean,
    bias: boolean, device: Device, dtype: DType,
  ],
  typeof signature
>;

/** What both kinds of layers share: the settings, the linear maps and the residual connections. */
abstract class TransformerLayer extends Module {
  readonly normFirst: boolean;
  readonly activation: Activation;
  protected readonly settings: Values<typeof signature>;

  constructor(settings: Values<typeof signature>) {
    super();
    this.settings = settings;
    this.normFirst = settings.normFirst;
    this.activation = settings.activation;
  }

  protected attention(): MultiheadAttention {
    const { dModel, nhead, dropout, batchFirst, bias, device, dtype } = this.settings;
    return new MultiheadAttention(dModel, nhead, { dropout, bias, batchFirst, device, dtype });
  }

  protected norm(): LayerNorm {
    const { dModel, layerNormEps: eps, bias, device, dtype } = this.settings;
    return new LayerNorm(dModel, { eps, bias, device, dtype });
  }

  /** The two linear maps, there and back, with the dropout between them. */
  protected maps(): [Linear, Dropout, Linear] {
    const { dModel, dimFeedforward, dropout, bias, device, dtype } = this.settings;
    const where = { bias, device, dtype };
    return [new Linear(dModel, dimFeedforward, where), new Dropout(dropout), new Linear(dimFeedforward, dModel, where)];
  }

  protected act(x: Tensor): Tensor {
    return this.activation === "relu" ? relu(x) : this.activation === "gelu" ? gelu(x) : this.activation(x);
  }

  /** The part's output, after dropout, is added to its input; normalized before or after. */
  protected residual(x: Tensor, norm: LayerNorm, drop: Dropout, part: (x: Tensor) => Tensor): Tensor {
    requireTensors(`nn.${this.constructor.name}`, { input: x });
    if (this.normFirst) return x.add(drop.forward(part(norm.forward(x))));
    return norm.forward(x.add(drop.forward(part(x))));
  }
}

const encoderArguments = { srcMask: orNull(tensor), srcKeyPaddingMask: orNull(tensor), isCausal: or(flag, false) };
export type EncoderLayerRest = Rest<[srcMask: Tensor | null, srcKeyPaddingMask: Tensor | null, isCausal: boolean], typeof encoderArguments>;

/**
 * A layer of a transformer's encoder: attention among its inputs, then two linear maps. arXiv 1706.03762.
 *
 * @example new nn.TransformerEncoderLayer(512, 8, { batchFirst: true }).forward(x) // [N, L, 512] in and out
 */
export class TransformerEncoderLayer extends TransformerLayer {
  // Named as in the state dict.
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;

  constructor(dModel: number, nhead: number, ...rest: LayerRest);
  constructor(options: TransformerLayerOptions);
  constructor(...args: unknown[]) {
    super(read("nn.TransformerEncoderLayer", signature, args));
    const { dropout } = this.settings;
    this.self_attn = this.attention();
    [this.linear1, this.dropout, this.linear2] = this.maps();
    [this.norm1, this.norm2] = [this.norm(), this.norm()];
    [this.dropout1, this.dropout2] = [new Dropout(dropout), new Dropout(dropout)];
  }

  /**
   * @param src [S, N, dModel], [N, S, dModel] with `batchFirst`, or [S, dModel]
   * @param rest masks as for `nn.MultiheadAttention`: `srcMask` [S, S], `srcKeyPaddingMask` [N, S]; `isCausal`: srcMask is causal
   * @returns the shape of `src`
   */
  forward(src: Tensor, ...rest: EncoderLayerRest): Tensor {
    const { srcMask, srcKeyPaddingMask, isCausal } = read("nn.TransformerEncoderLayer.forward", encoderArguments, rest);
    const options = { attnMask: srcMask, keyPaddingMask: srcKeyPaddingMask, isCausal, needWeights: false };
    const x = this.residual(src, this.norm1, this.dropout1, (x) => this.self_attn.forward(x, x, x, options)[0]);
    return this.residual(x, this.norm2, this.dropout2, (x) => this.linear2.forward(this.dropout.forward(this.act(this.linear1.forward(x)))));
  }

  /** A layer with the same settings and a copy of the parameters. */
  copy(): TransformerEncoderLayer {
    return takeCopies(new TransformerEncoderLayer({ ...this.settings, device: "meta" }), this);
  }
}

const decoderArguments = {
  tgtMask: orNull(tensor),
  memoryMask: orNull(tensor),
  tgtKeyPaddingMask: orNull(tensor),
  memoryKeyPaddingMask: orNull(tensor),
  tgtIsCausal: or(flag, false),
  memoryIsCausal: or(flag, false),
};
export type DecoderLayerRest = Rest<
  [
    tgtMask: Tensor | null, memoryMask: Tensor | null, tgtKeyPaddingMask: Tensor | null, memoryKeyPaddingMask: Tensor | null,
    tgtIsCausal: boolean, memoryIsCausal: boolean,
  ],
  typeof decoderArguments
>;

/**
 * A layer of a transformer's decoder: attention among its inputs, attention to the encoder's output, then two linear maps.
 * arXiv 1706.03762.
 *
 * @example new nn.TransformerDecoderLayer(512, 8).forward(target, memory) // [T, N, 512] and [S, N, 512] to [T, N, 512]
 */
export class TransformerDecoderLayer extends TransformerLayer {
  // Named as in the state dict.
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  dropout3: Dropout;

  constructor(dModel: number, nhead: number, ...rest: LayerRest);
  constructor(options: TransformerLayerOptions);
  constructor(...args: unknown[]) {
    super(read("nn.TransformerDecoderLayer", signature, args));
    const { dropout } = this.settings;
    [this.self_attn, this.multihead_attn] = [this.attention(), this.attention()];
    [this.linear1, this.dropout, this.linear2] = this.maps();
    [this.norm1, this.norm2, this.norm3] = [this.norm(), this.norm(), this.norm()];
    [this.dropout1, this.dropout2, this.dropout3] = [new Dropout(dropout), new Dropout(dropout), new Dropout(dropout)];
  }

  /**
   * @param tgt [T, N, dModel], [N, T, dModel] with `batchFirst`, or [T, dModel]
   * @param memory the encoder's output: [S, N, dModel], [N, S, dModel] or [S, dModel]
   * @param rest masks as for `nn.MultiheadAttention`: `tgtMask` [T, T], `memoryMask` [T, S], `tgtKeyPaddingMask` [N, T],
   *   `memoryKeyPaddingMask` [N, S]; `tgtIsCausal`, `memoryIsCausal`: the mask is causal
   * @returns the shape of `tgt`
   */
  forward(tgt: Tensor, memory: Tensor, ...rest: DecoderLayerRest): Tensor {
    const masks = read("nn.TransformerDecoderLayer.forward", decoderArguments, rest);
    const own = { attnMask: masks.tgtMask, keyPaddingMask: masks.tgtKeyPaddingMask, isCausal: masks.tgtIsCausal, needWeights: false };
    const other = { attnMask: masks.memoryMask, keyPaddingMask: masks.memoryKeyPaddingMask, isCausal: masks.memoryIsCausal, needWeights: false };
    let x = this.residual(tgt, this.norm1, this.dropout1, (x) => this.self_attn.forward(x, x, x, own)[0]);
    x = this.residual(x, this.norm2, this.dropout2, (x) => this.multihead_attn.forward(x, memory, memory, other)[0]);
    return this.residual(x, this.norm3, this.dropout3, (x) => this.linear2.forward(this.dropout.forward(this.act(this.linear1.forward(x)))));
  }

  /** A layer with the same settings and a copy of the parameters. */
  copy(): TransformerDecoderLayer {
    return takeCopies(new TransformerDecoderLayer({ ...this.settings, device: "meta" }), this);
  }
}
