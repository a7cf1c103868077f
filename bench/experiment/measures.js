import { flatness } from "../../dist/index.js";

/**
 * The flatness of a minimum on a fixed part of the training data, as one batch, in evaluation mode.
 *
 * @param settings `rho`, `adaptiveRho`: radii of sharpness and of adaptive sharpness; `shard`: samples of a part in m-sharpness, which
 *   has sharpness's radius; `parts`: how many of these are looked at; `lanczos`: steps for the eigenvalue at most (40)
 * @param curvature a model and its loss whose second derivatives exist, if the loss itself has none: `{ model, loss, set }`
 * @returns sharpness, m-sharpness, adaptive sharpness, and the largest eigenvalue of the Hessian
 */
export async function measureFlatness(model, loss, set, { rho, adaptiveRho, shard, parts, lanczos = 40 }, curvature = { model, loss, set }) {
  const whole = [set.tensors];
  const shards = Array.from({ length: parts }, (_, i) => set.slice(i * shard, (i + 1) * shard).tensors);
  const [eigenvalue] = await flatness.hessianEigenvalues(curvature.model, curvature.loss, [curvature.set.tensors], { k: 1, tolerance: 1e-2, maxSteps: lanczos });
  return {
    sharpness: await flatness.sharpness(model, loss, whole, { rho, steps: 20 }),
    shardSharpness: await flatness.shardSharpness(model, loss, shards, { rho, steps: 10 }),
    adaptiveSharpness: await flatness.sharpness(model, loss, whole, { rho: adaptiveRho, steps: 20, adaptive: true }),
    eigenvalue,
  };
}
