// A few SAM steps of a small convolutional net on a GPU, call by call and in a graph, and mSAM's with its shards on branches of
// one: what compute-sanitizer watches.
import { nn, optim, torch } from "../../dist/index.js";

torch.manualSeed(0);
const make = () => new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8 * 64, 10)).to("cuda");
const [x, y] = [torch.randn([16, 3, 8, 8]).cuda(), torch.randint(0, 10, [16]).cuda()];
for (const [method, graphs] of [[{ method: "sam" }, false], [{ method: "sam" }, true], [{ method: "msam", shards: 4 }, true]]) {
  const model = make();
  const step = optim.create(model, { ...method, rho: 0.05, base: { name: "sgd", lr: 0.01, momentum: 0.9 } }).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y), { graphs });
  const losses = [];
  for (let i = 0; i < 6; i++) losses.push((await step(x, y)).loss.toFixed(4));
  console.log(`${method.method}${graphs ? ", in a graph" : ""}: ${losses.join(" ")}`);
  if (graphs) console.log(step.explain().split("\n").at(-1));
}
