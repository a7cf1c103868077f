import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { models, nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// What torchvision and timm compute, kept in test/fixtures/models/vision.json by vision.py there: needs no Python.

interface Fixture {
  size: number;
  names: string[];
  logits: number[][];
  loss: number;
  gradients: Record<string, [norm: number, product: number]>;
  buffers: Record<string, number>;
}

const fixtures = JSON.parse(readFileSync(new URL("../fixtures/models/vision.json", import.meta.url), "utf8")) as Record<string, Fixture>;

const makers: Record<string, () => models.PretrainedModel & { forward(x: Tensor): Tensor }> = {
  resnet18: () => models.resnet18({ numClasses: 5 }),
  ResNeXt: () => new models.ResNet({ block: "bottleneck", layers: [1, 1, 1, 1], numClasses: 4, groups: 32, widthPerGroup: 4 }),
  "timm's ViT": () => models.vitTiny({ imgSize: 32, patchSize: 8, depth: 2, numClasses: 4 }),
  "torchvision's ViT": () => new models.ViT({ imgSize: 32, patchSize: 8, depth: 2, numHeads: 4, embedDim: 32, numClasses: 4 }, "vit_b_16"),
};

/** As vision.py has it. */
function scatter(count: number, start: number): Tensor {
  const k = torch.arange(count, { dtype: "int64" });
  const whole = k.mul(k).mul(12345).add(k.mul(678901)).add(start * 7919).remainder(1000003);
  return whole.to("float64").div(1000003).mul(2).sub(1);
}

function fill(model: models.PretrainedModel, names: readonly string[]): void {
  const state = new Map(Object.entries(model.stateDict()).map(([name, tensor]) => [model.fileName(name), tensor]));
  expect([...state.keys()].sort()).toEqual([...names].sort());
  names.forEach((name, i) => {
    const tensor = state.get(name)!;
    if (tensor.dtype !== "float64") return;
    const values = scatter(tensor.numel(), i).reshape([...tensor.shape]);
    const matrix = tensor.dim() > 1;
    const base = name.endsWith("running_var") || (tensor.dim() === 1 && name.endsWith("weight")) ? 1 : 0;
    tensor.copy_(values.mul(matrix ? Math.sqrt(3 / (tensor.numel() / tensor.shape[0]!)) : 0.2).add(base));
  });
}

const number = (tensor: Tensor) => Number(tensor.detach().item());

describe.each(Object.entries(fixtures))("%s", (name, fixture) => {
  beforeEach(() => torch.setNumThreads(1));

  test("logits, loss, gradients and buffers in float64", { timeout: 60_000 }, () => {
    const model = makers[name]!().to("float64").eval();
    fill(model, fixture.names);
    const x = scatter(4 * 3 * fixture.size ** 2, 1000).reshape([4, 3, fixture.size, fixture.size]);
    const near = (value: number, wanted: number, what: string, scale = Math.abs(wanted)) => expect(Math.abs(value - wanted), what).toBeLessThanOrEqual(1e-9 * Math.max(1, scale));
    const logits = torch.noGrad(() => model.forward(x)).toArray() as number[][];
    logits.flat().forEach((value, i) => near(value, fixture.logits.flat()[i]!, `logit ${i}`));
    model.train();
    const loss = nn.functional.crossEntropy(model.forward(x), torch.tensor([0, 1, 2, 3]));
    near(number(loss), fixture.loss, "loss");
    loss.backward();
    const parameters = model.namedParameters();
    expect(parameters).toHaveLength(Object.keys(fixture.gradients).length);
    for (const [key, { grad }] of parameters) {
      const [norm, product] = fixture.gradients[model.fileName(key)]!;
      near(number(grad!.norm()), norm, key);
      near(number(grad!.flatten().dot(scatter(grad!.numel(), 2000))), product, key, norm);
    }
    for (const [key, buffer] of model.namedBuffers()) near(number(buffer.to("float64").sum()), fixture.buffers[key]!, key);
  });
});
