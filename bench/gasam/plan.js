// Who competes, and with which settings each is tuned: as many for each.
import { Plan } from "../experiment/plan.js";

/**
 * Seeds of the runs that choose the learning rate and rho, by validation loss, and of those that are reported. The first
 * tuning seed runs the whole grid, the second the two settings that did best with the first.
 */
export const seeds = { tune: [1, 2], final: [11, 12, 13, 14, 15, 16, 17, 18] };

/** Learning rate and radii, eight settings: a larger learning rate goes with a larger radius. */
const radii = [[16e-3, 1.2, 1.7, 2.4], [24e-3, 1.2, 1.7, 2.4, 3.4], [32e-3, 2.4]];
const pairs = (rows) => rows.flatMap(([lr, ...rhos]) => rhos.map((rho) => ({ lr, rho })));
const alone = (lrs) => lrs.map((lr) => ({ lr, rho: null }));
const perturbed = (title, method, rows = radii) => ({ title, base: "adam", method, grid: pairs(rows) });
const gasam = (changes) => ({ method: "gasam", alpha: 0, beta: 0.9, gamma: 0, steps: 1, ...changes });

/**
 * By id: the baselines, GA-SAM's reference variant, and those that differ from it in one number. With α 0 the radii do not look
 * at the running strength, so β is tried at α ½. Four variants have less tuning: those with `like` take another contender's best
 * setting, γ ½ and K 2 the reference's best learning rate and three radii.
 */
export const contenders = {
  sgd: { title: "SGD, momentum 0.9", base: "sgd", method: { method: "none" }, grid: alone([0.25, 0.5, 1, 1.5, 2, 3, 4, 8]) },
  adam: { title: "Adam", base: "adam", method: { method: "none" }, grid: alone([8e-3, 12e-3, 14e-3, 16e-3, 18e-3, 20e-3, 24e-3, 32e-3]) },
  sam: perturbed("SAM", { method: "sam" }),
  asam: perturbed("ASAM", { method: "asam" }, [[16e-3, 0.5, 0.8, 1.5], [24e-3, 0.5, 0.8, 1.5, 3], [32e-3, 0.8]]),
  gasam: perturbed("GA-SAM α 0, β 0.9, γ 0, K 1", gasam({})),
  "gasam-alpha-half": perturbed("GA-SAM α ½", gasam({ alpha: 0.5 })),
  "gasam-alpha-1": { title: "GA-SAM α 1", base: "adam", method: gasam({ alpha: 1 }), like: "sam" },
  "gasam-beta-0": { title: "GA-SAM α ½, β 0", base: "adam", method: gasam({ alpha: 0.5, beta: 0 }), like: "gasam-alpha-half" },
  "gasam-gamma-half": perturbed("GA-SAM γ ½", gasam({ gamma: 0.5 }), [[24e-3, 2.4, 3.4, 4.8]]),
  "gasam-steps-2": perturbed("GA-SAM K 2", gasam({ steps: 2 }), [[24e-3, 1.7, 2.4, 3.4]]),
};

export const plan = new Plan({ contenders, seeds });

/** What `optim.create` takes as its method. */
export const withRho = ({ method }, rho) => (rho === null ? method : { ...method, rho });
