/** Conditions on the weights and states of recurrent layers, whose kernels take the sizes of one for those of the others. */
import { recording } from "../recording.js";
import { Tensor } from "../tensor.js";
import { hasShape } from "./rules.js";
import type { Rule, Values } from "./rules.js";

interface Layout {
  layers: number;
  directions: number;
  /** Parameters of a layer and direction. */
  each: number;
  /** Of these, those that are no projection. */
  plain: number;
  hidden: number;
  /** Size of the hidden state: `hidden`, or what it is projected to. */
  size: number;
}

function layoutOf(all: Values, gates: number): Layout | null {
  const weights = all("params") as readonly Tensor[];
  const [layers, directions] = [Number(all("num_layers")), all("bidirectional") === true ? 2 : 1];
  const [each, plain] = [weights.length / (layers * directions), all("has_biases") === true ? 4 : 2];
  if (!(layers >= 1) || !(each === plain || (gates === 4 && each === plain + 1))) return null;
  const hidden = (weights[1]!.shape[0] ?? 0) / gates;
  return { layers, directions, each, plain, hidden, size: each > plain ? (weights[plain]!.shape[0] ?? 0) : hidden };
}

const inputOf = (all: Values): Tensor => (all("input") ?? all("data")) as Tensor;

/** Weights that fit the layers, the input and each other. `gates`: how many times as high as the state they are. */
export const recurrentWeights = (gates: number): Rule => ({
  argument: "params",
  what: "weights that fit the layers, the input and each other",
  holds(value, all) {
    const [weights, layout] = [value as readonly Tensor[], layoutOf(all, gates)];
    if (layout === null) return false;
    const { layers, directions, each, plain, hidden, size } = layout;
    let width = inputOf(all).shape.at(-1) ?? 0;
    for (let at = 0; at < weights.length; at += each) {
      if (at === directions * each) width = size * directions;
      if (!hasShape(weights[at]!, gates * hidden, width) || !hasShape(weights[at + 1]!, gates * hidden, size)) return false;
      if (plain === 4 && !(hasShape(weights[at + 2]!, gates * hidden) && hasShape(weights[at + 3]!, gates * hidden))) return false;
      if (each > plain && !hasShape(weights[at + plain]!, size, hidden)) return false;
    }
    return layers >= 1;
  },
});

/** The number of sequences; null where it would have to be looked up while a program is recorded. */
function batchOf(all: Values): number | null {
  const sizes = all("batch_sizes");
  if (!(sizes instanceof Tensor)) return inputOf(all).shape[all("batch_first") === true ? 0 : 1] ?? 0;
  if (recording.active || sizes.device !== "cpu" || sizes.dim() !== 1 || sizes.numel() === 0) return null;
  return Number((sizes.select(0, 0) as Tensor).item());
}

/** States of [layers · directions, batch, size]. */
export const recurrentStates = (gates: number): Rule => ({
  argument: "hx",
  what: "states of shape [layers · directions, batch, size]",
  holds(value, all) {
    const [states, layout, batch] = [value instanceof Tensor ? [value] : (value as readonly Tensor[]), layoutOf(all, gates), batchOf(all)];
    if (layout === null || states.length !== (gates === 4 ? 2 : 1)) return false;
    const { layers, directions, hidden, size } = layout;
    return states.every((state, i) => hasShape(state, layers * directions, batch ?? state.shape[1] ?? 0, i === 0 ? size : hidden));
  },
});
