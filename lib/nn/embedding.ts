import { expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, integer, or, orNull, read, real, size, tensor } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { embedding } from "./functional/index.js";
import { normal_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory, parameter } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const behaviour = {
  /** A row that starts as zeros and is not trained. Negative numbers count from the end. */
  paddingIdx: orNull(integer),
  /** Rows that are looked up are first scaled down to this norm, in place. */
  maxNorm: orNull(real),
  /** Which norm `maxNorm` means. */
  normType: or(real, 2),
  /** Whether gradients are divided by how often the row appears in the batch. */
  scaleGradByFreq: or(flag, false),
  /** Whether the weight's gradient is a sparse tensor. */
  sparse: or(flag, false),
};

const signature = { numEmbeddings: size, embeddingDim: count, ...behaviour, ...factory };
const pretrained = {
  embeddings: tensor,
  /** Whether the weight stays as it is. */
  freeze: or(flag, true),
  ...behaviour,
};

type Behaviour = [paddingIdx: number | null, maxNorm: number | null, normType: number, scaleGradByFreq: boolean, sparse: boolean];

/**
 * A table of vectors, looked up by number. Starts normal with mean 0 and standard deviation 1.
 *
 * @example new nn.Embedding(10000, 64, { paddingIdx: 0 })
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly sparse: boolean;
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
    const options = read("nn.Embedding", signature, args);
    const { numEmbeddings, paddingIdx } = options;
    if (paddingIdx !== null && (paddingIdx >= numEmbeddings || paddingIdx < -numEmbeddings)) {
      throw expected(`a row from ${-numEmbeddings} to ${numEmbeddings - 1}`, "paddingIdx of nn.Embedding", paddingIdx);
    }
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = options.embeddingDim;
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? numEmbeddings + paddingIdx : paddingIdx;
    this.maxNorm = options.maxNorm;
    this.normType = options.normType;
    this.scaleGradByFreq = options.scaleGradByFreq;
    this.sparse = options.sparse;
    this.weight = emptyParameter([numEmbeddings, options.embeddingDim], options);
    this.resetParameters();
  }

  /**
   * A table of given vectors.
   *
   * @param embeddings [numEmbeddings, embeddingDim]; becomes the weight, without a copy
   */
  static fromPretrained(embeddings: Tensor, ...rest: Rest<[freeze: boolean, ...Behaviour], typeof pretrained>): Embedding {
    const { freeze, ...options } = read("nn.Embedding.fromPretrained", pretrained, [embeddings, ...rest]);
    const [rows, width] = embeddings.shape;
    if (embeddings.dim() !== 2) throw expectedTensor("2 dimensions", "the vectors of nn.Embedding.fromPretrained", embeddings);
    const { paddingIdx, maxNorm, normType, scaleGradByFreq, sparse } = options;
    const table = new Embedding(rows!, width!, { paddingIdx, maxNorm, normType, scaleGradByFreq, sparse, device: "meta" });
    table.weight = parameter(embeddings, !freeze);
    return table;
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    normal_(this.weight);
    const { paddingIdx } = this;
    if (paddingIdx !== null) torch.noGrad(() => this.weight.select(0, paddingIdx).zero_());
  }

  /** @param input numbers of rows, any shape, int64 or int32 @returns [...input.shape, embeddingDim] */
  forward(input: Tensor): Tensor {
    return embedding(input, this.weight, this.paddingIdx, this.maxNorm, this.normType, this.scaleGradByFreq, this.sparse);
  }

  protected override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}`];
    if (this.paddingIdx !== null) parts.push(`paddingIdx=${this.paddingIdx}`);
    if (this.maxNorm !== null) parts.push(`maxNorm=${this.maxNorm}`);
    if (this.normType !== 2) parts.push(`normType=${this.normType}`);
    if (this.scaleGradByFreq) parts.push("scaleGradByFreq=true");
    if (this.sparse) parts.push("sparse=true");
    return parts.join(", ");
  }
}
