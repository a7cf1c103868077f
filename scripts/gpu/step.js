// A few SAM steps of a small convolutional net on a GPU: what compute-sanitizer watches.
import { nn, optim, torch } from "../../dist/index.js";

torch.manualSeed(0);
const model = new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.Flatten(), new nn.Linear(8 * 64, 10)).to("cuda");
const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.01, momentum: 0.9 } }).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
const [x, y] = [torch.randn([16, 3, 8, 8]).cuda(), torch.randint(0, 10, [16]).cuda()];
for (let i = 0; i < 6; i++) console.log((await step(x, y)).loss);
