const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** A grapheme cluster, and where in its text it begins. */
export interface Grapheme {
  readonly segment: string;
  readonly index: number;
}

/**
 * The extended grapheme clusters of a text (UAX 29), as `Intl.Segmenter` has them, whose time grows with the square of a text's length: it gets a
 * window of the text after the other. Whether a cluster ends somewhere depends on what is before, from the cluster's beginning on, and
 * on the one character behind. So all clusters of a window but the last are clusters of the text, and the next window begins with that one.
 *
 * @param window code units, at least; more where a single cluster fills it
 */
export function* graphemes(text: string, window = 256): Generator<Grapheme, void, undefined> {
  for (let [at, width] = [0, window]; at < text.length; ) {
    const end = Math.min(text.length, at + width);
    // Half of a pair would be another character.
    const part = text.slice(at, text.codePointAt(end - 1)! > 0xffff ? end + 1 : end);
    const isRest = at + part.length >= text.length;
    let open: Grapheme | null = null;
    for (const { segment, index } of segmenter.segment(part)) {
      if (open !== null) yield open;
      open = { segment, index: at + index };
    }
    if (open === null || isRest) {
      if (open !== null) yield open;
      return;
    }
    // One cluster as long as the window: a longer window, that grows so that its time stays in proportion.
    width = open.index === at ? 2 * part.length : window;
    at = open.index;
  }
}
