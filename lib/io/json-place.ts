/** Where JSON.parse stopped, and what it said besides. */
export interface JsonPlace {
  /** Of the text's UTF-16 units. */
  index: number;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 units, as editors count. */
  column: number;
  said: string;
}

/** The place of an error that JSON.parse threw: of some it quotes the text there instead of telling where that is. */
export function jsonPlace(error: unknown, text: string): JsonPlace {
  const { message } = error as Error;
  const told = /( in JSON)? at position (\d+)( \(line \d+ column \d+\))?$/.exec(message);
  const index = told !== null ? Number(told[2]) : message === "Unexpected end of JSON input" ? text.length : placeOfNoValue(text);
  let [line, start] = [1, 0];
  for (let end = text.indexOf("\n"); end >= 0 && end < index; end = text.indexOf("\n", start)) [line, start] = [line + 1, end + 1];
  return { index, line, column: index - start + 1, said: told === null ? message : message.slice(0, told.index) };
}

// Of a string the quote it begins with: a pattern for long ones with many escapes would run out of stack.
const token = /[ \t\n\r]*("|-?\d[\d.eE+-]*|true|false|null|[{}[\],:])/y;

/** Of a text that is JSON up to a place where a value should begin and none does, or a word goes on wrongly: that place. */
function placeOfNoValue(text: string): number {
  let before = ""; // the token before: after these a value must come
  token.lastIndex = 0;
  for (let at = 0; ; at = token.lastIndex) {
    const found = token.exec(text)?.[1];
    if (found === undefined) {
      at += /^[ \t\n\r]*/.exec(text.slice(at))![0].length;
      for (const word of ["true", "false", "null"]) if (word[0] === text[at]) for (const letter of word) if (letter === text[at]) at++; else return at;
      return at;
    }
    if (",:]}".includes(found) && ["", ",", ":", "["].includes(before) && before + found !== "[]") return token.lastIndex - found.length;
    if (found === '"') token.lastIndex = endOfString(text, token.lastIndex);
    before = found;
  }
}

/** Behind the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let first = quote; // of the backslashes before it: two of them are one character
    while (first > start && text[first - 1] === "\\") first--;
    if ((quote - first) % 2 === 0) return quote + 1;
  }
  return text.length;
}
