// Steppe's side of the loader's benchmark: answers one JSON line on stdout to each on stdin. loader_side.py does the same for PyTorch.
import { data, optim, torch } from "../dist/index.js";
import { answer } from "./answer.js";
import { lossOf, nets } from "./nets.js";

const { transforms } = data;
const pipelines = {
  rows: undefined,
  transforms: transforms.compose(transforms.randomCrop({ padding: 4 }), transforms.randomHorizontalFlip(), transforms.normalize([0.286], [0.353])),
};

let set;
let step;

/** Batches without end, pass after pass. */
async function* endless(loader) {
  for (;;) yield* loader;
}

const loaderOf = ({ kind, prefetch, batchSize }) => endless(data.loader(set, { batchSize, shuffle: true, seed: 1, dropLast: true, prefetch, transform: pipelines[kind] }));

const commands = {
  /** Fashion-MNIST where it is, else noise of its shape. */
  async load({ threads, folder, net, options, count }) {
    torch.setNumThreads(threads);
    torch.manualSeed(0);
    set = folder === null ? new data.TensorDataset(torch.rand([count, 1, 28, 28]), torch.randint(0, 10, [count])) : (await data.fashionMnist({ root: folder })).train;
    const model = new nets.ConvNet(net);
    step = optim.create(model, options).compile(lossOf(model));
    return { length: set.length };
  },

  /** Milliseconds per batch. The first one is not counted: starting is a matter of a pass. */
  async raw({ batches, ...how }) {
    const loader = loaderOf(how);
    let start;
    for (let i = 0; i <= batches; i++) {
      const { value } = await loader.next();
      for (const tensor of value) tensor.dispose();
      start ??= performance.now();
    }
    const time = (performance.now() - start) / batches;
    await loader.return();
    return { time };
  },

  /** Steps on batches as they come: milliseconds of waiting and of the whole, per step. */
  async training({ steps, ...how }) {
    const loader = loaderOf(how);
    const first = (await loader.next()).value;
    await step(...first);
    let waited = 0;
    const start = performance.now();
    for (let i = 0; i < steps; i++) {
      const asked = performance.now();
      const { value } = await loader.next();
      waited += performance.now() - asked;
      await step(...value);
      for (const tensor of value) tensor.dispose();
    }
    const time = (performance.now() - start) / steps;
    await loader.return();
    return { waited: waited / steps, time };
  },

  /** The same steps on one batch that is there. */
  async fixed({ steps, batchSize }) {
    const loader = loaderOf({ kind: "rows", prefetch: 0, batchSize });
    const { value } = await loader.next();
    await step(...value);
    const start = performance.now();
    for (let i = 0; i < steps; i++) await step(...value);
    return { time: (performance.now() - start) / steps };
  },
};

await answer(commands);
