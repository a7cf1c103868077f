import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

const { orthogonal, spectralNorm, weightNorm } = nn.utils.parametrizations;
const P = "nn.utils.parametrizations";

export const parametrized: Case[] = [
  { layer: () => weightNorm(new nn.Linear(5, 3)), python: `${P}.weight_norm(nn.Linear(5, 3))`, inputs: [[4, 5]] },
  { layer: () => weightNorm(new nn.Conv2d(4, 3, 3), "weight", 1), python: `${P}.weight_norm(nn.Conv2d(4, 3, 3), dim=1)`, inputs: image },
  { layer: () => spectralNorm(new nn.Linear(5, 3)), python: `${P}.spectral_norm(nn.Linear(5, 3))`, inputs: [[4, 5]] },
  { layer: () => spectralNorm(new nn.Conv2d(4, 3, 3, { bias: false }), "weight", { nPowerIterations: 3 }), python: `${P}.spectral_norm(nn.Conv2d(4, 3, 3, bias=False), n_power_iterations=3)`, inputs: image },
  { layer: () => spectralNorm(new nn.ConvTranspose2d(4, 3, 2)), python: `${P}.spectral_norm(nn.ConvTranspose2d(4, 3, 2))`, inputs: image },
  { layer: () => orthogonal(new nn.Linear(4, 4)), python: `${P}.orthogonal(nn.Linear(4, 4))`, inputs: [[3, 4]] },
  { layer: () => orthogonal(new nn.Linear(5, 3)), python: `${P}.orthogonal(nn.Linear(5, 3))`, inputs: [[4, 5]] },
  { layer: () => orthogonal(new nn.Linear(3, 5), "weight", "cayley"), python: `${P}.orthogonal(nn.Linear(3, 5), orthogonal_map="cayley")`, inputs: [[4, 3]] },
  { layer: () => orthogonal(new nn.Linear(5, 3), "weight", { orthogonalMap: "matrix_exp" }), python: `${P}.orthogonal(nn.Linear(5, 3), orthogonal_map="matrix_exp")`, inputs: [[4, 5]] },
  { layer: () => orthogonal(new nn.Linear(3, 5), "weight", "householder", false), python: `${P}.orthogonal(nn.Linear(3, 5), orthogonal_map="householder", use_trivialization=False)`, inputs: [[4, 3]] },
];
