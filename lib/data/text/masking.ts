import { checkFlag, checkShare } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import type { Generator } from "../../random.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { TokenBatch } from "./tokenizer.js";

/** What masking must know of a tokenizer: a {@link Tokenizer} knows it. */
export interface MaskingTokens {
  /** The number of [MASK]. */
  readonly maskTokenId: number | null;
  /** Numbers that are never hidden: of [CLS], [SEP], [PAD], [UNK]. */
  readonly specialTokenIds: readonly number[];
  /** Random tokens are below. */
  readonly vocabularySize: number;
}

/** Which tokens are hidden, and by what. */
export interface MaskingOptions {
  /** The probability with which a token, or a word, is to be guessed; default 0.15. */
  probability?: number;
  /** Of those to be guessed, the share that becomes [MASK]; default 0.8. */
  maskProbability?: number;
  /** Of those to be guessed, the share that becomes a random token; default 0.1. The rest stays as it is. */
  randomProbability?: number;
  /** Whether tokens of one word are guessed together; default false. Wants `tokenizer.batch(texts, { offsets: true })`. */
  wholeWords?: boolean;
}

/** A batch with the tokens to be guessed, int64 [texts, tokens]; -100 where there is nothing to guess. */
export interface MaskedBatch extends TokenBatch {
  labels: Tensor;
}

/**
 * Masked-language modelling as BERT learns it (arXiv 1810.04805, section 3.1): hides tokens for the model to guess. Draws what
 * Hugging Face's `DataCollatorForLanguageModeling` draws from a generator of the same seed.
 *
 * Words are what white space, or special tokens, stand between: in offsets, tokens that follow one another without a gap.
 *
 * @returns a function of a batch and a generator, as a loader takes it for `transform`; without a generator PyTorch's default one is used
 * @throws SteppeError `ARGUMENT` for a tokenizer without a mask token, and for wrong options
 * @example
 * const batches = data.loader(texts, {
 *   batchSize: 32, shuffle: true, seed: 1,
 *   collate: (texts) => tokenizer.batch(texts, { truncation: true }),
 *   transform: data.maskTokens(tokenizer),
 * });
 * for await (const { inputIds, attentionMask, labels } of batches) await step(inputIds, attentionMask, labels);
 */
export function maskTokens(tokenizer: MaskingTokens, options: MaskingOptions = {}): (batch: TokenBatch, generator?: Generator) => MaskedBatch {
  checkKeys(options, ["probability", "maskProbability", "randomProbability", "wholeWords"]);
  const probability = checkShare(options.probability ?? 0.15, "probability");
  const maskShare = checkShare(options.maskProbability ?? 0.8, "maskProbability");
  const randomShare = checkShare(options.randomProbability ?? Math.min(0.1, 1 - maskShare), "randomProbability");
  const wholeWords = checkFlag(options.wholeWords ?? false, "wholeWords");
  if (maskShare + randomShare > 1) throw expected(`at most ${1 - maskShare}, what maskProbability leaves`, "randomProbability", randomShare);
  const { maskTokenId, specialTokenIds, vocabularySize } = tokenizer ?? {};
  if (!Number.isSafeInteger(maskTokenId)) throw expected("a tokenizer with a mask token", "tokenizer", tokenizer);
  if (!Array.isArray(specialTokenIds) || !Number.isSafeInteger(vocabularySize)) throw expected("a tokenizer", "tokenizer", tokenizer);

  return ({ offsets, ...batch }, generator) => {
    const { inputIds } = batch;
    const { shape, device } = inputIds;
    const random = generator === undefined ? {} : { generator };
    if (wholeWords && offsets === undefined) throw expected("a batch with offsets", "batch", batch, "tokenizer.batch(texts, { offsets: true }) makes one.");
    const made = torch.scope(() => {
      const special = torch.isin(inputIds, torch.tensor(specialTokenIds as number[], { dtype: "int64", device }));
      // Drawn on the CPU, where a loader's generator is.
      const draw = (value: number, never?: Tensor) => {
        const chances = torch.full(shape, value, { dtype: "float32" });
        return torch.bernoulli(never === undefined ? chances : chances.maskedFill(never.cpu(), 0), random).to({ dtype: "bool", device });
      };
      const hidden = wholeWords ? hideWords(offsets!, special, (first) => draw(probability, first.logicalNot())) : draw(probability, special);
      const labels = inputIds.maskedFill(hidden.logicalNot(), -100);
      const masked = draw(maskShare).logicalAnd(hidden);
      const ids = inputIds.maskedFill(masked, maskTokenId!);
      if (maskShare === 1 || randomShare === 0) return [ids, labels] as const;
      const replaced = draw(randomShare / (1 - maskShare)).logicalAnd(hidden).logicalAnd(masked.logicalNot());
      const others = torch.randint(vocabularySize, shape, { dtype: "int64", ...random }).to(device);
      return [torch.where(replaced, others, ids), labels] as const;
    });
    return { ...batch, inputIds: made[0], labels: made[1] };
  };
}

/**
 * @param offsets [texts, tokens, 2]
 * @param special bool [texts, tokens]
 * @param drawn hides some first tokens of words: bool of bool
 * @returns bool [texts, tokens]: all tokens of the words whose first token was hidden
 */
function hideWords(offsets: Tensor, special: Tensor, drawn: (first: Tensor) => Tensor): Tensor {
  const [starts, ends] = [offsets.select(2, 0), offsets.select(2, 1)];
  const texts = starts.shape[0]!;
  const before = (values: Tensor, first: Tensor) => torch.cat([first, values.narrow(1, 0, values.shape[1]! - 1)], 1);
  const gap = starts.ne(before(ends, torch.full([texts, 1], -1, { dtype: "int64", device: starts.device })));
  const afterSpecial = before(special, torch.zeros([texts, 1], { dtype: "bool", device: starts.device }));
  const first = gap.logicalOr(afterSpecial).logicalAnd(special.logicalNot());
  const word = first.to("int64").cumsum(1); // from 1: every token that is not special stands in one
  const hiddenWords = torch.zeros([texts, starts.shape[1]! + 1], { dtype: "int64", device: starts.device }).scatterAdd(1, word, drawn(first).to("int64"));
  return hiddenWords.gather(1, word).gt(0).logicalAnd(special.logicalNot());
}
