import { checkInteger } from "../checks.js";
import { checkKeys, expected, suggest } from "../errors.js";
import { nativeTransform } from "./native-transform.js";
import type { Transform } from "./native-transform.js";

/** In the order in which native/data/augment.cc numbers them. */
const operations = [
  "identity", "shearX", "shearY", "translateX", "translateY", "rotate", "brightness", "color", "contrast", "sharpness", "posterize",
  "solarize", "autoContrast", "equalize",
] as const;

/**
 * An operation of AutoAugment's family, and what its magnitude means:
 * "shearX" and "shearY" a factor, "translateX" and "translateY" pixels (whole ones), "rotate" degrees against the clock;
 * "brightness", "color", "contrast" and "sharpness" how much more (0.5) or less (−0.5); "posterize" how many bits stay;
 * "solarize" the share of white from which on pixels are inverted; none for "identity", "autoContrast" and "equalize".
 */
export type Augmentation = (typeof operations)[number];

/** How an operation that moves pixels fills what it makes. */
export interface AugmentOptions {
  /** How pixels are found between pixels; default "nearest". */
  interpolation?: "nearest" | "bilinear";
  /** What comes in from outside, one value or one per channel, in the images' range; default 0. */
  fill?: number | readonly number[];
}

/** As the addon reads them: see `read_surroundings` in native/data/augment.cc. */
function surroundings({ interpolation = "nearest", fill }: AugmentOptions): number[] {
  if (interpolation !== "nearest" && interpolation !== "bilinear") throw expected('"nearest" or "bilinear"', "interpolation", interpolation);
  const values = fill === undefined ? [] : typeof fill === "number" ? [fill] : fill;
  if (!Array.isArray(values) || !values.every(Number.isFinite)) throw expected("a number, or one for each channel", "fill", fill);
  return [interpolation === "bilinear" ? 1 : 0, ...(values as number[])];
}

/**
 * One operation with one magnitude on all images, which have 1 or 3 channels: uint8, or floats from 0 to 1. As torchvision's
 * function of that purpose, value for value.
 *
 * @example data.transforms.augment("rotate", 30, { fill: 128 })
 */
export function augment(operation: Augmentation, magnitude = 0, options: AugmentOptions = {}): Transform {
  checkKeys(options, ["interpolation", "fill"]);
  const number = operations.indexOf(operation);
  if (number < 0) throw expected(`one of ${operations.join(", ")}`, "operation", operation, suggest(String(operation), operations).trim());
  if (!Number.isFinite(magnitude)) throw expected("a number", "magnitude", magnitude);
  if (operation === "posterize" && (checkInteger(magnitude, "magnitude", 0) > 8)) throw expected("an integer from 0 to 8", "magnitude", magnitude);
  if (operation === "solarize" && !(magnitude >= 0 && magnitude <= 1)) throw expected("a number from 0 to 1", "magnitude", magnitude);
  if (["brightness", "color", "contrast", "sharpness"].includes(operation) && magnitude < -1) throw expected("a number of at least -1", "magnitude", magnitude);
  return nativeTransform("augment", number, magnitude, ...surroundings(options));
}

/** How many operations RandAugment applies to an image, and how strongly. */
export interface RandAugmentOptions extends AugmentOptions {
  /** Operations on each image, one after the other; default 2. */
  numOps?: number;
  /** From 0 to `bins` − 1; default 9. */
  magnitude?: number;
  /** Number of magnitudes; default 31. */
  bins?: number;
}

/**
 * RandAugment (arXiv 1909.13719): `numOps` operations on each image, each drawn from the fourteen of torchvision's, with its
 * magnitudes, and those that have a direction in a random one. Images of 1 or 3 channels, uint8 or floats from 0 to 1:
 * it stands before `normalize`.
 */
export function randAugment(options: RandAugmentOptions = {}): Transform {
  checkKeys(options, ["numOps", "magnitude", "bins", "interpolation", "fill"]);
  const { numOps = 2, magnitude = 9, bins = 31 } = options;
  checkInteger(numOps, "numOps", 0);
  checkInteger(bins, "bins", 2);
  if (checkInteger(magnitude, "magnitude", 0) >= bins) throw expected(`an integer from 0 to ${bins - 1}`, "magnitude", magnitude);
  return nativeTransform("randAugment", numOps, magnitude, bins, ...surroundings(options));
}
