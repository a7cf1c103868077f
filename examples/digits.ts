// Handwritten digits, recognised by a small network that SAM trains to a flat minimum.
//
//     npm run example digits
//
// Expected: about 94 % of the 360 test digits right, after a few seconds; with `rho: 0`, which is plain SGD, about 92 %.
// Most writers of the test digits wrote none of the training digits.
import { data, nn, optim, torch, train } from "steppe";

const settings = { epochs: 30, batchSize: 32, hidden: 64, rho: 0.2, lr: 0.1, seed: 0 };

torch.setNumThreads(1); // a network this small gains nothing from more
torch.manualSeed(settings.seed);
const digits = await data.digits(); // images [N, 1, 8, 8] from 0 to 1, labels [N]
const batches = data.loader(digits.train, { batchSize: settings.batchSize, shuffle: true, seed: settings.seed });

const model = new nn.Sequential(
  new nn.Flatten(), // [N, 64]
  new nn.Linear(64, settings.hidden),
  new nn.ReLU(),
  new nn.Linear(settings.hidden, 10),
);

const optimizer = optim.create(model, {
  method: "sam",
  rho: settings.rho,
  base: { name: "sgd", lr: settings.lr, momentum: 0.9, weightDecay: 5e-4 },
});
const step = optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));

for (let epoch = 1; epoch <= settings.epochs; epoch++) {
  let sum = 0;
  for await (const [x, y] of batches) sum += (await step(x, y)).loss; // one native call each, off the main thread
  if (epoch % 10 === 0) console.log(`epoch ${epoch}: training loss ${(sum / batches.length).toFixed(4)}`);
}

const accuracy = await train.accuracy(model, data.loader(digits.test, { batchSize: 360 }));
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`);
