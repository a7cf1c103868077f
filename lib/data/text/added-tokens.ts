import { SteppeError, describe } from "../../errors.js";
import { escaped, wordClass } from "./split.js";

/** A token that stands in a text as it is: [MASK], <extra_id_0>. */
export interface AddedToken {
  content: string;
  id: number;
  /** Only where no letter or digit touches it. */
  singleWord: boolean;
  /** The space before it belongs to it. */
  leftStrip: boolean;
  /** The space behind it belongs to it. */
  rightStrip: boolean;
  /** It is looked for in the normalised text, in its own normalised form. */
  normalized: boolean;
  special: boolean;
}

/** A stretch of a text: an added token, or what is between two of them. */
export interface Section {
  start: number;
  end: number;
  token: AddedToken | null;
}

const startsWithWord = new RegExp(`^[${wordClass}]`, "u");
const endsWithWord = new RegExp(`[${wordClass}]$`, "u");
const spaceInFront = /^\p{White_Space}*/u;
// Without the lookbehind a search begins at each blank of a run, to its end.
const spaceAtEnd = /(?<!\p{White_Space})\p{White_Space}*$/u;

/** Forty times the largest vocabulary that there is: a number beyond it is damage, and would make lists of that length. */
export const mostTokens = 1e7;

/** Reads the `added_tokens` of a tokenizer.json; `path` is for messages. */
export function readAddedTokens(list: unknown, path: string): AddedToken[] {
  if (!Array.isArray(list)) throw new SteppeError("FORMAT", `Expected a list as "added_tokens" of ${path} but received ${describe(list)}.`);
  return list.map((each: { [key: string]: unknown } | null, i) => {
    const [content, id] = [each?.["content"], each?.["id"]];
    if (typeof content !== "string" || !Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= mostTokens) {
      throw new SteppeError("FORMAT", `Expected "content" and "id" in the added token ${i} of ${path} but received ${JSON.stringify(each)}.`);
    }
    const special = each!["special"] === true;
    const normalized = typeof each!["normalized"] === "boolean" ? each!["normalized"] : !special;
    return { content, id: id as number, singleWord: each!["single_word"] === true, leftStrip: each!["lstrip"] === true, rightStrip: each!["rstrip"] === true, normalized, special };
  });
}

/** Finds added tokens in a text: the leftmost, and of those the longest. */
export class AddedTokens {
  readonly #tokens = new Map<string, AddedToken>();
  readonly #pattern: RegExp | null;

  /** @param spelled each token as it is looked for */
  constructor(spelled: readonly (readonly [spelling: string, token: AddedToken])[]) {
    for (const [spelling, token] of spelled) if (spelling !== "") this.#tokens.set(spelling, token);
    const spellings = [...this.#tokens.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = spellings.length === 0 ? null : new RegExp(spellings.map(escaped).join("|"), "gu");
  }

  /** All of the text, in order, without empty stretches. */
  split(text: string): Section[] {
    const sections: Section[] = [];
    let at = 0;
    for (const match of this.#pattern === null ? [] : text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(match[0])!;
      let [start, end] = [match.index, match.index + match[0].length];
      if (token.singleWord && (endsWithWord.test(text.slice(Math.max(0, start - 2), start)) || startsWithWord.test(text.slice(end, end + 2)))) continue;
      if (token.leftStrip) start = Math.max(at, start - spaceAtEnd.exec(text.slice(at, start))![0].length);
      if (token.rightStrip) end += spaceInFront.exec(text.slice(end))![0].length;
      if (at < start) sections.push({ start: at, end: start, token: null });
      sections.push({ start, end, token });
      at = end;
    }
    if (at < text.length) sections.push({ start: at, end: text.length, token: null });
    return sections;
  }
}
