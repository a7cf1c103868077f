import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

const { weightNorm, spectralNorm } = nn.utils.parametrizations;
const P = "nn.utils.parametrizations";

export const parametrized: Case[] = [
  { layer: () => weightNorm(new nn.Linear(5, 3)), python: `${P}.weight_norm(nn.Linear(5, 3))`, inputs: [[4, 5]] },
  { layer: () => weightNorm(new nn.Conv2d(4, 3, 3), "weight", 1), python: `${P}.weight_norm(nn.Conv2d(4, 3, 3), dim=1)`, inputs: image },
  { layer: () => spectralNorm(new nn.Linear(5, 3)), python: `${P}.spectral_norm(nn.Linear(5, 3))`, inputs: [[4, 5]] },
  { layer: () => spectralNorm(new nn.Conv2d(4, 3, 3, { bias: false }), "weight", { nPowerIterations: 3 }), python: `${P}.spectral_norm(nn.Conv2d(4, 3, 3, bias=False), n_power_iterations=3)`, inputs: image },
  { layer: () => spectralNorm(new nn.ConvTranspose2d(4, 3, 2)), python: `${P}.spectral_norm(nn.ConvTranspose2d(4, 3, 2))`, inputs: image },
];
