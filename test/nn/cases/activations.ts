import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

export const activations: Case[] = [
  { layer: () => new nn.ReLU(), python: "nn.ReLU()", inputs: image },
  { layer: () => new nn.GELU(), python: "nn.GELU()", inputs: image },
  { layer: () => new nn.GELU("tanh"), python: "nn.GELU('tanh')", inputs: image },
  { layer: () => new nn.Tanh(), python: "nn.Tanh()", inputs: image },
  { layer: () => new nn.Sigmoid(), python: "nn.Sigmoid()", inputs: image },
  { layer: () => new nn.SiLU(), python: "nn.SiLU()", inputs: image },
  { layer: () => new nn.LeakyReLU(), python: "nn.LeakyReLU()", inputs: image },
  { layer: () => new nn.LeakyReLU({ negativeSlope: 0.2 }), python: "nn.LeakyReLU(0.2)", inputs: image },
  { layer: () => new nn.ELU(0.7), python: "nn.ELU(0.7)", inputs: image },
  { layer: () => new nn.Softmax(1), python: "nn.Softmax(1)", inputs: image },
  { layer: () => new nn.LogSoftmax({ dim: -1 }), python: "nn.LogSoftmax(-1)", inputs: image },
  ...["ReLU6", "Mish", "SELU", "Hardsigmoid", "Hardswish", "Tanhshrink", "Softsign", "LogSigmoid", "Softmax2d"].map((name): Case => ({
    layer: () => new (nn as unknown as Record<string, new () => nn.Layer>)[name]!(),
    python: `nn.${name}()`,
    inputs: image,
  })),
  { layer: () => new nn.CELU(), python: "nn.CELU()", inputs: image },
  { layer: () => new nn.CELU(0.6), python: "nn.CELU(0.6)", inputs: image },
  { layer: () => new nn.GLU(), python: "nn.GLU()", inputs: image },
  { layer: () => new nn.GLU({ dim: 1 }), python: "nn.GLU(1)", inputs: image },
  { layer: () => new nn.Hardtanh(), python: "nn.Hardtanh()", inputs: image },
  { layer: () => new nn.Hardtanh(-0.3, { maxVal: 0.4 }), python: "nn.Hardtanh(-0.3, 0.4)", inputs: image },
  { layer: () => new nn.Hardshrink(), python: "nn.Hardshrink()", inputs: image },
  { layer: () => new nn.Hardshrink(0.2), python: "nn.Hardshrink(0.2)", inputs: image },
  { layer: () => new nn.Softshrink(), python: "nn.Softshrink()", inputs: image },
  { layer: () => new nn.Softshrink({ lambd: 0.2 }), python: "nn.Softshrink(0.2)", inputs: image },
  { layer: () => new nn.Softplus(), python: "nn.Softplus()", inputs: image },
  { layer: () => new nn.Softplus(2, 1), python: "nn.Softplus(2, 1)", inputs: image },
  { layer: () => new nn.Softmin(1), python: "nn.Softmin(1)", inputs: image },
  { layer: () => new nn.Threshold(0.1, 3), python: "nn.Threshold(0.1, 3)", inputs: image },
  { layer: () => new nn.PReLU(), python: "nn.PReLU()", inputs: image },
  { layer: () => new nn.PReLU(4, 0.1), python: "nn.PReLU(4, 0.1)", inputs: image },
  { layer: () => new nn.RReLU(), python: "nn.RReLU()", inputs: image },
  { layer: () => new nn.RReLU(0.2, 0.6), python: "nn.RReLU(0.2, 0.6)", inputs: image },
  { layer: () => new nn.Softmax2d(), python: "nn.Softmax2d()", inputs: [[4, 8, 6]] },
  // In place, behind a layer whose output may be overwritten.
  {
    layer: () => new nn.Sequential(...[new nn.ReLU6(true), new nn.Mish(true), new nn.SELU(true), new nn.Hardsigmoid(true), new nn.Hardswish(true), new nn.CELU(1, true), new nn.RReLU({ inplace: true }), new nn.Hardtanh(-1, 1, true), new nn.Threshold(0.1, 0, true)].flatMap((f) => [new nn.Linear(6, 6), f])),
    python: "nn.Sequential(*[m for f in [nn.ReLU6(True), nn.Mish(True), nn.SELU(True), nn.Hardsigmoid(True), nn.Hardswish(True), nn.CELU(1, True), nn.RReLU(inplace=True), nn.Hardtanh(-1, 1, inplace=True), nn.Threshold(0.1, 0, True)] for m in (nn.Linear(6, 6), f)])",
    inputs: image,
  },
];
