import { SteppeError, expected } from "../../errors.js";
import { count, flag, integer, kind, or, orNull, probability, read, real, size } from "../../nn/arguments.js";
import type { Named, Values } from "../../nn/arguments.js";
import { Generator } from "../../random.js";

const tokens = kind<number | readonly number[]>(
  "a token or an array of tokens",
  (value) => Number.isSafeInteger(value) || (Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger)),
);

const fields = {
  /** Most tokens that are generated, beside the prompt. */
  maxNewTokens: or(count, 20),
  /** Fewer tokens than this do not end a sequence. */
  minNewTokens: or(size, 0),
  /** Sequences that are followed at the same time; 1 is greedy, or plain sampling. */
  numBeams: or(count, 1),
  /** Sequences that come back for each row: with beams the best ones. */
  numReturnSequences: or(count, 1),
  /** Whether the next token is drawn rather than the most probable one. */
  doSample: or(flag, false),
  /** Divides the logits before drawing: below 1 more cautious, above more daring. */
  temperature: or(real, 1),
  /** Only that many most probable tokens are drawn from; 0 for all. */
  topK: or(size, 50),
  /** Only the most probable tokens that together have this probability are drawn from. */
  topP: or(probability, 1),
  /** Scores of finished beams are divided by their length to this power: above 0 favours long ones. */
  lengthPenalty: or(real, 1),
  /** Beams: true stops at numBeams finished ones, false when none is likely to become better, "never" when none can. */
  earlyStopping: or(kind<boolean | "never">('true, false or "never"', (value) => typeof value === "boolean" || value === "never"), false),
  /** No sequence of that many tokens comes twice; 0 for no such rule. */
  noRepeatNgramSize: or(size, 0),
  /** Tokens that end a sequence: the configuration's if left out, none if null. */
  eosTokenId: { optional: true, read: (value: unknown, name: string) => (value === undefined || value === null ? (value as undefined | null) : tokens.read(value, name)) } as const,
  /** What follows the end of a sequence that is shorter than others: the configuration's if left out. */
  padTokenId: orNull(integer),
  /** Where random numbers come from: the default generator if left out. */
  generator: orNull(kind<Generator>("a torch.Generator", (value) => value instanceof Generator)),
};

/** How a model generates. Names and defaults are Hugging Face's. */
export type GenerateOptions = Partial<Named<typeof fields>>;

/** The same, complete. */
export type Generation = Omit<Values<typeof fields>, "eosTokenId" | "padTokenId"> & {
  eosTokens: readonly number[];
  padToken: number;
};

/** What a model's configuration says of its tokens. */
export interface SpecialTokens {
  eosTokenId: number | readonly number[] | null;
  padTokenId: number | null;
}

/** @throws SteppeError `ARGUMENT` for unknown options, wrong values, and those that do not go together */
export function readGenerateOptions(owner: string, given: GenerateOptions, special: SpecialTokens): Generation {
  const { eosTokenId: asked, padTokenId, ...options } = read(`${owner}.generate`, fields, [given]);
  if (options.temperature <= 0) throw expected("a positive number", `temperature of ${owner}.generate`, options.temperature, "For no randomness leave doSample at false.");
  const { numBeams, numReturnSequences, doSample } = options;
  if (numBeams > 1 ? numReturnSequences > numBeams : numReturnSequences > 1 && !doSample) {
    const most = numBeams > 1 ? `at most numBeams (${numBeams})` : "1, without beams and without doSample,";
    throw expected(most, `numReturnSequences of ${owner}.generate`, numReturnSequences);
  }
  const eos = asked === undefined ? special.eosTokenId : asked;
  const eosTokens = eos === null ? [] : typeof eos === "number" ? [eos] : eos;
  const padToken = padTokenId ?? special.padTokenId ?? eosTokens[0] ?? null;
  if (padToken === null) throw new SteppeError("ARGUMENT", `Expected padTokenId for ${owner}.generate: neither the configuration nor eosTokenId gives one.`);
  if (options.minNewTokens > options.maxNewTokens) throw expected(`at most maxNewTokens (${options.maxNewTokens})`, `minNewTokens of ${owner}.generate`, options.minNewTokens);
  return { ...options, eosTokens, padToken };
}
