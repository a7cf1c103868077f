// Takes a few steps in a process of its own and prints in bytes the peak of its memory (Linux only), the most that the tensors of a
// step had in use at once, and what the parameters take. Arguments: a case's place in memory.js, and a contender.
import { readFileSync, writeFileSync } from "node:fs";
import { optim, torch } from "../dist/index.js";
import { settings, steppeContenders } from "./cases.js";
import { memoryCases } from "./memory.js";
import { lossOf, nets } from "./nets.js";

const [place, contender] = process.argv.slice(2);
const { net, sizes, data } = memoryCases[Number(place)];
const { rho: _, ...base } = settings;
torch.setNumThreads(1);
torch.manualSeed(0);
const model = new nets[net](sizes);
const [x, y] = [torch.randn(data.shape), torch.randint(0, data.classes, [data.shape[0]])];
const optimizer = optim.create(model, { ...steppeContenders[contender].options, base: { name: "sgd", ...base } });
const step = optimizer.compile(lossOf(model));
await step(x, y);
// The recording, once per run, keeps all that it sees. Steps use its memory again: it goes back to the system first, or its peak
// would be theirs.
torch.sweep();
writeFileSync("/proc/self/clear_refs", "5");
for (let i = 0; i < 4; i++) await step(x, y);
const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
const parameterBytes = model.parameters().reduce((sum, each) => sum + each.numel() * each.itemSize, 0);
process.stdout.write(`${JSON.stringify({ peak, stepBytes: torch.memory().stepBytes, parameterBytes })}\n`);
