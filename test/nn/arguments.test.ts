import { describe, expect, test } from "vitest";
import { nn, SteppeError, torch, type Tensor } from "../../lib/index.js";
import { count, flag, integer, oneOf, or, orNull, perDim, read, real } from "../../lib/nn/arguments.js";

const signature = { width: count, height: count, scale: or(real, 1.5), mode: or(oneOf("fast", "exact"), "exact"), limit: or(orNull(integer), 7) };
const any = (...args: unknown[]) => read("nn.Thing", signature, args);

describe("arguments by position and by name", () => {
  const all = { width: 3, height: 4, scale: 1.5, mode: "exact", limit: 7 };

  test.each([
    [[3, 4], all],
    [[3, { height: 4 }], all],
    [[{ height: 4, width: 3 }], all],
    [[3, 4, 2, "fast", null], { ...all, scale: 2, mode: "fast", limit: null }],
    [[3, 4, undefined, { mode: "fast" }], { ...all, mode: "fast" }],
    [[3, 4, { limit: null }], { ...all, limit: null }],
    [[3, 4, { scale: undefined }], all],
  ])("%j", (args, expected) => {
    expect(any(...args)).toEqual(expected);
  });

  test.each<[unknown[], string]>([
    [[3], "Expected a positive integer for height of nn.Thing but received nothing."],
    [[], "Expected a positive integer for width of nn.Thing but received nothing."],
    [[3, 4, { sclae: 2 }], 'Expected one of width, height, scale, mode, limit in the options of nn.Thing but received "sclae". Did you mean "scale"?'],
    [[3, 4, 1, "fast", 2, 9], "Expected at most 5 arguments for nn.Thing but received an array of 6. They are width, height, scale, mode, limit."],
    [[3, 4, { width: 5 }], "Expected one value for width of nn.Thing but received an array of 2. It came by position and by name."],
    [[3, "4"], 'Expected a positive integer for height of nn.Thing but received "4" of type string.'],
    [[3, NaN], "Expected a positive integer for height of nn.Thing but received NaN of type number."],
    [[3, 0], "Expected a positive integer for height of nn.Thing but received 0 of type number."],
    [[3, 4, null], "Expected a number for scale of nn.Thing but received null."],
    [[3, 4, 1, "fsat"], 'Expected one of "fast", "exact" for mode of nn.Thing but received "fsat" of type string.'],
  ])("%j is refused", (args, message) => {
    expect(() => any(...args)).toThrow(message);
    expect(() => any(...args)).toThrow(expect.objectContaining({ name: "SteppeError", code: "ARGUMENT" }));
  });

  test("one number stands for all dimensions", () => {
    const sizes = { kernel: perDim(2, 1), pad: or(perDim(2, 0), 0), on: or(flag, true) };
    expect(read("x", sizes, [3])).toEqual({ kernel: [3, 3], pad: [0, 0], on: true });
    expect(read("x", sizes, [[3, 5], [1, 0], false])).toEqual({ kernel: [3, 5], pad: [1, 0], on: false });
    expect(() => read("x", sizes, [[3, 5, 7]])).toThrow("Expected a positive integer or an array of 2 for kernel of x but received an array of 3.");
    expect(() => read("x", sizes, [[3, 0]])).toThrow("Expected a positive integer or an array of 2");
  });
});

describe("constructors", () => {
  test("all forms make the same layer", () => {
    const layers = [
      new nn.Linear(8, 4, false),
      new nn.Linear(8, 4, { bias: false }),
      new nn.Linear({ inFeatures: 8, outFeatures: 4, bias: false }),
    ];
    expect(new Set(layers.map(String))).toEqual(new Set(["Linear(inFeatures=8, outFeatures=4, bias=false)"]));
  });

  test("dtype and device", () => {
    const layers = [
      new nn.Linear(2, 2, true, "cpu", "float64"),
      new nn.Conv2d(1, 2, 3, { dtype: "float64" }),
      new nn.BatchNorm2d(2, { dtype: "float64", device: "cpu" }),
      new nn.LSTM(2, 2, { dtype: "float64" }),
    ];
    for (const layer of layers) for (const tensor of layer.parameters()) expect([tensor.dtype, tensor.device]).toEqual(["float64", "cpu"]);
    expect(Object.values(layers[2]!.stateDict()).map((tensor) => tensor.dtype)).toEqual(["float64", "float64", "float64", "float64", "int64"]);
    expect(() => new nn.Linear(2, 2, { dtype: "float46" as "float64" })).toThrow("dtype of nn.Linear");
  });

  // What the compiler refuses too: `as never` is a caller without it.
  test.each<[string, () => unknown, string]>([
    ["a misspelled option", () => new nn.Linear(8, 4, { bais: false } as never), 'in the options of nn.Linear but received "bais". Did you mean "bias"?'],
    ["a missing size", () => new nn.Conv2d(3, 4, {} as never), "Expected a positive integer or an array of 2 for kernelSize of nn.Conv2d but received nothing."],
    ["a size that is no number", () => new nn.Embedding(NaN, 4), "Expected a non-negative integer for numEmbeddings of nn.Embedding but received NaN of type number."],
    ["groups that do not divide", () => new nn.Conv2d(3, 4, 3, { groups: 2 }), "Expected a multiple of groups (2) for inChannels of nn.Conv2d but received 3 of type number."],
    ["groups that do not divide channels", () => new nn.GroupNorm(2, 3), "Expected a multiple of numGroups (2) for numChannels of nn.GroupNorm but received 3 of type number."],
    ["a stride with same padding", () => new nn.Conv1d(1, 1, 3, 2, "same"), 'Expected a stride of 1 for stride of nn.Conv1d but received an array of 1. Padding "same" is defined for it only.'],
    ["an unknown padding", () => new nn.Conv1d(1, 1, 3, { padding: "full" as "same" }), 'Expected one of "same", "valid" for padding of nn.Conv1d'],
    ["a padding row outside", () => new nn.Embedding(3, 2, { paddingIdx: 3 }), "Expected a row from -3 to 2 for paddingIdx of nn.Embedding but received 3 of type number."],
    ["a probability above 1", () => new nn.Dropout(1.5), "Expected a probability from 0 to 1 for p of nn.Dropout but received 1.5 of type number."],
    ["a softmax without dimension", () => new (nn.Softmax as new () => nn.Softmax)(), "Expected an integer for dim of nn.Softmax but received nothing."],
    ["an argument too many", () => new nn.ReLU(false, 3 as never), "Expected at most 1 arguments for nn.ReLU but received an array of 2."],
    ["an argument for none", () => new (nn.Tanh as new (x: number) => nn.Tanh)(3), "Expected at most 0 arguments for nn.Tanh but received an array of 1."],
    ["a projection that is too wide", () => new nn.LSTM(3, 4, { projSize: 4 }), "Expected a size below hiddenSize (4) for projSize of nn.LSTM but received 4 of type number."],
["a fractional pooling without a size", () => new nn.FractionalMaxPool2d(2, {}), "Expected one of outputSize and outputRatio for nn.FractionalMaxPool2d"],
    ["a ratio above 1", () => new nn.FractionalMaxPool2d(2, { outputRatio: 1.5 }), "Expected a number between 0 and 1 or an array of 2 for outputRatio of nn.FractionalMaxPool2d but received 1.5 of type number."],
    ["an output size of too many dimensions", () => new nn.AdaptiveAvgPool2d([1, 2, 3]), "Expected a non-negative integer, null or an array of two of them for outputSize of nn.AdaptiveAvgPool2d but received an array of 3."],
    ["a norm of 0", () => new nn.LPPool1d(0, 2), "Expected a number but 0 for normType of nn.LPPool1d but received 0 of type number."],
    ["a mirror of negative width", () => new nn.ReflectionPad1d(-1), "Expected a non-negative integer or an array of 2 for padding of nn.ReflectionPad1d but received -1 of type number."],
    ["a border without a value", () => new nn.ConstantPad2d(...([1] as unknown as [1, 2])), "Expected a number for value of nn.ConstantPad2d but received nothing."],
    ["an upsampling without a size", () => new nn.Upsample({ mode: "linear" }), "Expected one of size and scaleFactor for nn.Upsample"],
    ["an unknown way to upsample", () => new nn.Upsample({ scaleFactor: 2, mode: "cubic" as "bicubic" }), 'Expected one of "nearest", "linear", "bilinear"'],
    ["a transposed convolution of groups that do not divide", () => new nn.ConvTranspose2d(4, 3, 3, { groups: 2 }), "Expected a multiple of groups (2) for outChannels of nn.ConvTranspose2d but received 3 of type number."],
    ["heads that do not divide", () => new nn.MultiheadAttention(6, 4), "Expected a multiple of numHeads (4) for embedDim of nn.MultiheadAttention but received 6 of type number."],
    ["an encoder of what makes no copies", () => new nn.TransformerEncoder(new nn.Linear(2, 2) as never, 2), "Expected a module with copy() for the layer of nn.TransformerEncoder but received an object of type Linear."],
    ["an unknown activation", () => new nn.TransformerEncoderLayer(4, 2, { activation: "gulu" as "gelu" }), 'Expected one of "relu", "gelu" or a function for activation of nn.TransformerEncoderLayer but received "gulu" of type string.'],
    ["an empty shape", () => new nn.LayerNorm([]), "Expected at least one dimension for normalizedShape of nn.LayerNorm but received an array of 0."],
    ["a weight that is no tensor", () => new nn.NLLLoss([1, 2] as never), "Expected a tensor for weight of nn.NLLLoss but received an array of 2."],
  ])("%s", (_what, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(SteppeError);
  });
});

describe("inputs that do not fit", () => {
  const x = torch.zeros([5, 2, 8]);
  const attention = new nn.MultiheadAttention(8, 2);
  test.each<[string, () => unknown, string]>([
    ["another width for attention", () => attention.forward(x, x, torch.zeros([5, 2, 7])), "Expected 2 or 3 dimensions, the last 8 for the value of nn.MultiheadAttention but received a tensor of float32 [5, 2, 7]."],
    ["another batch for attention", () => attention.forward(x, torch.zeros([5, 3, 8]), x), "Expected 2 samples and 5 places for the key of nn.MultiheadAttention"],
    ["a mask of another shape", () => attention.forward(x, x, x, { attnMask: torch.zeros([5, 4]) }), "Expected shape [5, 5] or [4, 5, 5] for attnMask of nn.MultiheadAttention"],
    ["a mask of integers", () => attention.forward(x, x, x, { keyPaddingMask: torch.zeros([2, 5], { dtype: "int64" }) }), "Expected a boolean or floating-point tensor for keyPaddingMask of nn.MultiheadAttention"],
    ["a causal mask that is none", () => attention.forward(x, x, x, { isCausal: true }), "Expected a tensor beside isCausal for attnMask of nn.MultiheadAttention.forward but received null."],
    ["a size that no unpooling has", () => new nn.MaxUnpool1d(2).forward(torch.zeros([1, 1, 3]), torch.zeros([1, 1, 3], { dtype: "int64" }), 9), "Expected sizes nearer than the stride to [6] for outputSize of nn.functional.maxUnpool1d"],
    ["a size that no transposed convolution has", () => new nn.ConvTranspose1d(1, 1, 3, 2).forward(torch.zeros([1, 1, 3]), [9]), "Expected sizes from [7] to [8] for outputSize of nn.ConvTranspose1d"],
    ["a mode for other inputs", () => new nn.Upsample({ size: 4, mode: "bilinear" }).forward(torch.zeros([1, 1, 3])), 'Expected a tensor of 4 dimensions for mode "bilinear" for the input of nn.functional.interpolate'],
    ["corners for no linear mode", () => nn.functional.interpolate(torch.zeros([1, 1, 3]), { size: 4, alignCorners: true }), 'Expected nothing for mode "nearest" for alignCorners of nn.functional.interpolate but received true of type boolean.'],
    ["a mirror of no image", () => new nn.ReflectionPad2d(1).forward(torch.zeros([3, 3])), "Expected shape [N, C, H, W] or [C, H, W] for the input of nn.ReflectionPad2d"],
    ["bags without offsets", () => new nn.EmbeddingBag(4, 2).forward(torch.zeros([3], { dtype: "int64" })), "Expected a tensor for offsets of nn.functional.embeddingBag but received null."],
    ["weights of a mean", () => new nn.EmbeddingBag(4, 2).forward(torch.zeros([1, 3], { dtype: "int64" }), null, torch.ones([1, 3])), 'Expected "sum" beside perSampleWeights for mode of nn.functional.embeddingBag but received "mean" of type string.'],
    ["a cell's input of another width", () => new nn.GRUCell(3, 4).forward(torch.zeros([2, 4])), "Expected 1 or 2 dimensions, the last 3 for the input of nn.GRUCell"],
    ["a volume for two-dimensional normalization", () => new nn.InstanceNorm2d(3).forward(torch.zeros([2, 3, 4, 4, 4])), "Expected a tensor of 3 or 4 dimensions for the input of nn.InstanceNorm2d"],
  ])("%s", (_what, call, message) => {
    expect(call).toThrow(message);
    expect(call).toThrow(SteppeError);
  });
});

describe("inputs that LibTorch would take or explain badly", () => {
  test.each<[string, () => unknown, string]>([
    ["a wrong number of dimensions for batch norm", () => new nn.BatchNorm2d(3).forward(torch.zeros([2, 3])), "Expected a tensor of 4 dimensions for the input of nn.BatchNorm2d but received a tensor of float32 [2, 3]."],
    ["one value per channel", () => new nn.BatchNorm1d(3).forward(torch.zeros([1, 3])), "Expected more than one value per channel for normalization but received a tensor of float32 [1, 3]."],
    ["one value per group", () => new nn.GroupNorm(3, 3).forward(torch.zeros([1, 3])), "Expected more than one value per group for normalization"],
    ["a wrong width for an LSTM", () => new nn.LSTM(3, 4).forward(torch.zeros([5, 2, 2])), "Expected 2 or 3 dimensions, the last 3 for the input of nn.LSTM"],
    ["another dtype for an LSTM", () => new nn.LSTM(3, 4).forward(torch.zeros([5, 2, 3], { dtype: "float64" })), "Expected float32, as the weights, for the input of nn.LSTM"],
    ["a wrong state for an LSTM", () => new nn.LSTM(3, 4).forward(torch.zeros([5, 2, 3]), [torch.zeros([1, 2, 4]), torch.zeros([1, 1, 4])]), "Expected shape [1, 2, 4] for the cell state of nn.LSTM"],
  ])("%s", (_what, call, message) => {
    expect(call).toThrow(message);
  });

  test("batch norm takes a single value in evaluation", () => {
    expect(new nn.BatchNorm1d(3).eval().forward(torch.zeros([1, 3])).shape).toEqual([1, 3]);
  });
});

describe("what is no tensor, or is left out, is refused in words", () => {
  const wrong: [string, readonly unknown[]][] = [["nothing", []], ["a number", [5]], ["numbers", [5, 5]], ["a tensor alone", [torch.ones([2, 3])]], ["a tensor and a number", [torch.ones([2, 3]), 5]]];
  const refusesAll = (call: (...args: unknown[]) => unknown) => {
    for (const [what, args] of wrong) {
      try {
        call(...args);
      } catch (error) {
        if (!(error instanceof SteppeError)) expect.fail(`${what}: ${String(error)}`);
      }
    }
  };

  test.each(Object.entries(nn.functional).filter(([, each]) => typeof each === "function"))("nn.functional.%s", (_, each) => refusesAll(each as never));

  test.each([
    new nn.ReLU(), new nn.Sigmoid(), new nn.Tanh(), new nn.GELU(), new nn.PReLU(), new nn.Softmax(1), new nn.LogSoftmax(1), new nn.Flatten(), new nn.Linear(3, 4), new nn.Conv2d(3, 4, 3),
    new nn.BatchNorm1d(3), new nn.BatchNorm2d(3), new nn.InstanceNorm1d(3), new nn.LayerNorm([3]), new nn.GroupNorm(3, 3), new nn.RMSNorm([3]), new nn.Dropout(0.5), new nn.Embedding(3, 4),
    new nn.LSTM(3, 4), new nn.GRU(3, 4), new nn.RNN(3, 4), new nn.RNNCell(3, 4), new nn.LSTMCell(3, 4), new nn.GRUCell(3, 4), new nn.MultiheadAttention(4, 2), new nn.TransformerEncoderLayer(4, 2),
    new nn.TransformerDecoderLayer(4, 2), new nn.ReplicationPad1d(1), new nn.MaxPool2d(2), new nn.MSELoss(), new nn.L1Loss(), new nn.HuberLoss(), new nn.NLLLoss(), new nn.BCELoss(),
    new nn.BCEWithLogitsLoss(), new nn.MarginRankingLoss(), new nn.MultiMarginLoss(), new nn.CrossEntropyLoss(),
  ].map((layer) => [layer.constructor.name, layer] as const))("nn.%s", (_, layer) => refusesAll((...args) => (layer as unknown as { forward(...args: unknown[]): unknown }).forward(...args)));

  test("parameters of nn.utils", () => {
    const { clipGradNorm_, clipGradValue_, getTotalNorm } = nn.utils;
    const model = new nn.Linear(1, 1);
    for (const [call, name] of [[() => clipGradNorm_(model as never, 1), "clipGradNorm_"], [() => clipGradValue_([1] as never, 2), "clipGradValue_"], [() => getTotalNorm(undefined as never), "getTotalNorm"]] as const) {
      expect(call).toThrow(new RegExp(`^Expected tensors for parameters of nn\\.utils\\.${name} but received .*model\\.parameters\\(\\)\\.$`));
    }
  });
});

test("the last arguments come by position or by name", () => {
  const x = torch.arange(6, { dtype: "float32" }).reshape([1, 2, 3]);
  const same = (a: Tensor, b: Tensor) => expect(a.toArray()).toEqual(b.toArray());
  same(nn.functional.pad(x, [1, 1], { mode: "reflect" }), nn.functional.pad(x, [1, 1], "reflect"));
  same(nn.functional.pad(x, [1, 1], { value: 7 }), nn.functional.pad(x, [1, 1], "constant", 7));
  const classes = torch.tensor([0, 2]);
  same(nn.functional.oneHot(classes, { numClasses: 4 }), nn.functional.oneHot(classes, 4));
  same(nn.utils.getTotalNorm([x], { normType: 1 }), nn.utils.getTotalNorm([x], 1));
  expect(nn.init.calculateGain("leakyRelu", { param: 0.2 })).toBe(nn.init.calculateGain("leakyRelu", 0.2));
  same(nn.init.dirac_(torch.ones([4, 2, 3]), { groups: 2 }), nn.init.dirac_(torch.ones([4, 2, 3]), 2));
  const sequences = [torch.ones([1, 2]), torch.ones([3, 2])];
  same(nn.utils.rnn.packSequence(sequences, { enforceSorted: false }).data, nn.utils.rnn.packSequence(sequences, false).data);
  const padded = nn.utils.rnn.padSequence(sequences, { batchFirst: true });
  same(nn.utils.rnn.unpadSequence(padded, [1, 3], { batchFirst: true })[1]!, nn.utils.rnn.unpadSequence(padded, [1, 3], true)[1]!);
  expect(() => nn.functional.oneHot(classes, { numClases: 4 } as never)).toThrow('Did you mean "numClasses"?');
});
