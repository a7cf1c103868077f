import { SteppeError, checkKeys, expected } from "../../errors.js";
import { count, integer, or, probability } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { additiveMask } from "../attention.js";
import { readConfig } from "../config.js";
import type { ConfigInput } from "../config.js";
import { readGenerateOptions } from "../generation/options.js";
import type { GenerateOptions } from "../generation/options.js";
import { generate } from "../generation/search.js";
import type { Reader } from "../generation/reader.js";
import { LanguageModel } from "../language-model.js";
import { tokenLoss } from "../losses.js";
import { layerOf, recur } from "./recurrence.js";
import type { LayerState } from "./recurrence.js";

/** The translator's configuration. */
const fields = {
  /** Number of tokens in the texts that are read. */
  sourceVocabSize: or(count, 1000),
  /** Number of tokens in the texts that are written. */
  targetVocabSize: or(count, 1000),
  /** Width of the embeddings. */
  embeddingSize: or(count, 256),
  /** Width of the decoder's states, and of each direction's in the encoder. */
  hiddenSize: or(count, 512),
  /** Layers of the encoder, and of the decoder. */
  numLayers: or(count, 1),
  /** Dropout of embeddings, between layers, and before the head. */
  dropout: or(probability, 0.1),
  /** The token of padding, in both languages. */
  padTokenId: or(integer, 0),
  /** The token with which a text ends: generation stops there. */
  eosTokenId: or(integer, 1),
  /** What the decoder reads before the first token. */
  decoderStartTokenId: or(integer, 0),
};

/** The LSTM translator's configuration, complete. */
export type Seq2SeqLSTMConfig = Values<typeof fields>;
/** What a user gives of it: what is left out has the default. */
export type Seq2SeqLSTMConfigInput = ConfigInput<typeof fields>;

/** A text to be read: padding is on the right. */
export interface Seq2SeqSource {
  /** Tokens [batch, source], int64. */
  inputIds: Tensor;
  /** 1 for tokens and 0 for padding, [batch, source]; all are tokens if left out. */
  attentionMask?: Tensor | null;
}

/** What it reads: `labels`, or else what the decoder is to read. */
export interface Seq2SeqInputs extends Seq2SeqSource {
  /** Tokens that are to be written [batch, target], int64; -100 for places that do not count. The decoder reads them shifted by one. */
  labels?: Tensor | null;
  /** Tokens that the decoder reads [batch, target], int64. */
  decoderInputIds?: Tensor | null;
}

/** What it returns. */
export interface Seq2SeqOutput {
  /** With labels: a scalar. */
  loss?: Tensor;
  /** [batch, target, targetVocabSize] */
  logits: Tensor;
  /** What each written token looked at, [batch, target, source]. */
  attentions: Tensor;
}

interface Encoded {
  /** [batch, source, 2 · hiddenSize] */
  states: Tensor;
  /** Added to scores: [batch, 1, source], or nothing. */
  mask: Tensor | null;
  /** What the decoder begins with, of each layer. */
  start: LayerState[];
}

/**
 * Reads a text and writes another: a bidirectional encoder and a decoder of long short-term memories, with Luong's global
 * attention and its "general" score: score(h, s) = hᵀ W s, h̃ = tanh(W [c; h]), without input feeding. arXiv 1508.04025,
 * section 3.1. The decoder's first states are maps with tanh of the encoder's last ones, as in arXiv 1409.0473, A.2.2.
 *
 * What it makes of a text does not depend on the padding after it, with no lengths read from tensors: the second direction
 * reads each text turned round within its length.
 *
 * @example
 * const model = new Seq2SeqLSTM({ sourceVocabSize: 30, targetVocabSize: 42, embeddingSize: 32, hiddenSize: 64 });
 * const { loss } = model.forward({ inputIds, attentionMask, labels });
 * const ids = await model.eval().generate({ inputIds, attentionMask }, { maxNewTokens: 20 });
 */
export class Seq2SeqLSTM extends LanguageModel<Seq2SeqLSTMConfig> {
  source_embedding: nn.Embedding;
  target_embedding: nn.Embedding;
  /** The encoder's layers, from the texts' beginning and from their end. */
  forwards: nn.ModuleList<nn.LSTM>;
  backwards: nn.ModuleList<nn.LSTM>;
  bridge_hidden: nn.ModuleList<nn.Linear>;
  bridge_cell: nn.ModuleList<nn.Linear>;
  decoder: nn.ModuleList<nn.LSTM>;
  score: nn.Linear;
  combine: nn.Linear;
  head: nn.Linear;
  dropout: nn.Dropout;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: Seq2SeqLSTMConfigInput = {}) {
    super(readConfig("models.Seq2SeqLSTM", "seq2seq_lstm", fields, config));
    const { sourceVocabSize, targetVocabSize, embeddingSize, hiddenSize, numLayers, dropout, padTokenId } = this.options;
    const layers = <T extends nn.Module>(make: (layer: number) => T) => new nn.ModuleList(Array.from({ length: numLayers }, (_, layer) => make(layer)));
    const encoderLayer = (layer: number) => layerOf(layer === 0 ? embeddingSize : 2 * hiddenSize, hiddenSize);
    this.source_embedding = new nn.Embedding(sourceVocabSize, embeddingSize, { paddingIdx: padTokenId });
    this.target_embedding = new nn.Embedding(targetVocabSize, embeddingSize);
    this.forwards = layers(encoderLayer);
    this.backwards = layers(encoderLayer);
    this.bridge_hidden = layers(() => new nn.Linear(2 * hiddenSize, hiddenSize));
    this.bridge_cell = layers(() => new nn.Linear(2 * hiddenSize, hiddenSize));
    this.decoder = layers((layer) => layerOf(layer === 0 ? embeddingSize : hiddenSize, hiddenSize));
    this.score = new nn.Linear(2 * hiddenSize, hiddenSize, { bias: false });
    this.combine = new nn.Linear(3 * hiddenSize, hiddenSize, { bias: false });
    this.head = new nn.Linear(hiddenSize, targetVocabSize);
    this.dropout = new nn.Dropout(dropout);
  }

  forward(inputs: Seq2SeqInputs & { labels: Tensor }): Seq2SeqOutput & { loss: Tensor };
  forward(inputs: Seq2SeqInputs): Seq2SeqOutput;
  forward(inputs: Seq2SeqInputs): Seq2SeqOutput {
    checkKeys(inputs, ["inputIds", "attentionMask", "labels", "decoderInputIds"], "the inputs of models.Seq2SeqLSTM");
    const { labels } = inputs;
    const read = inputs.decoderInputIds ?? (labels ? this.#shiftRight(labels) : null);
    if (read === null) throw new SteppeError("ARGUMENT", "Expected labels or decoderInputIds for models.Seq2SeqLSTM but received neither.");
    const encoded = this.#encode(inputs);
    const { logits, attentions } = this.#decode(read, encoded, encoded.start);
    return { ...(labels ? { loss: tokenLoss(logits, labels) } : {}), logits, attentions };
  }

  #shiftRight(labels: Tensor): Tensor {
    const first = torch.full([labels.shape[0]!, 1], this.options.decoderStartTokenId, { dtype: labels.dtype, device: labels.device });
    const shifted = torch.cat([first, labels.narrow(1, 0, labels.shape[1]! - 1)], 1);
    return shifted.maskedFill(shifted.eq(-100), this.options.padTokenId);
  }

  #encode({ inputIds, attentionMask }: Seq2SeqSource): Encoded {
    if (!(inputIds instanceof torch.Tensor) || inputIds.dim() !== 2) throw expected("a tensor of 2 dimensions", "inputIds of models.Seq2SeqLSTM", inputIds);
    const [batch, length] = inputIds.shape as [number, number];
    const { device } = inputIds;
    const lengths = attentionMask ? attentionMask.ne(0).to("int64").sum(1, true) : torch.full([batch, 1], length, { dtype: "int64", device });
    const places = torch.arange(length, { dtype: "int64", device }).unsqueeze(0);
    const turned = torch.where(places.lt(lengths), lengths.sub(1).sub(places), places).unsqueeze(2); // within each text's length
    const turn = (states: Tensor) => states.gather(1, turned.expand(states.shape));

    let states = this.dropout.forward(this.source_embedding.forward(inputIds));
    let last = states;
    for (let i = 0; i < this.forwards.length; i++) {
      const input = i === 0 ? states : this.dropout.forward(states);
      const [ahead] = recur(this.forwards[i]!, input, null);
      const [back] = recur(this.backwards[i]!, turn(input), null);
      states = torch.cat([ahead, turn(back)], 2);
      last = torch.cat([ahead, back], 2);
    }
    const width = last.shape[2]!;
    const final = last.gather(1, lengths.sub(1).clamp(0).unsqueeze(2).expand([batch, 1, width])).squeeze(1);
    const begin = (bridge: nn.Linear) => bridge.forward(final).tanh().to(states.dtype).unsqueeze(0);
    const start = [...this.bridge_hidden].map((bridge, i): LayerState => [begin(bridge), begin(this.bridge_cell[i]!)]);
    return { states, mask: additiveMask(attentionMask, states.dtype)?.squeeze(1) ?? null, start };
  }

  #decode(read: Tensor, { states, mask }: Encoded, before: readonly LayerState[]): { logits: Tensor; attentions: Tensor; after: LayerState[] } {
    let output = this.dropout.forward(this.target_embedding.forward(read));
    const after = [...this.decoder].map((layer, i): LayerState => {
      const [next, state] = recur(layer, i === 0 ? output : this.dropout.forward(output), before[i]!);
      output = next;
      return state;
    });
    const scores = output.matmul(this.score.forward(states).transpose(1, 2)); // [batch, target, source]
    const attentions = (mask === null ? scores : scores.add(mask)).softmax(-1);
    const context = attentions.to(states.dtype).matmul(states);
    const combined = this.combine.forward(torch.cat([context, output], 2)).tanh();
    return { logits: this.head.forward(this.dropout.forward(combined)), attentions, after };
  }

  /**
   * Writes a text, greedily unless the options say otherwise. The model should be in evaluation mode.
   *
   * @returns tokens [batch · numReturnSequences, length], int64: the start token first, padding after a sequence's end
   */
  async generate(source: Seq2SeqSource, options: GenerateOptions = {}): Promise<Tensor> {
    checkKeys(source, ["inputIds", "attentionMask"], "the inputs of models.Seq2SeqLSTM");
    const generation = readGenerateOptions("models.Seq2SeqLSTM", options, this.options);
    const prompt = Array.from({ length: source.inputIds.shape[0]! }, () => [this.options.decoderStartTokenId]);
    return generate(prompt, (times) => this.#reader(source, times), generation, source.inputIds.device);
  }

  #reader({ inputIds, attentionMask }: Seq2SeqSource, times: number): Reader {
    const repeat = (tensor: Tensor) => tensor.repeatInterleave(times, 0);
    const encoded = this.#encode({ inputIds: repeat(inputIds), attentionMask: attentionMask ? repeat(attentionMask) : null });
    const { device } = inputIds;
    let state = encoded.start;
    return {
      next: (rows) => {
        const read = torch.tensor(rows.map((row) => [row.at(-1)!]), { dtype: "int64", device });
        const { logits, after } = this.#decode(read, encoded, state);
        state = after;
        return logits.select(1, -1);
      },
      // The rows of one text stay together, so the encoder's states fit every order.
      reorder: (rows) => {
        const index = torch.tensor([...rows], { dtype: "int64", device });
        state = state.map(([hidden, cell]) => [hidden.indexSelect(1, index), cell.indexSelect(1, index)]);
      },
    };
  }
}
