import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { AddedTokens, readAddedTokens } from "./added-tokens.js";
import { checkFlag } from "../../checks.js";
import { SteppeError, checkKeys, expected } from "../../errors.js";
import { torch } from "../../torch.js";
import type { Tensor } from "../../tensor.js";
import { pad, readEncodeOptions, truncated } from "./encoding.js";
import type { EncodeOptions, Encoding, Settings } from "./encoding.js";
import { correctDecoder } from "./decoders.js";
import { openLibrary } from "./models.js";
import type { Model } from "./models.js";
import { NormalizedText } from "./normalized.js";
import type { Span } from "./normalized.js";
import { normalizerOf } from "./normalizers.js";
import type { Normalize } from "./normalizers.js";
import { preTokenizerOf } from "./pre-tokenizers.js";
import type { PreTokenize } from "./pre-tokenizers.js";
import { readTokenizerFiles } from "./tokenizer-files.js";
import { parts, readTrimming, trimmed } from "./trimming.js";
import type { Json, Trimming } from "./trimming.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

/** A batch as models take it: int64 [texts, tokens]. */
export interface TokenBatch {
  inputIds: Tensor;
  attentionMask: Tensor;
  /** Only where the tokenizer's model takes it. */
  tokenTypeIds?: Tensor;
  /** Only if asked for: where in its text each token stands, [texts, tokens, 2]; see {@link Encoding}. */
  offsets?: Tensor;
}

/** The tokens of one text, before special ones come. */
interface Tokens {
  tokens: string[];
  ids: number[];
  offsets: Span[];
}

/**
 * A tokenizer as Hugging Face's `tokenizer.json` describes it: WordPiece, BPE or Unigram. Made by {@link tokenizer}.
 * Byte pairs, word pieces, special tokens and decoding are the library's, `@huggingface/tokenizers`; a text is normalised and split into
 * words here, so that each token is known to come from where it does.
 */
export class Tokenizer {
  readonly #library: Library;
  readonly #normalize: Normalize;
  readonly #words: PreTokenize;
  readonly #model: Model;
  readonly #trimming: Trimming;
  /** Added tokens as they stand in a text, and those that are looked for in the normalised text. */
  readonly #added: AddedTokens;
  readonly #addedNormal: AddedTokens;
  /** The tokenizer's files give the second text's tokens a type of their own, or none does. */
  readonly #typesByText: boolean;
  /** RoBERTa's knows no types. */
  readonly #typed: boolean;
  readonly #padding: { id: number; token: string; typeId: number; side: "left" | "right" } | null;
  readonly #truncationSide: "left" | "right";
  readonly #takesTypes: boolean;
  /** How many tokens its model takes at most, special ones counted; null where the files do not tell. */
  readonly maxLength: number | null;
  /** The numbers of [CLS], [PAD], [UNK], [MASK] and their like. */
  readonly specialTokenIds: readonly number[];
  /** The number of the token that stands in the place of hidden ones; null where there is none. */
  readonly maskTokenId: number | null;

  constructor({ path, tokenizer, config }: TokenizerFiles) {
    const added = readAddedTokens(tokenizer["added_tokens"], path);
    try {
      const { library, model } = openLibrary(tokenizer, config);
      [this.#library, this.#model] = [library, model];
      this.#normalize = normalizerOf(tokenizer["normalizer"], library.normalizer, path);
      this.#words = preTokenizerOf(tokenizer["pre_tokenizer"], library.pre_tokenizer, path);
      correctDecoder(library.decoder, tokenizer["decoder"]);
    } catch (error) {
      if (error instanceof SteppeError) throw error;
      throw new SteppeError("FORMAT", `Expected a tokenizer that can be read in ${path} but received: ${(error as Error).message}.`, { cause: error });
    }
    const normalize = (text: string) => this.#normalize(NormalizedText.of(text)).text;
    this.#added = new AddedTokens(added.filter(({ normalized }) => !normalized).map((token) => [token.content, token]));
    this.#addedNormal = new AddedTokens(added.filter(({ normalized }) => normalized).map((token) => [normalize(token.content), token]));
    const contents = added.map(({ content }) => content);
    this.#trimming = readTrimming(tokenizer);
    this.#typesByText = parts(tokenizer["post_processor"] as Json).every(({ type }) => type === "ByteLevel");
    this.#typed = !parts(tokenizer["post_processor"] as Json).some(({ type }) => type === "RobertaProcessing");
    const padToken = contentOf(config["pad_token"]) ?? contents.find((content) => content === "[PAD]" || content === "<pad>") ?? null;
    const padId = padToken === null ? undefined : this.#library.token_to_id(padToken);
    this.maskTokenId = this.#library.token_to_id(contentOf(config["mask_token"]) ?? contents.find((content) => content === "[MASK]" || content === "<mask>") ?? "") ?? null;
    const named = Object.keys(config).filter((key) => key.endsWith("_token")).map((key) => contentOf(config[key]));
    const special = [...added.filter((token) => token.special).map(({ content }) => content), ...named];
    this.specialTokenIds = [...new Set(special.map((token) => (token === null ? undefined : this.#library.token_to_id(token))))].filter((id) => id !== undefined).sort((a, b) => a - b);
    const side = (name: string) => (config[name] === "left" ? "left" : "right");
    this.#padding = padToken === null || padId === undefined ? null : { id: padId, token: padToken, typeId: Number(config["pad_token_type_id"] ?? 0), side: side("padding_side") };
    this.#truncationSide = side("truncation_side");
    const inputs = config["model_input_names"];
    this.#takesTypes = Array.isArray(inputs) ? inputs.includes("token_type_ids") : /^(Bert|Electra|Albert|MobileBert|ConvBert|Funnel|LayoutLM|XLNet)/.test(String(config["tokenizer_class"] ?? ""));
    const longest = Number(config["model_max_length"]);
    this.maxLength = Number.isSafeInteger(longest) && longest > 0 && longest < 1e9 ? longest : null;
  }

  /** Tokens in the vocabulary, added ones counted. */
  get vocabularySize(): number {
    return this.#library.get_vocab(true).size;
  }

  /** The token's number, or undefined. */
  tokenToId(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  /** The number's token, or undefined. */
  idToToken(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  /**
   * Encodes a text, or a pair of texts.
   *
   * @throws SteppeError `ARGUMENT` for what is no string and for wrong options
   * @example
   * const { ids, offsets } = tokenizer.encode("A flat minimum.", { maxLength: 16, truncation: true });
   * tokenizer.encode(question, context, { maxLength: 384, truncation: "onlySecond", padding: "maxLength" });
   */
  encode(text: string, pair?: string | null, options?: EncodeOptions): Encoding;
  encode(text: string, options?: EncodeOptions): Encoding;
  encode(text: string, second?: string | null | EncodeOptions, third?: EncodeOptions): Encoding {
    const [pair, options] = typeof second === "object" && second !== null ? [null, second] : [second ?? null, third ?? {}];
    return this.#finish([this.#encode(text, pair, readEncodeOptions(options, this.maxLength))], readEncodeOptions(options, this.maxLength))[0]!;
  }

  /**
   * Encodes several texts, or pairs of texts, and pads them to one length if `padding` says so.
   *
   * @throws SteppeError `ARGUMENT` for what is no array of strings or of pairs, and for wrong options
   */
  encodeBatch(texts: readonly (string | readonly [text: string, pair: string])[], options: EncodeOptions = {}): Encoding[] {
    if (!Array.isArray(texts)) throw expected("an array of texts or of pairs of texts", "texts", texts);
    const settings = readEncodeOptions(options, this.maxLength);
    return this.#finish(
      texts.map((each: string | readonly [string, string]) => (Array.isArray(each) ? this.#encode(each[0] as string, each[1] as string, settings) : this.#encode(each as string, null, settings))),
      settings,
    );
  }

  /**
   * Encodes several texts, or pairs of texts, as tensors for a model. Padding is "longest" unless the options say otherwise.
   *
   * @param options `offsets`: whether offsets are wanted, too; default false
   * @example const { logits } = bert.forward(tokenizer.batch(["Yes.", "No, thanks."], { truncation: true }));
   */
  batch(texts: readonly (string | readonly [text: string, pair: string])[], { offsets = false, ...options }: EncodeOptions & { offsets?: boolean } = {}): TokenBatch {
    const encodings = this.encodeBatch(texts, { padding: "longest", ...options });
    if (encodings.length === 0) throw expected("at least one text", "texts", texts);
    const tensor = (of: (encoding: Encoding) => (number | number[])[]) => torch.tensor(encodings.map(of), { dtype: "int64" });
    return {
      inputIds: tensor(({ ids }) => ids),
      attentionMask: tensor(({ attentionMask }) => attentionMask),
      ...(this.#takesTypes ? { tokenTypeIds: tensor(({ typeIds }) => typeIds) } : {}),
      ...(checkFlag(offsets, "offsets") ? { offsets: tensor(({ offsets: spans }) => spans.map((span) => [...span])) } : {}),
    };
  }

  /**
   * The text that tokens stand for.
   *
   * @param ids an array of numbers, or an integer tensor of one dimension
   * @param options `skipSpecialTokens`: leaves out [CLS] and its like; default false
   */
  decode(ids: readonly number[] | Tensor, options: { skipSpecialTokens?: boolean } = {}): string {
    checkKeys(options, ["skipSpecialTokens"]);
    const { skipSpecialTokens = false } = options;
    const numbers = Array.isArray(ids) ? (ids as number[]) : ((ids as Tensor).toArray() as number[]);
    const wrong = numbers.find((id) => !Number.isSafeInteger(id) || this.#library.id_to_token(id) === undefined);
    if (wrong !== undefined) throw expected("a token's number", "ids", wrong, `They are below ${this.vocabularySize}.`);
    if (numbers.length === 0) return "";
    return this.#library.decode(numbers, { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false });
  }

  #tokensOf(text: unknown, name: string): Tokens {
    if (typeof text !== "string") throw expected("a string", name, text);
    // No UTF-8 has half of a surrogate pair.
    const whole = text.replace(/\p{Surrogate}/gu, "\ufffd");
    const found: Tokens = { tokens: [], ids: [], offsets: [] };
    /** @param form how the token is written in the text */
    const push = (token: string, id: number, span: Span, form: string) => {
      found.offsets.push(trimmed(form, span, whole, this.#trimming, found.ids.length === 0));
      found.tokens.push(token);
      found.ids.push(id);
    };
    for (const { start, end, token } of this.#added.split(whole)) {
      if (token !== null) {
        push(token.content, token.id, [start, end], whole.slice(start, end));
        continue;
      }
      const normal = this.#normalize(NormalizedText.of(whole, start, end));
      for (const section of this.#addedNormal.split(normal.text)) {
        const stretch = normal.slice(section.start, section.end);
        if (section.token !== null) push(section.token.content, section.token.id, stretch.span(), stretch.text);
        else this.#split(stretch, push);
      }
    }
    return found;
  }

  /** The tokens of a stretch of text between added tokens. */
  #split(stretch: NormalizedText, push: (token: string, id: number, span: Span, form: string) => void): void {
    const { tokens_to_ids: ids, unk_token_id: unknown } = this.#library.model!;
    for (const word of this.#words(stretch)) {
      for (const { token, start, end } of this.#model(word.text)) {
        const id = ids.get(token) ?? unknown;
        if (id === undefined) throw expected("text of the model's vocabulary, which has no token for others,", "text", token);
        push(token, id, start < end ? word.span(start, end) : [word.begin, word.begin], token);
      }
    }
  }

  #encode(text: string, pair: string | null, settings: Settings): Encoding {
    const pieces = [this.#tokensOf(text, "text"), ...(pair === null ? [] : [this.#tokensOf(pair, "pair")])];
    const frame = (lengths: readonly number[]) => this.#frame(lengths, settings.addSpecialTokens);
    const lengths: [number, number | null] = [pieces[0]!.ids.length, pieces[1]?.ids.length ?? null];
    let kept = lengths;
    if (settings.truncation !== "none" && settings.maxLength !== null) {
      const special = frame(pair === null ? [0] : [0, 0]).length;
      kept = truncated(lengths, settings.maxLength - special, settings.truncation);
    }
    const from = pieces.map(({ ids }, i) => (this.#truncationSide === "left" ? ids.length - kept[i]! : 0));
    const encoding: Encoding = { ids: [], attentionMask: [], typeIds: [], tokens: [], offsets: [] };
    for (const place of frame(kept.filter((length) => length !== null))) {
      const { piece, index, token, typeId } = place;
      const source = piece === null ? null : pieces[piece]!;
      const at = source === null ? 0 : from[piece!]! + index;
      encoding.tokens.push(source === null ? token : source.tokens[at]!);
      encoding.ids.push(source === null ? this.#library.token_to_id(token)! : source.ids[at]!);
      encoding.offsets.push(source === null ? [0, 0] : source.offsets[at]!);
      encoding.typeIds.push(typeId);
      encoding.attentionMask.push(1);
    }
    return encoding;
  }

  /** Where the special tokens come: the library's own processor, given placeholders instead of tokens. */
  #frame(lengths: readonly number[], addSpecialTokens: boolean): { piece: number | null; index: number; token: string; typeId: number }[] {
    const places = lengths.map((length, piece) => Array.from({ length }, (_, i) => `\u0000${piece}/${i}`));
    const processor = this.#library.post_processor;
    const framed: { tokens: string[]; token_type_ids?: number[] } =
      processor === null || this.#typesByText ? { tokens: places.flat() } : processor.post_process(places[0]!, places[1] ?? null, addSpecialTokens);
    return framed.tokens.map((token, i) => {
      const place = /^\u0000(\d)\/(\d+)$/.exec(token);
      const piece = place === null ? null : Number(place[1]);
      const typeId = this.#typesByText ? (piece ?? 0) : this.#typed ? (framed.token_type_ids?.[i] ?? 0) : 0;
      return { piece, index: place === null ? 0 : Number(place[2]), token, typeId };
    });
  }

  #finish(encodings: Encoding[], { padding, maxLength, padToMultipleOf }: Settings): Encoding[] {
    if (padding === "none" || encodings.length === 0) return encodings;
    const longest = padding === "maxLength" ? maxLength! : Math.max(...encodings.map(({ ids }) => ids.length));
    const length = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
    if (this.#padding === null) throw expected("a tokenizer with a padding token", "padding", padding, "Its files name none as pad_token.");
    return encodings.map((encoding) => pad(encoding, length, this.#padding!));
  }
}

/** A special token in a configuration: its text, or an object that holds it. */
function contentOf(token: unknown): string | null {
  if (typeof token === "string") return token;
  const content = (token as Json)?.["content"];
  return typeof content === "string" ? content : null;
}

/**
 * Opens a tokenizer in Hugging Face's format: `tokenizer.json`, beside it `tokenizer_config.json` if there is one.
 *
 * @param folder where the files are, for example a model's folder
 * @throws SteppeError `IO` where there is no tokenizer.json, `FORMAT` for a broken one
 * @example
 * const tokenizer = await data.tokenizer("models/bert-base-uncased");
 * tokenizer.encode("Flat is better than sharp.").tokens; // [CLS] flat is better than sharp . [SEP]
 */
export async function tokenizer(folder: string): Promise<Tokenizer> {
  return new Tokenizer(readTokenizerFiles(folder));
}
