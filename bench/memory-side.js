// Takes a few steps on ResNet-18 in a process of its own and prints the peak of its memory in bytes (Linux only).
// Argument: a contender.
import { readFileSync, writeFileSync } from "node:fs";
import { optim, torch } from "../dist/index.js";
import { cases, settings, steppeContenders } from "./cases.js";
import { lossOf, nets } from "./nets.js";

const { net, sizes, data } = cases.find(({ id }) => id === "resnet18");
const { rho: _, ...base } = settings;
torch.setNumThreads(1);
torch.manualSeed(0);
const model = new nets[net](sizes);
const [x, y] = [torch.randn(data.shape), torch.randint(0, data.classes, [data.shape[0]])];
const optimizer = optim.create(model, { ...steppeContenders[process.argv[2]].options, base: { name: "sgd", ...base } });
const step = optimizer.compile(lossOf(model));
await step(x, y);
writeFileSync("/proc/self/clear_refs", "5"); // the recording, once per run, keeps all it sees: its peak is not a step's
for (let i = 0; i < 4; i++) await step(x, y);
const parameterBytes = model.parameters().reduce((sum, each) => sum + each.numel() * each.itemSize, 0);
const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
process.stdout.write(`${JSON.stringify({ peak, parameterBytes })}\n`);
