import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, kind, or, orNull, probability, read, real, size, tensor } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { ModuleList } from "./containers.js";
import type { Layer } from "./containers.js";
import { xavierUniform_ } from "./init.js";
import { LayerNorm } from "./layer-norm.js";
import { Module } from "./module.js";
import { factory } from "./parameter.js";
import { TransformerDecoderLayer, TransformerEncoderLayer, activation } from "./transformer-layers.js";
import type { Activation, DecoderLayerRest, EncoderLayerRest } from "./transformer-layers.js";

/** A layer of which an encoder or a decoder can make more. */
type Copyable<L> = L & { copy(): L };
type EncoderLike = Module & { forward(src: Tensor, ...rest: EncoderLayerRest): Tensor };
type DecoderLike = Module & { forward(tgt: Tensor, memory: Tensor, ...rest: DecoderLayerRest): Tensor };

function stack<L extends Module>(owner: string, layer: Copyable<L>, numLayers: number): ModuleList<L> {
  if (!(layer instanceof Module) || typeof layer.copy !== "function") {
    throw expected("a module with copy()", `the layer of ${owner}`, layer);
  }
  size.read(numLayers, `numLayers of ${owner}`);
  return new ModuleList<L>(Array.from({ length: numLayers }, () => layer.copy()));
}

const encoderArguments = { mask: orNull(tensor), srcKeyPaddingMask: orNull(tensor), isCausal: or(orNull(flag), null) };

/**
 * Layers of a transformer's encoder, one after the other, copies of the given one. arXiv 1706.03762.
 *
 * @example new nn.TransformerEncoder(new nn.TransformerEncoderLayer(512, 8), 6)
 */
export class TransformerEncoder extends Module {
  layers: ModuleList<EncoderLike>;
  norm: Layer | null;

  /**
   * @param encoderLayer a layer with a method `copy`; itself not used
   * @param norm what comes after the last layer
   */
  constructor(encoderLayer: Copyable<EncoderLike>, readonly numLayers: number, norm: Layer | null = null) {
    super();
    this.layers = stack("nn.TransformerEncoder", encoderLayer, numLayers);
    this.norm = norm;
  }

  /**
   * @param src [S, N, dModel], [N, S, dModel] or [S, dModel], as the layers take it
   * @param rest `mask` [S, S], `srcKeyPaddingMask` [N, S], `isCausal`: the mask is causal
   * @returns the shape of `src`
   */
  forward(
    src: Tensor,
    ...rest: Rest<[mask: Tensor | null, srcKeyPaddingMask: Tensor | null, isCausal: boolean | null], typeof encoderArguments>
  ): Tensor {
    const { mask, srcKeyPaddingMask, isCausal } = read("nn.TransformerEncoder.forward", encoderArguments, rest);
    let x = src;
    for (const layer of this.layers) x = layer.forward(x, mask ?? undefined, srcKeyPaddingMask ?? undefined, isCausal ?? false);
    return this.norm?.forward(x) ?? x;
  }
}

const decoderArguments = {
  tgtMask: orNull(tensor),
  memoryMask: orNull(tensor),
  tgtKeyPaddingMask: orNull(tensor),
  memoryKeyPaddingMask: orNull(tensor),
  tgtIsCausal: or(orNull(flag), null),
  memoryIsCausal: or(flag, false),
};

/**
 * Layers of a transformer's decoder, one after the other, copies of the given one. arXiv 1706.03762.
 *
 * @example new nn.TransformerDecoder(new nn.TransformerDecoderLayer(512, 8), 6)
 */
export class TransformerDecoder extends Module {
  layers: ModuleList<DecoderLike>;
  norm: Layer | null;

  /**
   * @param decoderLayer a layer with a method `copy`; itself not used
   * @param norm what comes after the last layer
   */
  constructor(decoderLayer: Copyable<DecoderLike>, readonly numLayers: number, norm: Layer | null = null) {
    super();
    this.layers = stack("nn.TransformerDecoder", decoderLayer, numLayers);
    this.norm = norm;
  }

  /** Arguments and result as of `nn.TransformerDecoderLayer`. */
  forward(
    tgt: Tensor,
    memory: Tensor,
    ...rest: Rest<
      [
        tgtMask: Tensor | null, memoryMask: Tensor | null, tgtKeyPaddingMask: Tensor | null, memoryKeyPaddingMask: Tensor | null,
        tgtIsCausal: boolean | null, memoryIsCausal: boolean,
      ],
      typeof decoderArguments
    >
  ): Tensor {
    const { tgtIsCausal, ...masks } = read("nn.TransformerDecoder.forward", decoderArguments, rest);
    let x = tgt;
    for (const layer of this.layers) x = layer.forward(x, memory, { ...masks, tgtIsCausal: tgtIsCausal ?? false });
    return this.norm?.forward(x) ?? x;
  }
}

const custom = <M extends Module>() => orNull(kind<M>("a module", (value) => value instanceof Module));
const signature = {
  dModel: or(count, 512),
  nhead: or(count, 8),
  numEncoderLayers: or(size, 6),
  numDecoderLayers: or(size, 6),
  dimFeedforward: or(count, 2048),
  dropout: or(probability, 0.1),
  activation: or(activation, "relu"),
  customEncoder: custom<TransformerEncoder>(),
  customDecoder: custom<TransformerDecoder>(),
  layerNormEps: or(real, 1e-5),
  batchFirst: or(flag, false),
  normFirst: or(flag, false),
  bias: or(flag, true),
  ...factory,
};

const forwardArguments = {
  srcMask: orNull(tensor),
  tgtMask: orNull(tensor),
  memoryMask: orNull(tensor),
  srcKeyPaddingMask: orNull(tensor),
  tgtKeyPaddingMask: orNull(tensor),
  memoryKeyPaddingMask: orNull(tensor),
  srcIsCausal: or(orNull(flag), null),
  tgtIsCausal: or(orNull(flag), null),
  memoryIsCausal: or(flag, false),
};

/**
 * A transformer: an encoder reads the source, a decoder writes the target. arXiv 1706.03762. Weights start by Xavier's rule.
 *
 * @example new nn.Transformer({ dModel: 128, nhead: 4, batchFirst: true }).forward(source, target, { tgtMask })
 */
export class Transformer extends Module {
  encoder: TransformerEncoder;
  decoder: TransformerDecoder;

  constructor(
    ...args: Rest<
      [
        dModel: number, nhead: number, numEncoderLayers: number, numDecoderLayers: number, dimFeedforward: number, dropout: number,
        activation: Activation, customEncoder: TransformerEncoder | null, customDecoder: TransformerDecoder | null,
        layerNormEps: number, batchFirst: boolean, normFirst: boolean, bias: boolean, device: Device, dtype: DType,
      ],
      typeof signature
    >
  ) {
    super();
    const { numEncoderLayers, numDecoderLayers, customEncoder, customDecoder, ...settings } = read("nn.Transformer", signature, args);
    const { dModel, layerNormEps: eps, bias, device, dtype } = settings;
    const norm = () => new LayerNorm(dModel, { eps, bias, device, dtype });
    this.encoder = customEncoder ?? new TransformerEncoder(new TransformerEncoderLayer(settings), numEncoderLayers, norm());
    this.decoder = customDecoder ?? new TransformerDecoder(new TransformerDecoderLayer(settings), numDecoderLayers, norm());
    this.resetParameters();
  }

  /** Draws the weights anew: uniform by Xavier's rule. Biases and normalizations stay. */
  resetParameters(): void {
    for (const weight of this.parameters()) if (weight.dim() > 1) xavierUniform_(weight);
  }

  /**
   * @param src [S, N, dModel], [N, S, dModel] with `batchFirst`, or [S, dModel]
   * @param tgt [T, N, dModel], [N, T, dModel] or [T, dModel]
   * @param rest masks as for `nn.MultiheadAttention`, by name: `srcMask` [S, S], `tgtMask` [T, T], `memoryMask` [T, S],
   *   `srcKeyPaddingMask` [N, S], `tgtKeyPaddingMask` [N, T], `memoryKeyPaddingMask` [N, S]; and which of them are causal
   * @returns the shape of `tgt`
   */
  forward(
    src: Tensor,
    tgt: Tensor,
    ...rest: Rest<
      [
        srcMask: Tensor | null, tgtMask: Tensor | null, memoryMask: Tensor | null, srcKeyPaddingMask: Tensor | null,
        tgtKeyPaddingMask: Tensor | null, memoryKeyPaddingMask: Tensor | null, srcIsCausal: boolean | null,
        tgtIsCausal: boolean | null, memoryIsCausal: boolean,
      ],
      typeof forwardArguments
    >
  ): Tensor {
    const { srcMask, srcKeyPaddingMask, srcIsCausal, ...masks } = read("nn.Transformer.forward", forwardArguments, rest);
    const memory = this.encoder.forward(src, { mask: srcMask, srcKeyPaddingMask, isCausal: srcIsCausal });
    return this.decoder.forward(tgt, memory, masks);
  }

  /** A mask that keeps each place from seeing later ones: 0 up to itself, -∞ after. @returns [sz, sz] */
  static generateSquareSubsequentMask(sz: number, { device = "cpu", dtype = "float32" }: { device?: Device; dtype?: DType } = {}): Tensor {
    return torch.full([sz, sz], -Infinity, { device, dtype }).triu(1);
  }
}
