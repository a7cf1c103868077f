import { Plan } from "../experiment/plan.js";

// The studies: who competes, on what, with which settings each is tuned (as many for each), at three sizes: "quick" to see that it
// runs, "standard" for two processor cores, "full" for a GPU. What a study trains and measures is in the module that it names.

const pairs = (lrs, rhos) => lrs.flatMap((lr) => rhos.map((rho) => ({ lr, rho })));
const alone = (lrs) => lrs.map((lr) => ({ lr, rho: null }));
const seeds = { quick: { tune: [1], final: [11, 12] }, standard: { tune: [1, 2], final: [11, 12, 13, 14, 15, 16, 17, 18, 19, 20] }, full: { tune: [1, 2], final: [11, 12, 13, 14, 15] } };

/** Every contender that is tuned has a grid of one size. */
function planOf(size, contenders, tasks) {
  const tuned = Object.values(contenders).filter(({ grid }) => grid !== undefined);
  const cut = size === "quick" ? (grid) => [grid[0], grid.at(-1)] : (grid) => grid;
  const sizes = new Set(tuned.map(({ grid }) => cut(grid).length));
  if (sizes.size !== 1) throw new Error(`Expected as many settings for each method but received ${[...sizes].join(" and ")}.`);
  const cutAll = Object.entries(contenders).map(([id, contender]) => [id, contender.grid === undefined ? contender : { ...contender, grid: cut(contender.grid) }]);
  return new Plan({ contenders: Object.fromEntries(cutAll), tasks, seeds: seeds[size] });
}

const sgd = { name: "sgd", momentum: 0.9, weightDecay: 5e-4 };
const flatColumns = [
  { key: "sharpness", title: "sharpness", digits: 3 },
  { key: "shardSharpness", title: "m-sharpness", digits: 3 },
  { key: "adaptiveSharpness", title: "adaptive sharpness", digits: 3 },
  { key: "eigenvalue", title: "largest eigenvalue", digits: 1 },
];

/** Images: SGD, SAM and mSAM. */
function images(size, { title, document, settings, grids }) {
  const shards = [2, 4, 8];
  const contenders = {
    sgd: { title: "SGD", base: sgd, method: { method: "none" }, grid: grids.sgd },
    sam: { title: "SAM", base: sgd, method: { method: "sam" }, grid: grids.sam },
    ...Object.fromEntries(shards.map((m) => [`msam-${m}`, { title: `mSAM, ${m} shards`, base: sgd, method: { method: "msam", shards: m }, grid: grids.sam }])),
  };
  return {
    title,
    document,
    module: "./images.js",
    settings,
    plan: planOf(size, contenders, ["images"]),
    tasks: { images: title },
    cheapest: "sgd",
    pairs: [["sam", "sgd"], ...shards.flatMap((m) => [[`msam-${m}`, "sgd"], [`msam-${m}`, "sam"]])],
    columns: [
      { key: "test", title: "test accuracy, %", digits: 2 },
      { key: "testLoss", title: "test loss", digits: 3 },
      { key: "trainAccuracy", title: "training labels met, %", digits: 1 },
      ...flatColumns,
    ],
    validation: { title: "validation error", digits: 4 },
  };
}

/** Radii at which flatness is measured: of about the size at which SAM trains. */
const imageFlatness = { rho: 0.1, adaptiveRho: 0.5, samples: 512, shard: 16, parts: 32 };

/** Text: a small BERT that has read the training mails already tells spam from ham. A task is the share of the mails that have labels, in percent. */
function text(size) {
  const tasks = { 5: "5 %", 20: "20 %", 100: "all" };
  const adamw = { name: "adamw", weightDecay: 0.01 };
  const sam = pairs([1e-3, 2e-3, 3e-3, 5e-3], [0.02, 0.05]);
  const contenders = {
    adamw: { title: "AdamW", base: adamw, method: { method: "none" }, grid: alone([5e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 6e-3, 8e-3]) },
    sam: { title: "SAM", base: adamw, method: { method: "sam" }, grid: sam },
    "sam-quarter": { title: "SAM, ¼ ascent", base: adamw, method: { method: "sam", ascentFraction: 0.25 }, grid: sam },
  };
  const flatness = { rho: 0.05, adaptiveRho: 0.5, samples: 64, shard: 16, parts: 4, lanczos: 20 };
  const pretraining = { epochs: 2, batchSize: 64, lr: 1e-3, hidden: 0.15, seed: 0 };
  const settings = {
    quick: { every: 15, words: 16, pieces: 1, vocabulary: 300, hidden: 16, layers: 1, heads: 2, batchSize: 4, epochs: { 5: 1, 20: 1, 100: 1 }, pretraining: { ...pretraining, epochs: 1 }, flatness: { ...flatness, samples: 8, shard: 8, parts: 1, lanczos: 5 } },
    standard: { words: 24, pieces: 4, vocabulary: 3000, hidden: 32, layers: 2, heads: 2, batchSize: 32, epochs: { 5: 12, 20: 6, 100: 2 }, pretraining, flatness },
    full: { words: 127, pieces: 8, vocabulary: 12_000, hidden: 256, layers: 6, heads: 8, batchSize: 32, epochs: { 5: 30, 20: 15, 100: 8 }, pretraining: { ...pretraining, epochs: 20 }, flatness },
  }[size];
  return {
    title: "SpamAssassin",
    document: "text",
    module: "./text.js",
    settings,
    plan: planOf(size, contenders, Object.keys(tasks)),
    tasks,
    cheapest: "adamw",
    pairs: [["sam", "adamw"], ["sam-quarter", "adamw"], ["sam-quarter", "sam"]],
    columns: [
      { key: "test", title: "test accuracy, %", digits: 2 },
      { key: "testLoss", title: "test loss", digits: 3 },
      { key: "trainAccuracy", title: "training accuracy, %", digits: 1 },
      ...flatColumns,
    ],
    validation: { title: "validation loss", digits: 4 },
  };
}
/** Words to phonemes: an LSTM that reads letters and writes phonemes. */
function phonemes(size) {
  const adam = { name: "adam" };
  const sam = pairs([8e-3, 16e-3], [0.2, 0.5, 1]);
  const contenders = {
    sgd: { title: "SGD, momentum 0.9", base: { name: "sgd", momentum: 0.9 }, method: { method: "none" }, grid: alone([0.25, 0.5, 1, 2, 3, 4]) },
    adam: { title: "Adam", base: adam, method: { method: "none" }, grid: alone([2e-3, 4e-3, 8e-3, 12e-3, 16e-3, 24e-3]) },
    sam: { title: "SAM", base: adam, method: { method: "sam" }, grid: sam },
    asam: { title: "ASAM", base: adam, method: { method: "asam" }, grid: sam },
    gasam: { title: "GA-SAM", base: adam, method: { method: "gasam" }, grid: sam },
  };
  const flatness = { rho: 0.5, adaptiveRho: 0.5, samples: 128, shard: 16, parts: 8 };
  const standard = { longest: 10, sizes: { train: 20_000, validation: 1000, test: 2000 }, trainWords: 2000, embedding: 32, hidden: 64, dropout: 0, epochs: 10, batchSize: 64, flatness };
  const settings = {
    quick: { ...standard, longest: 6, sizes: { train: 300, validation: 20, test: 20 }, trainWords: 64, embedding: 8, hidden: 8, epochs: 1, batchSize: 32, flatness: { ...flatness, samples: 16, shard: 8, parts: 1, lanczos: 3 } },
    standard,
    full: { ...standard, longest: 16, sizes: { train: 90_000, validation: 8000, test: 8000 }, trainWords: 60_000, embedding: 128, hidden: 256, dropout: 0.1, epochs: 30 },
  }[size];
  return {
    title: "CMUdict",
    document: "phonemes",
    module: "./phonemes.js",
    settings,
    plan: planOf(size, contenders, ["phonemes"]),
    tasks: { phonemes: "words to phonemes" },
    cheapest: "adam",
    pairs: [["adam", "sgd"], ["sam", "adam"], ["asam", "adam"], ["gasam", "adam"], ["asam", "sam"], ["gasam", "sam"], ["gasam", "asam"]],
    columns: [
      { key: "test", title: "test loss", digits: 4 },
      { key: "phonemeErrors", title: "phoneme errors, %", digits: 2 },
      { key: "wordErrors", title: "word errors, %", digits: 1 },
      { key: "trainLoss", title: "training loss", digits: 3 },
      ...flatColumns,
    ],
    validation: { title: "validation loss", digits: 4 },
  };
}
/** By name, what makes a study of a size. */
const all = {
  noise: (size) =>
    images(size, {
      title: "20 % wrong labels",
      document: "images",
      settings: {
        quick: { perClass: 20, validation: 200, noise: 0.2, epochs: 2, batchSize: 32, pool: 2, width: 4, flatness: { ...imageFlatness, samples: 64, parts: 2, lanczos: 5 } },
        standard: { perClass: 300, validation: 10_000, noise: 0.2, epochs: 40, batchSize: 64, pool: 2, width: 12, flatness: imageFlatness },
        full: { perClass: 5000, validation: 10_000, noise: 0.2, epochs: 60, batchSize: 128, pool: 1, width: 32, flatness: { ...imageFlatness, samples: 2048, parts: 128 } },
      }[size],
      grids: { sgd: alone([0.02, 0.04, 0.06, 0.1, 0.15, 0.2]), sam: pairs([0.05, 0.1], [0.05, 0.1, 0.2]) },
    }),
  "few-labels": (size) =>
    images(size, {
      title: "600 labels",
      document: "images",
      settings: {
        quick: { perClass: 10, validation: 200, noise: 0, epochs: 2, batchSize: 32, pool: 2, width: 4, flatness: { ...imageFlatness, samples: 64, parts: 2, lanczos: 5 } },
        standard: { perClass: 60, validation: 10_000, noise: 0, epochs: 60, batchSize: 64, pool: 2, width: 12, flatness: imageFlatness },
        full: { perClass: 60, validation: 10_000, noise: 0, epochs: 300, batchSize: 64, pool: 1, width: 32, flatness: imageFlatness },
      }[size],
      grids: { sgd: alone([0.02, 0.04, 0.06, 0.1, 0.15, 0.2]), sam: pairs([0.05, 0.1], [0.05, 0.1, 0.2]) },
    }),
  text,
  phonemes,
};

export const names = Object.keys(all);

/** @param size "quick", "standard" or "full" */
export const studyOf = (name, size) => all[name](size);
