import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

const lstmCall: Pick<Case, "call" | "pythonCall"> = {
  call: (layer, [x, h, c]) => (layer as nn.LSTM).forward(x!, [h!, c!]),
  pythonCall: "layer(inputs[0], (inputs[1], inputs[2]))",
};

export const recurrent: Case[] = [
  { layer: () => new nn.LSTM(3, 4), python: "nn.LSTM(3, 4)", inputs: [[5, 2, 3]] },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true, bias: false }), python: "nn.LSTM(3, 4, batch_first=True, bias=False)", inputs: [[2, 5, 3]] },
  { layer: () => new nn.LSTM(3, 4, 2, { bidirectional: true, dropout: 0.4 }), python: "nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.4)", inputs: [[5, 2, 3], [4, 2, 4], [4, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { numLayers: 2, projSize: 2 }), python: "nn.LSTM(3, 4, num_layers=2, proj_size=2)", inputs: [[5, 2, 3], [2, 2, 2], [2, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true }), python: "nn.LSTM(3, 4, batch_first=True)", inputs: [[5, 3], [1, 4], [1, 4]], ...lstmCall },
];
