import { checkInteger, checkShare } from "../checks.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Generator } from "../random.js";

// Transforms of whole batches of images [N, C, H, W] with their labels, drawn for each sample by itself. A loader calls them with a
// generator that depends on its seed, the pass and the batch alone, so that a run can be repeated, and gone on from.

/** Images and labels of a batch: float [N, C, H, W]; int64 [N], or probabilities [N, classes]. */
export type ImageBatch = readonly [images: Tensor, labels: Tensor];

/** Makes a batch of a batch, with random numbers from the generator. */
export type Transform = (batch: ImageBatch, generator: Generator) => ImageBatch;

function check(batch: ImageBatch, name: string): Tensor {
  const images: unknown = Array.isArray(batch) ? batch[0] : undefined;
  if (!(images instanceof Tensor) || images.dim() !== 4) throw expected("images of shape [N, C, H, W]", `the batch of ${name}`, images instanceof Tensor ? `a tensor of shape [${images.shape.join(", ")}]` : images);
  return images;
}

/** A transform that changes images and leaves labels alone. */
function ofImages(name: string, change: (images: Tensor, generator: Generator) => Tensor): Transform {
  return (batch, generator) => [torch.noGrad(() => torch.scope(() => change(check(batch, name), generator))), batch[1]];
}

/** A number for each sample, shape [N, 1, 1, 1], where the images are. */
function drawn(make: () => Tensor, images: Tensor): Tensor {
  return make().reshape([-1, 1, 1, 1]).to(images.device);
}

/** One after the other. */
export function compose(...transforms: Transform[]): Transform {
  transforms.forEach((transform, i) => {
    if (typeof transform !== "function") throw expected("a transform", `transforms[${i}]`, transform);
  });
  return (batch, generator) => transforms.reduce((current, transform) => transform(current, generator), batch);
}

/** (x − mean)/std, by channel. */
export function normalize(mean: readonly number[], std: readonly number[]): Transform {
  for (const [name, values] of Object.entries({ mean, std })) {
    if (!Array.isArray(values) || values.length === 0 || !values.every(Number.isFinite)) throw expected("an array of numbers, one for each channel", name, values);
  }
  if (std.some((value) => !(value > 0)) || std.length !== mean.length) throw expected(`${mean.length} numbers above 0`, "std", std);
  return ofImages("normalize", (images) => {
    if (images.shape[1] !== mean.length) throw expected(`${mean.length} channels`, "the batch of normalize", images.shape[1]);
    const channels = (values: readonly number[]) => torch.tensor([...values], { dtype: images.dtype, device: images.device }).reshape([1, -1, 1, 1]);
    return images.sub(channels(mean)).div(channels(std));
  });
}

/** Mirrors left and right with probability `p`, default 0.5. */
export function randomHorizontalFlip(p = 0.5): Transform {
  checkShare(p, "p");
  return ofImages("randomHorizontalFlip", (images, generator) => {
    const flips = drawn(() => torch.rand([images.shape[0]!], { generator }).lt(p), images);
    return torch.where(flips, images.flip([3]), images);
  });
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
  const sizes = size === undefined ? null : typeof size === "number" ? [size, size] : [...size];
  sizes?.forEach((each) => checkInteger(each, "size", 1));
  return ofImages("randomCrop", (images, generator) => {
    const [n, channels, height, width] = images.shape as [number, number, number, number];
    const [h, w] = (sizes ?? [height, width]) as [number, number];
    const [down, right] = [height + 2 * padding - h, width + 2 * padding - w];
    if (down < 0 || right < 0) throw expected(`at most ${height + 2 * padding} by ${width + 2 * padding}`, "size", `${h} by ${w}`);
    const padded = torch.constantPadNd(images, [padding, padding, padding, padding]);
    const starts = (most: number) => torch.randint(0, most + 1, [n, 1], { generator, dtype: "int64" });
    const rows = starts(down).add(torch.arange(h, { dtype: "int64" })).to(images.device).reshape([n, 1, h, 1]);
    const columns = starts(right).add(torch.arange(w, { dtype: "int64" })).to(images.device).reshape([n, 1, 1, w]);
    return padded.gather(2, rows.expand([n, channels, h, padded.shape[3]!])).gather(3, columns.expand([n, channels, h, w]));
  });
}

/** A square of zeros in the middle of each image's random point, cut off at the border (Cutout, arXiv 1708.04552). */
export function cutout(size: number): Transform {
  checkInteger(size, "size", 1);
  return ofImages("cutout", (images, generator) => {
    const [n, , height, width] = images.shape as [number, number, number, number];
    const centre = (length: number) => drawn(() => torch.randint(0, length, [n], { generator, dtype: "int64" }), images);
    const half = Math.floor(size / 2);
    const inside = (at: Tensor, from: Tensor) => at.ge(from.sub(half)).logicalAnd(at.lt(from.sub(half).add(size)));
    const [y, x] = [centre(height), centre(width)];
    const rows = torch.arange(height, { device: images.device }).reshape([1, 1, height, 1]);
    const columns = torch.arange(width, { device: images.device }).reshape([1, 1, 1, width]);
    return images.maskedFill(inside(rows, y).logicalAnd(inside(columns, x)), 0);
  });
}

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
  scale.forEach((each) => checkShare(each, "scale"));
  if (!(ratio[0] > 0 && ratio[0] <= ratio[1])) throw expected("two numbers above 0, the smaller first", "ratio", ratio);
  return ofImages("randomErasing", (images, generator) => {
    const [n, , height, width] = images.shape as [number, number, number, number];
    const uniform = (from: number, to: number) => drawn(() => torch.rand([n], { generator, dtype: "float64" }).mul(to - from).add(from), images);
    const area = uniform(scale[0], scale[1]).mul(height * width);
    const shape = uniform(Math.log(ratio[0]), Math.log(ratio[1])).exp();
    const [h, w] = [area.mul(shape).sqrt().round().clamp(1, height), area.div(shape).sqrt().round().clamp(1, width)];
    const [top, left] = [uniform(0, 1).mul(h.neg().add(height + 1)).floor(), uniform(0, 1).mul(w.neg().add(width + 1)).floor()];
    const erases = uniform(0, 1).lt(p);
    const rows = torch.arange(height, { device: images.device }).reshape([1, 1, height, 1]);
    const columns = torch.arange(width, { device: images.device }).reshape([1, 1, 1, width]);
    const inside = rows.ge(top).logicalAnd(rows.lt(top.add(h))).logicalAnd(columns.ge(left)).logicalAnd(columns.lt(left.add(w)));
    return images.maskedFill(inside.logicalAnd(erases), value);
  });
}

/** Labels as probabilities [N, classes]. */
function probabilities(labels: Tensor, classes: number): Tensor {
  return labels.dim() === 2 ? labels : torch.oneHot(labels, classes).to("float32");
}

/** A number from Beta(alpha, alpha), from two draws of Gamma. */
function beta(alpha: number, generator: Generator): number {
  const [a, b] = torch.scope(() => (torch.ops.call("aten::_standard_gamma", torch.full([2], alpha, { dtype: "float64" }), generator) as Tensor).toArray() as number[]) as [number, number];
  return a + b === 0 ? 0.5 : a / (a + b);
}

export interface MixOptions {
  /** Of the Beta distribution that the share is drawn from. */
  alpha: number;
  /** Number of classes: labels become probabilities [N, classes], as cross entropy takes them. */
  classes: number;
}

function mixing(name: string, options: MixOptions, mix: (images: Tensor, others: Tensor, lambda: number, generator: Generator) => { images: Tensor; lambda: number }): Transform {
  if (typeof options !== "object" || options === null) throw expected("an object with alpha and classes", "options", options);
  checkKeys(options, ["alpha", "classes"]);
  const { alpha, classes } = options;
  if (!(alpha > 0) || alpha === Infinity) throw expected("a number above 0", "alpha", alpha);
  checkInteger(classes, "classes", 2);
  return (batch, generator) => {
    const images = check(batch, name);
    return torch.noGrad(() => {
      const [mixed, labels] = torch.scope(() => {
        const order = torch.randperm(images.shape[0]!, { generator, dtype: "int64" }).to(images.device);
        const { images: result, lambda } = mix(images, images.indexSelect(0, order), beta(alpha, generator), generator);
        const truth = probabilities(batch[1], classes);
        return [result, truth.mul(lambda).add(truth.indexSelect(0, order), { alpha: 1 - lambda })];
      }) as [Tensor, Tensor];
      return [mixed, labels];
    });
  };
}

/** λ x + (1 − λ) x′ with the batch in another order, and labels likewise; one λ from Beta(α, α) for the batch (arXiv 1710.09412). */
export function mixup(options: MixOptions): Transform {
  return mixing("mixup", options, (images, others, lambda) => ({ images: images.mul(lambda).add(others, { alpha: 1 - lambda }), lambda }));
}

/** A rectangle of another image in each, and labels by area; one rectangle for the batch, λ from Beta(α, α) (arXiv 1905.04899). */
export function cutmix(options: MixOptions): Transform {
  return mixing("cutmix", options, (images, others, drawnLambda, generator) => {
    const [height, width] = images.shape.slice(2) as [number, number];
    const side = Math.sqrt(1 - drawnLambda);
    const [y, x] = torch.scope(() => torch.rand([2], { generator, dtype: "float64" }).toArray() as number[]) as [number, number];
    const span = (at: number, length: number) => {
      const [middle, half] = [Math.floor(at * length), Math.floor((side * length) / 2)];
      return [Math.max(0, middle - half), Math.min(length, middle + half)] as const;
    };
    const [top, bottom] = span(y, height);
    const [left, right] = span(x, width);
    const result = images.clone();
    if (bottom > top && right > left) result.narrow(2, top, bottom - top).narrow(3, left, right - left).copy_(others.narrow(2, top, bottom - top).narrow(3, left, right - left));
    return { images: result, lambda: 1 - ((bottom - top) * (right - left)) / (height * width) };
  });
}
