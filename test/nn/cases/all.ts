import { activations } from "./activations.js";
import { attentions } from "./attention.js";
import { basic } from "./basic.js";
import { functions } from "./functions.js";
import { images } from "./images.js";
import { losses } from "./losses.js";
import { normalization } from "./normalization.js";
import { parametrized } from "./parametrized.js";
import { pooling } from "./pooling.js";
import { recurrent } from "./recurrent.js";

/** Every layer and function of `nn`, by family. */
export const families = { basic, activations, losses, attentions, normalization, pooling, images, recurrent, parametrized, functions };
