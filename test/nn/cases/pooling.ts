import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

export const pooling: Case[] = [
  { layer: () => new nn.MaxPool2d(2), python: "nn.MaxPool2d(2)", inputs: image },
  { layer: () => new nn.MaxPool2d([3, 2], 2, [1, 0], [2, 1], { ceilMode: true }), python: "nn.MaxPool2d((3, 2), 2, (1, 0), (2, 1), ceil_mode=True)", inputs: image },
  { layer: () => new nn.AvgPool2d([2, 3]), python: "nn.AvgPool2d((2, 3))", inputs: image },
  { layer: () => new nn.AvgPool2d(3, 2, 1, true, false), python: "nn.AvgPool2d(3, 2, 1, True, False)", inputs: image },
  { layer: () => new nn.AvgPool2d(2, { divisorOverride: 3 }), python: "nn.AvgPool2d(2, divisor_override=3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d(3), python: "nn.AdaptiveAvgPool2d(3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d([null, 2]), python: "nn.AdaptiveAvgPool2d((None, 2))", inputs: [[4, 8, 6]] },
];
