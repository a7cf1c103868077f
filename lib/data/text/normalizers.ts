import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { Changes } from "./normalized.js";
import type { NormalizedText } from "./normalized.js";
import { CharsMap } from "./precompiled.js";
import { changesTo } from "./unicode-forms.js";
import type { UnicodeForm } from "./unicode-forms.js";

/** A part's configuration in a tokenizer.json. */
type Config = { readonly [key: string]: unknown };
/** What the library makes of a part: of it only the compiled pattern is used. */
export type LibraryPart = { readonly [key: string]: unknown };

export type Normalize = (text: NormalizedText) => NormalizedText;

const chinese = /^[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]$/u;
const control = /^(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const space = /^\p{White_Space}$/u;

/** Without regard to what stands around a letter: no form of sigma is for the ends of words alone. */
function lowercase(text: NormalizedText): NormalizedText {
  const changes = new Changes();
  for (const char of text.text) [...char.toLowerCase()].forEach((lower, i) => changes.push(lower, i === 0 ? 0 : 1));
  return text.change(changes);
}

const toForm = (form: UnicodeForm): Normalize => (text) => text.change(changesTo(form, text.text));
const without = (marks: RegExp): Normalize => (text) => text.filter((char) => !marks.test(char));

function cleaned(text: NormalizedText): NormalizedText {
  const kept = text.filter((char) => !control.test(char));
  const changes = new Changes();
  for (const char of kept.text) changes.push(space.test(char) ? " " : char);
  return kept.change(changes);
}

function separated(text: NormalizedText): NormalizedText {
  const changes = new Changes();
  for (const char of text.text) {
    if (!chinese.test(char)) changes.push(char);
    else [" ", char, " "].forEach((each, i) => changes.push(each, i === 0 ? 0 : 1));
  }
  return text.change(changes);
}

function bert({ clean_text: cleans, handle_chinese_chars: separates, strip_accents: strips, lowercase: lowers }: Config): Normalize {
  const stripsMarks = strips === true || (lowers === true && strips !== false);
  const steps: Normalize[] = [...(cleans === true ? [cleaned] : []), ...(separates === true ? [separated] : []), ...(stripsMarks ? [toForm("NFD"), without(/^\p{Mn}$/u)] : []), ...(lowers === true ? [lowercase] : [])];
  return (text) => steps.reduce((changed, step) => step(changed), text);
}

function strip({ strip_left: left, strip_right: right }: Config): Normalize {
  return (text) => {
    const begin = left === true ? /^\p{White_Space}*/u.exec(text.text)![0].length : 0;
    // Without the lookbehind a search begins at each blank of a run, to its end.
    const blank = right === true ? (/(?<!\p{White_Space})\p{White_Space}+$/u.exec(text.text)?.[0].length ?? 0) : 0;
    return text.within(begin, Math.max(begin, text.length - blank));
  };
}

function precompiled({ precompiled_charsmap: table }: Config, path: string): Normalize {
  const map = new CharsMap(table, path);
  return (text) => {
    const changes = map.changes(text.text);
    return changes === null ? text : text.change(changes);
  };
}

/**
 * What a `normalizer` of a tokenizer.json does to a text: Hugging Face's `tokenizers`, which differs in places from the library that
 * the rest of a tokenizer is made of.
 *
 * @param part what the library has made of the same configuration
 * @throws SteppeError `FORMAT` for a broken table of characters
 */
export function normalizerOf(config: unknown, part: Library["normalizer"] | LibraryPart | null, path: string): Normalize {
  if (config === null || config === undefined || part === null) return (text) => text;
  const { type, ...settings } = config as Config;
  switch (type) {
    case "Sequence": {
      const parts = (part as LibraryPart)["normalizers"] as LibraryPart[];
      const steps = ((settings["normalizers"] ?? []) as unknown[]).map((each, i) => normalizerOf(each, parts[i]!, path));
      return (text) => steps.reduce((changed, step) => step(changed), text);
    }
    case "BertNormalizer":
      return bert(settings);
    case "Precompiled":
      return precompiled(settings, path);
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return toForm(type);
    case "Lowercase":
      return lowercase;
    case "Strip":
      return strip(settings);
    case "StripAccents":
      return without(/^\p{M}$/u);
    case "Prepend":
      return (text) => text.prepend(String(settings["prepend"]));
    case "Replace": {
      const pattern = (part as LibraryPart)["pattern"] as RegExp | null;
      return (text) => (pattern === null ? text : text.replace(pattern, String(settings["content"] ?? "")));
    }
    default:
      throw new Error(`Unknown Normalizer type: ${String(type)}`);
  }
}
