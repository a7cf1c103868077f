import { call, family } from "../dispatch.js";
import { SteppeError, describe, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Values } from "./fields.js";
import type { LossWithLogits, MethodDefinition } from "./methods/method.js";

/** What a loss function came to: what is differentiated, and what else the engine wants to see of the pass. */
export interface Outcome {
  objective: Tensor;
  /** The losses of the samples, or the loss itself where another objective is climbed. */
  extras: Tensor[];
}

/**
 * Checks what a loss function returned against what the method needs.
 *
 * @param climbed the objective that is climbed is wanted, not the loss
 * @param samples how many losses there must be where there is one per sample
 * @throws SteppeError `ARGUMENT` if it is something else
 */
export function outcomeOf(result: unknown, definition: MethodDefinition, options: Values, climbed: boolean, samples: number, caller: string): Outcome {
  switch (definition.lossForm) {
    case undefined:
      return { objective: tensor(result, "a Tensor (the mean loss of the batch)", caller), extras: [] };
    case "perSample": {
      const losses = tensor(result, "a Tensor of one loss per sample, which this method needs,", caller);
      if (losses.dim() !== 1 || losses.shape[0] !== samples) {
        throw new SteppeError("ARGUMENT", `Expected one loss per sample, shape [${samples}], for ${caller} but received shape [${losses.shape.join(", ")}]. Use reduction: "none".`);
      }
      return { objective: call(family("aten::mean"), [losses]) as Tensor, extras: [losses] };
    }
    case "withLogits": {
      const { loss, logits, target } = withLogits(result, caller);
      if (!climbed) return { objective: loss, extras: [] };
      return { objective: definition.climbed!({ loss, logits, target }, options), extras: [loss] };
    }
  }
}

/** The mean loss of what a loss function returned in any of the methods' forms. */
export function meanOf(result: Tensor | LossWithLogits): Tensor {
  const loss = result instanceof Tensor ? result : result.loss;
  return loss.numel() === 1 ? loss : loss.mean();
}

function withLogits(result: unknown, caller: string): LossWithLogits {
  if (typeof result !== "object" || result === null || result instanceof Tensor) {
    throw expected("{ loss, logits, target }, which this method needs,", caller, result);
  }
  const { loss, logits, target } = result as Partial<LossWithLogits>;
  const checked = {
    loss: tensor(loss, "a Tensor", `loss of ${caller}`),
    logits: tensor(logits, "a Tensor", `logits of ${caller}`),
    target: tensor(target, "a Tensor", `target of ${caller}`),
  };
  if (checked.logits.dim() < 2 || checked.target.numel() !== checked.logits.numel() / checked.logits.size(-1)) {
    throw new SteppeError(
      "ARGUMENT",
      `Expected logits [N, classes] and a target [N] from ${caller} but received [${checked.logits.shape.join(", ")}] and [${checked.target.shape.join(", ")}].`,
    );
  }
  return checked;
}

function tensor(value: unknown, what: string, caller: string): Tensor {
  if (value instanceof Tensor) return value;
  if (typeof (value as { then?: unknown } | null | undefined)?.then === "function") {
    throw new SteppeError("ARGUMENT", `Expected a synchronous function for ${caller} but received one that returns a promise.`);
  }
  throw new SteppeError("ARGUMENT", `Expected ${what} for ${caller} but received ${describe(value)}.`);
}
