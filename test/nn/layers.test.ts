import { testLayers } from "../support/layer-parity.js";
import { activations } from "./cases/activations.js";
import { attentions } from "./cases/attention.js";
import { basic } from "./cases/basic.js";
import { functions } from "./cases/functions.js";
import { images } from "./cases/images.js";
import { losses } from "./cases/losses.js";
import { normalization } from "./cases/normalization.js";
import { parametrized } from "./cases/parametrized.js";
import { pooling } from "./cases/pooling.js";
import { recurrent } from "./cases/recurrent.js";

testLayers({ basic, activations, losses, attentions, normalization, pooling, images, recurrent, parametrized, functions });
