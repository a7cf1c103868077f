import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { orNull, read, requireTensors, shape } from "../arguments.js";
import type { Rest, Size } from "../arguments.js";
import { windowArguments } from "./max-pooling.js";

export const unpoolArguments = windowArguments;
const withSize = (dims: number) => ({ ...windowArguments(dims), outputSize: orNull(shape) });
type UnpoolRest = Rest<[stride: Size | null, padding: Size, outputSize: Size | null], ReturnType<typeof withSize>>;

type Sizes = readonly number[];

function unpool(dims: number, operator: (input: Tensor, indices: Tensor, size: number[], stride: Sizes, padding: Sizes) => Tensor) {
  const owner = `nn.functional.maxUnpool${dims}d`;
  const signature = withSize(dims);
  return (input: Tensor, indices: Tensor, kernelSize: Size, ...rest: UnpoolRest): Tensor => {
    const { kernelSize: kernel, stride: given, padding, outputSize } = read(owner, signature, [kernelSize, ...rest]);
    requireTensors(owner, { input, indices });
    const stride = given ?? kernel;
    const usual = kernel.map((length, i) => (input.shape.at(i - dims)! - 1) * stride[i]! + length - 2 * padding[i]!);
    const size = outputSize === null ? usual : outputSize.slice(-dims);
    if (size.length !== dims || size.some((length, i) => Math.abs(length - usual[i]!) >= stride[i]!)) {
      throw expected(`sizes nearer than the stride to [${usual.join(", ")}]`, `outputSize of ${owner}`, outputSize);
    }
    return operator(input, indices, size, stride, padding);
  };
}

// The values go to the places that a maximum pooling came from, zeros elsewhere. `indices` are the second result of
// `maxPool1dWithIndices` ...; `stride` (the kernel's size by default) and `padding` are the pooling's; `outputSize` is the pooling's
// input's, where that is not the smallest possible.

/** The transpose of `maxPool1dWithIndices`. Input [N, C, L] or [C, L]. */
export const maxUnpool1d = unpool(1, (input, indices, size) => {
  return torch.maxUnpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [...size, 1]).squeeze(-1);
});
/** The transpose of `maxPool2dWithIndices`. Input [N, C, H, W] or [C, H, W]. */
export const maxUnpool2d = unpool(2, (input, indices, size) => torch.maxUnpool2d(input, indices, size));
/** The transpose of `maxPool3dWithIndices`. Input [N, C, D, H, W] or [C, D, H, W]. */
export const maxUnpool3d = unpool(3, (input, indices, size, stride, padding) => torch.maxUnpool3d(input, indices, size, stride, padding));
