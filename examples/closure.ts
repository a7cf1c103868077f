// A loss that looks at values and decides, which no recorded program can do: `optimizer.step` takes it as a closure.
// Four training labels in ten are drawn at random. Once the network has an opinion, samples that contradict it strongly are left out.
//
//     npm run example closure
//
// Expected: about 90 % of the test digits right, after a few seconds; with `threshold: Infinity`, which leaves out none, about 87 %.
import { data, nn, optim, torch, train } from "steppe";
import type { Tensor } from "steppe";

const settings = { epochs: 30, warmUp: 5, wrongLabels: 0.4, threshold: 2, batchSize: 64, rho: 0.05, lr: 0.003, seed: 0 };

torch.setNumThreads(1); // a network this small gains nothing from more
torch.manualSeed(settings.seed);
const digits = await data.digits();
const [images, labels] = digits.train.tensors;
const wrong = torch.rand([labels.numel()]).lt(settings.wrongLabels);
const noisy = torch.where(wrong, torch.randint(10, [labels.numel()], { dtype: "int64" }), labels);
const batches = data.loader(new data.TensorDataset(images, noisy), { batchSize: settings.batchSize, shuffle: true, seed: settings.seed });

const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(64, 128), new nn.ReLU(), new nn.Linear(128, 10));
const optimizer = optim.create(model, { method: "sam", rho: settings.rho, base: { name: "adamw", lr: settings.lr } });

/** The mean loss over the samples that are believed. */
function loss(x: Tensor, y: Tensor, epoch: number): Tensor {
  const each = nn.functional.crossEntropy(model.forward(x), y, { reduction: "none" }); // [N]
  if (epoch <= settings.warmUp) return each.mean();
  const believed = each.detach().lt(settings.threshold); // [N]
  const count = Number(believed.sum().item()); // reads a value
  return count === 0 ? each.mean() : each.mul(believed).sum().div(count);
}

for (let epoch = 1; epoch <= settings.epochs; epoch++) {
  for await (const [x, y] of batches) optimizer.step(() => loss(x, y, epoch)); // the closure runs once per pass: twice for SAM
}

const accuracy = await train.accuracy(model, data.loader(digits.test, { batchSize: 360 }));
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`);
