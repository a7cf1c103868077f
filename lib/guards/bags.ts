/** What the gradients of bags of embeddings take on trust: that the other tensors come from the forward. */
import { Tensor } from "../tensor.js";
import { beside, dims, hasShape, sameDtype, tensor } from "./rules.js";
import type { Rule, Values } from "./rules.js";
import { areBelow, bagsOf, indicesBelow, seen } from "./values.js";

const mode = (all: Values): number => Number(all("mode") ?? 0);
const bagGradient = [
  dims("grad", 2),
  dims("indices", 1),
  tensor("offset2bag", "for each index the row of grad that it was added to", (t, all) => {
    const [indices, offsets, bags] = [all("indices") as Tensor, all("offsets"), (all("grad") as Tensor).shape[0]!];
    if (t.numel() === 0 && offsets instanceof Tensor) {
      // Found from the offsets: the last bag that has an index is a row.
      return seen(offsets, () => Number(offsets.lt(indices.numel()).sum().item()) <= bags) || indices.numel() === 0;
    }
    return hasShape(t, indices.numel()) && areBelow(t, () => bags);
  }),
];
const bagSizes = [
  tensor("bag_size", "a tensor with the size of each row of grad", (t, all) => mode(all) !== 1 || t.numel() >= (all("grad") as Tensor).shape[0]!),
  tensor("per_sample_weights", "a tensor with one element per index", (t, all) => t.dim() === 1 && t.numel() === (all("indices") as Tensor).numel()),
  sameDtype("per_sample_weights", "grad"),
];
const bagMaxima = tensor("maximum_indices", "for each element of grad the index that it comes from", (t, all) => {
  return mode(all) !== 2 || (hasShape(t, ...(all("grad") as Tensor).shape) && areBelow(t, () => Number(all("num_weights"))));
});
const bagWeights = beside("weight", "grad", "a tensor as wide as grad, with a row for each of indices", (t, grad, all) => {
  return t.dim() === 2 && t.shape[1] === grad.shape[1] && areBelow(all("indices") as Tensor, () => t.shape[0]!);
});

export const bags: Readonly<Record<string, readonly Rule[]>> = {
  "aten::_embedding_bag_backward": [...bagGradient, indicesBelow("indices", "num_weights"), bagsOf("offsets", "indices"), ...bagSizes, bagMaxima],
  "aten::_embedding_bag_dense_backward": [...bagGradient, indicesBelow("indices", "num_weights"), ...bagSizes, bagMaxima],
  "aten::_embedding_bag_sparse_backward": [...bagGradient, indicesBelow("indices", "num_weights"), bagsOf("offsets", "indices"), ...bagSizes],
  "aten::_embedding_bag_per_sample_weights_backward": [...bagGradient, bagWeights, bagsOf("offsets", "indices"), sameDtype("weight", "grad")],
};
