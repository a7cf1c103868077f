import { nn, torch } from "../../lib/index.js";
import type { optim, Tensor } from "../../lib/index.js";
import { buildModel, type LayerSpec } from "./golden-model.js";

// Small nets, their batches, and every method with options at which it shows itself.

export interface Net {
  layers: LayerSpec[];
  /** Shape of one sample; integers below `below` if that is given. */
  sample: number[];
  below?: number;
  outputs: number;
  loss: "cross_entropy" | "mse";
  frozen?: string[];
  /** Layers whose weight is another one's, by index. */
  tied?: [number, number][];
  /** In evaluation mode. */
  evaluation?: true;
}

const linear = (from: number, to: number, bias = true): LayerSpec => ({ type: "Linear", in_features: from, out_features: to, bias });
const tanh: LayerSpec = { type: "Tanh" };
const dropout = (p: number): LayerSpec => ({ type: "Dropout", p });

const plain: Pick<Net, "sample" | "outputs" | "loss"> = { sample: [6], outputs: 3, loss: "cross_entropy" };

export const nets = {
  mlp: { ...plain, layers: [linear(6, 10), tanh, linear(10, 8), tanh, linear(8, 3)] },
  /** A batch of zeros gives it a gradient of exact zeros. */
  bare: { ...plain, layers: [linear(6, 7, false), tanh, linear(7, 3, false)] },
  regression: { layers: [linear(5, 7), { type: "ELU" }, linear(7, 2)], sample: [5], outputs: 2, loss: "mse" },
  dropout: { ...plain, layers: [linear(6, 12), { type: "ReLU" }, dropout(0.3), linear(12, 9), tanh, dropout(0.5), linear(9, 3)] },
  /** Batch norm and layer norm, and dropout; no bias that a norm would take away again. */
  norms: {
    ...plain,
    sample: [2, 6],
    layers: [
      { type: "Conv1d", in_channels: 2, out_channels: 4, kernel_size: 3, bias: false },
      { type: "BatchNorm1d", num_features: 4 },
      tanh,
      { type: "Flatten" },
      linear(16, 6),
      { type: "LayerNorm", normalized_shape: [6] },
      dropout(0.2),
      linear(6, 3),
    ],
  },
  /** No batch statistics and no noise. */
  layered: { ...plain, layers: [linear(6, 8), tanh, linear(8, 6), { type: "LayerNorm", normalized_shape: [6] }, tanh, linear(6, 3)] },
  conv: {
    layers: [
      { type: "Conv2d", in_channels: 2, out_channels: 4, kernel_size: 3, padding: 1, bias: false },
      { type: "BatchNorm2d", num_features: 4 },
      { type: "ReLU" },
      { type: "MaxPool2d", kernel_size: 2 },
      { type: "Conv2d", in_channels: 4, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, bias: false },
      { type: "GroupNorm", num_groups: 2, num_channels: 4 },
      tanh,
      { type: "Flatten" },
      dropout(0.25),
      linear(16, 3),
    ],
    sample: [2, 8, 8],
    outputs: 3,
    loss: "cross_entropy",
  },
  lstm: {
    layers: [{ type: "Embedding", num_embeddings: 10, embedding_dim: 5 }, { type: "LSTM", input_size: 5, hidden_size: 6, batch_first: true }, { type: "Last" }, linear(6, 4)],
    sample: [5],
    below: 10,
    outputs: 4,
    loss: "cross_entropy",
  },
  /** A frozen weight, a layer that is never used, a weight that two layers share. */
  odd: {
    ...plain,
    layers: [linear(6, 6), tanh, { ...linear(6, 5), unused: true }, linear(6, 6), tanh, { type: "BatchNorm1d", num_features: 6, unused: true }, linear(6, 7), tanh, linear(7, 3)],
    frozen: ["6.weight"],
    tied: [[3, 0]],
  },
  /** A trunk with two heads, a normalisation layer that is frozen in part, and one that two layers share. */
  heads: {
    ...plain,
    outputs: 7,
    layers: [linear(6, 7), { type: "LayerNorm", normalized_shape: [7] }, tanh, linear(7, 7), { type: "LayerNorm", normalized_shape: [7] }, tanh, linear(7, 7), linear(7, 7)],
    frozen: ["1.bias"],
    tied: [[4, 1]],
  },
  evaluated: { ...plain, evaluation: true, layers: [linear(6, 8), { type: "BatchNorm1d", num_features: 8 }, tanh, dropout(0.5), linear(8, 3)] },
} satisfies Record<string, Net>;

/** Whether it has a normalisation layer that is used. */
export const normalises = ({ layers }: Net): boolean => layers.some(({ type, unused }) => type.includes("Norm") && unused !== true);

export type NetName = keyof typeof nets;

/** The model in float64 (or another dtype), its weights and buffers drawn from the seed. */
export function makeModel(net: Net, seed: number, dtype: "float64" | "float32" | "bfloat16" | "float16" = "float64"): nn.Sequential {
  torch.manualSeed(seed);
  const model = buildModel(net.layers);
  for (const [layer, source] of net.tied ?? []) (model[layer] as nn.Linear).weight = (model[source] as nn.Linear).weight;
  model.to(dtype);
  for (const [name, parameter] of model.namedParameters()) if (net.frozen?.includes(name) === true) parameter.requiresGrad = false;
  // Norms begin with ones and zeros, which hide mistakes.
  torch.noGrad(() => {
    for (const parameter of model.parameters()) if (parameter.dim() === 1) parameter.add_(torch.randn(parameter.shape, { dtype }).mul(0.1));
  });
  return net.evaluation === true ? model.eval() : model;
}

/** Inputs and targets of a batch, drawn from the seed. */
export function makeBatch(net: Net, size: number, seed: number, dtype: "float64" | "float32" | "bfloat16" | "float16" = "float64"): [Tensor, Tensor] {
  torch.manualSeed(seed);
  const x = net.below === undefined ? torch.randn([size, ...net.sample], { dtype: "float64" }).to(dtype) : torch.randint(net.below, [size, ...net.sample], { dtype: "int64" });
  return [x, net.loss === "mse" ? torch.randn([size, net.outputs], { dtype: "float64" }).to(dtype) : torch.randint(net.outputs, [size], { dtype: "int64" })];
}

type Outcome = Tensor | optim.LossWithLogits;

export const wantsLossPerSample = (method: optim.Method): boolean => method === "k-sam" || method === "efficient";

/** The loss function in the form that the method wants. */
export function lossFunction(net: Net, model: { forward(x: Tensor): Tensor }, method: optim.Method): (x: Tensor, y: Tensor) => Outcome {
  const perSample = wantsLossPerSample(method);
  const reduction = perSample ? "none" : "mean";
  return (x, y) => {
    const logits = model.forward(x);
    if (net.loss === "cross_entropy") {
      const loss = nn.functional.crossEntropy(logits, y, { reduction });
      return method === "bilevel" ? { loss, logits, target: y } : loss;
    }
    const loss = nn.functional.mseLoss(logits, y, { reduction });
    return perSample ? loss.flatten(1).mean(1) : loss;
  };
}

/** A method and its own options. */
export type MethodOptions = { method: optim.Method } & Record<string, unknown>;

/** Every method, at radii that make a difference. Those that draw random numbers stand apart, in `drawing`. */
export const methods: MethodOptions[] = [
  { method: "none" },
  { method: "sam", rho: 0.3 },
  { method: "sam", rho: 0.3, ascentFraction: 0.3 },
  { method: "msam", rho: 0.3, shards: 3 },
  { method: "msam", rho: 0.3, shards: 20 },
  { method: "gasam", rho: 0.4, alpha: 0.5, beta: 0.8, gamma: 0.7, steps: 1 },
  { method: "gasam", rho: 0.4, alpha: 0, beta: 0.5, gamma: 1, steps: 4 },
  { method: "asam" },
  { method: "gsam", rho: 0.3, alpha: 0.3 },
  { method: "gsam", rhoMin: 0.1, rhoMax: 0.6, lrMin: 0.01, lrMax: 0.2 },
  { method: "friendly", rho: 0.3 },
  { method: "friendly", rho: 0.3, sigma: 0.6, lambda: 0.5 },
  { method: "vasso", rho: 0.3, theta: 0.4 },
  { method: "look", rho: 0.3, k: 3, alpha: 0.5 },
  { method: "momentum", rho: 0.4 },
  { method: "weighted", rho: 0.3, gamma: 0.8 },
  { method: "norm-only" },
  { method: "sparse", rho: 0.4, keep: 0.3, refresh: 2 },
  { method: "fisher-mask", rho: 0.4, keep: 0.35, refresh: 3 },
  { method: "fisher", rho: 0.3, eta: 2 },
  { method: "stable", rho: 0.3 },
  { method: "curvature", rho: 0.3, gamma: 0.3, beta: 0.2 },
  { method: "async", rho: 0.3 },
  { method: "adaptive-schedule", rho: 0.3, totalSteps: 4, delta: 0.6, lambda1: -1, lambda2: 0.5 },
  { method: "k-sam", rho: 0.3 },
  { method: "k-sam", rho: 0.3, k: 7 },
  { method: "gam", rho: 0.1, normRho: 0.3, beta1: 0.7, beta2: 0.5, beta3: 1.2, gamma: 0.2 },
  { method: "parallel", rho: 0.3, lambda: 0.3 },
  { method: "bilevel", rho: 0.3, mu: 5 },
];

/** The methods that draw random numbers of their own. */
export const drawing: MethodOptions[] = [
  { method: "efficient", rho: 0.3 },
  { method: "random", rho: 0.3, sigma: 0.05 },
  { method: "randomized", rho: 0.3 },
  { method: "bayesian", rho: 0.05, dataSize: 1000 },
];

/** Methods that run over parts of a batch or an earlier one take no closures. */
export function takesClosures({ method, ascentFraction }: MethodOptions): boolean {
  return ascentFraction === undefined && !["msam", "k-sam", "efficient", "parallel"].includes(method);
}

/** The options with the base that suits the method. */
export function over(options: MethodOptions, more: Record<string, unknown> = {}): MethodOptions & { base: optim.BaseOptions } {
  return { base: basesFor(options.method)[0]!, ...options, ...more };
}

/** Rows for test.each. */
export const titled = (list: readonly MethodOptions[]) => list.map((options) => [JSON.stringify(options), options] as const);

/** The bases that a method goes with. */
export function basesFor(method: optim.Method): optim.BaseOptions[] {
  const sgd: optim.BaseOptions = { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 0.01 };
  const adam: optim.BaseOptions = { name: "adam", lr: 0.02, betas: [0.8, 0.95], eps: 1e-4, weightDecay: 0.01 };
  const adamw: optim.BaseOptions = { name: "adamw", lr: 0.02, betas: [0.9, 0.99], eps: 1e-4, weightDecay: 0.05, amsgrad: true };
  if (method === "parallel" || method === "bayesian") return [{ name: "sgd", lr: 0.1, weightDecay: 0.02 }];
  if (method === "momentum") return [sgd, adam, adamw];
  return [sgd, adam, { name: "sgd", lr: 0.05, momentum: 0.8, dampening: 0.1 }, adamw, { name: "sgd", lr: 0.1, momentum: 0.9, nesterov: true }, { name: "adafactor", lr: 0.05, weightDecay: 0.1 }];
}
