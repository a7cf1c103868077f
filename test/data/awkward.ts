import { randomNumbers } from "../support/random.mjs";

/** Blocks of Unicode with something about them, from and up to but not including; old ones, which all tables of Unicode have. */
const blocks: readonly (readonly [number, number])[] = [
  [0x20, 0x7f], [0xa0, 0x250], [0x300, 0x370], [0x370, 0x530], [0x590, 0x700], [0x900, 0x970], [0xe01, 0xe3a], [0x1100, 0x1200], [0x1e00, 0x2000],
  [0x2000, 0x2070], [0x2070, 0x2200], [0x2460, 0x2500], [0x3000, 0x3100], [0x3200, 0x3400], [0x4e00, 0x4f00], [0xac00, 0xad00],
  [0xf900, 0xfb50], [0xfb50, 0xfdd0], [0xfe00, 0xfe10], [0xfe20, 0xff00], [0xff00, 0xfff0], [0x1f1e6, 0x1f200], [0x1f3fb, 0x1f400],
  [0x1f400, 0x1f650], [0x01, 0x20], [0x80, 0xa0], [0x2f800, 0x2fa1e], [0x1d400, 0x1d800], [0xe0100, 0xe01ef],
];
const often = ["\u200d", "\ufe0f", "\u0301", "\u0308", " ", "  ", "\u2581", "e", "the ", "\r\n", "🐋", "\u3000", "'s", "1", "!", "..."];

/** Texts of up to 16 characters thrown together from all over Unicode, marks and joiners more often than others. */
export function awkwardTexts(count: number, seed: number): string[] {
  const random = randomNumbers(seed);
  const below = (n: number) => Math.floor(random() * n);
  const any = () => {
    const [from, to] = blocks[below(blocks.length)]!;
    return String.fromCodePoint(from + below(to - from));
  };
  return Array.from({ length: count }, () => Array.from({ length: 1 + below(16) }, () => (below(2) === 0 ? any() : often[below(often.length)]!)).join(""));
}
