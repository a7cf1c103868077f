import { checkInteger } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import { torch } from "../../torch.js";
import type { Tensor } from "../../tensor.js";
import type { Span } from "../text/normalized.js";
import { Tokenizer } from "../text/tokenizer.js";
import type { Encoding } from "../text/encoding.js";
import type { TokenBatch } from "../text/tokenizer.js";
import type { SpanQuestion } from "./squad.js";

/** A question with a part of its context, as a model reads it. */
export interface SpanFeature {
  /** Which question of those given it is of. */
  example: number;
  /** The tokens, padded to `maxLength`. */
  ids: number[];
  /** 1 for tokens, 0 for padding. */
  attentionMask: number[];
  /** The type of each token: of most tokenizers 0 for the question and 1 for the context. */
  typeIds: number[];
  /** Where in the context each token stands; null for tokens of the question and special ones. */
  offsets: (Span | null)[];
  /** The token that stands for "no answer here": the first special one. */
  nullIndex: number;
  /** The first and the last token of the first right answer; `nullIndex` where it is not in this part. */
  start: number;
  end: number;
}

/** How contexts are cut into parts. */
export interface SpanFeatureOptions {
  /** Tokens at most, special ones counted; default 384. All features are padded to it. */
  maxLength?: number;
  /** How many tokens of the context two parts share; default 128. */
  stride?: number;
}

/** Where special tokens come around a pair, and of which type all are. */
interface Frame {
  before: Special[];
  between: Special[];
  after: Special[];
  types: readonly [number, number];
  padding: { id: number; typeId: number; left: boolean };
}
interface Special {
  id: number;
  typeId: number;
}

function frameOf(tokenizer: Tokenizer): Frame {
  const [a, b] = ["a", "b"].map((text) => tokenizer.encode(text, { addSpecialTokens: false }).ids) as [number[], number[]];
  const { ids, typeIds } = tokenizer.encode("a", "b");
  const find = (part: readonly number[], from: number) => {
    for (let at = from; at + part.length <= ids.length; at++) if (part.every((id, i) => ids[at + i] === id)) return at;
    throw expected("a tokenizer that keeps the tokens of a text in a pair", "tokenizer", tokenizer);
  };
  const first = find(a, 0);
  const second = find(b, first + a.length);
  const special = (from: number, to: number) => ids.slice(from, to).map((id, i) => ({ id, typeId: typeIds[from + i]! }));
  const padded = tokenizer.encode("a", { maxLength: ids.length + 8, padding: "maxLength" });
  const at = padded.attentionMask.indexOf(0);
  return {
    before: special(0, first),
    between: special(first + a.length, second),
    after: special(second + b.length, ids.length),
    types: [typeIds[first] ?? 0, typeIds[second] ?? 0],
    padding: { id: padded.ids[at]!, typeId: padded.typeIds[at]!, left: at === 0 },
  };
}

/**
 * Questions with their contexts in overlapping parts, each with where the answer is in it, as Hugging Face's `run_qa` makes them:
 * the question comes first and without spaces before it, a context that is too long is cut into parts that share `stride` tokens,
 * and a part without the whole answer is labelled with its first special token.
 *
 * @returns of each question one or more, in order
 * @throws SteppeError `ARGUMENT` for wrong options, and for a question that leaves no room for its context
 * @example
 * const features = data.spanFeatures(tokenizer, examples, { maxLength: 384, stride: 128 });
 * const batches = data.loader(features, { batchSize: 16, shuffle: true, collate: data.spanBatch(tokenizer) });
 */
export function spanFeatures(tokenizer: Tokenizer, examples: readonly SpanQuestion[], options: SpanFeatureOptions = {}): SpanFeature[] {
  if (!(tokenizer instanceof Tokenizer)) throw expected("a Tokenizer", "tokenizer", tokenizer);
  checkKeys(options, ["maxLength", "stride"]);
  const { maxLength = 384, stride = 128 } = options;
  checkInteger(maxLength, "maxLength", 1);
  checkInteger(stride, "stride", 0);
  if (!Array.isArray(examples)) throw expected("an array of questions", "examples", examples);
  const frame = frameOf(tokenizer);
  const special = frame.before.length + frame.between.length + frame.after.length;
  return (examples as readonly SpanQuestion[]).flatMap((example, number) => {
    const question = tokenizer.encode(example.question.trimStart(), { addSpecialTokens: false });
    const context = tokenizer.encode(example.context, { addSpecialTokens: false });
    const room = maxLength - special - question.ids.length;
    const wholeFits = context.ids.length <= room;
    if (!wholeFits && room <= stride) throw expected(`more than ${special + question.ids.length + stride} tokens`, "maxLength", maxLength, `Question ${example.id} has ${question.ids.length}, and parts of its context share ${stride}.`);
    const features: SpanFeature[] = [];
    for (let from = 0; ; from += room - stride) {
      const to = Math.min(from + room, context.ids.length);
      features.push(featureOf(example, number, question, context, from, to, frame, maxLength));
      if (to === context.ids.length) return features;
    }
  });
}

function featureOf(example: SpanQuestion, number: number, question: Encoding, context: Encoding, from: number, to: number, frame: Frame, maxLength: number): SpanFeature {
  const { before, between, after, types, padding } = frame;
  const part = context.ids.slice(from, to);
  const framed = [before, between, after].map((specials) => specials.map(({ id }) => id)) as [number[], number[], number[]];
  const typed = [before, between, after].map((specials) => specials.map(({ typeId }) => typeId)) as [number[], number[], number[]];
  const ids = [...framed[0], ...question.ids, ...framed[1], ...part, ...framed[2]];
  const typeIds = [...typed[0], ...question.ids.map(() => types[0]), ...typed[1], ...part.map(() => types[1]), ...typed[2]];
  const missing = maxLength - ids.length;
  const shift = padding.left ? missing : 0;
  const fill = <T>(values: T[], value: T): T[] => (padding.left ? [...Array<T>(missing).fill(value), ...values] : [...values, ...Array<T>(missing).fill(value)]);
  const first = before.length + question.ids.length + between.length;
  const places: (Span | null)[] = [...Array<null>(first).fill(null), ...context.offsets.slice(from, to), ...Array<null>(after.length).fill(null)];
  const nullIndex = shift + (before.length > 0 ? 0 : first + part.length);
  const span = answerIn(example, context.offsets.slice(from, to));
  return {
    example: number,
    ids: fill(ids, padding.id),
    attentionMask: fill(ids.map(() => 1), 0),
    typeIds: fill(typeIds, padding.typeId),
    offsets: fill(places, null),
    nullIndex,
    start: span === null ? nullIndex : shift + first + span[0],
    end: span === null ? nullIndex : shift + first + span[1],
  };
}

/** The first and the last token of the first answer among those of a part; null if it is not wholly in it. */
function answerIn({ answers }: SpanQuestion, offsets: readonly Span[]): [number, number] | null {
  const answer = answers[0];
  if (answer === undefined || offsets.length === 0) return null;
  const [begin, end] = [answer.start, answer.start + answer.text.length];
  if (offsets[0]![0] > begin || offsets.at(-1)![1] < end) return null;
  let start = offsets.length - 1;
  while (offsets[start]![0] > begin) start--;
  let last = 0;
  while (offsets[last]![1] < end) last++;
  return [start, last];
}

/** What a model with a head for spans takes. */
export interface SpanBatch extends TokenBatch {
  /** int64 [batch] each */
  startPositions: Tensor;
  endPositions: Tensor;
}

/** Makes batches of features, as a loader's `collate`. See {@link spanFeatures}. */
export function spanBatch(tokenizer: Tokenizer): (features: readonly SpanFeature[]) => SpanBatch {
  if (!(tokenizer instanceof Tokenizer)) throw expected("a Tokenizer", "tokenizer", tokenizer);
  const takesTypes = torch.scope(() => tokenizer.batch(["a"]).tokenTypeIds !== undefined);
  return (features) => {
    const tensor = (of: (feature: SpanFeature) => number | number[]) => torch.tensor(features.map(of) as number[], { dtype: "int64" });
    return {
      inputIds: tensor(({ ids }) => ids),
      attentionMask: tensor(({ attentionMask }) => attentionMask),
      ...(takesTypes ? { tokenTypeIds: tensor(({ typeIds }) => typeIds) } : {}),
      startPositions: tensor(({ start }) => start),
      endPositions: tensor(({ end }) => end),
    };
  };
}
