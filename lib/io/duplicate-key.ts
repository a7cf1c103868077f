/**
 * The first key that appears twice in one object of a JSON text, or `undefined`. `JSON.parse` keeps the last one silently.
 *
 * @param json a text that `JSON.parse` accepts
 */
export function duplicateKey(json: string): string | undefined {
  const objects: (Set<string> | null)[] = []; // the keys of each open object, null for an open array
  let string = "";
  // In a valid text only a key comes directly before a colon. The string's pattern is unrolled: it never backtracks.
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g)) {
    if (token === "{") objects.push(new Set());
    else if (token === "[") objects.push(null);
    else if (token === "}" || token === "]") objects.pop();
    else if (token !== ":") string = token;
    else {
      const key = JSON.parse(string) as string;
      const keys = objects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
