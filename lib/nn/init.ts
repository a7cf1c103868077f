import { expected, expectedTensor } from "../errors.js";
import { Generator } from "../random.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { isDrawing } from "./drawing.js";
import { count, kind, oneOf, or, orNull, probability, read, real } from "./arguments.js";
import type { Rest, Signature } from "./arguments.js";

// Initial values for parameters, filled in place and returned. The same seed draws the same numbers as in PyTorch.
// References: Xavier: Glorot and Bengio 2010. Kaiming: He et al., arXiv 1502.01852. Orthogonal: Saxe et al., arXiv 1312.6120.

const drawn = {
  /** Where the random numbers come from: the device's default generator if left out. */
  generator: orNull(kind<Generator>("a torch.Generator", (value) => value instanceof Generator)),
};

/** What an activation does to the scale of its input, by name. */
export type Nonlinearity =
  | "linear" | "conv1d" | "conv2d" | "conv3d" | "convTranspose1d" | "convTranspose2d" | "convTranspose3d"
  | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

const gains: Record<Nonlinearity, (slope: number) => number> = {
  linear: () => 1,
  conv1d: () => 1,
  conv2d: () => 1,
  conv3d: () => 1,
  convTranspose1d: () => 1,
  convTranspose2d: () => 1,
  convTranspose3d: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.sqrt(2),
  leakyRelu: (slope) => Math.sqrt(2 / (1 + slope ** 2)),
  selu: () => 3 / 4,
};

const gainArguments = { param: or(real, 0.01) };
const nonlinearity = oneOf(...(Object.keys(gains) as Nonlinearity[]));

/**
 * The recommended gain of an activation: by how much weights are to be scaled up to make up for it.
 *
 * @param rest `param`: the negative slope of "leakyRelu", 0.01 by default
 * @example nn.init.calculateGain("relu") // 1.414...
 * @throws SteppeError `ARGUMENT` for an unknown activation
 */
export function calculateGain(activation: Nonlinearity, ...rest: Rest<[param: number], typeof gainArguments>): number {
  return gains[nonlinearity.read(activation, "nn.init.calculateGain")](read("nn.init.calculateGain", gainArguments, rest).param);
}

/**
 * The numbers of inputs and outputs of one unit of a weight.
 *
 * @param weight [out, in, ...kernel]
 * @throws SteppeError `ARGUMENT` for fewer than 2 dimensions
 */
export function fans(weight: Tensor): { fanIn: number; fanOut: number } {
  if (weight.dim() < 2) throw expectedTensor("at least 2 dimensions", "a weight's fans", weight);
  const [out, into, ...kernel] = weight.shape as [number, number, ...number[]];
  const field = kernel.reduce((product, length) => product * length, 1);
  return { fanIn: into * field, fanOut: out * field };
}

/** Values drawn uniformly from [a, b). */
export function uniform_(weight: Tensor, ...rest: Rest<[a: number, b: number, generator: Generator | null], typeof uniform>): Tensor {
  const { a, b, generator } = read("nn.init.uniform_", uniform, rest);
  return draw(weight, () => weight.uniform_(a, b, { generator }));
}
const uniform = { a: or(real, 0), b: or(real, 1), ...drawn } satisfies Signature;

/** Values drawn from a normal distribution. */
export function normal_(weight: Tensor, ...rest: Rest<[mean: number, std: number, generator: Generator | null], typeof normal>): Tensor {
  const { mean, std, generator } = read("nn.init.normal_", normal, rest);
  return draw(weight, () => weight.normal_(mean, std, { generator }));
}
const normal = { mean: or(real, 0), std: or(real, 1), ...drawn } satisfies Signature;

/** The same value everywhere. */
export function constant_(weight: Tensor, value: number): Tensor {
  return fill(() => weight.fill_(real.read(value, "value of nn.init.constant_")));
}

/** Zeros. */
export function zeros_(weight: Tensor): Tensor {
  return fill(() => weight.zero_());
}

/** Ones. */
export function ones_(weight: Tensor): Tensor {
  return fill(() => weight.fill_(1));
}

/** Ones on the diagonal, zeros elsewhere. @param weight [rows, cols] @throws SteppeError `ARGUMENT` for other dimensions than 2 */
export function eye_(weight: Tensor): Tensor {
  if (weight.dim() !== 2) throw expectedTensor("2 dimensions", "the tensor of nn.init.eye_", weight);
  return fill(() => weight.copy_(torch.eye(weight.shape[0]!, weight.shape[1]!, { dtype: weight.dtype, device: weight.device })));
}

const diracArguments = { groups: or(count, 1) };

/**
 * A convolution that returns its input, as many channels as there are.
 *
 * @param weight [out, in / groups, ...kernel], 3 to 5 dimensions
 * @param rest `groups` (1)
 * @throws SteppeError `ARGUMENT` for other dimensions, and for groups that do not divide the outputs
 */
export function dirac_(weight: Tensor, ...rest: Rest<[groups: number], typeof diracArguments>): Tensor {
  const { groups } = read("nn.init.dirac_", diracArguments, rest);
  const [out, into, ...kernel] = weight.shape as [number, number, ...number[]];
  if (kernel.length < 1 || kernel.length > 3) {
    throw expectedTensor("3 to 5 dimensions", "the tensor of nn.init.dirac_", weight);
  }
  if (out % groups !== 0) {
    throw expected(`a divisor of ${out}`, "groups of nn.init.dirac_", groups);
  }
  const each = out / groups;
  return fill(() => {
    weight.zero_();
    for (let group = 0; group < groups; group++) {
      for (let channel = 0; channel < Math.min(each, into); channel++) {
        const own = weight.select(0, group * each + channel).select(0, channel);
        kernel.reduce((part, length) => part.select(0, Math.floor(length / 2)), own).fill_(1);
      }
    }
    return weight;
  });
}

const sparse = { sparsity: probability, std: or(real, 0.01), ...drawn } satisfies Signature;

/**
 * Normal values, but for a share of zeros in each column. Martens 2010.
 *
 * @param weight [rows, cols]
 * @param sparsity the share of zeros
 */
export function sparse_(weight: Tensor, sparsity: number, ...rest: Rest<[std: number, generator: Generator | null], typeof sparse>): Tensor {
  const { std, generator } = read("nn.init.sparse_", sparse, [sparsity, ...rest]);
  if (weight.dim() !== 2) throw expectedTensor("2 dimensions", "the tensor of nn.init.sparse_", weight);
  const [rows, cols] = weight.shape as [number, number];
  const zeros = Math.ceil(sparsity * rows);
  return draw(weight, () => {
    weight.normal_(0, std, { generator });
    for (let column = 0; column < cols; column++) {
      const chosen = torch.randperm(rows, { device: weight.device }).narrow(0, 0, zeros);
      weight.select(1, column).indexFill_(0, chosen, 0);
    }
    return weight;
  });
}

const xavier = { gain: or(real, 1), ...drawn } satisfies Signature;
type XavierRest = Rest<[gain: number, generator: Generator | null], typeof xavier>;

/** Uniform in ±gain·√(6 / (fanIn + fanOut)). @param weight [out, in, ...kernel] */
export function xavierUniform_(weight: Tensor, ...rest: XavierRest): Tensor {
  const { gain, generator } = read("nn.init.xavierUniform_", xavier, rest);
  const bound = Math.sqrt(3) * xavierStd(weight, gain);
  return uniform_(weight, -bound, bound, { generator });
}

/** Normal with standard deviation gain·√(2 / (fanIn + fanOut)). @param weight [out, in, ...kernel] */
export function xavierNormal_(weight: Tensor, ...rest: XavierRest): Tensor {
  const { gain, generator } = read("nn.init.xavierNormal_", xavier, rest);
  return normal_(weight, 0, xavierStd(weight, gain), { generator });
}

function xavierStd(weight: Tensor, gain: number): number {
  const { fanIn, fanOut } = fans(weight);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

const kaiming = {
  /** The negative slope of "leakyRelu". */
  a: or(real, 0),
  /** "fanIn" keeps the variance in the forward pass, "fanOut" in the backward pass. */
  mode: or(oneOf("fanIn", "fanOut"), "fanIn"),
  nonlinearity: or(nonlinearity, "leakyRelu"),
  ...drawn,
} satisfies Signature;
type KaimingRest = Rest<
  [a: number, mode: "fanIn" | "fanOut", nonlinearity: Nonlinearity, generator: Generator | null],
  typeof kaiming
>;

/** Uniform in ±gain·√(3 / fan). A weight without elements stays as it is. @param weight [out, in, ...kernel] */
export function kaimingUniform_(weight: Tensor, ...rest: KaimingRest): Tensor {
  if (weight.numel() === 0) return weight;
  const { generator, ...options } = read("nn.init.kaimingUniform_", kaiming, rest);
  const bound = Math.sqrt(3) * kaimingStd(weight, options);
  return uniform_(weight, -bound, bound, { generator });
}

/** Normal with standard deviation gain / √fan. A weight without elements stays as it is. @param weight [out, in, ...kernel] */
export function kaimingNormal_(weight: Tensor, ...rest: KaimingRest): Tensor {
  if (weight.numel() === 0) return weight;
  const { generator, ...options } = read("nn.init.kaimingNormal_", kaiming, rest);
  return normal_(weight, 0, kaimingStd(weight, options), { generator });
}

function kaimingStd(weight: Tensor, options: { a: number; mode: "fanIn" | "fanOut"; nonlinearity: Nonlinearity }): number {
  return gains[options.nonlinearity](options.a) / Math.sqrt(fans(weight)[options.mode]);
}

const orthogonal = { gain: or(real, 1), ...drawn } satisfies Signature;

/**
 * A (semi-)orthogonal matrix, dimensions after the first taken together.
 *
 * @param weight [rows, ...cols]
 * @throws SteppeError `ARGUMENT` for fewer than 2 dimensions
 */
export function orthogonal_(weight: Tensor, ...rest: Rest<[gain: number, generator: Generator | null], typeof orthogonal>): Tensor {
  const { gain, generator } = read("nn.init.orthogonal_", orthogonal, rest);
  if (weight.dim() < 2) throw expectedTensor("at least 2 dimensions", "the tensor of nn.init.orthogonal_", weight);
  if (weight.numel() === 0) return weight;
  const rows = weight.shape[0]!;
  const cols = weight.numel() / rows;
  return draw(weight, () => {
    const flat = torch.empty([rows, cols], { dtype: weight.dtype, device: weight.device }).normal_(0, 1, { generator });
    const [q, r] = torch.linalgQr(rows < cols ? flat.t() : flat);
    const uniformQ = q.mul(r.diag().sign()); // the signs make Q uniform: arXiv math-ph/0609050
    weight.copy_((rows < cols ? uniformQ.t() : uniformQ).reshape([...weight.shape]));
    return weight.mul_(gain);
  });
}

const truncated = { mean: or(real, 0), std: or(real, 1), a: or(real, -2), b: or(real, 2), ...drawn } satisfies Signature;

/**
 * Values drawn from a normal distribution, those outside [a, b] drawn again. Draws as PyTorch 2.13 does.
 *
 * @example nn.init.truncNormal_(weight, { std: 0.02 });
 */
export function truncNormal_(
  weight: Tensor,
  ...rest: Rest<[mean: number, std: number, a: number, b: number, generator: Generator | null], typeof truncated>
): Tensor {
  const { mean, std, a, b, generator } = read("nn.init.truncNormal_", truncated, rest);
  const inside = normalCdf((b - mean) / std) - normalCdf((a - mean) / std);
  return draw(weight, () => {
    const values = inside > 0.3 ? rejectNormal(weight, mean, std, a, b, generator) : rejectUniform(weight, mean, std, a, b, generator);
    return weight.copy_(values);
  });
}

/** Draws normally, and again where the value is outside: good while most are inside. */
function rejectNormal(weight: Tensor, mean: number, std: number, a: number, b: number, generator: Generator | null): Tensor {
  // The bounds in the tensor's own precision, so that no value that is representable is taken for one outside.
  const [low, high] = torch.tensor([a, b], { dtype: weight.dtype }).to("float64").toArray() as [number, number];
  let values = weight.normal_(mean, std, { generator });
  for (;;) {
    const outside = values.lt(low).logicalOr(values.gt(high));
    if (!outside.any().item()) return values;
    values = torch.where(outside, torch.emptyLike(values).normal_(mean, std, { generator }), values);
  }
}

/** Draws uniformly and keeps a value with the probability that its density has of the density's peak: good for the tails. */
function rejectUniform(weight: Tensor, mean: number, std: number, a: number, b: number, generator: Generator | null): Tensor {
  const mode = Math.max(a, Math.min(mean, b));
  const logPeak = -0.5 * ((mode - mean) / std) ** 2;
  const rejected = (candidates: Tensor) => {
    const logDensity = candidates.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(logPeak);
    return torch.emptyLike(candidates).uniform_({ generator }).log_().gt(logDensity);
  };
  let values = weight.uniform_(a, b, { generator });
  let pending = rejected(values);
  while (pending.any().item()) {
    const candidates = torch.emptyLike(weight).uniform_(a, b, { generator });
    values = torch.where(pending, candidates, values);
    pending = torch.where(pending, rejected(candidates), pending);
  }
  return values;
}

function normalCdf(x: number): number {
  const erf = torch.tensor(x / Math.SQRT2, { dtype: "float64" }).erf().item() as number;
  return (1 + erf) / 2;
}

/** Initial values have no gradient history. */
function fill(write: () => Tensor): Tensor {
  return torch.noGrad(write);
}

/** The same for random ones. */
function draw(weight: Tensor, write: () => Tensor): Tensor {
  return isDrawing() ? fill(write) : weight;
}
