import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { models, SteppeError, torch } from "../../lib/index.js";
import { distance, hasLibraries, librariesPath, needsPython, pack, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { folderOfFile } from "./parity.js";

// Images as Hugging Face's processors prepare them, by the same preprocessor_config.json.

const cases: readonly [python: string, height: number, width: number][] = [
  ["ViTImageProcessor(size={'height': 12, 'width': 10})", 23, 17],
  ["ViTImageProcessor(size={'height': 24, 'width': 24}, resample=3, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.25])", 9, 14],
  ["ViTImageProcessor(size={'height': 8, 'width': 8}, do_center_crop=True, crop_size={'height': 5, 'width': 6})", 9, 14],
  ["ViTImageProcessor(do_resize=False, do_normalize=False)", 6, 7],
  ["ConvNextImageProcessor(size={'shortest_edge': 14})", 40, 29],
  ["ConvNextImageProcessor(size={'shortest_edge': 10}, crop_pct=0.9, resample=2)", 13, 22],
  ["ConvNextImageProcessor(size={'shortest_edge': 384})", 20, 30],
];

const folder = folderOfFile();

const script = `
${librariesPath}
import transformers
outputs = []
for case in inputs:
    processor = eval("transformers." + case["python"])
    processor.save_pretrained(case["folder"])
    outputs.append(pack(processor(images=list(unpack(case["images"])), return_tensors="pt").pixel_values))
`;

const imagesOf = (height: number, width: number) => torch.arange(3 * height * width, { dtype: "int64" }).mul(7919).remainder(256).to("uint8").reshape([1, 3, height, width]);

describe.skipIf(!hasLibraries("transformers", "torchvision"))(`image processors are Hugging Face's (${needsPython})`, () => {
  test("values, and as a transform of batches", () => {
    const inputs = cases.map(([code, height, width], i) => ({ python: code, folder: join(folder, String(i)), images: pack(imagesOf(height, width)) }));
    const references = runPython<Packed[]>(script, inputs);
    cases.forEach(([code, height, width], i) => {
      const processor = models.imageProcessor(join(folder, String(i)));
      const pixelValues = processor(imagesOf(height, width));
      expect(distance(pixelValues, unpack(references[i]!)), code).toBeLessThan(1e-5);
      const labels = torch.tensor([1], { dtype: "int64" });
      const [images, same] = processor.transform([imagesOf(height, width), labels], torch.defaultGenerator());
      expect(distance(images, pixelValues)).toBe(0);
      expect(same.toArray()).toEqual([1]);
    });
  }, 300_000);
});

test("files that tell nothing of images, or nothing right, are refused", () => {
  const write = (content: object) => writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(content));
  expect(() => models.imageProcessor(join(folder, "none"))).toThrow(/Expected preprocessor_config\.json in .* there is none/);
  write({ image_processor_type: "CLIPImageProcessor" });
  expect(() => models.imageProcessor(folder)).toThrow(/ViTImageProcessor or ConvNextImageProcessor as image_processor_type/);
  for (const wrong of [{ size: { height: 0, width: 4 } }, { size: { height: 4, width: 4 }, resample: 9 }, { rescale_factor: 1 }, { image_mean: "half" }, { do_center_crop: true }]) {
    write({ image_processor_type: "ViTImageProcessor", ...wrong });
    expect(() => models.imageProcessor(folder), JSON.stringify(wrong)).toThrow(SteppeError);
  }
});
