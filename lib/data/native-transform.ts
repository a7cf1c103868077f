import { expected } from "../errors.js";
import { native } from "../native.js";
import { Tensor } from "../tensor.js";
import type { NativeTransform } from "../native.js";
import type { Generator } from "../random.js";

/** Images and labels of a batch: [N, C, H, W]; int64 [N], or probabilities [N, classes]. */
export type ImageBatch = readonly [images: Tensor, labels: Tensor];

/** Makes a batch of a batch, with random numbers from the generator. */
export type Transform = (batch: ImageBatch, generator: Generator) => ImageBatch;

/** What a transform consists of: what the addon does by itself, on any thread, and what then needs JavaScript. */
export interface Parts {
  readonly native: readonly NativeTransform[];
  readonly rest: readonly Transform[];
}

const parts = new WeakMap<object, Parts>();

/** What there is to do for a transform; one of the user's own is JavaScript. */
export function partsOf(transform: Transform): Parts {
  return parts.get(transform) ?? { native: [], rest: [transform] };
}

/** A transform that the addon knows, with its options as the numbers that it reads: see native/data. */
export function nativeTransform(name: string, ...numbers: number[]): Transform {
  return ofParts({ native: [[name, ...numbers]], rest: [] });
}

/** One after the other. */
export function compose(...transforms: Transform[]): Transform {
  const all = { native: [] as NativeTransform[], rest: [] as Transform[] };
  transforms.forEach((transform, i) => {
    if (typeof transform !== "function") throw expected("a transform", `transforms[${i}]`, transform);
    const { native: known, rest } = partsOf(transform);
    // What comes after JavaScript waits for it.
    if (all.rest.length > 0) return void all.rest.push(transform);
    all.native.push(...known);
    all.rest.push(...rest);
  });
  return ofParts(all);
}

/** The rest of a transform, after its native part: on the thread that calls. */
export function applyRest(rest: readonly Transform[], batch: unknown, generator: Generator): unknown {
  return rest.reduce((current, transform) => transform(current, generator), batch as ImageBatch);
}

function ofParts(of: Parts): Transform {
  const transform: Transform = (batch, generator) => applyRest(of.rest, of.native.length === 0 ? batch : applyNative(of.native, batch, generator), generator) as ImageBatch;
  parts.set(transform, of);
  return transform;
}

function applyNative(transforms: readonly NativeTransform[], batch: ImageBatch, generator: Generator): ImageBatch {
  if (!Array.isArray(batch)) throw expected("an array of images [N, C, H, W] and labels", `the batch of ${transforms[0]![0]}`, batch);
  const tensors = batch as readonly unknown[];
  const handles = native.transformBatch(tensors.map((each) => (each instanceof Tensor ? each.handle : 0)), transforms, generator?.id ?? 0);
  return handles.map((handle, i) => (handle === 0 ? tensors[i] : new Tensor(handle))) as never;
}
