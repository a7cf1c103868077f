import { checkInteger } from "../checks.js";
import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { along } from "./landscape.js";
import { measure } from "./objective.js";
import { dispose } from "./vectors.js";
import type { Module } from "../nn/module.js";
import type { BatchLoss, Batches } from "./objective.js";

/** Keyword arguments of {@link interpolate}. */
export interface InterpolationOptions {
  /** The weights at the other end, by name: another run's state dict. Buffers in it are not looked at. */
  to: Record<string, Tensor>;
  /** From where to where; 0 is the model's own weights, 1 the other end. Default [0, 1]. */
  range?: readonly [number, number];
  /** Default 21. */
  points?: number;
}

/**
 * The loss along the straight line between two minima: `L((1−t) w + t w′)`. Its highest point over the higher end is the
 * barrier between them. Buffers (batch norm's statistics) stay the model's own. Model, loss and loader are those of
 * {@link sharpness}.
 *
 * @throws SteppeError `ARGUMENT` for weights that do not fit the model's
 */
export async function interpolate<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: InterpolationOptions,
): Promise<{ coordinates: number[]; loss: number[] }> {
  if (typeof options !== "object" || options === null) throw expected("an object with to", "options", options);
  checkKeys(options, ["to", "range", "points"]);
  const { to, range = [0, 1], points = 21 } = options;
  if (typeof to !== "object" || to === null) throw expected("tensors by name", "to", to);
  checkInteger(points, "points", 2);
  const coordinates = along(range, points);
  return measure(model, loss, loader, async (objective) => {
    const towards = objective.parameters.map(([name, parameter]) => {
      const end = to[name];
      if (!(end instanceof Tensor)) throw expected("a tensor", `to[${JSON.stringify(name)}]`, end);
      if (String(end.shape) !== String(parameter.shape)) throw expectedTensor(`shape [${parameter.shape.join(", ")}]`, `to[${JSON.stringify(name)}]`, end);
      return end;
    });
    const direction = objective.weights.map((weight, k) => torch.scope(() => torch.noGrad(() => towards[k]!.to({ device: weight.device, dtype: weight.dtype }).sub(weight))));
    try {
      const values: number[] = [];
      for (const t of coordinates) {
        const offset = direction.map((part) => part.mul(t));
        objective.moveTo(offset);
        dispose(offset);
        values.push(await objective.value(/*finite=*/ false));
      }
      return { coordinates, loss: values };
    } finally {
      dispose(direction);
    }
  });
}
