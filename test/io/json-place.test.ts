import { expect, test } from "vitest";
import { jsonPlace } from "../../lib/io/json-place.js";
import { damage, randomNumbers } from "../support/random.mjs";

const placeIn = (text: string) => {
  try {
    JSON.parse(text);
  } catch (error) {
    return jsonPlace(error, text);
  }
  throw new Error(`It is JSON: ${text}`);
};

test.each([
  ["nulx", 3],
  ["undefined", 0],
  ["", 0],
  ["[1, ]", 4],
  ["[, 1]", 1],
  ["}", 0],
  ["[-.5e1]", 2],
  ['{"a": "b", "c": fals}', 20],
  ['{"a\\"]": }', 9],
  ['{"a": [[], {}], "b": nan}', 22],
  ["[true, False]", 7],
  ["[1, é]", 4],
  ['{"a": 1,}', 8],
  ['{"a": ', 6],
  ["[1 2]", 3],
  ["[1]]", 3],
  ['{"a": 1} x', 9],
  ['["\\\\", "\\\\\\"", x]', 15],
])("%s", (text, index) => {
  expect(placeIn(text)).toMatchObject({ index, line: 1, column: index + 1 });
});

test("lines and columns; no place in what was said", () => {
  expect(placeIn('{\n  "a": 1,\n  "ü": x\n}')).toMatchObject({ index: 19, line: 3, column: 8 });
  expect(placeIn('{\n  "a" 1\n}')).toEqual({ index: 8, line: 2, column: 7, said: "Expected ':' after property name" });
  expect(placeIn("[1,\n")).toEqual({ index: 4, line: 2, column: 1, said: "Unexpected end of JSON input" });
});

test("behind the end of the value: that it is there is said", () => {
  expect(placeIn("[1]\n]")).toEqual({ index: 4, line: 2, column: 1, said: "Unexpected non-whitespace character after JSON" });
});

test("behind a string of millions of escapes", () => {
  const text = `["${"\\n".repeat(5e6)}", x]`;
  expect(placeIn(text).index).toBe(text.length - 2);
});

test("of damaged JSON: up to there it may go on, and with the next character it may not", () => {
  const random = randomNumbers(11);
  const whole = Buffer.from(JSON.stringify({ words: [true, false, null], numbers: [-1.5e-3, 0, [[]]], "quotes \"\\ é": { "": ["\n", "\ud83d\udc0b"] } }, null, 1));
  let quoted = 0;
  for (let i = 0; i < 3000; i++) {
    const text = damage(whole, random).toString("utf8");
    try {
      JSON.parse(text);
      continue;
    } catch (error) {
      const { index } = jsonPlace(error, text);
      const told = /position (\d+)/.exec((error as Error).message);
      if (told !== null) expect(index).toBe(Number(told[1]));
      else if (!(error as Error).message.includes("end of JSON")) quoted++;
      expect(index).toBeGreaterThanOrEqual(0);
      expect(index).toBeLessThanOrEqual(text.length);
      // A text that ends too early: JSON.parse tells its end, or says that it ended.
      let before: unknown = null;
      try {
        JSON.parse(text.slice(0, index));
      } catch (early) {
        before = early;
      }
      if (before !== null) expect(jsonPlace(before, text.slice(0, index)).index, text).toBe(index);
      if (index < text.length) expect(() => JSON.parse(text.slice(0, index + 1)), text).toThrow();
    }
  }
  expect(quoted).toBeGreaterThan(100);
});
