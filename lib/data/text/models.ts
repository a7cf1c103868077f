import { Tokenizer as Library } from "@huggingface/tokenizers";
import { Unigram } from "./unigram.js";

/** A token of a word, and where in the word it stands, in UTF-16 code units. */
export interface Piece {
  readonly token: string;
  readonly start: number;
  readonly end: number;
}

/** Makes tokens of a word. */
export type Model = (word: string) => Piece[];

type Config = { readonly [key: string]: unknown };
type LibraryModel = NonNullable<Library["model"]>;

/** The library's tokenizer of these files, and its model. */
export function openLibrary(file: Record<string, unknown>, config: Record<string, unknown>): { library: Library; model: Model } {
  const model = file["model"] as Config;
  if (model["type"] !== "Unigram") {
    const library = new Library(file, config);
    return { library, model: model["type"] === "BPE" ? bytePairs(library.model!, model) : wordPieces(library.model!, model) };
  }
  const vocabulary = model["vocab"] as [token: string, score: number][];
  const unknownId = typeof model["unk_id"] === "number" ? model["unk_id"] : null;
  // The library's own Unigram is not used: it gets the tokens' numbers alone, of which it would make a trie else.
  const numbers = { type: "WordPiece", vocab: Object.fromEntries(vocabulary.map(([token], id) => [token, id])), unk_token: unknownId === null ? undefined : vocabulary[unknownId]![0] };
  const library = new Library({ ...file, model: numbers }, config);
  const unigram = new Unigram(vocabulary, unknownId, model["byte_fallback"] === true);
  return { library, model: (word) => unigram.encode(word) };
}

/** WordPiece: what is in no token is a whole word. */
function wordPieces(model: LibraryModel, { unk_token: unknown, continuing_subword_prefix: prefix }: Config): Model {
  const mark = typeof prefix === "string" ? prefix.length : 0;
  return (word) => {
    let at = 0;
    return (model._call([word]) as string[]).map((token) => {
      const start = at;
      at += token === unknown && token !== word ? word.length : token.length - (at > 0 ? mark : 0);
      return { token, start, end: at };
    });
  };
}

/** Byte pairs: what is in no token is a character, some of them, or a character's bytes. */
function bytePairs(model: LibraryModel, { unk_token: unknown, end_of_word_suffix: suffix, byte_fallback: fallsBack, fuse_unk: fuses }: Config): Model {
  const mark = typeof suffix === "string" ? suffix : "";
  return (word) => {
    /** How long the character is that begins there. */
    const width = (at: number) => (word.codePointAt(at)! > 0xffff ? 2 : 1);
    const isKnown = (at: number) => {
      const end = at + width(at);
      return model.tokens_to_ids.has(word.slice(at, end) + (end === word.length ? mark : ""));
    };
    let at = 0;
    let bytes = 0; // of the character that begins at `at`
    return (model._call([word]) as string[]).map((token) => {
      const start = at;
      const isByte = fallsBack === true && at < word.length && /^<0x[0-9A-F]{2}>$/.test(token) && (bytes > 0 || !isKnown(at));
      if (isByte) {
        const end = at + width(at);
        if (++bytes === Buffer.byteLength(word.slice(at, end))) [at, bytes] = [end, 0];
        return { token, start, end };
      }
      if (token === unknown && at < word.length && !isKnown(at)) {
        do at += width(at);
        while (fuses === true && at < word.length && !isKnown(at));
      } else {
        const length = token.length - (mark !== "" && token.endsWith(mark) && at + token.length > word.length ? mark.length : 0);
        at = Math.min(word.length, at + length);
      }
      return { token, start, end: at };
    });
  };
}
