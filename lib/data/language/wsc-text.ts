import type { SuperGlueExamples } from "./super-glue.js";

// The Winograd schemas as T5 takes them: the pronoun is marked, and the text asked for is what it means.

type Wsc = SuperGlueExamples["wsc"];

const startOf = (word: string, pronoun: string) => word.toLowerCase().indexOf(pronoun.toLowerCase());
const bare = (word: string) => word.replace(/^\P{L}+|\P{L}+$/gu, "").toLowerCase();

/**
 * `wsc: … *it* …`. The published place counts words between single spaces. In two examples it is not the pronoun's own: there
 * punctuation is part of the word (then it comes after the mark and a space), or the word is the one beside it.
 */
export function wscInputs({ text, span2Text, span2Index }: Wsc): string {
  const words = text.split(" ");
  const put = (at: number, marked: string) => ["wsc:", ...words.slice(0, at), marked, ...words.slice(at + 1)].join(" ");
  if (words[span2Index] === span2Text) return put(span2Index, `*${span2Text}*`);
  const isPronoun = (at: number) => words[at] !== undefined && bare(words[at]) === bare(span2Text);
  const at = [span2Index, span2Index + 1, span2Index - 1].find(isPronoun);
  if (at === undefined) return put(span2Index, `*${words[span2Index] ?? span2Text}*`);
  const word = words[at]!;
  const start = startOf(word, bare(span2Text));
  const rest = word.slice(start + bare(span2Text).length);
  const marked = `${word.slice(0, start)}*${word.slice(start, start + bare(span2Text).length)}*${rest === "" ? "" : ` ${rest}`}`;
  return put(at, marked).trimEnd();
}

/**
 * The noun, as it stands in the text: a few of the published ones differ from it in their first letter, a period or a line's end
 * (the hub's `wsc.fixed` repairs them likewise).
 */
export function wscReferent({ text, span1Text, span1Index }: Wsc): string {
  // Two subjects with other words in between are in no text.
  if (text.includes(span1Text) || span1Text === "Kamenev and Zinoviev" || span1Text === "Kamenev, Zinoviev, and Stalin") return span1Text;
  const first = text.split(/\s+/).filter((word) => word !== "")[span1Index] ?? "";
  const letter = span1Text.slice(0, 1);
  const isLower = first.slice(0, 1) !== first.slice(0, 1).toUpperCase();
  return `${isLower ? letter.toLowerCase() : letter.toUpperCase()}${span1Text.slice(1)}`.replace(/\.+$/, "").replaceAll("\n", " ");
}

const determiners = new Set("a an few her his each every many much my our some that the their these this those which whose your".split(" "));

const clean = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .split(" ")
    .filter((word) => !determiners.has(word))
    .join(" ");

/** 1 if a generated text names the noun: all words of one are among those of the other, articles and their like left out. */
export function readReferent(text: string, example: Wsc): number {
  const [prediction, referent] = [clean(text), clean(wscReferent(example))];
  if (prediction === "") return 0;
  // "Bob" is not "Bob's hat".
  if (prediction.includes("'") !== referent.includes("'")) return 0;
  const [a, b] = [new Set(prediction.split(" ")), new Set(referent.split(" "))];
  const within = (some: Set<string>, all: Set<string>) => [...some].every((word) => all.has(word));
  return within(a, b) || within(b, a) ? 1 : 0;
}
