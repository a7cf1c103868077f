/** White space as Python's `str.split` knows it; JavaScript's \s has U+FEFF, and lacks U+001C to U+001F and U+0085. */
const whiteSpace = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** What stands between white space, as Python's `text.split()`. */
export function wordsOf(text: string): string[] {
  return text.split(whiteSpace).filter((word) => word !== "");
}
