import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { SteppeError } from "../../errors.js";
import { Changes } from "./normalized.js";
import type { NormalizedText } from "./normalized.js";
import type { LibraryPart } from "./normalizers.js";
import { escaped, split, wordClass } from "./split.js";
import type { SplitBehavior } from "./split.js";

type Config = { readonly [key: string]: unknown };

/** Takes a text apart into words, of which a model makes its tokens. */
export type PreTokenize = (text: NormalizedText) => NormalizedText[];

const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;
const blank = /\p{White_Space}+/gu;
const words = new RegExp(`[${wordClass}]+|[^${wordClass}\\p{White_Space}]+`, "gu");
const gpt2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** GPT-2's alphabet: printable bytes stand for themselves, the others for characters from U+0100 on (its `bytes_to_unicode`). */
const byteChars = ((): readonly string[] => {
  const isPrintable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

const splitting = (pattern: RegExp, behavior: SplitBehavior, inverted = false): PreTokenize => (text) => split(text, pattern, behavior, inverted);

function inSequence(steps: readonly PreTokenize[]): PreTokenize {
  return (text) => steps.reduce<NormalizedText[]>((pieces, step) => pieces.flatMap((piece) => (piece.length === 0 ? [] : step(piece))), [text]);
}

function asBytes(text: NormalizedText): NormalizedText {
  const changes = new Changes();
  for (const char of text.text) Buffer.from(char).forEach((byte, i) => changes.push(byteChars[byte]!, i === 0 ? 0 : 1));
  return text.change(changes);
}

function byteLevel({ add_prefix_space: prefixes, use_regex: splits }: Config): PreTokenize {
  return (text) => {
    const whole = prefixes === true && !text.text.startsWith(" ") ? text.prepend(" ") : text;
    return (splits === false ? [whole] : split(whole, gpt2, "Isolated")).map(asBytes);
  };
}

function metaspace(config: Config): PreTokenize {
  const mark = String(config["replacement"] ?? "\u2581");
  const scheme = config["add_prefix_space"] === false ? "never" : (config["prepend_scheme"] ?? "always");
  const marks = new RegExp(escaped(mark), "gu");
  return (text) => {
    const marked = text.replace(/ /g, mark);
    const prepends = !marked.text.startsWith(mark) && (scheme === "always" || (scheme === "first" && text.begin === 0));
    const whole = prepends ? marked.prepend(mark) : marked;
    return config["split"] === false ? [whole] : split(whole, marks, "MergedWithNext");
  };
}

function fixedLength({ length }: Config): PreTokenize {
  return splitting(new RegExp(`.{1,${Number(length)}}`, "gsu"), "Isolated");
}

function behaviorOf(behavior: unknown, path: string): SplitBehavior {
  const behaviors: readonly SplitBehavior[] = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
  const found = behaviors.find((each) => each === behavior);
  if (found === undefined) throw new SteppeError("FORMAT", `Expected one of ${behaviors.join(", ")} as "behavior" in ${path} but received ${JSON.stringify(behavior)}.`);
  return found;
}

/**
 * What a `pre_tokenizer` of a tokenizer.json does to a text: see `normalizerOf`.
 *
 * @param part what the library has made of the same configuration
 */
export function preTokenizerOf(config: unknown, part: Library["pre_tokenizer"] | LibraryPart | null, path: string): PreTokenize {
  if (config === null || config === undefined || part === null) return (text) => [text];
  const { type, ...settings } = config as Config;
  const pattern = (part as LibraryPart)["pattern"] as RegExp | null;
  switch (type) {
    case "Sequence": {
      const parts = (part as LibraryPart)["tokenizers"] as LibraryPart[];
      return inSequence(((settings["pretokenizers"] ?? []) as unknown[]).map((each, i) => preTokenizerOf(each, parts[i]!, path)));
    }
    case "WhitespaceSplit":
      return splitting(blank, "Removed");
    case "Whitespace":
      return splitting(words, "Removed", true);
    case "BertPreTokenizer":
      return inSequence([splitting(blank, "Removed"), splitting(punctuation, "Isolated")]);
    case "Punctuation":
      return splitting(punctuation, behaviorOf(settings["behavior"] ?? "Isolated", path));
    case "Digits":
      return splitting(/\p{N}/gu, settings["individual_digits"] === true ? "Isolated" : "Contiguous");
    case "Split":
      return splitting(pattern!, behaviorOf(settings["behavior"], path), settings["invert"] === true);
    case "ByteLevel":
      return byteLevel(settings);
    case "Metaspace":
      return metaspace(settings);
    case "FixedLength":
      return fixedLength(settings);
    default:
      throw new Error(`Unknown PreTokenizer type: ${String(type)}`);
  }
}
