import { expected, expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, integer, or, orNull, read, size, tensor } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { bagArguments } from "./functional/embedding.js";
import { embeddingBag } from "./functional/index.js";
import type { BagMode } from "./functional/index.js";
import { normal_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory, parameter } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const behaviour = {
  /** Rows that are looked up are first scaled down to `maxNorm` (by the norm `normType`), in place. */
  ...bagArguments,
  /** Whether offsets end with the input's length. */
  includeLastOffset: or(flag, false),
  /** A row that does not count and is not trained. Negative numbers count from the end. */
  paddingIdx: orNull(integer),
};
const signature = { numEmbeddings: size, embeddingDim: count, ...behaviour, ...factory };
const pretrained = {
  embeddings: tensor,
  /** Whether the weight stays as it is. */
  freeze: or(flag, true),
  ...behaviour,
};

type Behaviour = [
  maxNorm: number | null, normType: number, scaleGradByFreq: boolean, mode: BagMode, sparse: boolean, includeLastOffset: boolean,
  paddingIdx: number | null,
];

/**
 * Sums, means (the default) or maxima of vectors of a table. Starts normal with mean 0 and standard deviation 1.
 *
 * @example new nn.EmbeddingBag(10000, 64, { mode: "sum" }).forward(words, starts);
 */
export class EmbeddingBag extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly mode: BagMode;
  readonly sparse: boolean;
  readonly includeLastOffset: boolean;
  readonly paddingIdx: number | null;
  /** [numEmbeddings, embeddingDim] */
  weight: Parameter;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    ...rest: Rest<[...Behaviour, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { numEmbeddings, embeddingDim, device, dtype, ...options } = read("nn.EmbeddingBag", signature, args);
    const { paddingIdx } = options;
    if (paddingIdx !== null && (paddingIdx >= numEmbeddings || paddingIdx < -numEmbeddings)) {
      throw expected(`a row from ${-numEmbeddings} to ${numEmbeddings - 1}`, "paddingIdx of nn.EmbeddingBag", paddingIdx);
    }
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.maxNorm = options.maxNorm;
    this.normType = options.normType;
    this.scaleGradByFreq = options.scaleGradByFreq;
    this.mode = options.mode;
    this.sparse = options.sparse;
    this.includeLastOffset = options.includeLastOffset;
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? numEmbeddings + paddingIdx : paddingIdx;
    this.weight = emptyParameter([numEmbeddings, embeddingDim], { device, dtype });
    this.resetParameters();
  }

  /**
   * A table of given vectors.
   *
   * @param embeddings [numEmbeddings, embeddingDim]; becomes the weight, without a copy
   */
  static fromPretrained(embeddings: Tensor, ...rest: Rest<[freeze: boolean, ...Behaviour], typeof pretrained>): EmbeddingBag {
    const { freeze, embeddings: _, ...options } = read("nn.EmbeddingBag.fromPretrained", pretrained, [embeddings, ...rest]);
    if (embeddings.dim() !== 2) {
      throw expectedTensor("2 dimensions", "the vectors of nn.EmbeddingBag.fromPretrained", embeddings);
    }
    const [rows, width] = embeddings.shape;
    const table = new EmbeddingBag(rows!, width!, { ...options, device: "meta" });
    table.weight = parameter(embeddings, !freeze);
    return table;
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    normal_(this.weight);
    const { paddingIdx } = this;
    if (paddingIdx !== null) torch.noGrad(() => this.weight.select(0, paddingIdx).zero_());
  }

  /**
   * @param input numbers of rows: [bags, rows in each], or [all rows] with offsets
   * @param offsets [bags]: where each bag begins
   * @param perSampleWeights of the input's shape, for the mode "sum"
   * @returns [bags, embeddingDim]
   */
  forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx } = this;
    const bags = { offsets, perSampleWeights, includeLastOffset, paddingIdx };
    return embeddingBag(input, this.weight, { ...bags, maxNorm, normType, scaleGradByFreq, mode, sparse });
  }

  protected override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}, mode=${this.mode}`];
    if (this.paddingIdx !== null) parts.push(`paddingIdx=${this.paddingIdx}`);
    if (this.maxNorm !== null) parts.push(`maxNorm=${this.maxNorm}`);
    return parts.join(", ");
  }
}
