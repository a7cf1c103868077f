// What is measured. Both sides build a case from its description here, nets by `net` and `sizes`: see nets.js and nets.py.

const images = (batch, channels, size) => ({ kind: "images", shape: [batch, channels, size, size], classes: 10 });
const rows = (batch, features) => ({ kind: "rows", shape: [batch, features], classes: 10 });
const tokens = (batch, length, classes) => ({ kind: "tokens", shape: [batch, length], classes });
/** As many tokens to a text, `classes` kinds of texts. */
const texts = (batch, length, vocabulary, classes) => ({ kind: "texts", shape: [batch, length], vocabulary, classes });

/** The base optimizer, and SAM's radius, of every case. The small learning rate keeps thousands of steps on one batch alike. */
export const settings = { lr: 1e-3, momentum: 0.9, weightDecay: 5e-4, rho: 0.05 };

/**
 * @typedef {object} Case
 * @property {string} id for the command line
 * @property {string} title
 * @property {string} net
 * @property {Record<string, unknown>} sizes of the net
 * @property {{ kind: string, shape: number[], classes: number }} data
 * @property {number} [goal] SAM's step over PyTorch's best: at most this
 * @property {boolean} [large] kernels, not calls, take the time: the goals of the engine's own ratios are judged here
 * @property {boolean} [sharded] mSAM is measured
 * @property {boolean} [slow] a CPU takes seconds for a step: measured there only where it is asked for by name
 * @property {{ sizes: Record<string, unknown>, data: object }} [little] the same net as small as can be, to try the program
 */

/** @type {Case[]} */
export const cases = [
  { id: "mlp-2", title: "MLP, 2 layers of 64, batch 8", net: "Mlp", sizes: { features: [64, 64, 10] }, data: rows(8, 64), goal: 0.3 },
  { id: "mlp-20", title: "MLP, 20 layers of 64, batch 8", net: "Mlp", sizes: { features: [...Array(20).fill(64), 10] }, data: rows(8, 64), goal: 0.3 },
  { id: "mlp-20-32", title: "MLP, 20 layers of 64, batch 32", net: "Mlp", sizes: { features: [...Array(20).fill(64), 10] }, data: rows(32, 64), goal: 0.3 },
  { id: "mlp-256", title: "MLP, 2 layers of 256, batch 128", net: "Mlp", sizes: { features: [256, 256, 10] }, data: rows(128, 256) },
  { id: "convnet", title: "convnet with batch norm, 28×28, batch 32", net: "ConvNet", sizes: { channels: 1, size: 28, width: 16, classes: 10 }, data: images(32, 1, 28), goal: 0.9, large: true, sharded: true },
  { id: "resnet18", title: "ResNet-18, 32×32, batch 32", net: "ResNet18", sizes: { classes: 10 }, data: images(32, 3, 32), goal: 0.9, large: true, sharded: true, little: { sizes: { classes: 10 }, data: images(8, 3, 16) } },
  { id: "resnet18-128", title: "ResNet-18, 32×32, batch 128", net: "ResNet18", sizes: { classes: 10 }, data: images(128, 3, 32), goal: 0.9, large: true, sharded: true, slow: true, little: { sizes: { classes: 10 }, data: images(8, 3, 16) } },
  { id: "lstm", title: "LSTM language model, 128 units, 35 tokens, batch 16", net: "LstmModel", sizes: { vocabulary: 80, width: 128 }, data: tokens(16, 35, 80), goal: 0.9, large: true },
  { id: "lstm-200", title: "LSTM language model, 200 units, 35 tokens, batch 20", net: "LstmModel", sizes: { vocabulary: 80, width: 200 }, data: tokens(20, 35, 80), goal: 0.9, large: true },
  { id: "lstm-650", title: "LSTM language model, 650 units, 35 tokens, batch 20", net: "LstmModel", sizes: { vocabulary: 80, width: 650 }, data: tokens(20, 35, 80), goal: 0.9, large: true, slow: true, little: { sizes: { vocabulary: 50, width: 24 }, data: tokens(2, 8, 50) } },
  { id: "transformer", title: "causal transformer, 2 blocks of 128, 64 tokens, batch 16", net: "Transformer", sizes: { vocabulary: 80, width: 128, heads: 4, blocks: 2, length: 64 }, data: tokens(16, 64, 80), goal: 0.9, large: true },
  { id: "bert-mini", title: "BERT-mini, 128 tokens, batch 8", net: "Bert", sizes: { vocabulary: 30522, width: 256, heads: 4, blocks: 4, length: 128, classes: 2 }, data: texts(8, 128, 30522, 2), sharded: true, slow: true, little: { sizes: { vocabulary: 50, width: 16, heads: 2, blocks: 2, length: 8, classes: 2 }, data: texts(4, 8, 50, 2) } },
  {
    id: "bert-base", title: "BERT-base, 128 tokens, batch 16", net: "Bert", sizes: { vocabulary: 30522, width: 768, heads: 12, blocks: 12, length: 128, classes: 2 }, data: texts(16, 128, 30522, 2),
    slow: true, little: { sizes: { vocabulary: 50, width: 16, heads: 2, blocks: 2, length: 8, classes: 2 }, data: texts(2, 8, 50, 2) },
  },
  {
    id: "gpt2", title: "GPT-2 small, 256 tokens, batch 4", net: "Gpt2", sizes: { vocabulary: 50257, width: 768, heads: 12, blocks: 12, length: 256 }, data: tokens(4, 256, 50257),
    slow: true, little: { sizes: { vocabulary: 50, width: 16, heads: 2, blocks: 2, length: 8 }, data: tokens(2, 8, 50) },
  },
];

/** What Steppe runs, by contender: the options of `optim.create`, and what for; with `passes`, so many bare passes of its program instead of a step. */
export const steppeContenders = {
  sam: { options: { method: "sam", rho: settings.rho } },
  captured: { options: { method: "sam", rho: settings.rho }, compile: { graphs: true }, only: (_, device) => device !== "cpu" },
  passes: { options: { method: "none" }, passes: 2 },
  base: { options: { method: "none" } },
  quarter: { options: { method: "sam", rho: settings.rho, ascentFraction: 0.25 } },
  msam: { options: { method: "msam", rho: settings.rho, shards: 4 }, only: (each) => each.sharded === true },
  momentum: { options: { method: "momentum", rho: settings.rho } },
  async: { options: { method: "async", rho: settings.rho } },
};

const method = (name, passes, options = {}) => [name, { options: { method: name, ...options }, count: passes }];
/** Without momentum: these rules say themselves how weights move. */
const plain = { momentum: 0, weightDecay: 0 };

/**
 * Every method whose steps all take as many passes over the batch, `count`: what it costs beyond them. With defaults of its own, but for those that
 * must be given, contenders of the other tables, and LookSAM in the steps that perturb.
 */
export const methodContenders = Object.fromEntries([
  ["sam", { ...steppeContenders.sam, count: 2 }],
  method("gasam", 2),
  ["gasam, 3 steps", { options: { method: "gasam", steps: 3 }, count: 4 }],
  ...["asam", "gsam", "friendly", "vasso"].map((name) => method(name, 2)),
  method("look", 2, { k: 1 }),
  ...["momentum", "async"].map((name) => [name, { ...steppeContenders[name], count: 1 }]),
  ...["weighted", "sparse", "fisher-mask", "fisher", "random", "stable"].map((name) => method(name, 2)),
  method("curvature", 3),
  method("gam", 4),
  ["parallel", { ...method("parallel", 2)[1], base: plain }],
  ["bayesian", { ...method("bayesian", 2, { dataSize: 50_000 })[1], base: plain }],
]);

/** The nets that they take their steps with. */
export const netsOfMethods = ["mlp-20", "convnet", "lstm"];

/** PyTorch's ways to take a SAM step; see sam.py. */
export const pytorchContenders = ["textbook", "foreach", "compiled", "graphs"];
