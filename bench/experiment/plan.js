import { mean } from "../../dist/statistics.js";

/**
 * Who competes, on which tasks, with which settings each is tuned, and on which seeds each is then compared. A run is a task, a
 * contender, a setting (learning rate and rho) and a seed; its result is an object with these and what was measured. Whatever is
 * asked here is answered from the results so far, so that an experiment can be interrupted and gone on with at any time.
 *
 * Each tuning seed after the first runs only the settings that did best with those before it.
 */
export class Plan {
  /**
   * @param contenders by id: `title`, `grid` of settings `{ lr, rho }`; or `like`, the id of the contender whose best setting it takes
   * @param tasks their ids; [undefined] if there is but one
   * @param seeds `tune` and `final`
   * @param finalists how many settings the later tuning seeds run
   * @param score of a tuning run's result: what the chosen setting has the least mean of
   */
  constructor({ contenders, tasks = [undefined], seeds, finalists = 2, score = ({ validation }) => validation }) {
    Object.assign(this, { contenders, tasks, seeds, finalists, score });
  }

  /** Results of one contender at one setting, those of the given seeds, in their order. */
  at(results, task, id, { lr, rho }, wanted) {
    const fits = (one, seed) => one.task === task && one.id === id && one.lr === lr && one.rho === rho && one.seed === seed;
    return wanted.flatMap((seed) => results.find((one) => fits(one, seed)) ?? []);
  }

  /** The settings that a tuning seed runs; null before those that they depend on have run. */
  tuningSettings(results, task, id, seed) {
    const all = this.contenders[id].grid ?? [];
    const before = this.seeds.tune.slice(0, this.seeds.tune.indexOf(seed));
    if (before.length === 0) return all;
    const settings = this.tuningSettings(results, task, id, before.at(-1));
    const scored = settings?.map((setting) => ({ setting, runs: this.at(results, task, id, setting, before) })) ?? [];
    if (settings === null || scored.some(({ runs }) => runs.length < before.length)) return null;
    return scored.sort((a, b) => this.#mean(a) - this.#mean(b)).slice(0, this.finalists).map(({ setting }) => setting);
  }

  /** The setting of least mean score over the tuning seeds; null before they have run. */
  best(results, task, id) {
    const { like } = this.contenders[id];
    if (like !== undefined) return this.best(results, task, like);
    const { tune } = this.seeds;
    const settings = this.tuningSettings(results, task, id, tune.at(-1));
    const scored = settings?.map((setting) => ({ setting, runs: this.at(results, task, id, setting, tune) })) ?? [];
    if (scored.length === 0 || scored.some(({ runs }) => runs.length < tune.length)) return null;
    return scored.reduce((a, b) => (this.#mean(b) < this.#mean(a) ? b : a)).setting;
  }

  /** Contenders whose tuning and first two final seeds have run on a task: `{ id, setting, runs }`. */
  finals(results, task) {
    return Object.keys(this.contenders).flatMap((id) => {
      const setting = this.best(results, task, id);
      const runs = setting === null ? [] : this.at(results, task, id, setting, this.seeds.final);
      return runs.length < 2 ? [] : [{ id, setting, runs }];
    });
  }

  /**
   * The next run that is not among the results: tuning first, then final seeds, one by one over all contenders.
   *
   * @param options `methods`, `tasks`: those that may run; `phase`: "tune", "final", or "all"; `seeds`: how many final ones
   * @returns `{ phase, task, id, setting, seed }`, or null when all have run
   */
  next(results, { methods, tasks = this.tasks, phase = "all", seeds = this.seeds.final.length }) {
    const missing = (task, id, setting, seed) => this.at(results, task, id, setting, [seed]).length === 0;
    for (const task of phase === "final" ? [] : tasks) {
      for (const id of methods) {
        for (const seed of this.seeds.tune) {
          const setting = (this.tuningSettings(results, task, id, seed) ?? []).find((one) => missing(task, id, one, seed));
          if (setting !== undefined) return { phase: "tune", task, id, setting, seed };
        }
      }
    }
    for (const seed of phase === "tune" ? [] : this.seeds.final.slice(0, seeds)) {
      for (const task of tasks) {
        for (const id of methods) {
          const setting = this.best(results, task, id);
          if (setting !== null && missing(task, id, setting, seed)) return { phase: "final", task, id, setting, seed };
        }
      }
    }
    return null;
  }

  /** A run that diverged has no score and is worse than any other. */
  #mean({ runs }) {
    return mean(runs.map((run) => this.score(run) ?? Infinity));
  }
}
