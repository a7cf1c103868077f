import { adaptiveSchedule, type AdaptiveScheduleOptions } from "./adaptive-schedule.js";
import { asam, type AsamOptions } from "./asam.js";
import { asynchronous, type AsyncOptions } from "./async.js";
import { bayesian, type BayesianOptions } from "./bayesian.js";
import { bilevel, type BilevelOptions } from "./bilevel.js";
import { curvature, type CurvatureOptions } from "./curvature.js";
import { efficient, type EfficientOptions } from "./efficient.js";
import { fisher, type FisherOptions } from "./fisher.js";
import { friendly, type FriendlyOptions } from "./friendly.js";
import { gam, type GamOptions } from "./gam.js";
import { gasam, type GasamOptions } from "./gasam.js";
import { gsam, type GsamOptions } from "./gsam.js";
import { kSam, type KSamOptions } from "./k-sam.js";
import { look, type LookOptions } from "./look.js";
import type { MethodDefinition } from "./method.js";
import { momentum, type MomentumOptions } from "./momentum.js";
import { msam, type MsamOptions } from "./msam.js";
import { none, type NoneOptions } from "./none.js";
import { normOnly, type NormOnlyOptions } from "./norm-only.js";
import { parallel, type ParallelOptions } from "./parallel.js";
import { random, type RandomOptions } from "./random.js";
import { randomized, type RandomizedOptions } from "./randomized.js";
import { sam, type SamOptions } from "./sam.js";
import { fisherMask, sparse, type FisherMaskOptions, type SparseOptions } from "./sparse.js";
import { stable, type StableOptions } from "./stable.js";
import { vasso, type VassoOptions } from "./vasso.js";
import { weighted, type WeightedOptions } from "./weighted.js";

/** What `optim.create` takes: plain JSON, told apart by `method`. */
export type OptimizerOptions =
  | NoneOptions | SamOptions | MsamOptions | GasamOptions
  | AsamOptions | GsamOptions | FriendlyOptions | VassoOptions | LookOptions | EfficientOptions | MomentumOptions | WeightedOptions
  | NormOnlyOptions | SparseOptions | FisherMaskOptions | FisherOptions | RandomOptions | StableOptions | CurvatureOptions | AsyncOptions
  | AdaptiveScheduleOptions | RandomizedOptions | KSamOptions | BayesianOptions | GamOptions | ParallelOptions | BilevelOptions;

/** The ids of the methods. */
export type Method = OptimizerOptions["method"];

/** Every method by its id. */
export const methods: Readonly<Record<Method, MethodDefinition>> = {
  none,
  sam,
  msam,
  gasam,
  asam,
  gsam,
  friendly,
  vasso,
  look,
  efficient,
  momentum,
  weighted,
  "norm-only": normOnly,
  sparse,
  "fisher-mask": fisherMask,
  fisher,
  random,
  stable,
  curvature,
  async: asynchronous,
  "adaptive-schedule": adaptiveSchedule,
  randomized,
  "k-sam": kSam,
  bayesian,
  gam,
  parallel,
  bilevel,
};
