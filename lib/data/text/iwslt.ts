import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, checkKeys, expected } from "../../errors.js";
import { formatError, ioError } from "../../io/file-errors.js";
import { lineBlocks } from "./lines.js";
import { alignedPairs, readFilter } from "./parallel.js";
import type { AlignedFiles, PairFilter, TextPair } from "./parallel.js";

/** Talks and their translations. */
export interface Iwslt {
  /** The talks to train on, sentence by sentence. */
  readonly train: readonly TextPair[];
  /** The sets to tune and to test by, by name: dev2010, tst2010, … of TED's talks; those of others with their name, as TEDX.tst2013. */
  readonly sets: Readonly<Record<string, readonly TextPair[]>>;
}

/** Which direction of a pair of languages is read. */
export interface IwsltOptions extends PairFilter {
  /** The language to translate from: "de". */
  source: string;
  /** The language to translate into: "en". */
  target: string;
}

/** Lines of train.tags files that are about a talk and not of it. */
const tag = /^\s*<\/?(url|keywords|talkid|speaker|reviewer|translator|title|description|doc)\b/;

/**
 * The TED talks of IWSLT's evaluations in the files of their publisher: train.tags.de-en.de and .en, whose lines between tags are the
 * text, and IWSLT*.dev2010.de-en.de.xml and the like, whose <seg> elements are. A folder serves both directions.
 *
 * @param folder where the files are unpacked
 * @param options the languages; and which pairs of the training text stay: those of the other sets all do
 * @throws SteppeError `IO` for a missing file; `FORMAT` for texts of different lengths, a set that is there twice, broken XML and
 *   broken UTF-8
 * @example const { train, sets } = await data.iwslt("de-en", { source: "de", target: "en", minLength: 1, maxLength: 100 });
 */
export async function iwslt(folder: string, options: IwsltOptions): Promise<Iwslt> {
  if (typeof folder !== "string" || folder === "") throw expected("a folder", "folder", folder);
  if (typeof options !== "object" || options === null) throw expected("an object with source and target", "options", options);
  checkKeys(options, ["source", "target", "minLength", "maxLength", "maxRatio", "count"]);
  const { source, target, ...filter } = options;
  for (const [name, language] of Object.entries({ source, target })) {
    if (typeof language !== "string" || !/^[a-z]{2,3}(-[a-z]+)?$/i.test(language)) throw expected('a language as "de"', name, language);
  }
  const keeps = readFilter(filter);
  const pair = [`${source}-${target}`, `${target}-${source}`].find((name) => existsSync(join(folder, `train.tags.${name}.${source}`)));
  if (pair === undefined) throw new SteppeError("IO", `Expected train.tags.${source}-${target}.${source} in ${folder} but found no such file.`);
  const file = (name: string, language: string, ending = "") => join(folder, `${name}.${pair}.${language}${ending}`);

  const train: TextPair[] = [];
  const files: AlignedFiles = { source: file("train.tags", source), target: file("train.tags", target) };
  for await (const pairs of alignedPairs(files, (line) => tag.test(line))) train.push(...pairs.filter(keeps));
  const sets: Record<string, TextPair[]> = {};
  for (const name of setsIn(folder, `.${pair}.${source}.xml`)) {
    const [from, into] = [file(name, source, ".xml"), file(name, target, ".xml")];
    const [first, second] = [await segments(from), await segments(into)];
    if (first.length !== second.length) throw new SteppeError("FORMAT", `Expected as many <seg> elements in ${into} as in ${from} but received ${second.length} and ${first.length}.`);
    const short = name.replace(/^IWSLT[^.]*\.(TED\.)?/, "");
    if (Object.hasOwn(sets, short)) throw new SteppeError("FORMAT", `Expected the set ${short} once in ${folder} but found it in files of several years.`);
    sets[short] = first.map((text, i) => ({ source: text, target: second[i]! }));
  }
  return { train, sets };
}

/** IWSLT16.TED.dev2010 and the like. */
function setsIn(folder: string, ending: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw ioError("read", folder, error);
  }
  return names.filter((name) => name.startsWith("IWSLT") && name.endsWith(ending)).map((name) => name.slice(0, -ending.length)).sort();
}

async function segments(path: string): Promise<string[]> {
  const blocks: string[] = [];
  for await (const lines of lineBlocks(path)) blocks.push(lines.join("\n"));
  const text = blocks.join("\n");
  const byteAt = (index: number) => Buffer.byteLength(text.slice(0, index));
  const found: string[] = [];
  for (const open of text.matchAll(/<seg\b[^<>]*>/g)) {
    const start = open.index + open[0].length;
    const end = text.indexOf("</seg>", start);
    if (end < 0) throw formatError(path, byteAt(text.length), "</seg>", "the end of the file");
    found.push(unescaped(text.slice(start, end).trim(), path, byteAt(start)));
  }
  if (found.length === 0) throw formatError(path, 0, "XML with <seg> elements", "none");
  return found;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string, path: string, byte: number): string {
  return text.replace(/&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]+);|&|</g, (whole, name?: string) => {
    const code = name?.startsWith("#x") === true ? parseInt(name.slice(2), 16) : name?.startsWith("#") === true ? Number(name.slice(1)) : -1;
    const character = code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : entities[name ?? ""];
    if (character === undefined) throw formatError(path, byte, "text with XML's own entities", JSON.stringify(whole));
    return character;
  });
}
