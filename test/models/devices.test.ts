import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { models, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { AnotherDevice, elsewhere } from "../support/another-device.js";
import { modelsOn, tensors } from "./all-models.js";
import type { AnyModel } from "./all-models.js";

// A model computes where its weights are and in their dtype, whatever it is asked for: it makes no mask, no place and no cache
// elsewhere, reads no value, and takes no number from JavaScript to the device. So a step that is recorded there runs there.

const device = new AnotherDevice();
beforeAll(() => device.install());
afterAll(() => device.remove());

const rows = modelsOn(elsewhere);

test("every model is in the table", () => {
  const parts: unknown[] = [models.PretrainedModel, models.LockedDropout]; // what models are made of
  const all = Object.entries(models).filter(([, value]) => typeof value === "function" && value.prototype instanceof nn.Module && !parts.includes(value));
  expect(Object.keys(rows).sort()).toEqual(all.map(([name]) => name).sort());
});

/** In which bucket a distance falls is found in float32, as in Hugging Face's: it goes by a logarithm, whatever the weights' dtype. */
const buckets = /^aten::(to\.device|div\.Scalar|log|mul\.Scalar) made float32$/;

describe.each(Object.entries(rows))("%s", (name, { make, calls, prompt }) => {
  test.each(["float64", "bfloat16", "float16"] as const)("on another device, in %s", (dtype) => {
    torch.manualSeed(0);
    const model = make().to(dtype).to(elsewhere) as AnyModel;
    for (const training of dtype === "float64" ? [true, false] : [true]) {
      model.train(training);
      for (const inputs of calls(dtype)) {
        let output: unknown;
        const faults = device.watch(() => (output = model.forward(inputs)), dtype);
        const found = tensors(output);
        expect(found.length).toBeGreaterThan(0);
        expect(found.filter(([, tensor]) => tensor.device !== elsewhere)).toEqual([]);
        // Losses of half precision are computed in float32, and so are T5's norms: for the rest the results tell.
        const odd = dtype === "float64" ? faults.filter((fault) => !(/T5/.test(name) && buckets.test(fault))) : faults.filter((fault) => !fault.endsWith(" made float32"));
        expect(odd).toEqual([]);
        expect(found.filter(([path, tensor]) => tensor.dtype !== (dtype !== "float64" && path === "/loss" ? "float32" : dtype)).map(([path, tensor]) => `${path} ${tensor.dtype}`)).toEqual([]);
        const sums = found.filter(([, tensor]) => tensor.requiresGrad).map(([, tensor]) => tensor.sum());
        sums.reduce((all, sum) => all.add(sum)).backward();
      }
    }
  });

  // What the training thread is given is what the loss function's operators were called with, here as there.
  test("a step is recorded there, in mixed precision", async () => {
    torch.manualSeed(0);
    const model = make().to(elsewhere) as AnyModel;
    const loss = (inputs: object): Tensor => tensors(model.forward(inputs)).filter(([, each]) => each.requiresGrad).map(([, each]) => each.float().square().mean()).reduce((sum, each) => sum.add(each));
    const step = optim.create(model, { method: "sam", rho: 0.01, base: { name: "adamw", lr: 1e-3 } }).compile(loss, { autocast: { device: "cuda" } });
    const inputs = calls("float32")[0] as object;
    expect(await device.watchAsync(async () => expect((await step(inputs)).updated).toBe(true))).toEqual([]);
    expect(step.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
  });

  if (prompt === undefined) return;
  test.each<models.GenerateOptions>([{}, { numBeams: 3, noRepeatNgramSize: 2 }, { doSample: true, topK: 5, topP: 0.9, temperature: 0.7, minNewTokens: 2 }])("generates there: %j", async (options) => {
    torch.manualSeed(0);
    const model = make().to(elsewhere).eval() as AnyModel;
    const inputs = prompt();
    let written: Tensor | undefined;
    const faults = await device.watchAsync(async () => (written = await model.generate!(inputs, { maxNewTokens: 5, padTokenId: 13, ...options })));
    // Which tokens it writes is decided here, and the model reads them there.
    const tokens = ["a value was read", `aten::to.device copied to ${elsewhere}`, "numbers of JavaScript became a tensor"];
    expect(faults.filter((fault) => !tokens.includes(fault))).toEqual([]);
    expect(written!.device).toBe(elsewhere);
  });
});
