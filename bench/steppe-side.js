// Runs Steppe's contenders: answers one JSON line on stdout to each on stdin. pytorch_side.py does the same for PyTorch's.
import { join } from "node:path";
import { io, optim, torch } from "../dist/index.js";
import { native } from "../dist/native.js";
import { answer } from "./answer.js";
import { methodContenders, settings, steppeContenders } from "./cases.js";
import { lossOf, nets } from "./nets.js";

const steps = new Map();
let batch;

/** What the main process asks for; each answer is an object. */
const commands = {
  /** Draws data and initial weights, and leaves them in the folder for PyTorch. */
  async load({ case: { net, sizes, data }, threads, folder, contenders, device, precision }) {
    torch.setNumThreads(threads);
    setPrecision(precision);
    torch.manualSeed(0);
    const model = new nets[net](sizes);
    const initial = Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.clone()]));
    batch = makeBatch(data);
    io.saveSafetensors(join(folder, "weights.safetensors"), initial);
    io.saveSafetensors(join(folder, "batch.safetensors"), { x: batch[0], y: batch[1] });
    batch = batch.map((tensor) => tensor.to(device));
    const { rho: _, ...base } = settings;
    const refused = {};
    for (const name of contenders) {
      const copy = new nets[net](sizes);
      copy.loadStateDict(initial);
      copy.to(device);
      const { options, passes, compile = {}, base: own = {} } = steppeContenders[name] ?? methodContenders[name];
      const mixed = precision === "bfloat16" ? { autocast: { device: device.split(":")[0], dtype: "bfloat16" } } : {};
      try {
        const step = optim.create(copy, { ...options, base: { name: "sgd", ...base, ...own } }).compile(lossOf(copy), { ...compile, ...mixed });
        steps.set(name, passes === undefined ? step : await barePasses(copy, step, passes));
      } catch (error) {
        refused[name] = error.message;
      }
    }
    return { refused, libtorch: torch.libtorch.version, parameters: model.numParameters() };
  },

  /** Takes steps and times each. */
  async steps({ contender, count }) {
    const step = steps.get(contender);
    const times = [];
    const losses = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const { loss } = await step(...batch);
      times.push(performance.now() - start);
      losses.push(loss);
    }
    return { times, losses };
  },

  /** `a.add(b)` of two 8×8 matrices, in milliseconds per call. */
  add({ count, threads }) {
    torch.setNumThreads(threads);
    return torch.scope(() => {
      const [a, b] = [torch.ones([8, 8]), torch.ones([8, 8])];
      const times = [];
      for (let i = 0; i < 10; i++) {
        const start = performance.now();
        for (let k = 0; k < count; k++) a.add(b);
        times.push((performance.now() - start) / count);
      }
      return { times };
    });
  },
};

/** Forward and backward so many times by the step's program, and nothing else: no perturbation, no update. */
async function barePasses(model, step, times) {
  await step(...batch);
  const [{ program }] = step.programs;
  const handles = (tensors) => tensors.map(({ handle }) => handle);
  const run = async () => ({ loss: await native.programRun(program, handles(model.parameters()), handles(model.buffers()), handles(batch), times) });
  return Object.assign(run, { step }); // its programs live as long as it does
}

/** Of products of float32 matrices, and of convolutions: in full, or in TensorFloat-32. */
function setPrecision(precision) {
  torch.setFloat32MatmulPrecision(precision === "float32" ? "highest" : "high");
  torch.backends.cudnn.allowTf32 = precision !== "float32";
}

function makeBatch({ kind, shape, vocabulary, classes }) {
  if (kind === "texts") return [torch.randint(0, vocabulary, shape), torch.randint(0, classes, [shape[0]])];
  if (kind === "tokens") return [torch.randint(0, classes, shape), torch.randint(0, classes, shape)];
  return [torch.randn(shape), torch.randint(0, classes, [shape[0]])];
}

await answer(commands);
