// A few steps of a small convolutional net on a GPU: `calls` call by call, `graph` in a graph, `branches` mSAM's with its shards on
// branches of one. What compute-sanitizer watches, and what tells early whether there is any sense in going on.
import { nn, optim, torch } from "../../dist/index.js";

const kinds = { calls: [{ method: "sam" }, false], graph: [{ method: "sam" }, true], branches: [{ method: "msam", shards: 4 }, true] };
const kind = process.argv[2];
if (!(kind in kinds)) throw new Error(`Expected ${Object.keys(kinds).join(", ")} but received ${kind}.`);
const [method, graphs] = kinds[kind];

torch.manualSeed(0);
const model = new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8 * 64, 10)).to("cuda");
const [x, y] = [torch.randn([16, 3, 8, 8]).cuda(), torch.randint(0, 10, [16]).cuda()];
const step = optim.create(model, { ...method, rho: 0.05, base: { name: "sgd", lr: 0.01, momentum: 0.9 } }).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y), { graphs });
const losses = [];
for (let i = 0; i < 6; i++) losses.push((await step(x, y)).loss);
console.log(`losses: ${losses.map((loss) => loss.toFixed(4)).join(" ")}`);
if (!(losses.at(-1) < losses[0])) throw new Error("Expected losses that sink on one batch.");
if (graphs) {
  const said = step.explain().split("\n").at(-1);
  console.log(said);
  if (!said.includes("Steps are taken as `graphs` says.")) process.exitCode = 1;
}
