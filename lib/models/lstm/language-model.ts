import { checkKeys, expected } from "../../errors.js";
import { count, flag, integer, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { readConfig } from "../config.js";
import type { ConfigInput } from "../config.js";
import { readGenerateOptions } from "../generation/options.js";
import type { GenerateOptions } from "../generation/options.js";
import { generate } from "../generation/search.js";
import type { Reader } from "../generation/reader.js";
import { LanguageModel } from "../language-model.js";
import { tokenLoss } from "../losses.js";
import { LockedDropout, layerOf, recur } from "./recurrence.js";
import type { LayerState } from "./recurrence.js";

/** The LSTM language model's configuration. Defaults: see {@link LSTMLanguageModel}. */
const fields = {
  /** Number of tokens. */
  vocabSize: or(count, 33278),
  /** Width of the embeddings, and of the last layer's states where the weights are tied. */
  embeddingSize: or(count, 400),
  /** Width of the layers' states. */
  hiddenSize: or(count, 1150),
  /** Number of layers. */
  numLayers: or(count, 3),
  /** Whether the head's weights are the embeddings. arXiv 1608.05859. */
  tieWeights: or(flag, true),
  /** Locked dropout of the last layer's output. */
  dropout: or(probability, 0.4),
  /** Locked dropout between layers. */
  hiddenDropout: or(probability, 0.3),
  /** Locked dropout of the embeddings. */
  inputDropout: or(probability, 0.65),
  /** Dropout of whole rows of the table of embeddings: of words. */
  embeddingDropout: or(probability, 0.1),
  /** Dropout of the weights between one step's state and the next's. */
  weightDropout: or(probability, 0.5),
  /** α: how much large outputs add to the loss in training. */
  activationRegularization: or(real, 0),
  /** β: how much changes from one step's output to the next's add to it. */
  temporalRegularization: or(real, 0),
  /** The token with which a text ends: generation stops there. */
  eosTokenId: orNull(integer),
  /** The token of padding. */
  padTokenId: orNull(integer),
};

/** The LSTM language model's configuration, complete. */
export type LSTMLanguageModelConfig = Values<typeof fields>;
/** What a user gives of it: what is left out has the default. */
export type LSTMLanguageModelConfigInput = ConfigInput<typeof fields>;

/** What it reads. */
export interface LSTMLanguageModelInputs {
  /** Tokens [batch, length], int64. */
  inputIds: Tensor;
  /** The token that follows each of them [batch, length], int64; -100 for places that do not count. */
  labels?: Tensor | null;
  /** Where the text before has left each layer; zeros at the start. */
  state?: readonly LayerState[] | null;
}

/** What it returns. */
export interface LSTMLanguageModelOutput {
  /** With labels: a scalar. */
  loss?: Tensor;
  /** Of the token that follows each place, [batch, length, vocabSize]. */
  logits: Tensor;
  /** Of each layer after the last token. Detach it before reading on, for truncated backpropagation through time. */
  state: LayerState[];
}

/**
 * A language model of long short-term memories with the AWD-LSTM's regularisation: the same units are dropped at all places
 * of a sequence, weights between steps and whole words are dropped, and the embeddings are the head's weights. Merity, Keskar
 * and Socher, arXiv 1708.02182; the defaults are that paper's for WikiText-2, but for α and β, which are 2 and 1 there.
 *
 * @example
 * const model = new LSTMLanguageModel({ vocabSize: 10000, embeddingSize: 128, hiddenSize: 256, numLayers: 2 });
 * const { loss } = model.forward({ inputIds: ids.narrow(1, 0, 64), labels: ids.narrow(1, 1, 64) });
 */
export class LSTMLanguageModel extends LanguageModel<LSTMLanguageModelConfig> {
  encoder: nn.Embedding;
  rnns: nn.ModuleList<nn.LSTM>;
  decoder: nn.Linear;
  inputDropout: LockedDropout;
  hiddenDropout: LockedDropout;
  outputDropout: LockedDropout;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: LSTMLanguageModelConfigInput = {}) {
    super(readConfig("models.LSTMLanguageModel", "lstm_language_model", fields, config));
    const { vocabSize, embeddingSize, hiddenSize, numLayers, tieWeights, inputDropout, hiddenDropout, dropout } = this.options;
    const last = tieWeights ? embeddingSize : hiddenSize;
    const width = (layer: number) => (layer === 0 ? embeddingSize : hiddenSize);
    this.encoder = new nn.Embedding(vocabSize, embeddingSize);
    this.rnns = new nn.ModuleList(Array.from({ length: numLayers }, (_, layer) => layerOf(width(layer), layer === numLayers - 1 ? last : hiddenSize)));
    this.decoder = new nn.Linear(last, vocabSize);
    nn.init.uniform_(this.encoder.weight, -0.1, 0.1);
    nn.init.zeros_(this.decoder.bias!);
    if (tieWeights) this.decoder.weight = this.encoder.weight;
    else nn.init.uniform_(this.decoder.weight, -0.1, 0.1);
    this.inputDropout = new LockedDropout(inputDropout);
    this.hiddenDropout = new LockedDropout(hiddenDropout);
    this.outputDropout = new LockedDropout(dropout);
  }

  forward(inputs: LSTMLanguageModelInputs & { labels: Tensor }): LSTMLanguageModelOutput & { loss: Tensor };
  forward(inputs: LSTMLanguageModelInputs): LSTMLanguageModelOutput;
  forward(inputs: LSTMLanguageModelInputs): LSTMLanguageModelOutput {
    checkKeys(inputs, ["inputIds", "labels", "state"], "the inputs of models.LSTMLanguageModel");
    const { inputIds, labels, state } = inputs;
    if (!(inputIds instanceof torch.Tensor) || inputIds.dim() !== 2) throw expected("a tensor of 2 dimensions", "inputIds of models.LSTMLanguageModel", inputIds);
    if (state && state.length !== this.rnns.length) throw expected(`states of ${this.rnns.length} layers`, "state of models.LSTMLanguageModel", state);
    let output = this.inputDropout.forward(this.#embed(inputIds));
    const after: LayerState[] = [];
    for (const [i, layer] of [...this.rnns].entries()) {
      const input = i === 0 ? output : this.hiddenDropout.forward(output);
      const [states, last] = recur(layer, input, state?.[i] ?? null, this.#recurrent(layer));
      output = states;
      after.push(last);
    }
    const dropped = this.outputDropout.forward(output);
    const logits = this.decoder.forward(dropped);
    return { ...(labels ? { loss: this.#loss(logits, labels, output, dropped) } : {}), logits, state: after };
  }

  #embed(inputIds: Tensor): Tensor {
    const { embeddingDropout } = this.options;
    if (!this.training || embeddingDropout === 0) return this.encoder.forward(inputIds);
    const { weight } = this.encoder;
    const words = nn.functional.dropout(torch.ones([weight.shape[0]!, 1], { dtype: weight.dtype, device: weight.device }), embeddingDropout);
    return nn.functional.embedding(inputIds, weight.mul(words));
  }

  #recurrent(layer: nn.LSTM): Tensor {
    return nn.functional.dropout(Reflect.get(layer, "weight_hh_l0") as Tensor, this.options.weightDropout, this.training);
  }

  #loss(logits: Tensor, labels: Tensor, output: Tensor, dropped: Tensor): Tensor {
    const { activationRegularization: alpha, temporalRegularization: beta } = this.options;
    let loss = tokenLoss(logits, labels);
    if (this.training && alpha !== 0) loss = loss.add(dropped.square().mean().mul(alpha));
    if (this.training && beta !== 0) loss = loss.add(output.diff(1, 1).square().mean().mul(beta));
    return loss;
  }

  /**
   * Continues a text, greedily unless the options say otherwise. The model should be in evaluation mode.
   *
   * @param inputs `inputIds` [batch, length], int64, without padding
   * @returns prompt and new tokens [batch · numReturnSequences, length], int64
   */
  async generate({ inputIds }: { inputIds: Tensor }, options: GenerateOptions = {}): Promise<Tensor> {
    const { eosTokenId, padTokenId } = this.options;
    const generation = readGenerateOptions("models.LSTMLanguageModel", options, { eosTokenId, padTokenId: padTokenId ?? 0 });
    return generate(inputIds.toArray() as number[][], () => this.#reader(inputIds), generation, inputIds.device);
  }

  #reader({ device }: Tensor): Reader {
    let state: LayerState[] | null = null;
    return {
      next: (rows) => {
        const inputIds = torch.tensor(state === null ? rows.map((row) => [...row]) : rows.map((row) => [row.at(-1)!]), { dtype: "int64", device });
        const read = this.forward({ inputIds, state });
        state = read.state;
        return read.logits.select(1, -1);
      },
      reorder: (rows) => {
        const index = torch.tensor([...rows], { dtype: "int64", device });
        state = state!.map(([hidden, cell]) => [hidden.indexSelect(1, index), cell.indexSelect(1, index)]);
      },
    };
  }
}
