import { measureFlatness } from "../experiment/measures.js";
import { evaluate, release, train } from "./training.js";

/**
 * Trains a classifier and measures what it has become; its memory is given back.
 *
 * @param model initialised already
 * @param how `loss` and `correct` (the share that is right), means over a batch; `options` of `optim.create`; `training`, the
 *   settings of `train`; `validate`, what is least for the best setting, of the validation set; `flatness`, the settings of
 *   `measureFlatness`; `curvature`, what the Hessian is taken of, if that is not the loss
 * @param sets `train`, `validation`, `test`
 * @returns when tuning, the validation's figure and the training's; else test accuracy and loss, the share of training labels that
 *   are met, and flatness on the first training samples
 */
export async function classify(model, { phase, loss, correct, options, training, validate, flatness, curvature }, sets) {
  try {
    const trained = train(model, loss, sets.train, options, training);
    if (trained === null) return { validation: null };
    const validation = validate(sets.validation);
    if (phase === "tune") return { validation, ...trained };
    const first = sets.train.slice(0, flatness.samples);
    return {
      validation,
      ...trained,
      test: 100 * evaluate(model, sets.test, correct),
      testLoss: evaluate(model, sets.test, loss),
      trainAccuracy: 100 * evaluate(model, sets.train, correct),
      ...(await measureFlatness(model, loss, first, flatness, curvature && { ...curvature, set: first })),
    };
  } finally {
    release(model);
  }
}
