import { beforeAll, describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, hasLibraries, librariesPath, needsPython, pack, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

const { transforms } = data;
const torchvision = hasLibraries("torchvision");
const title = (what: string) => (torchvision ? what : `${what} (${needsPython}; torchvision is wanted as well)`);

const generator = (seed = 1) => new torch.Generator().manualSeed(seed);
const labels = (n: number) => torch.zeros([n], { dtype: "int64" });
const apply = (transform: data.transforms.Transform, images: Tensor, seed = 1) => transform([images, labels(images.shape[0]!)], generator(seed))[0];

/** Bytes with flat places, full and narrow ranges; the same as floats. */
function examples(height = 13, width = 18): Record<string, Tensor> {
  const noise = torch.randint(0, 256, [4, 3, height, width], { generator: generator(7), dtype: "uint8" });
  noise.narrow(0, 1, 1).floorDivide_(4).add_(60); // low contrast
  noise.narrow(0, 2, 1).fill_(90); // none at all
  const grey = noise.narrow(1, 0, 1).clone();
  return { rgb: noise, grey, floats: noise.to("float32").div(255), doubles: grey.to("float64").div(255) };
}

/** torchvision's names for what its augmentation does with a name and a magnitude. */
const theirs: Record<data.transforms.Augmentation, string> = {
  identity: "Identity", shearX: "ShearX", shearY: "ShearY", translateX: "TranslateX", translateY: "TranslateY", rotate: "Rotate", brightness: "Brightness",
  color: "Color", contrast: "Contrast", sharpness: "Sharpness", posterize: "Posterize", solarize: "Solarize", autoContrast: "AutoContrast", equalize: "Equalize",
};

const magnitudes: Record<data.transforms.Augmentation, number[]> = {
  identity: [0], shearX: [0.3, -0.11], shearY: [0.2, -0.3], translateX: [3, -5.7], translateY: [2, -4], rotate: [30, -7, 180, 90], brightness: [0.5, -0.9, 0],
  color: [0.9, -0.4], contrast: [0.9, -0.6], sharpness: [0.9, -0.9], posterize: [1, 4, 8], solarize: [0, 0.4, 1], autoContrast: [0], equalize: [0],
};

describe.skipIf(!torchvision)(title("beside torchvision"), () => {
  const surroundings: data.transforms.AugmentOptions[] = [{}, { interpolation: "bilinear" }, { fill: 0.3 }, { fill: [0.9], interpolation: "bilinear" }];
  const geometric = ["shearX", "shearY", "translateX", "translateY", "rotate"];
  const cases = Object.entries(magnitudes).flatMap(([name, values]) =>
    values.flatMap((magnitude) => (geometric.includes(name) ? surroundings : [{}]).map((options) => ({ name: name as data.transforms.Augmentation, magnitude, options }))),
  );
  const inputs = examples();
  let results: Record<string, Packed>[];

  beforeAll(() => {
    results = runPython(
      `${librariesPath}
from torchvision.transforms import v2, InterpolationMode
def run(image, case):
    fill = case["options"].get("fill")
    if fill is not None and not image.is_floating_point():
        fill = [255 * f for f in fill] if isinstance(fill, list) else 255 * fill
    policy = v2.RandAugment(interpolation=case["options"].get("interpolation", "nearest"), fill=fill)
    return policy._apply_image_or_video_transform(image, case["theirs"], case["magnitude"], policy.interpolation, policy._fill)
outputs = [{name: pack(run(unpack(image), case)) for name, image in inputs["images"].items()} for case in inputs["cases"]]`,
      { images: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, pack(tensor)])), cases: cases.map((each) => ({ ...each, theirs: theirs[each.name] })) },
    );
  });

  test.each(cases.map((each, i) => [`${each.name} ${each.magnitude} ${JSON.stringify(each.options)}`, each, i] as const))("%s", (_, { name, magnitude, options }, i) => {
    for (const [kind, images] of Object.entries(inputs)) {
      const scale = images.dtype === "uint8" ? 255 : 1;
      const { fill } = options;
      const scaled = fill === undefined ? options : { ...options, fill: typeof fill === "number" ? scale * fill : fill.map((value) => scale * value) };
      const result = apply(transforms.augment(name, magnitude, scaled), images);
      expect(result.dtype, kind).toBe(images.dtype);
      expect(distance(result, unpack(results[i]![kind]!)), kind).toBeLessThanOrEqual(images.dtype === "uint8" ? 0 : 1e-6);
    }
  });

  test("randAugment: every image is one of torchvision's outcomes for the magnitude, and all of them occur", () => {
    const image = examples(20, 24)["rgb"]!.narrow(0, 0, 1);
    const levels = [[9, 31], [4, 10], [30, 31]] as const;
    const all = runPython<Packed[][]>(
      `${librariesPath}
from torchvision.transforms import v2
image = unpack(inputs["image"])
outputs = []
for level, bins in inputs["levels"]:
    policy = v2.RandAugment(magnitude=level, num_magnitude_bins=bins)
    outcomes = []
    for name, (magnitudes, signed) in policy._AUGMENTATION_SPACE.items():
        found = magnitudes(bins, *image.shape[-2:])
        magnitude = 0.0 if found is None else float(found[level])
        for sign in ([1, -1] if signed else [1]):
            outcomes.append(pack(policy._apply_image_or_video_transform(image, name, sign * magnitude, policy.interpolation, policy._fill)))
    outputs.append(outcomes)`,
      { image: pack(image), levels },
    );
    for (const [k, [magnitude, bins]] of levels.entries()) {
      const outcomes = all[k]!.map(unpack);
      const n = 600;
      const result = apply(transforms.randAugment({ numOps: 1, magnitude, bins }), image.expand([n, 3, 20, 24]));
      const found = new Map<number, number>();
      for (let i = 0; i < n; i++) {
        const which = outcomes.findIndex((outcome) => torch.equal(result.narrow(0, i, 1), outcome));
        expect(which).toBeGreaterThanOrEqual(0);
        found.set(which, (found.get(which) ?? 0) + 1);
      }
      // Some outcomes look the same: the first one counts.
      const distinct = outcomes.filter((outcome, i) => outcomes.findIndex((other) => torch.equal(outcome, other)) === i).length;
      expect(found.size).toBe(distinct);
    }
  });

  test("resize: in bytes and floats, larger and smaller, with and without antialias", () => {
    const wanted = (["nearest", "bilinear", "bicubic"] as const).flatMap((interpolation) =>
      [true, false].flatMap((antialias) =>
        ([[[7, 9]], [[26, 31]], [8], [20], [9, 11], [[13, 18]]] as const).map(([size, maxSize]) => ({ size, interpolation, antialias, maxSize })),
      ),
    );
    const inputs = { ...examples(), tall: examples(18, 13)["rgb"]! };
    const results = runPython<Record<string, Packed>[]>(
      `${librariesPath}
from torchvision.transforms.v2 import functional, InterpolationMode
outputs = [{name: pack(functional.resize(unpack(image), size=case["size"], interpolation=InterpolationMode(case["interpolation"]), max_size=case.get("maxSize"), antialias=case["antialias"]))
            for name, image in inputs["images"].items()} for case in inputs["cases"]]`,
      { images: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, pack(tensor)])), cases: wanted },
    );
    wanted.forEach(({ size, maxSize, interpolation, antialias }, i) => {
      for (const [kind, images] of Object.entries(inputs)) {
        const result = apply(transforms.resize(size as number, { interpolation, antialias, ...(maxSize === undefined ? {} : { maxSize }) }), images);
        expect(result.dtype).toBe(images.dtype);
        const what = `${kind} ${JSON.stringify(wanted[i])}`;
        expect(distance(result, unpack(results[i]![kind]!)), what).toBeLessThanOrEqual(images.dtype === "uint8" ? 0 : 1e-6);
      }
    });
  });
});

describe("randAugment", () => {
  test("draws for each image by itself, repeatably; labels and input stay", () => {
    const { rgb } = examples();
    const images = rgb!.narrow(0, 0, 1).expand([40, 3, 13, 18]).clone();
    const before = images.clone();
    const y = torch.arange(40);
    const [a, same] = transforms.randAugment()([images, y], generator(3));
    const [b] = transforms.randAugment()([images, y], generator(3));
    const [c] = transforms.randAugment()([images, y], generator(4));
    expect(torch.equal(a, b)).toBe(true);
    expect(torch.equal(a, c)).toBe(false);
    expect(same).toBe(y);
    expect(torch.equal(images, before)).toBe(true);
    expect(new Set(Array.from({ length: 40 }, (_, i) => a.select(0, i).toBytes().join())).size).toBeGreaterThan(20);
    expect(torch.equal(apply(transforms.randAugment({ numOps: 0 }), images), images)).toBe(true);
  });

  test("an empty batch", () => {
    const none = torch.zeros([0, 3, 4, 4], { dtype: "uint8" });
    expect(apply(transforms.randAugment(), none).shape).toEqual([0, 3, 4, 4]);
    expect(apply(transforms.augment("equalize"), none).shape).toEqual([0, 3, 4, 4]);
  });
});

test("toFloat: from bytes to shares of white; floats stay", () => {
  const bytes = torch.tensor([0, 51, 255], { dtype: "uint8" }).reshape([1, 1, 1, 3]);
  const floats = apply(transforms.toFloat(), bytes);
  expect([floats.dtype, floats.flatten().toArray()]).toEqual(["float32", [0, Math.fround(0.2), 1]]);
  expect(apply(transforms.toFloat(), floats)).toBe(floats);
});

describe("wrong arguments", () => {
  const any = transforms as never as Record<string, (...args: unknown[]) => data.transforms.Transform>;
  const { rgb } = examples();
  test.each<[string, () => unknown, RegExp]>([
    ["an unknown operation", () => any["augment"]!("rotat", 3), /Did you mean "rotate"/],
    ["posterize to 9 bits", () => any["augment"]!("posterize", 9), /an integer from 0 to 8 for magnitude/],
    ["solarize above white", () => any["augment"]!("solarize", 255), /a number from 0 to 1 for magnitude/],
    ["less than no brightness", () => any["augment"]!("brightness", -2), /a number of at least -1/],
    ["a magnitude beyond the last", () => any["randAugment"]!({ magnitude: 31 }), /an integer from 0 to 30 for magnitude/],
    ["two channels", () => apply(transforms.randAugment(), rgb!.narrow(1, 0, 2)), /1 or 3 channels for the batch of randAugment but received 2/],
    ["two fills for three channels", () => apply(transforms.randAugment({ fill: [1, 2] }), rgb!), /3 values, one for each channel, for fill of randAugment but received 2/],
    ["int32 images", () => apply(transforms.augment("equalize"), rgb!.to("int32")), /images of uint8, float32 or float64/],
    ["another interpolation", () => any["augment"]!("rotate", 1, { interpolation: "bicubic" }), /"nearest" or "bilinear" for interpolation/],
    ["resize to nothing", () => any["resize"]!(0), /a positive integer for size/],
    ["resize with three sides", () => any["resize"]!([1, 2, 3]), /a height and a width for size/],
    ["a longest side below the shorter", () => any["resize"]!(10, { maxSize: 10 }), /an integer of at least 11 for maxSize/],
    ["a longest side beside both", () => any["resize"]!([4, 4], { maxSize: 10 }), /Height and width are given/],
    ["an unknown interpolation", () => any["resize"]!(4, { interpolation: "bilinar" }), /Did you mean "bilinear"/],
    ["normalize on bytes", () => apply(transforms.normalize([0, 0, 0], [1, 1, 1]), rgb!), /floating-point images for the batch of normalize .*toFloat/],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
