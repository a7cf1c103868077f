import { nn } from "../../../lib/index.js";
import type { Tensor } from "../../../lib/index.js";
import type { AnyLayer, Case, Nested } from "./case.js";

const lstmCall: Pick<Case, "call" | "pythonCall"> = {
  call: (layer, [x, h, c]) => (layer as nn.LSTM).forward(x!, [h!, c!]),
  pythonCall: "layer(inputs[0], (inputs[1], inputs[2]))",
};

type AnyRecurrent = nn.Module & { forward(input: nn.utils.rnn.PackedSequence | Tensor, state?: unknown): [nn.utils.rnn.PackedSequence | Tensor, Nested] };

/** The layer over packed sequences of some lengths, and its output padded again; states after the first input. */
function packed(lengths: number[], { enforceSorted = true, batchFirst = false } = {}): Pick<Case, "call" | "pythonCall"> {
  const flags = `${batchFirst ? "True" : "False"}, ${enforceSorted ? "True" : "False"}`;
  return {
    call(layer: AnyLayer, [x, ...states]: Tensor[]): Nested {
      const { packPaddedSequence, padPackedSequence, PackedSequence } = nn.utils.rnn;
      const state = states.length === 0 ? undefined : states.length === 1 ? states[0] : states;
      const [output, after] = (layer as AnyRecurrent).forward(packPaddedSequence(x!, lengths, batchFirst, enforceSorted), state);
      if (!(output instanceof PackedSequence)) throw new Error("The output of a packed sequence is one.");
      return [...padPackedSequence(output, batchFirst, 0.5), after];
    },
    pythonCall: `(lambda result, pad: (*pad(result[0], ${batchFirst ? "True" : "False"}, 0.5), result[1]))(layer(nn.utils.rnn.pack_padded_sequence(inputs[0], ${JSON.stringify(lengths)}, ${flags}), *([] if len(inputs) == 1 else [inputs[1]] if len(inputs) == 2 else [tuple(inputs[1:])])), nn.utils.rnn.pad_packed_sequence)`,
  };
}
const [x, batched] = [[5, 3, 4], [3, 5, 4]];

export const recurrent: Case[] = [
  { layer: () => new nn.LSTM(3, 4), python: "nn.LSTM(3, 4)", inputs: [[5, 2, 3]] },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true, bias: false }), python: "nn.LSTM(3, 4, batch_first=True, bias=False)", inputs: [[2, 5, 3]] },
  { layer: () => new nn.LSTM(3, 4, 2, { bidirectional: true, dropout: 0.4 }), python: "nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.4)", inputs: [[5, 2, 3], [4, 2, 4], [4, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { numLayers: 2, projSize: 2 }), python: "nn.LSTM(3, 4, num_layers=2, proj_size=2)", inputs: [[5, 2, 3], [2, 2, 2], [2, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true }), python: "nn.LSTM(3, 4, batch_first=True)", inputs: [[5, 3], [1, 4], [1, 4]], ...lstmCall },
  { layer: () => new nn.RNN(4, 6), python: "nn.RNN(4, 6)", inputs: [x] },
  { layer: () => new nn.RNN(4, 6, 2, "relu", { bidirectional: true, dropout: 0.4 }), python: "nn.RNN(4, 6, 2, 'relu', bidirectional=True, dropout=0.4)", inputs: [x, [4, 3, 6]] },
  { layer: () => new nn.RNN(4, 6, { batchFirst: true, bias: false }), python: "nn.RNN(4, 6, batch_first=True, bias=False)", inputs: [batched] },
  { layer: () => new nn.RNN(4, 6), python: "nn.RNN(4, 6)", inputs: [[5, 4], [1, 6]] },
  { layer: () => new nn.RNN(4, 6, { nonlinearity: "relu" }), python: "nn.RNN(4, 6, nonlinearity='relu')", inputs: [x, [1, 3, 6]], ...packed([5, 3, 3]) },
  { layer: () => new nn.GRU(4, 6), python: "nn.GRU(4, 6)", inputs: [x] },
  { layer: () => new nn.GRU(4, 6, 2, { bidirectional: true, dropout: 0.4 }), python: "nn.GRU(4, 6, 2, bidirectional=True, dropout=0.4)", inputs: [x, [4, 3, 6]] },
  { layer: () => new nn.GRU(4, 6, 1, false, true), python: "nn.GRU(4, 6, 1, False, True)", inputs: [[5, 4], [1, 6]] },
  { layer: () => new nn.GRU(4, 6, { batchFirst: true, bidirectional: true }), python: "nn.GRU(4, 6, batch_first=True, bidirectional=True)", inputs: [batched, [2, 3, 6]], ...packed([2, 5, 3], { batchFirst: true, enforceSorted: false }) },
  { layer: () => new nn.LSTM(4, 6), python: "nn.LSTM(4, 6)", inputs: [x], ...packed([5, 4, 1]) },
  { layer: () => new nn.LSTM(4, 6, 2, { bidirectional: true, dropout: 0.3 }), python: "nn.LSTM(4, 6, 2, bidirectional=True, dropout=0.3)", inputs: [x, [4, 3, 6], [4, 3, 6]], ...packed([3, 3, 4], { enforceSorted: false }) },
  { layer: () => new nn.LSTM(4, 6, { projSize: 3 }), python: "nn.LSTM(4, 6, proj_size=3)", inputs: [x], ...packed([3, 3, 4], { enforceSorted: false }) },
  { layer: () => new nn.RNNCell(4, 6), python: "nn.RNNCell(4, 6)", inputs: [[3, 4]] },
  { layer: () => new nn.RNNCell(4, 6, false, "relu"), python: "nn.RNNCell(4, 6, False, 'relu')", inputs: [[3, 4], [3, 6]] },
  { layer: () => new nn.GRUCell(4, 6), python: "nn.GRUCell(4, 6)", inputs: [[3, 4], [3, 6]] },
  { layer: () => new nn.GRUCell(4, 6, { bias: false }), python: "nn.GRUCell(4, 6, bias=False)", inputs: [[4], [6]] },
  { layer: () => new nn.LSTMCell(4, 6), python: "nn.LSTMCell(4, 6)", inputs: [[3, 4]] },
  { layer: () => new nn.LSTMCell(4, 6), python: "nn.LSTMCell(4, 6)", inputs: [[4], [6], [6]], call: (layer, [x, h, c]) => (layer as nn.LSTMCell).forward(x!, [h!, c!]), pythonCall: "layer(inputs[0], (inputs[1], inputs[2]))" },
];
