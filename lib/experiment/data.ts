import { resolve } from "node:path";
import { Loader, TensorDataset, loader } from "../data/index.js";
import type { Dataset } from "../data/index.js";
import { SteppeError, expected } from "../errors.js";
import type { Generator } from "../random.js";
import type { Config, Context, DataConfig, OwnData } from "./config.js";
import { loadFolders } from "./data-folder.js";
import { loadImages } from "./data-images.js";
import { loadLanguage } from "./data-language.js";
import type { Batch, BatchKind, Sets } from "./data-sets.js";
import { loadTexts } from "./data-text.js";
import type { Facts } from "./models.js";

/** The batches of a run. */
export interface Batches {
  kind: BatchKind;
  train: Loader<Batch>;
  /** What training looks at while it goes on: the validation part, else the test data. */
  validation?: Loader<Batch>;
  test?: Loader<Batch>;
  /** The training data, in its own order, whole, and as evaluation sees it. */
  trainInOrder: Loader<Batch>;
  /** What is done to batches that are not trained on. */
  transform?: (batch: Batch, generator: Generator) => Batch;
  facts: Facts;
}

/**
 * Loads the data of a configuration and makes batches of it.
 *
 * @param loaded data sets by name that were loaded before
 */
export async function loadData(config: Config, context: Context, loaded: Map<string, Sets>): Promise<Batches> {
  const { batchSize, evaluationBatchSize, seed, device } = context;
  const { dropLast = true } = config;
  const sets = typeof config.data === "function" ? await ownSets(config.data, context) : await loadSets(config.data, context.folder, loaded);
  const { transform, trainTransform = transform } = sets;
  const there = (set: Dataset<Batch>) => on(set, device);
  const evaluated = (set: Dataset<Batch> | Loader<Batch> | undefined) =>
    set === undefined ? undefined : set instanceof Loader ? set : loader(there(set), { batchSize: evaluationBatchSize, ...(transform && { transform }) });
  if (!(sets.train instanceof Loader) && dropLast && sets.train.length < batchSize) {
    throw new SteppeError("ARGUMENT", `Expected at least batchSize, ${batchSize}, training samples but received ${sets.train.length}. Set dropLast to false to train on smaller batches.`);
  }
  const train = sets.train instanceof Loader ? sets.train : loader(there(sets.train), { batchSize, shuffle: true, seed, dropLast, ...(trainTransform && { transform: trainTransform }) });
  const test = evaluated(sets.test);
  const validation = evaluated(sets.validation) ?? test;
  return {
    kind: sets.kind,
    train,
    ...(validation && { validation }),
    ...(test && { test }),
    trainInOrder: sets.train instanceof Loader ? sets.train : evaluated(sets.train)!,
    ...(transform && { transform }),
    facts: sets.facts,
  };
}

async function loadSets(config: DataConfig, folder: string, loaded: Map<string, Sets>): Promise<Sets> {
  const at = (path: string) => resolve(folder, path);
  const key = JSON.stringify([config, folder]);
  const sets = loaded.get(key) ?? (await load(config, at));
  loaded.set(key, sets);
  return sets;
}

function load(config: DataConfig, at: (path: string) => string): Promise<Sets> {
  switch (config.name) {
    case "text":
      return loadTexts(config, at);
    case "language":
      return loadLanguage(config, at);
    case "image-folder":
      return loadFolders(config, at);
    default:
      return loadImages(config, at);
  }
}

/** Data of a configuration's own function. */
async function ownSets(load: (context: Context) => OwnData | Promise<OwnData>, context: Context): Promise<Sets> {
  const given: unknown = await load(context);
  const own = given as OwnData;
  if (typeof given !== "object" || given === null) throw expected("an object with train", "data's result", given);
  for (const part of ["train", "validation", "test"] as const) {
    const set: unknown = own[part];
    if (set === undefined && part !== "train") continue;
    const isSet = set instanceof Loader || (typeof (set as Dataset<Batch> | undefined)?.batch === "function" && Number.isSafeInteger((set as Dataset<Batch>).length));
    if (!isSet) throw expected("a data set or a loader", `data's ${part}`, set);
  }
  const first = own.train instanceof TensorDataset ? (own.train.tensors as Batch)[0] : undefined;
  const facts = { ...(own.classes !== undefined && { classes: own.classes }), ...(first && { shape: first.shape.slice(1) }) };
  return { ...(own as unknown as Omit<Sets, "kind" | "facts">), kind: "own", facts };
}

/** The same samples on another device. */
function on(set: Dataset<Batch>, device: string): Dataset<Batch> {
  if (device === "cpu") return set;
  if (set instanceof TensorDataset) return set.to(device as "cpu") as Dataset<Batch>;
  const moved = (batch: Batch): Batch => batch.map((tensor) => tensor.to(device as "cpu"));
  return {
    length: set.length,
    batch: (indices) => {
      const batch = set.batch(indices);
      return batch instanceof Promise ? batch.then(moved) : moved(batch as Batch);
    },
  };
}
