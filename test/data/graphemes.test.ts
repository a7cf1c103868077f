import fc from "fast-check";
import { expect, test } from "vitest";
import { graphemes } from "../../lib/data/text/graphemes.js";
import { awkwardTexts } from "./awkward.js";

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
const whole = (text: string) => Array.from(segmenter.segment(text), ({ segment, index }) => ({ segment, index }));

// What clusters are made of: marks, joiners, flags, Hangul's letters, Indic conjuncts, prepended signs, half pairs, ends of lines.
const pieces = [..."ae1 \r\n\0", "\r\n", "\u0301", "\u200d", "\ufe0f", "\u200c", "\u{1f1eb}", "\u{1f1f7}", "🐋", "👩", "👍", "\u{1f3fd}", "\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u0915", "\u094d", "\u0937", "\u0bcd", "\u0600", "\u0e33", "\u0903", "\u4e2d", "\u{e0061}", "\u{e007f}", "\ud83d", "\udc0b"];

test("in windows of any length the clusters of the whole text", () => {
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: "binary", maxLength: 30 })), fc.integer({ min: 1, max: 12 }), (text, window) => {
      expect([...graphemes(text, window)]).toEqual(whole(text));
    }),
    { numRuns: 500 },
  );
  for (const text of awkwardTexts(1000, 12)) expect([...graphemes(text, 3)]).toEqual(whole(text));
});

test("characters beside every kind, over the border of a window", () => {
  const neighbours = ["a", "\u0301", "\u200d", "\u{1f1eb}", "👩", "\u1100", "\u0915\u094d", "\u0600", "\u0937"];
  const wrong: string[] = [];
  for (let code = 0; code < 0x20000; code += code < 0x2000 ? 1 : 17) {
    const text = neighbours.map((neighbour) => neighbour + String.fromCodePoint(code)).join("");
    const [ours, theirs] = [[...graphemes(text, 5)], whole(text)].map((clusters) => clusters.map(({ index }) => index).join());
    if (ours !== theirs) wrong.push(text);
  }
  expect(wrong).toEqual([]);
});

test("long texts: of letters, of one cluster, of flags", () => {
  // In one go these would take hours.
  expect([...graphemes("\u4e2d".repeat(300_000))]).toHaveLength(300_000);
  expect([...graphemes(`a${"\u0301".repeat(20_000)}b`)].map(({ segment }) => segment.length)).toEqual([20_001, 1]);
  expect([...graphemes("🇫🇷".repeat(50_000))]).toHaveLength(50_000);
});
