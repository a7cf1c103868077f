import { SteppeError } from "../errors.js";
import { LanguageModel } from "../models/language-model.js";
import { LSTMLanguageModel } from "../models/index.js";
import type { Module } from "../nn/module.js";
import * as nn from "../nn/index.js";
import type { LossWithLogits } from "../optim/index.js";
import type { MethodDefinition } from "../optim/methods/method.js";
import { Tensor } from "../tensor.js";
import type { LossConfig, LossName } from "./config.js";
import type { BatchKind } from "./data-sets.js";

/** What a run does with a batch. */
export interface Objective {
  /** In the form that the optimizer's method needs. */
  loss: (...batch: Tensor[]) => Tensor | LossWithLogits;
  predict: (...batch: Tensor[]) => Tensor;
}

type Callable = { forward(...inputs: unknown[]): unknown };

/**
 * Puts a model and a loss by name together.
 *
 * @param form what the optimizer's method needs beside the mean
 * @param own the predictions of a batch, where the configuration has a function for them
 */
export function objectiveOf(model: Module, kind: BatchKind, config: LossConfig | undefined, form: MethodDefinition["lossForm"], own?: Objective["predict"]): Objective {
  const { name, labelSmoothing = 0 } = typeof config === "object" ? config : { name: config ?? defaultLoss(model, kind) };
  const predict = own ?? predictorOf(model, kind);
  if (name === "model") {
    if (form !== undefined) throw new SteppeError("ARGUMENT", `loss: expected "crossEntropy" with this method, which needs more than the mean loss, received "model".`);
    return { loss: ownLoss(model, kind), predict };
  }
  const compare = (prediction: Tensor, target: Tensor, reduction: "mean" | "none"): Tensor => {
    if (name === "crossEntropy") {
      const logits = prediction.dim() === 3 ? prediction.flatten(0, 1) : prediction;
      const classes = prediction.dim() === 3 ? target.flatten() : target;
      const losses = nn.functional.crossEntropy(logits, classes, { reduction, labelSmoothing });
      return reduction === "none" && prediction.dim() === 3 ? losses.view([prediction.shape[0]!, -1]).mean(1) : losses;
    }
    const fn = { mse: nn.functional.mseLoss, l1: nn.functional.l1Loss, binaryCrossEntropy: nn.functional.binaryCrossEntropyWithLogits }[name];
    const wanted = target.to(prediction.dtype);
    const losses = fn(prediction.numel() === wanted.numel() ? prediction.reshape([...wanted.shape]) : prediction, wanted, { reduction });
    return reduction === "none" && losses.dim() > 1 ? losses.flatten(1).mean(1) : losses;
  };
  if (form !== "withLogits") return { loss: (...batch) => compare(predict(...batch), batch.at(-1)!, form === "perSample" ? "none" : "mean"), predict };
  const withLogits = (...batch: Tensor[]): LossWithLogits => {
    const [logits, target] = [predict(...batch), batch.at(-1)!];
    return { loss: compare(logits, target, "mean"), logits, target };
  };
  return { loss: withLogits, predict };
}

function defaultLoss(model: Module, kind: BatchKind): LossName {
  if (kind === "numbers") return "mse";
  return kind === "language" && model instanceof LSTMLanguageModel ? "model" : "crossEntropy";
}

/** Scores or numbers for a batch. */
function predictorOf(model: Module, kind: BatchKind): Objective["predict"] {
  const call = (...inputs: unknown[]) => outputOf((model as unknown as Callable).forward(...inputs));
  if (kind === "texts") return (...batch) => call(tokensOf(batch));
  if (kind === "language" && model instanceof LanguageModel) return (inputIds) => call({ inputIds });
  return (input) => call(input);
}

/** The loss that a model computes of labels by itself. */
function ownLoss(model: Module, kind: BatchKind): (...batch: Tensor[]) => Tensor {
  const { forward } = model as unknown as { forward(inputs: object): { loss?: unknown } };
  const loss = (inputs: object): Tensor => {
    const { loss: value } = forward.call(model, inputs);
    if (!(value instanceof Tensor)) throw new SteppeError("ARGUMENT", 'loss: "model" is for models whose forward returns a loss when it is given labels.');
    return value;
  };
  if (kind === "texts") return (...batch) => loss({ ...tokensOf(batch), labels: batch.at(-1)! });
  return (inputIds, labels) => loss({ inputIds, labels });
}

function tokensOf(batch: readonly Tensor[]): object {
  const [inputIds, attentionMask, tokenTypeIds] = batch;
  return { inputIds, attentionMask, ...(batch.length > 3 ? { tokenTypeIds } : {}) };
}

function outputOf(result: unknown): Tensor {
  const output = result instanceof Tensor ? result : (result as { logits?: unknown } | null)?.logits;
  if (!(output instanceof Tensor)) throw new SteppeError("ARGUMENT", "Expected a tensor, or an object with logits, of the model's forward: give the configuration a loss and predict of its own.");
  return output;
}
