import { checkFlag, checkInteger, checkShare } from "../checks.js";
import { checkKeys, expected, suggest } from "../errors.js";
import { nativeTransform } from "./native-transform.js";
import type { Transform } from "./native-transform.js";

// Transforms of whole batches of images [N, C, H, W] with their labels, drawn for each sample by itself: options are checked here,
// the work is native/data's. A loader calls them with a generator that depends on its seed, the pass and the batch alone, so
// that a run can be repeated, and gone on from.

export { compose } from "./native-transform.js";
export { augment, randAugment } from "./augment.js";
export type { AugmentOptions, Augmentation, RandAugmentOptions } from "./augment.js";
export type { ImageBatch, Transform } from "./native-transform.js";

/** Bytes from 0 to 255 become float32 from 0 to 1; images of a float dtype stay as they are. */
export function toFloat(): Transform {
  return nativeTransform("toFloat");
}

/** (x − mean)/std, by channel; images of a float dtype. */
export function normalize(mean: readonly number[], std: readonly number[]): Transform {
  for (const [name, values] of Object.entries({ mean, std })) {
    if (!Array.isArray(values) || values.length === 0 || !values.every(Number.isFinite)) throw expected("an array of numbers, one for each channel", name, values);
  }
  if (std.some((value) => !(value > 0)) || std.length !== mean.length) throw expected(`${mean.length} numbers above 0`, "std", std);
  return nativeTransform("normalize", ...mean, ...std);
}

/** Mirrors left and right with probability `p`, default 0.5. */
export function randomHorizontalFlip(p = 0.5): Transform {
  return nativeTransform("randomHorizontalFlip", checkShare(p, "p"));
}

/**
 * A part of the image at a random place, after zeros were put around it.
 *
 * @param options `padding`: so many on each side, default 4; `size`: height and width of what is cut out, default the image's own
 */
export function randomCrop(options: { padding?: number; size?: number | readonly [number, number] } = {}): Transform {
  checkKeys(options, ["padding", "size"]);
  const { padding = 4, size } = options;
  checkInteger(padding, "padding", 0);
  return nativeTransform("randomCrop", padding, ...(size === undefined ? [0, 0] : sidesOf(size)));
}

/** A square of zeros in the middle of each image's random point, cut off at the border (Cutout, arXiv 1708.04552). */
export function cutout(size: number): Transform {
  return nativeTransform("cutout", checkInteger(size, "size", 1));
}

/** How often, how large and with what images are erased. */
export interface RandomErasingOptions {
  /** Default 0.5. */
  p?: number;
  /** Share of the image, from and to; default [0.02, 0.33]. */
  scale?: readonly [number, number];
  /** Height over width, from and to; default [0.3, 3.3]. */
  ratio?: readonly [number, number];
  /** What the rectangle is filled with; default 0. */
  value?: number;
}

/** A rectangle of random size and shape is filled, with probability `p` (arXiv 1708.04896, with torchvision's defaults). */
export function randomErasing(options: RandomErasingOptions = {}): Transform {
  checkKeys(options, ["p", "scale", "ratio", "value"]);
  const { p = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = options;
  checkShare(p, "p");
  for (const [name, range] of Object.entries({ scale, ratio })) {
    if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite)) throw expected("two numbers", name, range);
  }
  scale.forEach((each) => checkShare(each, "scale"));
  if (!(ratio[0] > 0 && ratio[0] <= ratio[1])) throw expected("two numbers above 0, the smaller first", "ratio", ratio);
  if (!Number.isFinite(value)) throw expected("a number", "value", value);
  return nativeTransform("randomErasing", p, ...scale, ...ratio, value);
}

/** How strongly images are mixed. */
export interface MixOptions {
  /** Of the Beta distribution that the share is drawn from. */
  alpha: number;
  /** Number of classes: labels become probabilities [N, classes], as cross entropy takes them. */
  classes: number;
}

/** λ x + (1 − λ) x′ with the batch in another order, and labels likewise; one λ from Beta(α, α) for the batch (arXiv 1710.09412). */
export function mixup(options: MixOptions): Transform {
  return nativeTransform("mixup", ...checkMix(options));
}

/** A rectangle of another image in each, and labels by area; one rectangle for the batch, λ from Beta(α, α) (arXiv 1905.04899). */
export function cutmix(options: MixOptions): Transform {
  return nativeTransform("cutmix", ...checkMix(options));
}

function checkMix(options: MixOptions): [number, number] {
  if (typeof options !== "object" || options === null) throw expected("an object with alpha and classes", "options", options);
  checkKeys(options, ["alpha", "classes"]);
  const { alpha, classes } = options;
  if (!(alpha > 0) || alpha === Infinity) throw expected("a number above 0", "alpha", alpha);
  return [alpha, checkInteger(classes, "classes", 2)];
}

const interpolations = ["nearest", "bilinear", "bicubic"] as const;

/** How pixels of another size are found. */
export interface ResizeOptions {
  /** Default "bilinear". */
  interpolation?: (typeof interpolations)[number];
  /** Averages over all pixels that fall together when images become smaller; default true. Nothing to "nearest". */
  antialias?: boolean;
  /** With one number for `size`: the longer side becomes no longer than this, and the shorter one shorter than asked for. */
  maxSize?: number;
}

/**
 * Brings images to another size, as torchvision's `resize` does: value for value in uint8, up to rounding in floats.
 *
 * @param size height and width, or the shorter side's length
 */
export function resize(size: number | readonly [number, number], options: ResizeOptions = {}): Transform {
  checkKeys(options, ["interpolation", "antialias", "maxSize"]);
  const { interpolation = "bilinear", antialias = true, maxSize = 0 } = options;
  const [height, width] = typeof size === "number" ? [checkInteger(size, "size", 1), 0] : sidesOf(size);
  const how = interpolations.indexOf(interpolation);
  if (how < 0) throw expected(interpolations.join(", "), "interpolation", interpolation, suggest(String(interpolation), interpolations).trim());
  if (options.maxSize !== undefined) {
    if (width !== 0) throw expected("nothing", "maxSize", maxSize, "Height and width are given.");
    checkInteger(maxSize, "maxSize", height + 1);
  }
  return nativeTransform("resize", height, width, maxSize, how, checkFlag(antialias, "antialias") ? 1 : 0);
}

function sidesOf(size: unknown): [number, number] {
  const sides: unknown[] = Array.isArray(size) ? size : [size, size];
  if (sides.length !== 2) throw expected("a height and a width", "size", size);
  return [checkInteger(sides[0], "size", 1), checkInteger(sides[1], "size", 1)];
}
