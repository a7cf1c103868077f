import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { models, torch } from "../../lib/index.js";
import type { Tensor, nn } from "../../lib/index.js";

// What Hugging Face's models compute, kept in test/fixtures/models/language.json by language.py there: needs no Python.

type Numbers = number[] | number[][] | { scatter: number[] };

interface Fixture {
  config: models.ConfigFile;
  inputs: Record<string, Numbers>;
  loss: number;
  logits: Record<string, number[]>;
  gradients: Record<string, [norm: number, product: number]>;
  prompt?: Record<string, Numbers>;
  generated?: number[][];
}

const fixtures = JSON.parse(readFileSync(new URL("../fixtures/models/language.json", import.meta.url), "utf8")) as Record<string, Fixture>;

interface AnyModel extends nn.Module {
  forward(inputs: object): Record<string, Tensor>;
  generate(inputs: object, options: models.GenerateOptions): Promise<Tensor>;
}

/** As language.py has it. */
function scatter(count: number, start: number): Tensor {
  const k = torch.arange(count, { dtype: "int64" });
  const whole = k.mul(k).mul(12345).add(k.mul(678901)).add(start * 7919).remainder(1000003);
  return whole.to("float64").div(1000003).mul(2).sub(1);
}

function make(name: string, { config, gradients }: Fixture): AnyModel {
  const Class = Reflect.get(models, name) as new (config: models.ConfigFile) => AnyModel;
  const model = new Class(config).to("float64");
  const parameters = model.namedParameters().sort(([a], [b]) => (a < b ? -1 : 1));
  expect(parameters.map(([path]) => path)).toEqual(Object.keys(gradients));
  torch.noGrad(() => {
    for (const [i, [path, parameter]] of parameters.entries()) {
      const norm = parameter.dim() === 1 && path.endsWith("weight");
      parameter.copy_(scatter(parameter.numel(), i).reshape([...parameter.shape]).mul(parameter.dim() > 1 ? 0.5 : 0.2).add(norm ? 1 : 0));
    }
  });
  return model;
}

const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const tensorOf = (value: Numbers) => ("scatter" in value ? scatter(value.scatter.reduce((a, b) => a * b, 1), 3000).reshape(value.scatter) : torch.tensor(value, { dtype: "int64" }));
const tensors = (inputs: Record<string, Numbers>) => Object.fromEntries(Object.entries(inputs).map(([key, value]) => [camel(key), tensorOf(value)]));
const number = (tensor: Tensor) => Number(tensor.detach().item());

describe.each(Object.entries(fixtures))("%s", (name, fixture) => {
  test("logits, loss and gradients in float64", () => {
    const model = make(name, fixture);
    const near = (value: number, wanted: number, what: string, scale = Math.abs(wanted)) => expect(Math.abs(value - wanted), what).toBeLessThanOrEqual(1e-9 * Math.max(1, scale));
    const output = model.forward(tensors(fixture.inputs));
    for (const [key, wanted] of Object.entries(fixture.logits)) {
      const values = output[camel(key)]!.flatten().toArray() as number[];
      expect(values).toHaveLength(wanted.length);
      values.forEach((value, i) => near(value, wanted[i]!, `${key} ${i}`));
    }
    near(number(output.loss!), fixture.loss, "loss");
    output.loss!.backward();
    for (const [path, { grad }] of model.namedParameters()) {
      const [norm, product] = fixture.gradients[path]!;
      near(number(grad!.norm()), norm, path);
      near(number(grad!.flatten().dot(scatter(grad!.numel(), 2000))), product, path, norm);
    }
  });
});

const writers = Object.entries(fixtures).filter(([, { generated }]) => generated !== undefined);
test.each(writers)("%s generates the same tokens", async (name, fixture) => {
  const model = make(name, fixture).eval();
  const ids = await model.generate(tensors(fixture.prompt!), { maxNewTokens: 8, numBeams: 3, padTokenId: 13 });
  expect(ids.toArray()).toEqual(fixture.generated);
});
