import { SteppeError } from "../../errors.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { KeyValueCache } from "../generation/cache.js";
import { readGenerateOptions } from "../generation/options.js";
import type { GenerateOptions } from "../generation/options.js";
import { generate } from "../generation/search.js";
import type { Reader } from "../generation/reader.js";
import { initialize } from "../initialize.js";
import { checkInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { nextTokenLoss, sequenceLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Judged, Labelled, LogitsOutput, MayBeLabelled } from "../outputs.js";
import { readGPT2Config } from "./config.js";
import type { GPT2Config, GPT2ConfigInput } from "./config.js";
import { GPT2Model } from "./model.js";
import type { GPT2Inputs } from "./model.js";

/** A prompt to be continued. */
export interface GPT2Prompt {
  /** Tokens [batch, length], int64. Shorter ones are padded on the left. */
  inputIds: Tensor;
  /** 1 for tokens and 0 for padding, [batch, length]; all are tokens if left out. */
  attentionMask?: Tensor | null;
}

/** GPT-2 that predicts the next token. The head's weights are the word embeddings. */
export class GPT2LMHeadModel extends LanguageModel<GPT2Config> {
  transformer: GPT2Model;
  lm_head: nn.Linear;

  constructor(config: GPT2ConfigInput = {}) {
    super(readGPT2Config("models.GPT2LMHeadModel", config));
    const { nEmbd, vocabSize, tieWordEmbeddings, initializerRange } = this.options;
    this.transformer = new GPT2Model(this.config);
    this.lm_head = new nn.Linear(nEmbd, vocabSize, { bias: false });
    if (tieWordEmbeddings) this.lm_head.weight = this.transformer.wte.weight;
    else initialize(this.lm_head, initializerRange);
  }

  /**
   * @param inputs `labels` [batch, length], int64: usually inputIds itself, as each place is judged by the token after it;
   *   -100 for tokens that do not count
   * @returns logits [batch, length, vocabSize]
   */
  forward(inputs: Labelled<GPT2Inputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<GPT2Inputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<GPT2Inputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.transformer.forward(inputs);
    return { ...judged(this.lm_head.forward(lastHiddenState), labels, nextTokenLoss), ...insights };
  }

  /**
   * Continues a text, greedily unless the options say otherwise. The model should be in evaluation mode.
   *
   * @returns prompt and new tokens [batch · numReturnSequences, length], int64, padding after a sequence's end
   */
  async generate({ inputIds, attentionMask, ...others }: GPT2Prompt, options: GenerateOptions = {}): Promise<Tensor> {
    const owner = "models.GPT2LMHeadModel";
    checkInputs(owner, { inputIds, ...others }, ["inputIds"]);
    const generation = readGenerateOptions(owner, options, this.options);
    const prompt = inputIds.toArray() as number[][];
    return generate(prompt, (times) => this.#reader(inputIds, attentionMask ?? null, times), generation, inputIds.device);
  }

  #reader(inputIds: Tensor, attentionMask: Tensor | null, times: number): Reader {
    const device = inputIds.device;
    let mask = (attentionMask ?? torch.onesLike(inputIds)).to("int64").repeatInterleave(times, 0);
    const cache = new KeyValueCache();
    return {
      next: (rows) => {
        const read = cache.length;
        const inputIds = torch.tensor(rows.map((row) => row.slice(read)), { dtype: "int64", device });
        if (read > 0) mask = torch.cat([mask, torch.ones([rows.length, 1], { dtype: "int64", device })], 1);
        const positionIds = mask.cumsum(1).sub(1).clamp(0).narrow(1, read, rows[0]!.length - read); // padding has none
        const { lastHiddenState } = this.transformer.forward({ inputIds, attentionMask: mask, positionIds, cache });
        return this.lm_head.forward(lastHiddenState.select(1, -1));
      },
      // The rows of one prompt stay together, so its mask fits every order.
      reorder: (rows) => cache.reorder(torch.tensor([...rows], { dtype: "int64", device })),
    };
  }
}

/** GPT-2 that classifies sequences, or predicts numbers for them, by the state of the last token that is no padding. */
export class GPT2ForSequenceClassification extends LanguageModel<GPT2Config> {
  transformer: GPT2Model;
  score: nn.Linear;

  constructor(config: GPT2ConfigInput = {}) {
    super(readGPT2Config("models.GPT2ForSequenceClassification", config));
    this.transformer = new GPT2Model(this.config);
    this.score = new nn.Linear(this.options.nEmbd, this.options.numLabels, { bias: false });
    initialize(this.score, this.options.initializerRange);
  }

  /**
   * @param inputs `labels`: see `sequenceLoss`
   * @returns logits [batch, numLabels]
   * @throws SteppeError `ARGUMENT` for several sequences without a padTokenId: their ends would not be known
   */
  forward(inputs: Labelled<GPT2Inputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<GPT2Inputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<GPT2Inputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.transformer.forward(inputs);
    const logits = this.score.forward(this.#last(lastHiddenState, inputs.inputIds));
    return { ...judged(logits, labels, (logits, labels) => sequenceLoss(logits, labels, this.options.problemType)), ...insights };
  }

  #last(states: Tensor, inputIds: Tensor | null | undefined): Tensor {
    const { padTokenId } = this.options;
    const [batch, length, width] = states.shape as [number, number, number];
    if (padTokenId === null && batch !== 1) {
      throw new SteppeError("ARGUMENT", "Expected a padTokenId in the configuration of models.GPT2ForSequenceClassification for more than one sequence.");
    }
    if (padTokenId === null || !inputIds) return states.select(1, -1);
    const places = torch.arange(length, { dtype: "int64", device: inputIds.device });
    const last = inputIds.ne(padTokenId).to("int64").mul(places).argmax(-1);
    return states.gather(1, last.view([batch, 1, 1]).expand([batch, 1, width])).squeeze(1);
  }
}
