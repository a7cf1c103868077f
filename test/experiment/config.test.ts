import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, expectTypeOf, test } from "vitest";
import { SteppeError, nn, optim } from "../../lib/index.js";
import { checkConfig } from "../../lib/experiment/check.js";
import type { Config, DataConfig } from "../../lib/experiment/config.js";
import { jsonSchema } from "../../lib/experiment/json-schema.js";
import { loadConfig, overridden } from "../../lib/experiment/load.js";
import type { Checked } from "../../lib/experiment/schema.js";
import { temporaryFolder } from "../support/folder.js";

const good = {
  data: { name: "digits" },
  model: { name: "MLP", hidden: [8] },
  optimizer: { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.05, momentum: 0.9 }, lrSchedule: { name: "cosine", warmupSteps: 3 } },
  epochs: 2,
};

/** What the check says of a configuration, line by line. */
function problems(config: object): string[] {
  try {
    checkConfig(config, "x.json");
  } catch (error) {
    expect(error).toBeInstanceOf(SteppeError);
    expect((error as SteppeError).code).toBe("ARGUMENT");
    const [head, ...lines] = (error as Error).message.split("\n");
    expect(head).toBe(`The configuration x.json is wrong in ${lines.length === 1 ? "one place" : `${lines.length} places`}:`);
    return lines.map((line) => line.trim());
  }
  return [];
}

describe("messages name the path of what is wrong, what was expected and what came", () => {
  test("a good one passes", () => expect(problems(good)).toEqual([]));

  test.each<[string, string]>([
    ['optimizer.base.lr="0.1x"', 'optimizer.base.lr: expected a finite number of at least 0, received "0.1x"'],
    ["optimizer.base.momentun=0.9", 'optimizer.base.momentun: there is no such key. Did you mean "momentum"?'],
    ["optimizer.rhoo=1", 'optimizer.rhoo: there is no such key. Did you mean "rho"?'],
    ["optimizer.method=sma", 'received "sma". Did you mean "sam"?'],
    ["optimizer.lrSchedule.name=cosin", 'received "cosin". Did you mean "cosine"?'],
    ["optimizer.lrSchedule.warmupStep=3", 'optimizer.lrSchedule.warmupStep: there is no such key. Did you mean "warmupSteps"?'],
    ["optimizer.base=3", "optimizer.base"],
    ["epoch=3", 'epoch: there is no such key. Did you mean "epochs"?'],
    ["epochs=0", "epochs: expected a positive integer, received 0"],
    ['batchSize="64"', 'batchSize: expected a positive integer, received "64"'],
    ["steps=5", "epochs: expected either epochs or steps, received both"],
    ["data.name=digts", 'data.name: expected one of digits, mnist, fashion-mnist, kmnist, cifar-10, cifar-100, image-folder, safetensors, text, language, received "digts". Did you mean "digits"?'],
    ["data.fraktion=0.5", 'data.fraktion: there is no such key. Did you mean "fraction"?'],
    ["data.fraction=2", "data.fraction: expected a number of at most 1, received 2"],
    ["data.augment=[{\"name\":\"randomCrop\",\"pading\":3}]", 'data.augment[0].pading: there is no such key. Did you mean "padding"?'],
    ["data=null", "data: expected an object, received null"],
    ["model.name=mlp", 'received "mlp". Did you mean "MLP"?'],
    ["model={}", "model: expected the name of a model, or the folder that it is read from, received an object"],
    ["loss=crossentropy", 'loss: expected one of crossEntropy, mse, l1, binaryCrossEntropy, model, or an object, received "crossentropy". Did you mean "crossEntropy"?'],
    ['metrics=["accuracy","acuracy"]', 'metrics[1]: expected one of accuracy, f1, matthews, calibrationError, perplexity, pearson, spearman, or an object, received "acuracy". Did you mean "accuracy"?'],
    ["earlyStopping={}", "earlyStopping.patience: missing; expected a positive integer"],
    ["checkpoints.keep=3", "checkpoints.keep: there is no such key. Known here: every, keepLast, keepBest."],
    ["average.kind=emma", 'average.kind: expected one of ema, swa, received "emma". Did you mean "ema"?'],
    ["average={\"kind\":\"ema\",\"decay\":2}", "average.decay: expected a finite number of at least 0 and of at most 1, received 2"],
    ['compare.methods={"SAM, wide":{"rho":-1}}', 'compare.methods["SAM, wide"].rho: expected a finite number of at least 0, received -1'],
    ['compare={"methods":{"a":{"method":"sam","tune":{"rho":[0.1,-1]}}}}', "compare.methods.a.rho: expected a finite number of at least 0, received -1"],
    ['compare={"methods":{"a":{"method":"sam","tune":{"rhoo":[1]}}}}', 'compare.methods.a.rhoo: there is no such key. Did you mean "rho"?'],
    ['compare={"methods":{"a":{"method":"sam","tune":{"rho":[]}}}}', "compare.methods.a.tune.rho: expected at least 1 of them"],
    ['compare={"methods":{"a":{"method":"sam","tune":{"rho":[0.1]}}},"seeds":[1],"tuneSeed":1}', "compare.tuneSeed: expected none of compare.seeds, received 1"],
    ['compare={"methods":{"a":{"method":"none"}},"on":"test","choose":"best"}', 'compare.choose: expected "last" where compare.on is "test", received "best"'],
    ['compare={"methods":{"a":{"method":"none"}},"baseline":"b"}', 'compare.baseline: expected one of a, received "b"'],
    ['device="gpu"', 'device: expected a device such as "cpu" or "cuda:0", received "gpu"'],
    ["name=a/b", 'name: expected a name that may be that of a folder, received "a/b"'],
  ])("%s", (override, message) => {
    const lines = problems(overridden(good, [override]) as object);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
  });

  test("all of them at once, and missing ones", () => {
    const { data: _, optimizer: _optimizer, ...rest } = good;
    expect(problems({ ...rest, seed: 0.5, modle: {} })).toEqual([
      "data: missing; expected an object",
      "optimizer: missing; expected an object",
      "seed: expected an integer, received 0.5",
      'modle: there is no such key. Did you mean "model"?',
    ]);
    expect(problems({ ...good, epoch: 3, optimizer: { ...good.optimizer, rho: "0.1x" } })).toEqual([
      'epoch: there is no such key. Did you mean "epochs"?',
      'optimizer.rho: expected a finite number of at least 0, received "0.1x"',
    ]);
    expect(problems([])).toEqual(["the whole: expected an object, received an array of 0"]);
  });
});

test("the example that ships is one", async () => {
  const { config } = await loadConfig(fileURLToPath(new URL("../../examples/digits.json", import.meta.url)));
  expect(Object.keys(config.compare!.methods)).toEqual(["SGD", "SAM", "mSAM"]);
});

test("overrides: JSON values or words, in objects and arrays, without a trace in the original", () => {
  const config = { a: { b: [1, { c: 2 }] } };
  expect(overridden(config, ["a.b.1.c=three", "a.d.e=[4]", 'f="5"', "g=x=y"])).toEqual({ a: { b: [1, { c: "three" }], d: { e: [4] } }, f: "5", g: "x=y" });
  expect(config).toEqual({ a: { b: [1, { c: 2 }] } });
  expect(() => overridden(config, ["nonsense"])).toThrow("Expected PATH=VALUE such as optimizer.base.lr=0.1 for --set but received \"nonsense\".");
  expect(() => overridden({ a: 1 }, ["a.b=2"])).toThrow('Expected an object before "b" of a.b for --set but received 1');
});

test("files: JSON, TypeScript with imports, and what is neither", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(fileURLToPath(new URL("../..", import.meta.url)), join(folder, "node_modules", "steppe"), "junction");
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const fromJson = await loadConfig(write("a.config.json", JSON.stringify(good)), ["epochs=7"]);
  expect(fromJson).toMatchObject({ name: "a", folder, config: { epochs: 7 } });
  write("rho.ts", "export const rho: number = 0.25;");
  const typed = `import type { Config } from "steppe"; import { rho } from "./rho.ts"; enum Lr { low = 0.5 }
    const config: Config = { ...${JSON.stringify(good)}, name: "typed" } as Config; (config.optimizer as { rho: number }).rho = rho; export default config satisfies Config;`;
  expect(await loadConfig(write("b.ts", typed.replace("enum Lr { low = 0.5 }", "")))).toMatchObject({ name: "typed", config: { optimizer: { rho: 0.25 } } });
  await expect(loadConfig(write("c.json", '{\n "a": 1,\n}'))).rejects.toThrow(/Expected JSON in .*c\.json but received: .*line 3/);
  await expect(loadConfig(write("d.mjs", "export const config = {};"))).rejects.toThrow("as the default export of");
  await expect(loadConfig(write("f.mjs", "throw new RangeError('no such thing');"))).rejects.toThrow(/Expected a module that can be loaded in .*f\.mjs but received: RangeError: no such thing, at .*f\.mjs:1/);
  await expect(loadConfig(write("g.ts", "export default { a: ;"))).rejects.toThrow(/Expected a module that can be loaded in .*g\.ts but received: /);
  await expect(loadConfig(join(folder, "e.json"))).rejects.toThrow(/Expected to be able to read .*e\.json/);
  await expect(loadConfig(join(folder, "e.ts"))).rejects.toThrow(/Expected to be able to read .*e\.ts/);
  await expect(loadConfig("settings.yaml")).rejects.toThrow("Expected a configuration that ends in .json, .ts, .mts, .js, .mjs");
});

test("the schema and the type have the same keys", () => {
  expectTypeOf<keyof Checked>().toEqualTypeOf<keyof Config>();
  expectTypeOf<NonNullable<Checked["compare"]>>().toExtend<NonNullable<Config["compare"]>>();
  expectTypeOf<Exclude<Checked["data"], (...args: never[]) => unknown>["name"]>().toEqualTypeOf<DataConfig["name"]>();
});

describe("the JSON schema", () => {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(jsonSchema());

  test.each<[string, boolean]>([
    ["epochs=2", true],
    ["optimizer.base={\"name\":\"adamw\",\"betas\":[0.9,0.95]}", true],
    ["optimizer.method=asam", true],
    ["optimizer.method=msam", false], // it needs shards
    ["optimizer.shards=4", false], // SAM has none
    ["optimizer.base.lr=-1", false],
    ["optimizer.base.nesterovv=true", false],
    ["optimizer.lrSchedule.totalSteps=100", true],
    ["data.name=digts", false],
    ["data.fraction=2", false],
    ["model.name=mlp", false],
    ["batchSize=0", false],
    ["epoch=1", false],
    ['metrics=["accuracy",{"name":"accuracy","topK":5,"as":"top5"}]', true],
    ['metrics=["acuracy"]', false],
    ["checkpoints.keepBest=null", true],
  ])("says of %s what the check says: %s", (override, fits) => {
    const config = overridden(good, [override]);
    expect([validate(config), problems(config as object).length === 0]).toEqual([fits, fits]);
  });

  test("knows every method and base optimizer with its defaults", () => {
    const { optimizer } = jsonSchema()["properties"] as { optimizer: { oneOf: { properties: Record<string, { const?: string; default?: unknown; oneOf?: { properties: Record<string, { const?: string; default?: unknown }> }[] }> }[] } };
    const names = optimizer.oneOf.map(({ properties }) => properties["method"]!.const);
    expect(() => optim.create(new nn.Linear(1, 1), { method: "?" } as never)).toThrow(`Expected one of ${names.join(", ")} for options.method`);
    const sam = optimizer.oneOf.find(({ properties }) => properties["method"]!.const === "sam")!;
    expect(sam.properties["rho"]).toEqual({ type: "number", minimum: 0, default: 0.05 });
    const bases = sam.properties["base"]!.oneOf!;
    expect(bases.find(({ properties }) => properties["name"]!.const === "adadelta")!.properties["rho"]).toMatchObject({ default: 0.9 });
  });
});
