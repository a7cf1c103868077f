import { loadConfig, trainConfig } from "../experiment/index.js";
import type { LoadedConfig, RunResult, Started } from "../experiment/index.js";
import type { RunRecord } from "../train/index.js";
import { exitCodes } from "./exit-codes.js";
import { interruptible } from "./interruptible.js";
import { print, short, thousands } from "./options.js";

export interface TrainCommand {
  folder?: string;
  resume?: true;
  set?: string[];
  quiet?: true;
}

/**
 * `steppe train CONFIG`.
 *
 * @returns the exit code
 */
export async function train(path: string, { folder, resume = false as never, set = [], quiet }: TrainCommand): Promise<number> {
  const loaded = await loadConfig(path, set);
  const say = quiet === true ? () => {} : print;
  let started: Started | null = null;
  const { code, value: result } = await interruptible((signal) => {
    signal.addEventListener("abort", () => process.stderr.write("\nFinishing the step under way; once more ends at once.\n"), { once: true });
    return trainConfig(loaded, {
      ...(folder !== undefined && { folder }),
      resume,
      signal,
      ...(quiet !== true && { progress: process.stdout }),
      tell: say,
      onStart: (about) => {
        started = about;
        say(introduction(loaded, about));
      },
      callbacks: [{ onRecord: (record) => void (process.stdout.isTTY === true || say(lineOf(record))) }],
    });
  });
  say(conclusion(result, started!));
  if (result.end !== "aborted") return exitCodes.done;
  const words = ["npx steppe train", path, ...set.map((each) => `--set '${each}'`), `--folder ${result.folder}`, "--resume"];
  print(`Stopped after step ${thousands(result.step)}, with a checkpoint. To go on:\n  ${words.join(" ")}`);
  return code;
}

function introduction({ config, name }: LoadedConfig, { folder, built, checkpoint, finished }: Started): string {
  const { data, model, optimizerOptions, context, totalSteps } = built;
  const dataName = typeof config.data === "function" ? "data of its own" : config.data.name;
  const sizes = [`${thousands(data.train.dataset.length)} training`, ...(data.validation ? [`${thousands(data.validation.dataset.length)} validation`] : [])].join(" and ");
  const modelName = typeof config.model === "function" ? model.constructor.name : (config.model.name ?? config.model.from);
  const { method, base } = optimizerOptions;
  const length = config.epochs === undefined ? "" : `${config.epochs} ${config.epochs === 1 ? "epoch" : "epochs"}, `;
  return [
    `${name}: ${dataName}, ${sizes} samples; ${modelName}, ${thousands(model.numParameters())} parameters; ${method} over ${base.name};`,
    `${length}${thousands(totalSteps)} steps in batches of ${context.batchSize}, seed ${context.seed}, on ${context.device}. Run folder: ${folder}`,
    ...(finished ? ["This run came to its end before: nothing is left to do."] : checkpoint === null ? [] : [`Going on from ${checkpoint}`]),
  ].join("\n");
}

/** A record as one plain line. */
function lineOf({ epoch, step, seconds, ...numbers }: RunRecord): string {
  return `epoch ${epoch}  step ${step}  ${Object.entries(numbers).map(([name, value]) => `${name} ${short(value)}`).join("  ")}  ${seconds.toFixed(1)} s`;
}

function conclusion({ end, final, best, step, folder }: RunResult, { finished }: Started): string {
  const last = final === null ? "no record" : lineOf(final);
  const how = end === "stopped" ? "Stopped early" : end === "aborted" ? "So far" : finished ? "Its end" : "Finished";
  return `${how}: ${last}${best === null || best.step === step ? "" : `; best ${short(best.value)} at step ${best.step}`}\nSettings, metrics, checkpoints and weights are in ${folder}.`;
}
