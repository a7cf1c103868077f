// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { nn, torch, type Tensor } from "../../lib/index.js";

declare const x: Tensor;

// Positional arguments in PyTorch's order, any of the rest by name.
expectTypeOf(new nn.Conv2d(3, 8, 3, 2, { padding: "same", dtype: "float64" }).forward(x)).toEqualTypeOf<Tensor>();
expectTypeOf(new nn.LSTM(3, 8, { numLayers: 2 }).forward(x)).toEqualTypeOf<[output: Tensor, state: nn.LSTMState]>();
expectTypeOf(new nn.Linear(2, 3, true, "cuda:0", "bfloat16").weight).toEqualTypeOf<nn.Parameter>();
// @ts-expect-error misspelled
new nn.Linear(2, 3, { bais: false });
// @ts-expect-error a device has a known name or a number
new nn.Linear(2, 3, true, "gpu");
new nn.Conv2d(1, 2, 3).to({ memoryFormat: "channels_last", device: "cuda:0" }).to(x).to("bfloat16");
// @ts-expect-error no such order
new nn.Conv2d(1, 2, 3).to({ memoryFormat: "nhwc" });
// @ts-expect-error a kernel size is missing
new nn.ConvTranspose2d(3, 8);
// @ts-expect-error no such padding
new nn.Conv3d(1, 1, 3, { padding: "full" });
// @ts-expect-error it came by position already, and there is no fourth
new nn.Hardtanh(0, 6, true, 3);
// @ts-expect-error no such reduction
new nn.HuberLoss("average");
// @ts-expect-error only the divergence has this one
new nn.MSELoss("batchmean");
new nn.KLDivLoss("batchmean");
// @ts-expect-error a target is missing
new nn.CrossEntropyLoss().forward(x);

// Pooling returns what it was made to return.
expectTypeOf(new nn.MaxPool2d(2).forward(x)).toEqualTypeOf<Tensor>();
expectTypeOf(new nn.MaxPool2d(2, { returnIndices: true }).forward(x)).toEqualTypeOf<[output: Tensor, indices: Tensor]>();
expectTypeOf(new nn.MaxPool1d(2, 2, 0, 1, true).forward(x)).toEqualTypeOf<[output: Tensor, indices: Tensor]>();
expectTypeOf(new nn.AdaptiveMaxPool2d(2, true).forward(x)).toEqualTypeOf<[output: Tensor, indices: Tensor]>();
expectTypeOf(new nn.FractionalMaxPool2d(2, { outputRatio: 0.5 }).forward(x)).toEqualTypeOf<Tensor>();
new nn.Sequential(new nn.MaxPool2d(2), new nn.Upsample({ scaleFactor: 2 }));
// @ts-expect-error two results are no input of the next layer
new nn.Sequential(new nn.MaxPool2d(2, { returnIndices: true }));

// Recurrent layers give back the kind of sequence that they got.
const packed = nn.utils.rnn.packSequence([x]);
expectTypeOf(new nn.GRU(3, 4).forward(x)).toEqualTypeOf<[output: Tensor, state: Tensor]>();
expectTypeOf(new nn.GRU(3, 4).forward(packed)).toEqualTypeOf<[output: nn.utils.rnn.PackedSequence, state: Tensor]>();
// @ts-expect-error an LSTM has two states
new nn.LSTM(3, 4).forward(x, x);
// @ts-expect-error a GRU has no projection
new nn.GRU(3, 4, { projSize: 2 });
// @ts-expect-error tanh or relu
new nn.RNN(3, 4, { nonlinearity: "sigmoid" });

// Attention, with masks by name.
const attention = new nn.MultiheadAttention(8, 2, { batchFirst: true });
expectTypeOf(attention.forward(x, x, x, { attnMask: x, needWeights: false })).toEqualTypeOf<[output: Tensor, weights: Tensor | null]>();
// @ts-expect-error no such mask
attention.forward(x, x, x, { mask: x });
new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, { activation: (x) => x.tanh() }), 2);
// @ts-expect-error a linear layer is no encoder layer
new nn.TransformerEncoder(new nn.Linear(8, 8), 2);
// @ts-expect-error relu, gelu or a function
new nn.TransformerEncoderLayer(8, 2, { activation: "tanh" });

// Hooks know the module that they are on.
new nn.Linear(2, 3).registerForwardHook((layer, [input], output) => {
  expectTypeOf(layer.inFeatures).toEqualTypeOf<number>();
  expectTypeOf(input).toEqualTypeOf<Tensor>();
  return output.relu();
});
// @ts-expect-error a tensor takes the place of a tensor
new nn.Linear(2, 3).registerForwardHook(() => 3);

// A checkpoint takes and returns what its function does.
expectTypeOf(nn.checkpoint((a: Tensor, scale: number): [Tensor, Tensor] => [a.mul(scale), a], x, 2)).toEqualTypeOf<[Tensor, Tensor]>();
// @ts-expect-error a number is missing
nn.checkpoint((a: Tensor, scale: number) => a.mul(scale), x);

expectTypeOf(new nn.ParameterDict({ left: torch.ones([1]) }).get("left")).toEqualTypeOf<nn.Parameter>();
// @ts-expect-error no such name
new nn.ParameterDict({ left: torch.ones([1]) }).get("right");

// Lazy layers leave out what they take from their first input.
expectTypeOf(new nn.LazyConv2d(8, 3, { padding: 1 }).forward(x)).toEqualTypeOf<Tensor>();
new nn.Sequential(new nn.LazyLinear(3), new nn.ReLU());
// @ts-expect-error the first is the number of outputs, the second whether there is a bias
new nn.LazyLinear(2, 3);
// @ts-expect-error the input's channels are not given
new nn.LazyConv1d({ inChannels: 3, outChannels: 8, kernelSize: 3 });

// A call with other parameters takes and gives what forward does.
expectTypeOf(nn.utils.functionalCall(new nn.LSTM(3, 4), { weight_ih_l0: x }, [x])).toEqualTypeOf<[output: Tensor | nn.utils.rnn.PackedSequence, state: nn.LSTMState]>();
expectTypeOf(nn.utils.functionalCall(new nn.Linear(2, 3), {}, [x])).toEqualTypeOf<Tensor>();
// @ts-expect-error an input is missing
nn.utils.functionalCall(new nn.Linear(2, 3), {}, []);
expectTypeOf(nn.utils.fusion.fuseConvBnEval(new nn.Conv2d(3, 8, 3), new nn.BatchNorm2d(8))).toEqualTypeOf<nn.Conv2d>();
class Symmetric extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.triu().add(x.triu(1).t());
  }
}
expectTypeOf(nn.utils.parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new Symmetric())).toEqualTypeOf<nn.Linear>();
// @ts-expect-error an LSTM makes no tensor of a tensor
nn.utils.parametrize.registerParametrization(new nn.Linear(3, 3), "weight", new nn.LSTM(3, 3));
