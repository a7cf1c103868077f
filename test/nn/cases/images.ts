import { nn } from "../../../lib/index.js";
import { image, sequence, volume } from "./case.js";
import type { Case } from "./case.js";

// What enlarges, pads, shuffles and drops.

const shapes = { 1: sequence, 2: image, 3: volume };
const kinds = ["Constant", "Zero", "Reflection", "Replication", "Circular"] as const;

const paddings: Case[] = ([1, 2, 3] as const).flatMap((dims) =>
  kinds.flatMap((kind): Case[] => {
    const Pad = (nn as unknown as Record<string, new (...args: unknown[]) => nn.Layer>)[`${kind}Pad${dims}d`]!;
    const widths = [[1, 2], [1, 2, 0, 1], [1, 2, 0, 1, 2, 2]][dims - 1]!;
    const value = kind === "Constant" ? [2.5] : [];
    return [1, widths].map((width) => ({
      layer: () => new Pad(width, ...value),
      python: `nn.${kind}Pad${dims}d(${[Array.isArray(width) ? `(${width.join(", ")})` : width, ...value].join(", ")})`,
      inputs: Array.isArray(width) ? shapes[dims] : [shapes[dims][0]!.slice(1)],
    }));
  }),
);

const resizes: Case[] = (
  [
    [sequence, { scaleFactor: 2.5 }, "scale_factor=2.5"],
    [sequence, { size: 7, mode: "linear" }, "size=7, mode='linear'"],
    [sequence, { size: 5, mode: "area" }, "size=5, mode='area'"],
    [sequence, { scaleFactor: 1.7, mode: "nearest-exact" }, "scale_factor=1.7, mode='nearest-exact'"],
    [image, { size: [5, 9] }, "size=(5, 9)"],
    [image, { scaleFactor: [1.5, 0.7], mode: "bilinear" }, "scale_factor=(1.5, 0.7), mode='bilinear'"],
    [image, { scaleFactor: 1.3, mode: "bilinear", recomputeScaleFactor: true }, "scale_factor=1.3, mode='bilinear', recompute_scale_factor=True"],
    [image, { scaleFactor: 2, mode: "bilinear", alignCorners: true }, "scale_factor=2, mode='bilinear', align_corners=True"],
    [image, { size: 7, mode: "bicubic", alignCorners: false }, "size=7, mode='bicubic', align_corners=False"],
    [image, { scaleFactor: 0.6, mode: "area" }, "scale_factor=0.6, mode='area'"],
    [image, { size: 5, mode: "nearest-exact" }, "size=5, mode='nearest-exact'"],
    [volume, { scaleFactor: 2 }, "scale_factor=2"],
    [volume, { size: [3, 4, 9], mode: "trilinear" }, "size=(3, 4, 9), mode='trilinear'"],
    [volume, { scaleFactor: 2, mode: "nearest-exact" }, "scale_factor=2, mode='nearest-exact'"],
  ] as const
).map(([inputs, options, python]) => ({ layer: () => new nn.Upsample(options), python: `nn.Upsample(${python})`, inputs: [...inputs] }));

export const images: Case[] = [
  ...paddings,
  ...resizes,
  { layer: () => new nn.ZeroPad2d([-1, 2, 0, -3]), python: "nn.ZeroPad2d((-1, 2, 0, -3))", inputs: image },
  ...(["bilinear", "bicubic"] as const).map((mode): Case => ({
    layer: () => new nn.Identity(),
    python: "nn.Identity()",
    inputs: image,
    call: (_, [x]) => nn.functional.interpolate(x!, { size: [3, 4], mode, antialias: true }),
    pythonCall: `F.interpolate(inputs[0], size=(3, 4), mode="${mode}", antialias=True)`,
  })),
  {
    layer: () => new nn.Identity(),
    python: "nn.Identity()",
    inputs: [...image, [2, 2, 3]],
    call: (_, [x, theta]) => nn.functional.gridSample(x!, nn.functional.affineGrid(theta!, [2, 4, 5, 5]), { paddingMode: "border" }),
    pythonCall: "F.grid_sample(inputs[0], F.affine_grid(inputs[1], (2, 4, 5, 5)), padding_mode='border')",
  },
  { layer: () => new nn.UpsamplingNearest2d({ scaleFactor: 2 }), python: "nn.UpsamplingNearest2d(scale_factor=2)", inputs: image },
  { layer: () => new nn.UpsamplingBilinear2d(11), python: "nn.UpsamplingBilinear2d(11)", inputs: image },
  { layer: () => new nn.PixelShuffle(2), python: "nn.PixelShuffle(2)", inputs: image },
  { layer: () => new nn.PixelUnshuffle(2), python: "nn.PixelUnshuffle(2)", inputs: image },
  { layer: () => new nn.ChannelShuffle(2), python: "nn.ChannelShuffle(2)", inputs: image },
  { layer: () => new nn.Unfold([3, 2], { padding: 1, stride: [2, 1] }), python: "nn.Unfold((3, 2), padding=1, stride=(2, 1))", inputs: image },
  { layer: () => new nn.Fold([5, 6], 2, { dilation: 2 }), python: "nn.Fold((5, 6), 2, dilation=2)", inputs: [[2, 12, 12]] },
  { layer: () => new nn.Unflatten(1, [2, -1]), python: "nn.Unflatten(1, (2, -1))", inputs: image },
  { layer: () => new nn.Dropout1d(0.4), python: "nn.Dropout1d(0.4)", inputs: sequence },
  { layer: () => new nn.Dropout1d({ p: 0.4 }), python: "nn.Dropout1d(0.4)", inputs: [[6, 5]] },
  { layer: () => new nn.Dropout3d(), python: "nn.Dropout3d()", inputs: volume },
  { layer: () => new nn.AlphaDropout(0.3), python: "nn.AlphaDropout(0.3)", inputs: image },
  { layer: () => new nn.FeatureAlphaDropout(), python: "nn.FeatureAlphaDropout()", inputs: image },
  { layer: () => new nn.Conv3d(3, 4, 3, { padding: 1 }), python: "nn.Conv3d(3, 4, 3, padding=1)", inputs: volume },
  { layer: () => new nn.Conv3d(3, 6, [2, 3, 1], { stride: [1, 2, 1], groups: 3, bias: false }), python: "nn.Conv3d(3, 6, (2, 3, 1), stride=(1, 2, 1), groups=3, bias=False)", inputs: [[3, 4, 5, 6]] },
  { layer: () => new nn.Conv3d(3, 2, 3, { padding: "same", paddingMode: "replicate" }), python: "nn.Conv3d(3, 2, 3, padding='same', padding_mode='replicate')", inputs: volume },
  { layer: () => new nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2), python: "nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2)", inputs: sequence },
  { layer: () => new nn.ConvTranspose2d(4, 3, [3, 2], { stride: 2, bias: false, dilation: [1, 2] }), python: "nn.ConvTranspose2d(4, 3, (3, 2), stride=2, bias=False, dilation=(1, 2))", inputs: image },
  { layer: () => new nn.ConvTranspose2d(4, 3, 3, { stride: 3, padding: 1 }), python: "nn.ConvTranspose2d(4, 3, 3, stride=3, padding=1)", inputs: image, call: (layer, [x]) => (layer as nn.ConvTranspose2d).forward(x!, [24, 17]), pythonCall: "layer(inputs[0], output_size=(24, 17))" },
  { layer: () => new nn.ConvTranspose3d(3, 2, 2, 2), python: "nn.ConvTranspose3d(3, 2, 2, 2)", inputs: volume },
];
