// The options of every base optimizer, told apart by `name`. The rules stand in native/optim, one file each; the defaults,
// which are torch.optim's where it has the optimizer, in base.ts.

interface Common {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** Climb instead. Default false. */
  maximize?: boolean;
}

interface WithDecay extends Common {
  /** L2 penalty λ: λw joins the gradient. Default 0. */
  weightDecay?: number;
}

interface WithMoments extends WithDecay {
  /** Decay rates of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
}

/** Stochastic gradient descent, as torch.optim.SGD. */
export interface SgdOptions extends WithDecay {
  name: "sgd";
  /** Default 0. */
  momentum?: number;
  /** Damps what the momentum buffer takes in. Default 0. */
  dampening?: number;
  /** Nesterov momentum: needs momentum and no dampening. Default false. */
  nesterov?: boolean;
}

/** Adam (arXiv 1412.6980), as torch.optim.Adam. */
export interface AdamOptions extends WithMoments {
  name: "adam";
  /** Divide by the maximum of all second moments so far (Reddi et al., ICLR 2018). Default false. */
  amsgrad?: boolean;
  /** Weight decay shrinks the weights instead of joining the gradient: AdamW. Default false. */
  decoupledWeightDecay?: boolean;
}

/** Adam with decoupled weight decay (arXiv 1711.05101), as torch.optim.AdamW. */
export interface AdamWOptions extends WithMoments {
  name: "adamw";
  /** Decoupled weight decay: w ← (1 − lr·λ) w. Default 1e-2. */
  weightDecay?: number;
  /** Divide by the maximum of all second moments so far. Default false. */
  amsgrad?: boolean;
}

/** Adafactor (arXiv 1804.04235), as torch.optim.Adafactor: the second moment of a matrix is kept as a row and a column. */
export interface AdafactorOptions extends Common {
  name: "adafactor";
  /** The largest relative step: the step is max(ε₂, rms(w)) · min(lr, 1/√t). Default 1e-2. */
  lr?: number;
  /** τ of β₂ = 1 − t^τ, at most 0. Default −0.8. */
  beta2Decay?: number;
  /** ε₁, a floor under the second moment's root (null: the dtype's machine epsilon), and ε₂, a floor under rms(w). Default [null, 1e-3]. */
  eps?: readonly [number | null, number];
  /** An update is scaled down to this root mean square, at least 1. Default 1. */
  d?: number;
  /** Decoupled weight decay: w ← (1 − lr·λ) w. Default 0. */
  weightDecay?: number;
}

/**
 * Adafactor (arXiv 1804.04235) as T5 is trained and fine-tuned with it, with the options and defaults of Hugging Face's and
 * fairseq's class. With a constant rate, as most fine-tuning does it: `{ lr: 1e-3, relativeStep: false, scaleParameter: false }`.
 */
export interface AdafactorT5Options extends Omit<Common, "lr"> {
  name: "adafactor-t5";
  /** Learning rate; null with `relativeStep`, a number without. Default null. */
  lr?: number | null;
  /** ε₁, added to the squared gradient, and ε₂, a floor under rms(w). Default [1e-30, 1e-3]. */
  eps?: readonly [number, number];
  /** An update is scaled down to this root mean square. Default 1. */
  clipThreshold?: number;
  /** c of β₂ = 1 − t^c. Default −0.8. */
  decayRate?: number;
  /** Decay rate of the first moment; null: there is none, which saves its memory. Default null. */
  beta1?: number | null;
  /** Decoupled weight decay: w ← (1 − step·λ) w. Default 0. */
  weightDecay?: number;
  /** The step is multiplied by max(ε₂, rms(w)). Default true. */
  scaleParameter?: boolean;
  /** The step is min(1e-2, 1/√t) instead of lr. Default true. */
  relativeStep?: boolean;
  /** With `relativeStep`: min(1e-6·t, 1/√t). Default false. */
  warmupInit?: boolean;
}

/** Adagrad (JMLR 12, 2011), as torch.optim.Adagrad. */
export interface AdagradOptions extends WithDecay {
  name: "adagrad";
  /** Learning rate. Default 1e-2. */
  lr?: number;
  /** The rate is lr/(1 + (t − 1)·lrDecay). Default 0. */
  lrDecay?: number;
  /** What the sums of squares begin with. Default 0. */
  initialAccumulatorValue?: number;
  /** Added to the denominator. Default 1e-10. */
  eps?: number;
}

/** Adadelta (arXiv 1212.5701), as torch.optim.Adadelta. */
export interface AdadeltaOptions extends WithDecay {
  name: "adadelta";
  /** Factor of the update. Default 1. */
  lr?: number;
  /** Decay rate of the running means, in [0, 1]; not the perturbation's radius. In a parameter group it is called `baseRho`. Default 0.9. */
  rho?: number;
  /** Added under both roots. Default 1e-6. */
  eps?: number;
}

/** Adamax (arXiv 1412.6980, section 7.1), as torch.optim.Adamax. */
export interface AdamaxOptions extends WithMoments {
  name: "adamax";
  /** Learning rate. Default 2e-3. */
  lr?: number;
}

/**
 * Averaged stochastic gradient descent (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992), as torch.optim.ASGD. The
 * averaged weights are its state `ax`.
 */
export interface AsgdOptions extends WithDecay {
  name: "asgd";
  /** Learning rate η₀. Default 1e-2. */
  lr?: number;
  /** λ, decay term of the weights and of the rate. Default 1e-4. */
  lambd?: number;
  /** Power of the rate's decay: η = η₀/(1 + λη₀t)^α. Default 0.75. */
  alpha?: number;
  /** The step at which averaging begins. Default 1e6. */
  t0?: number;
}

/** Adam with Nesterov momentum (Dozat, ICLR workshop 2016), as torch.optim.NAdam. */
export interface NadamOptions extends WithMoments {
  name: "nadam";
  /** Learning rate. Default 2e-3. */
  lr?: number;
  /** ψ of the momentum's warm-up, β₁(1 − ½·0.96^(tψ)). Default 4e-3. */
  momentumDecay?: number;
  /** Weight decay shrinks the weights instead of joining the gradient. Default false. */
  decoupledWeightDecay?: boolean;
}

/** Rectified Adam (arXiv 1908.03265), as torch.optim.RAdam. */
export interface RadamOptions extends WithMoments {
  name: "radam";
  /** Weight decay shrinks the weights instead of joining the gradient. Default false. */
  decoupledWeightDecay?: boolean;
}

/** RMSprop (Hinton's lecture 6e), as torch.optim.RMSprop. */
export interface RmspropOptions extends WithDecay {
  name: "rmsprop";
  /** Learning rate. Default 1e-2. */
  lr?: number;
  /** Decay rate of the running means. Default 0.99. */
  alpha?: number;
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /** Default 0. */
  momentum?: number;
  /** Divide by the standard deviation of the gradient (arXiv 1308.0850). Default false. */
  centered?: boolean;
}

/** Resilient backpropagation (Riedmiller and Braun, ICNN 1993), as torch.optim.Rprop; for full batches. */
export interface RpropOptions extends Common {
  name: "rprop";
  /** The first step size of every element. Default 1e-2. */
  lr?: number;
  /** Factors of the step size where the gradient turns, in (0, 1), and where it does not, above 1. Default [0.5, 1.2]. */
  etas?: readonly [number, number];
  /** Smallest and largest step size. Default [1e-6, 50]. */
  stepSizes?: readonly [number, number];
}

/** Lion (arXiv 2302.06675): steps by the sign of the momentum. */
export interface LionOptions extends Common {
  name: "lion";
  /** Learning rate. Default 1e-4. */
  lr?: number;
  /** Weight of the momentum in the step and its decay rate, in [0, 1). Default [0.9, 0.99]. */
  betas?: readonly [number, number];
  /** Decoupled weight decay: w ← (1 − lr·λ) w. Default 0. */
  weightDecay?: number;
}

/** LAMB (arXiv 1904.00962): Adam's step of each tensor, scaled to the length of its weights. */
export interface LambOptions extends WithMoments {
  name: "lamb";
  /** Added to the denominator. Default 1e-6. */
  eps?: number;
  /** λ of r + λw, before the step is scaled. Default 1e-2. */
  weightDecay?: number;
}

/** The optimizer that takes the step with the method's gradient. Weight decay belongs to it and acts at w. */
export type BaseOptions =
  | SgdOptions
  | AdamOptions
  | AdamWOptions
  | AdafactorOptions
  | AdafactorT5Options
  | AdagradOptions
  | AdadeltaOptions
  | AdamaxOptions
  | AsgdOptions
  | NadamOptions
  | RadamOptions
  | RmspropOptions
  | RpropOptions
  | LionOptions
  | LambOptions;

/**
 * L-BFGS (Liu and Nocedal, Mathematical Programming 45, 1989), as torch.optim.LBFGS: a step takes up to `maxEval` gradients
 * of the same batch. It stands on its own: with `method: "none"`, one parameter group, and no clipping. All passes of a step see
 * the same dropout masks (unless `sameNoise` is false); batch-norm statistics move once, at the step's first point.
 */
export interface LbfgsOptions {
  name: "lbfgs";
  /** Step length; where the search begins with a line search. Default 1. */
  lr?: number;
  /** Iterations in a step. Default 20. */
  maxIter?: number;
  /** Gradients in a step; null: 1¼ times `maxIter`. Default null. */
  maxEval?: number | null;
  /** A step ends where no element of the gradient is larger. Default 1e-7. */
  toleranceGrad?: number;
  /** A step ends where the loss or the weights change by less. Default 1e-9. */
  toleranceChange?: number;
  /** Pairs of vectors in the memory, each of the model's size. Default 100. */
  historySize?: number;
  /** "strong_wolfe", or null: every iteration moves by lr. Default null. */
  lineSearchFn?: "strong_wolfe" | null;
}
