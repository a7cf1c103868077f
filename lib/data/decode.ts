import { formatError } from "../io/file-errors.js";
import { readWhole } from "../io/read-whole.js";
import { loadSharp } from "./sharp.js";

/** How images come out of their files. */
export interface DecodeSettings {
  /** Height and width, or null for the image's own. */
  size: readonly [number, number] | null;
  fit: "cover" | "fill" | "contain";
  channels: 1 | 3 | 4;
}

/** An image's pixels, row by row, 8 bits each: height × width × channels bytes. */
export interface Pixels {
  data: Buffer;
  height: number;
  width: number;
}

/**
 * An image turned as its camera was held (EXIF), in sRGB, and of the size that is wanted.
 *
 * @throws SteppeError `FORMAT` for a file that is truncated, corrupt or no image, `IO` if it cannot be read
 */
export async function decodeImage(path: string, { size, fit, channels }: DecodeSettings): Promise<Pixels> {
  const sharp = await loadSharp();
  const file = await readWhole(path);
  if (file.length === 0) throw formatError(path, 0, "an image", "an empty file");
  let image = sharp(file, { failOn: "error", pages: 1 }).autoOrient();
  if (size !== null) image = image.resize({ height: size[0], width: size[1], fit, background: { r: 0, g: 0, b: 0, alpha: channels === 4 ? 0 : 1 } });
  image = channels === 4 ? image.ensureAlpha() : image.removeAlpha();
  try {
    const { data, info } = await image.toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return { data: channels === 1 ? luma(data) : data, height: info.height, width: info.width };
  } catch (error) {
    throw formatError(path, 0, "an image", `what cannot be decoded (${(error as Error).message.replaceAll("\n", " ").trim()})`, error);
  }
}

/** ITU-R 601-2 luma of reds, greens and blues, as Pillow's mode "L" has it. */
function luma(rgb: Buffer): Buffer {
  const result = Buffer.allocUnsafe(rgb.length / 3);
  for (let i = 0; i < result.length; i++) result[i] = (19595 * rgb[3 * i]! + 38470 * rgb[3 * i + 1]! + 7471 * rgb[3 * i + 2]! + 0x8000) >> 16;
  return result;
}
