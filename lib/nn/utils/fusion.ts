import { SteppeError, expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../conv-transpose.js";
import { Conv1d, Conv2d, Conv3d } from "../conv.js";
import { Linear } from "../linear.js";
import { parameter } from "../parameter.js";
import type { RunningNorm } from "../running-norm.js";

// In evaluation a batch normalization is a scale and a shift per channel, which the layer before it can take over.

type AnyConv = Conv1d | Conv2d | Conv3d | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d;

/** What the normalization multiplies each channel by, and what it adds to a layer's bias. */
function affine(owner: string, layer: AnyConv | Linear, bn: RunningNorm, channels: number): { scale: Tensor; bias: Tensor } {
  if (layer.training || bn.training) throw new SteppeError("ARGUMENT", `Expected both layers in evaluation mode for ${owner}: call eval() first.`);
  const { running_mean: mean, running_var: variance } = bn;
  if (mean === null || variance === null) throw expected("a batch normalization with running statistics", `bn of ${owner}`, bn);
  if (bn.numFeatures !== channels && !(layer instanceof Linear && bn.numFeatures === 1)) throw expected(`${channels} features`, `bn of ${owner}`, bn.numFeatures);
  const deviation = variance.add(bn.eps).rsqrt();
  const scale = bn.weight === null ? deviation : bn.weight.mul(deviation);
  const shifted = layer.bias === null ? mean.neg() : layer.bias.sub(mean);
  const bias = shifted.mul(scale);
  return { scale, bias: bn.bias === null ? bias : bias.add(bn.bias) };
}

/**
 * A convolution that does what a convolution and the batch normalization after it do, in evaluation mode.
 *
 * @throws SteppeError `ARGUMENT` in training mode, for a normalization without running statistics, and for another number of channels
 * @example const fused = nn.utils.fusion.fuseConvBnEval(model.conv1.eval(), model.bn1.eval());
 */
export function fuseConvBnEval<Conv extends AnyConv>(conv: Conv, bn: RunningNorm): Conv {
  return fuse(conv, bn) as Conv;
}

function fuse(conv: AnyConv, bn: RunningNorm): AnyConv {
  const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, weight } = conv;
  return torch.noGrad(() => {
    const { scale, bias } = affine("nn.utils.fusion.fuseConvBnEval", conv, bn, outChannels);
    const ones = kernelSize.map(() => 1);
    const transposed = conv instanceof ConvTranspose1d || conv instanceof ConvTranspose2d || conv instanceof ConvTranspose3d;
    // [inChannels, outChannels / groups, ...]: each group of inputs has outputs of its own.
    const factor = transposed
      ? scale.reshape([groups, 1, -1]).expand([groups, inChannels / groups, -1]).reshape([inChannels, outChannels / groups, ...ones])
      : scale.reshape([-1, 1, ...ones]);
    const more = transposed ? { outputPadding: conv.outputPadding } : { paddingMode: conv.paddingMode };
    const Kind = conv.constructor as new (options: object) => AnyConv;
    const fused = new Kind({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups, ...more, device: "meta" });
    fused.weight = parameter(weight.mul(factor).to(weight.dtype), weight.requiresGrad);
    fused.bias = parameter(bias.to(conv.bias?.dtype ?? weight.dtype), conv.bias?.requiresGrad ?? true);
    return fused.eval();
  });
}

/** A linear layer that does what a linear layer and the batch normalization after it do, in evaluation mode. */
export function fuseLinearBnEval(linear: Linear, bn: RunningNorm): Linear {
  const { inFeatures, outFeatures, weight } = linear;
  return torch.noGrad(() => {
    const { scale, bias } = affine("nn.utils.fusion.fuseLinearBnEval", linear, bn, outFeatures);
    const fused = new Linear(inFeatures, outFeatures, { device: "meta" });
    fused.weight = parameter(weight.mul(scale.unsqueeze(-1)).to(weight.dtype), weight.requiresGrad);
    fused.bias = parameter(bias.expand([outFeatures]).to(linear.bias?.dtype ?? weight.dtype).contiguous(), linear.bias?.requiresGrad ?? true);
    return fused.eval();
  });
}
