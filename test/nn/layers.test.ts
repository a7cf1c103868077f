import { testLayers } from "../support/layer-parity.js";
import { families } from "./cases/all.js";

testLayers(families);
