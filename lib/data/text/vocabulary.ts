import { checkInteger } from "../../checks.js";
import { SteppeError, checkKeys, describe, expected } from "../../errors.js";
import { readJsonObject } from "../../io/json-file.js";
import { writeWhole } from "../../io/whole-file.js";
import { Tensor } from "../../tensor.js";

/** How a vocabulary is made of counted tokens. */
export interface VocabularyOptions {
  /** Tokens that come first, in this order, however often a text has them: "<pad>", "<unk>". Default none. */
  specials?: readonly string[];
  /** The token that stands for all that is not in the vocabulary: one of the specials or of the text. Default none: such tokens are errors. */
  unknown?: string | null;
  /** Tokens that come less often are left out; default 1. */
  minFrequency?: number;
  /** Tokens at most, specials counted; default all. */
  maxSize?: number;
}

/** Tokens and their numbers. Made by {@link vocabulary}, {@link TokenCounts} and {@link loadVocabulary}. */
export class Vocabulary {
  /** By number. */
  readonly tokens: readonly string[];
  /** The token that stands for others, or null. */
  readonly unknown: string | null;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #unknownId: number | undefined;

  /**
   * @param tokens in the order of their numbers
   * @throws SteppeError `ARGUMENT` for none, for one that comes twice, and for an unknown token that is not among them
   */
  constructor(tokens: readonly string[], { unknown = null, ...rest }: { unknown?: string | null } = {}) {
    checkKeys(rest, ["unknown"]);
    if (!Array.isArray(tokens) || tokens.length === 0) throw expected("an array of tokens", "tokens", tokens);
    const numbers = new Map<string, number>();
    tokens.forEach((token: unknown, i) => {
      if (typeof token !== "string") throw expected("a string", `tokens[${i}]`, token);
      if (numbers.has(token)) throw expected("tokens that come once", "tokens", token);
      numbers.set(token, i);
    });
    if (unknown !== null && !numbers.has(unknown)) throw expected("one of the tokens", "unknown", unknown);
    this.tokens = Object.freeze([...tokens]);
    this.unknown = unknown;
    this.#numbers = numbers;
    this.#unknownId = unknown === null ? undefined : numbers.get(unknown);
  }

  /** How many tokens there are. */
  get size(): number {
    return this.tokens.length;
  }

  has(token: string): boolean {
    return this.#numbers.has(token);
  }

  /**
   * The token's number; of one that is not there, the unknown token's.
   *
   * @throws SteppeError `ARGUMENT` for a token that is not there, where none stands for others
   */
  idOf(token: string): number {
    const id = this.#numbers.get(token) ?? this.#unknownId;
    if (id === undefined) throw expected("a token of the vocabulary", "token", token, "No token stands for unknown ones.");
    return id;
  }

  /**
   * The numbers of tokens. A string is taken character by character (by Unicode's code points).
   *
   * @example
   * vocabulary.encode("to be".split(" ")); // words
   * vocabulary.encode("to be"); // characters
   */
  encode(tokens: Iterable<string>): number[] {
    return Array.from(tokens, (token) => this.idOf(token));
  }

  /**
   * The tokens of numbers: `decode(ids).join(" ")` is a text of words.
   *
   * @param ids an array of numbers, or an integer tensor of one dimension
   * @throws SteppeError `ARGUMENT` for a number that no token has
   */
  decode(ids: readonly number[] | Tensor): string[] {
    const numbers = ids instanceof Tensor ? (ids.toArray() as number[]) : ids;
    if (!Array.isArray(numbers)) throw expected("numbers of one dimension", "ids", ids);
    return numbers.map((id: unknown) => {
      const token = this.tokens[Number(id)];
      if (token === undefined) throw expected(`integers from 0 to ${this.size - 1}`, "ids", id);
      return token;
    });
  }

  toJSON(): { tokens: readonly string[]; unknown: string | null } {
    return { tokens: this.tokens, unknown: this.unknown };
  }

  /** Writes a JSON file that {@link loadVocabulary} reads, whole or not at all. */
  save(path: string): void {
    writeWhole(path, [Buffer.from(`${JSON.stringify(this)}\n`)]);
  }
}

/** Counts tokens, text after text, for a vocabulary. */
export class TokenCounts {
  readonly #counts = new Map<string, number>();

  /** A string counts character by character. */
  add(tokens: Iterable<string>): this {
    for (const token of tokens) {
      if (typeof token !== "string") throw expected("strings", "tokens", token);
      this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    }
    return this;
  }

  /** How often a token came. */
  of(token: string): number {
    return this.#counts.get(token) ?? 0;
  }

  /** Specials first, then tokens by how often they came, and by their code points where that is the same: as torchtext orders them. */
  vocabulary(options: VocabularyOptions = {}): Vocabulary {
    checkKeys(options, ["specials", "unknown", "minFrequency", "maxSize"]);
    const { specials = [], unknown = null, minFrequency = 1, maxSize } = options;
    checkInteger(minFrequency, "minFrequency", 1);
    if (maxSize !== undefined) checkInteger(maxSize, "maxSize", Math.max(1, specials.length));
    if (!Array.isArray(specials) || !specials.every((token) => typeof token === "string")) throw expected("an array of tokens", "specials", specials);
    const first = new Set<string>(specials);
    const counted = [...this.#counts].filter(([token, count]) => count >= minFrequency && !first.has(token));
    counted.sort(([a, m], [b, n]) => n - m || byCodePoints(a, b));
    const tokens = [...(specials as readonly string[]), ...counted.map(([token]) => token)].slice(0, maxSize);
    if (tokens.length === 0) throw expected("at least one token", "the text", tokens, "Nothing was counted, or nothing often enough.");
    return new Vocabulary(tokens, { unknown });
  }
}

/** As Python orders strings; JavaScript's own order, by UTF-16, has U+1F40B before U+FF01. */
function byCodePoints(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    // Both characters begin at i, or in both the first halves are the same.
    const surrogates = (text: string) => (text.charCodeAt(i) >= 0xd800 && text.charCodeAt(i) <= 0xdfff ? 0x10000 : 0);
    return a.charCodeAt(i) + surrogates(a) - b.charCodeAt(i) - surrogates(b);
  }
  return a.length - b.length;
}

/**
 * A vocabulary of the tokens of a text: specials first, then by how often they come, and by their code points where that is the same.
 * A string is taken character by character. For text that is larger than memory, see {@link TokenCounts}.
 *
 * @example
 * data.vocabulary(text, { specials: ["<unk>"], unknown: "<unk>" }); // of characters
 * data.vocabulary(text.split(" "), { specials: ["<pad>", "<unk>"], unknown: "<unk>", minFrequency: 3 }); // of words
 */
export function vocabulary(tokens: Iterable<string>, options: VocabularyOptions = {}): Vocabulary {
  if (typeof (tokens as Iterable<string> | null)?.[Symbol.iterator] !== "function") throw expected("a string or tokens", "tokens", tokens);
  return new TokenCounts().add(tokens).vocabulary(options);
}

/**
 * Reads what {@link Vocabulary.save} has written.
 *
 * @throws SteppeError `IO` if the file system refuses, `FORMAT` for another file
 */
export function loadVocabulary(path: string): Vocabulary {
  const { tokens, unknown = null } = readJsonObject(path);
  try {
    return new Vocabulary(tokens as string[], { unknown: unknown as string | null });
  } catch (error) {
    throw new SteppeError("FORMAT", `Expected a vocabulary in ${path} but received ${describe(tokens)}: ${(error as Error).message}`, { cause: error });
  }
}
