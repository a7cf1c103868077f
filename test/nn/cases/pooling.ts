import { nn } from "../../../lib/index.js";
import type { Tensor } from "../../../lib/index.js";
import { image, sequence, volume } from "./case.js";
import type { Case } from "./case.js";

export const pooling: Case[] = [
  { layer: () => new nn.MaxPool2d(2), python: "nn.MaxPool2d(2)", inputs: image },
  { layer: () => new nn.MaxPool2d([3, 2], 2, [1, 0], [2, 1], { ceilMode: true }), python: "nn.MaxPool2d((3, 2), 2, (1, 0), (2, 1), ceil_mode=True)", inputs: image },
  { layer: () => new nn.AvgPool2d([2, 3]), python: "nn.AvgPool2d((2, 3))", inputs: image },
  { layer: () => new nn.AvgPool2d(3, 2, 1, true, false), python: "nn.AvgPool2d(3, 2, 1, True, False)", inputs: image },
  { layer: () => new nn.AvgPool2d(2, { divisorOverride: 3 }), python: "nn.AvgPool2d(2, divisor_override=3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d(3), python: "nn.AdaptiveAvgPool2d(3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d([null, 2]), python: "nn.AdaptiveAvgPool2d((None, 2))", inputs: [[4, 8, 6]] },
  { layer: () => new nn.MaxPool1d(3, 2, 1, { ceilMode: true }), python: "nn.MaxPool1d(3, 2, 1, ceil_mode=True)", inputs: sequence },
  { layer: () => new nn.MaxPool1d(2, { dilation: 2, returnIndices: true }), python: "nn.MaxPool1d(2, dilation=2, return_indices=True)", inputs: sequence },
  { layer: () => new nn.MaxPool2d(2, 1, 0, 1, true), python: "nn.MaxPool2d(2, 1, 0, 1, True)", inputs: image },
  { layer: () => new nn.MaxPool3d([2, 1, 3], { stride: 1, padding: [1, 0, 1] }), python: "nn.MaxPool3d((2, 1, 3), stride=1, padding=(1, 0, 1))", inputs: volume },
  { layer: () => new nn.MaxPool3d(2, { returnIndices: true }), python: "nn.MaxPool3d(2, return_indices=True)", inputs: volume },
  { layer: () => new nn.AvgPool1d(3, 2, 1, true, false), python: "nn.AvgPool1d(3, 2, 1, True, False)", inputs: sequence },
  { layer: () => new nn.AvgPool1d([2]), python: "nn.AvgPool1d(2)", inputs: [[4, 9]] },
  { layer: () => new nn.AvgPool3d([2, 3, 2], { stride: 2, padding: [1, 1, 0], divisorOverride: 5 }), python: "nn.AvgPool3d((2, 3, 2), stride=2, padding=(1, 1, 0), divisor_override=5)", inputs: volume },
  { layer: () => new nn.AdaptiveAvgPool1d(4), python: "nn.AdaptiveAvgPool1d(4)", inputs: sequence },
  { layer: () => new nn.AdaptiveAvgPool3d([2, null, 3]), python: "nn.AdaptiveAvgPool3d((2, None, 3))", inputs: volume },
  { layer: () => new nn.AdaptiveAvgPool2d(1), python: "nn.AdaptiveAvgPool2d(1)", inputs: image },
  { layer: () => new nn.AdaptiveMaxPool1d(4), python: "nn.AdaptiveMaxPool1d(4)", inputs: sequence },
  { layer: () => new nn.AdaptiveMaxPool2d([3, null], { returnIndices: true }), python: "nn.AdaptiveMaxPool2d((3, None), return_indices=True)", inputs: image },
  { layer: () => new nn.AdaptiveMaxPool3d({ outputSize: 2 }), python: "nn.AdaptiveMaxPool3d(2)", inputs: volume },
  ...([1, 2, 3] as const).map((dims): Case => ({
    layer: () => new { 1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d }[dims](2, 2, { stride: 1 }),
    python: `nn.LPPool${dims}d(2, 2, stride=1)`,
    inputs: { 1: sequence, 2: image, 3: volume }[dims],
  })),
  { layer: () => new nn.LPPool2d(Infinity, [3, 2], null, true), python: "nn.LPPool2d(math.inf, (3, 2), None, True)", inputs: image },
  { layer: () => new nn.FractionalMaxPool2d(2, { outputRatio: [0.7, 0.5] }), python: "nn.FractionalMaxPool2d(2, output_ratio=(0.7, 0.5))", inputs: image },
  { layer: () => new nn.FractionalMaxPool2d([2, 3], [4, 3], null, true), python: "nn.FractionalMaxPool2d((2, 3), (4, 3), return_indices=True)", inputs: [[4, 8, 6]] },
  { layer: () => new nn.FractionalMaxPool3d({ kernelSize: 2, outputSize: [2, 3, 2] }), python: "nn.FractionalMaxPool3d(2, (2, 3, 2))", inputs: volume },
  ...([1, 2, 3] as const).map((dims): Case => {
    const Pool = { 1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d }[dims];
    const Unpool = { 1: nn.MaxUnpool1d, 2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d }[dims];
    return {
      layer: () => new Unpool(2),
      python: `nn.MaxUnpool${dims}d(2)`,
      inputs: { 1: sequence, 2: image, 3: volume }[dims],
      call: (layer, [x]) => (layer as nn.MaxUnpool1d).forward(...(new Pool(2, { returnIndices: true }).forward(x!) as [Tensor, Tensor]), x!.shape.slice(2)),
      pythonCall: `layer(*F.max_pool${dims}d(inputs[0], 2, return_indices=True), output_size=inputs[0].shape[2:])`,
    };
  }),
];
