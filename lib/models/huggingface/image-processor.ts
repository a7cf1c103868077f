import { existsSync } from "node:fs";
import { join } from "node:path";
import { compose, normalize, resize, toFloat } from "../../data/transforms.js";
import type { ResizeOptions, Transform } from "../../data/transforms.js";
import { SteppeError, describe } from "../../errors.js";
import { formatError } from "../../io/file-errors.js";
import { readJsonObject } from "../../io/json-file.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

/** Makes of images what an image model reads. */
export interface ImageProcessor {
  /** @param images uint8 [N, C, H, W] @returns `pixelValues`, float32 [N, C, height, width] */
  (images: Tensor): Tensor;
  /** The same as a transform of batches, for `data.loader`. */
  readonly transform: Transform;
}

const kinds = /^(ViT|ConvNext)(FeatureExtractor|ImageProcessor(Fast)?)$/;
/** Pillow's numbers. */
const interpolations: Readonly<Record<number, ResizeOptions["interpolation"]>> = { 0: "nearest", 2: "bilinear", 3: "bicubic" };

/**
 * Reads `preprocessor_config.json`, which lies beside the weights of Hugging Face's ViT and ResNet: to which size images are
 * brought, and by which mean and deviation they are normalized. The values are those of Hugging Face's processors: uint8 is
 * resized as torchvision does, value for value.
 *
 * @throws SteppeError `IO` if there is no such file, `FORMAT` for another kind of processor and for what is no right value
 * @example
 * const prepare = models.imageProcessor(folder);
 * const { logits } = vit.forward({ pixelValues: prepare(images) });
 */
export function imageProcessor(folder: string): ImageProcessor {
  const path = join(String(folder), "preprocessor_config.json");
  if (!existsSync(path)) throw new SteppeError("IO", `Expected preprocessor_config.json in ${describe(folder)}, which tells how images are prepared, but there is none.`);
  const file = readJsonObject(path);
  const transform = compose(...stepsOf(path, file));
  const prepare = (images: Tensor) => transform([images, torch.zeros([images.shape[0] ?? 0], { dtype: "int64" })], torch.defaultGenerator())[0];
  return Object.assign(prepare, { transform });
}

function stepsOf(path: string, file: Record<string, unknown>): Transform[] {
  const kind = file.image_processor_type ?? file.feature_extractor_type;
  if (typeof kind !== "string" || !kinds.test(kind)) throw formatError(path, 0, "ViTImageProcessor or ConvNextImageProcessor as image_processor_type", describe(kind));
  const steps: Transform[] = [];
  if (file.do_resize !== false) steps.push(...resizing(path, file, kind.startsWith("ConvNext")));
  if (file.do_center_crop === true) {
    const { height, width } = (file.crop_size ?? {}) as Record<string, unknown>;
    const sizes: [number, number] = [length(path, height, "crop_size.height"), length(path, width, "crop_size.width")];
    steps.push(([images, labels]) => [middle(images, ...sizes), labels]);
  }
  if (file.do_rescale !== false) {
    const factor = file.rescale_factor ?? 1 / 255;
    if (typeof factor !== "number" || Math.abs(factor * 255 - 1) > 1e-9) throw formatError(path, 0, "1/255 as rescale_factor", describe(factor));
    steps.push(toFloat());
  }
  if (file.do_normalize !== false) {
    const channels = (name: string) => {
      const values = file[name] ?? [0.5, 0.5, 0.5];
      if (!Array.isArray(values) || !values.every(Number.isFinite)) throw formatError(path, 0, `an array of numbers as ${name}`, describe(values));
      return values as number[];
    };
    steps.push(normalize(channels("image_mean"), channels("image_std")));
  }
  return steps;
}

function length(path: string, value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw formatError(path, 0, `a positive integer as ${name}`, describe(value));
  return value as number;
}

function resizing(path: string, file: Record<string, unknown>, isConvNext: boolean): Transform[] {
  const number = file.resample ?? (isConvNext ? 3 : 2);
  const interpolation = interpolations[number as number];
  if (interpolation === undefined) throw formatError(path, 0, `one of ${Object.keys(interpolations).join(", ")} as resample`, describe(number));
  const size = file.size ?? (isConvNext ? 384 : 224);
  const sides = (typeof size === "object" && size !== null ? size : {}) as Record<string, unknown>;
  if (!isConvNext) {
    const [height, width] = typeof size === "number" ? [size, size] : [sides.height, sides.width];
    return [resize([length(path, height, "size.height"), length(path, width, "size.width")], { interpolation })];
  }
  // ConvNeXt's way: small images are cut out of the middle of somewhat larger ones, large ones are bent into a square.
  const edge = length(path, typeof size === "number" ? size : sides.shortest_edge, "size.shortest_edge");
  if (edge >= 384) return [resize([edge, edge], { interpolation })];
  const share = file.crop_pct ?? 224 / 256;
  if (typeof share !== "number" || !(share > 0 && share <= 1)) throw formatError(path, 0, "a number from 0 to 1 as crop_pct", describe(share));
  return [resize(Math.trunc(edge / share), { interpolation }), ([images, labels]) => [middle(images, edge, edge), labels]];
}

/** The middle of images that are at least as large. */
function middle(images: Tensor, ...sizes: [height: number, width: number]): Tensor {
  return sizes.reduce((cut, size, i) => cut.narrow(i + 2, Math.trunc((images.shape[i + 2]! - size) / 2), size), images).contiguous();
}
