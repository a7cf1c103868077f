// Norms, perturbation and update of a SAM step beside what the memory takes for the bytes that they move.
import { optim, torch } from "../dist/index.js";
import { median } from "../dist/statistics.js";
import { settings } from "./cases.js";
import { nets } from "./nets.js";

const COPIED = { cpu: 2 ** 26, gpu: 2 ** 29 };

/** Bytes per second that a large copy moves, reading and writing: the best of some. */
function copySpeed(device) {
  const bytes = device === "cpu" ? COPIED.cpu : COPIED.gpu;
  return torch.scope(() => {
    const [from, to] = [torch.ones([bytes], { dtype: "uint8", device }), torch.empty([bytes], { dtype: "uint8", device })];
    const wait = () => device !== "cpu" && torch.cuda.synchronize();
    let fastest = Infinity;
    for (let i = 0; i < 10; i++) {
      wait();
      const begun = performance.now();
      to.copy_(from);
      wait();
      fastest = Math.min(fastest, performance.now() - begun);
    }
    return (2 * bytes) / (fastest / 1000);
  });
}

/**
 * @param {import("./cases.js").Case} each whose parameters are taken, with a loss function that costs next to nothing
 * @param {{ device: string, rounds: number, roundMs: number, captures: boolean }} options `captures`: in a graph, too
 * @returns {Promise<{ title: string, parameters: number, speed: number, calls: number, graph?: number }>} bytes per second; milliseconds per step, the lowest
 *   median of the rounds
 */
export async function measureBandwidth(each, { device, rounds, roundMs, captures }) {
  torch.manualSeed(0);
  const model = new nets[each.net](each.sizes).to(device);
  const parameters = model.parameters();
  const zero = torch.zeros([], { device });
  const loss = () => parameters.reduce((sum, parameter) => sum.add(parameter.flatten().narrow(0, 0, 1).sum()), zero);
  const { rho, ...base } = settings;
  const time = async (graphs) => {
    const step = optim.create(model, { method: "sam", rho, base: { name: "sgd", ...base } }).compile(loss, { graphs });
    const one = async () => {
      const begun = performance.now();
      await step();
      return performance.now() - begun;
    };
    for (let i = 0; i < 5; i++) await one(); // records, makes the state, captures
    const count = Math.min(1000, Math.max(3, Math.round(roundMs / (await one()))));
    const found = [];
    for (let round = 0; round < rounds; round++) {
      const times = [];
      for (let i = 0; i < count; i++) times.push(await one());
      found.push(median(times));
    }
    return Math.min(...found);
  };
  const [calls, graph] = [await time(false), captures ? await time(device === "cpu" ? "uncaptured" : true) : undefined];
  return { title: each.title, parameters: model.numParameters(), speed: copySpeed(device), calls, graph };
}
