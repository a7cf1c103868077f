import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SteppeError, io, models, nn, torch } from "../../lib/index.js";
import { assign } from "../../lib/models/names.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";

const lenet = () => new models.LeNet5({ numClasses: 3 });

/** A folder with a model in it. */
function saved(model: models.PretrainedModel = lenet()): string {
  const folder = temporaryFolder();
  model.savePretrained(folder);
  return folder;
}

function edit(folder: string, change: (state: Record<string, Tensor>) => Record<string, Tensor>): void {
  const path = join(folder, "model.safetensors");
  io.saveSafetensors(path, change(io.loadSafetensors(path)));
}

const configure = (folder: string, config: object) => writeFileSync(join(folder, "config.json"), JSON.stringify(config));

async function refusal(promise: Promise<unknown>): Promise<SteppeError> {
  const error: unknown = await promise.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(SteppeError);
  return error as SteppeError;
}

const bytes = (model: nn.Module) => Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, Buffer.from(tensor.toBytes()).toString("hex")]));

describe("a folder and back", () => {
  test("the same weights and the same configuration, in evaluation mode", async () => {
    const model = lenet();
    const folder = saved(model);
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(io.safetensorsMetadata(join(folder, "model.safetensors"))).toEqual({ format: "pt" });
    const again = await models.fromPretrained(folder);
    expect(again).toBeInstanceOf(models.LeNet5);
    expect(again.training).toBe(false);
    expect(again.config).toEqual(model.config);
    expect(bytes(again)).toEqual(bytes(model));
  });

  test("a folder that is not there yet, one that holds an older model, and one file alone", async () => {
    const folder = join(temporaryFolder(), "a", "b");
    lenet().savePretrained(folder);
    const second = lenet();
    models.savePretrained(second, folder);
    expect(bytes(await models.fromPretrained(folder))).toEqual(bytes(second));
    expect(bytes(await models.fromPretrained(join(folder, "model.safetensors")))).toEqual(bytes(second));
  });

  test("options of every kind of model survive", async () => {
    const made = [
      new models.MLP({ inFeatures: 6, hidden: [5], activation: "tanh", dropout: 0.1, numClasses: 2 }),
      new models.WideResNet({ depth: 10, widenFactor: 1, dropout: 0.2 }),
      new models.CifarResNet({ depth: 8, inChannels: 1 }),
      new models.ViT({ imgSize: 8, patchSize: 4, embedDim: 8, depth: 1, numHeads: 2, numClasses: 3, globalPool: "avg", dropPathRate: 0.1 }),
    ];
    for (const model of made) {
      const again = await models.fromPretrained(saved(model));
      expect(String(again)).toBe(String(model));
      expect(again.config).toMatchObject(model.config);
      expect(bytes(again)).toEqual(bytes(model));
    }
  });

  test("in another dtype", async () => {
    const model = lenet();
    const folder = saved(model);
    const double = await models.fromPretrained(folder, { dtype: "float64" });
    expect(double.parameters().every(({ dtype }) => dtype === "float64")).toBe(true);
    expect(bytes(double.to("float32"))).toEqual(bytes(model));
    // Left out: the file's, or what config.json says.
    model.to("bfloat16").savePretrained(folder);
    expect((await models.fromPretrained(folder)).parameters()[0]!.dtype).toBe("bfloat16");
    configure(folder, { ...model.config, dtype: "float16" });
    expect((await models.fromPretrained(folder)).parameters()[0]!.dtype).toBe("float16");
  });

  test("the loaded model trains, and its file may go", async () => {
    const folder = saved();
    const model = (await models.fromPretrained(folder, { architecture: "LeNet5" })).train();
    const x = torch.randn([2, 1, 28, 28]);
    const first = await models.fromPretrained(folder, { architecture: "LeNet5" });
    nn.functional.crossEntropy(model.forward(x), torch.tensor([0, 2])).backward();
    expect(model.parameters().every(({ grad }) => grad !== null)).toBe(true);
    torch.noGrad(() => model.parameters().forEach((parameter) => parameter.sub_(parameter.grad!)));
    expect(bytes(first)).not.toEqual(bytes(model));
  });

  test("random numbers are drawn only for what stays random", async () => {
    const folder = saved(new models.ViT({ imgSize: 8, patchSize: 4, embedDim: 8, depth: 1, numHeads: 2 }));
    const after = async (load: () => Promise<unknown>) => {
      torch.manualSeed(3);
      await load();
      return torch.rand([4]).toArray();
    };
    const untouched = await after(async () => {});
    expect(await after(() => models.fromPretrained(folder))).toEqual(untouched);
    expect(await after(() => models.fromPretrained(folder, { strict: false }))).not.toEqual(untouched);
    // Nor later: a model that is made by hand afterwards is random again.
    torch.manualSeed(3);
    const [a, b] = [lenet(), lenet()];
    expect(bytes(a)).not.toEqual(bytes(b));
    edit(folder, ({ "head.bias": _, ...state }) => state);
    await refusal(models.fromPretrained(folder));
    expect(bytes(lenet())).not.toEqual(bytes(lenet()));
    const headless = await models.fromPretrained(folder, { strict: false, architecture: "vit_base_patch16_224" });
    expect(headless.head.bias!.toArray()).toEqual(Array(1000).fill(0));
  });

  test("the number of classes from the file where nothing says it", async () => {
    const folder = temporaryFolder();
    io.saveSafetensors(join(folder, "model.safetensors"), new models.CifarResNet({ depth: 8, numClasses: 7, inChannels: 1 }).stateDict());
    const model = await models.fromPretrained(folder, { architecture: "CifarResNet" });
    expect(model.config).toMatchObject({ num_classes: 7, model_args: { depth: 8, in_chans: 1 } });
  });

  test("loading needs little memory beyond the model", async () => {
    const folder = saved(new models.MLP({ inFeatures: 3000, hidden: [3000, 3000] }));
    const before = torch.memory().bytes;
    const model = await models.fromPretrained(folder);
    expect(torch.memory().bytes - before).toBeLessThan(1.01 * model.numParameters() * 4);
  });
});

describe("names", () => {
  test("everything that does not fit, together, and nothing loaded", async () => {
    const folder = saved();
    edit(folder, ({ "fc1.weight": _, ...state }) => ({ ...state, extra: torch.ones([1]), "fc3.bias": torch.ones([4]), "conv1.bias": torch.ones([2, 3]) }));
    const { code, message } = await refusal(models.fromPretrained(folder));
    expect(code).toBe("ARGUMENT");
    expect(message.split("\n")).toEqual([
      "The weights do not fit LeNet5.",
      '  missing: "fc1.weight"',
      '  unexpected: "extra"',
      '  "conv1.bias": expected shape [6] but received [2, 3]',
      '  "fc3.bias": expected shape [3] but received [4]',
      "With { strict: false } what is missing stays random, and what is unexpected is left out.",
    ]);
  });

  test("without strict the rest is loaded, and reported; shapes must fit all the same", async () => {
    const folder = saved();
    const whole = await models.fromPretrained(folder);
    edit(folder, ({ "fc1.weight": _, ...state }) => ({ ...state, extra: torch.ones([1]) }));
    let report: nn.LoadResult | undefined;
    const model = await models.fromPretrained(folder, { strict: false, report: (result) => (report = result) });
    expect(report).toEqual({ missingKeys: ["fc1.weight"], unexpectedKeys: ["extra"] });
    const { "fc1.weight": _, ...rest } = bytes(whole);
    expect(bytes(model)).toMatchObject(rest);
    edit(folder, (state) => ({ ...state, "fc3.bias": torch.ones([4]) }));
    expect((await refusal(models.fromPretrained(folder, { strict: false }))).message).toMatch(/"fc3.bias": expected shape \[3\] but received \[4\]$/);
  });

  class Encoder extends models.PretrainedModel {
    embeddings = new nn.Embedding(5, 4);
    LayerNorm = new nn.LayerNorm(4);
  }
  class Tagger extends models.PretrainedModel {
    encoder = new Encoder({});
    decoder = new nn.Linear(4, 5);
    constructor(tied: boolean) {
      super({ model_type: "tagger" });
      if (tied) this.decoder.weight = this.encoder.embeddings.weight;
    }
  }
  const architecture: models.Architecture = { build: () => new Tagger(false), prefix: "encoder", ignored: /position_ids$/ };
  const shapes = (entries: Record<string, number[]>) => new Map(Object.entries(entries));
  const found = (model: models.PretrainedModel, entries: Record<string, number[]>, strict = true) => {
    const { pairs, ...result } = assign(model, architecture, shapes(entries), strict);
    const names = new Map(model.states().map(({ name, tensor }) => [tensor, name]).reverse() as [Tensor, string][]);
    return { ...result, pairs: Object.fromEntries(pairs.map(({ tensor, source }) => [names.get(tensor), source])) };
  };
  const encoder = { "embeddings.weight": [5, 4], "LayerNorm.weight": [4], "LayerNorm.bias": [4] };
  const prefixed = Object.fromEntries(Object.entries(encoder).map(([name, shape]) => [`encoder.${name}`, shape]));
  const head = { "decoder.weight": [5, 4], "decoder.bias": [5] };

  test("gamma and beta of old files", () => {
    const old = { "embeddings.weight": [5, 4], "LayerNorm.gamma": [4], "LayerNorm.beta": [4] };
    expect(found(new Encoder({}), old).pairs).toEqual({ "embeddings.weight": "embeddings.weight", "LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta" });
    expect(() => found(new Encoder({}), { ...old, "LayerNorm.weight": [4] })).toThrow('"LayerNorm.weight" twice: as "LayerNorm.gamma" and as "LayerNorm.weight"');
  });

  test("a base model's file for a model with a head, and the other way round", () => {
    const into = found(new Tagger(false), encoder, false);
    expect(into.pairs).toEqual({ "encoder.embeddings.weight": "embeddings.weight", "encoder.LayerNorm.weight": "LayerNorm.weight", "encoder.LayerNorm.bias": "LayerNorm.bias" });
    expect(into.missingKeys).toEqual(["decoder.weight", "decoder.bias"]);
    const from = found(new Encoder({}), { ...prefixed, ...head }, false);
    expect(from.pairs["LayerNorm.bias"]).toBe("encoder.LayerNorm.bias");
    expect(from).toMatchObject({ missingKeys: [], unexpectedKeys: ["decoder.weight", "decoder.bias"] });
    expect(() => found(new Encoder({}), { ...prefixed, ...head })).toThrow('unexpected: "decoder.weight", "decoder.bias"');
  });

  test("tied weights under either name or both", () => {
    for (const left of [["decoder.weight"], ["encoder.embeddings.weight"], []]) {
      const entries = Object.fromEntries(Object.entries({ ...prefixed, ...head }).filter(([name]) => !left.includes(name)));
      expect(found(new Tagger(true), entries).missingKeys).toEqual([]);
    }
    expect(found(new Tagger(true), { ...prefixed, ...head }).pairs["encoder.embeddings.weight"]).toBe("encoder.embeddings.weight");
    expect(() => found(new Tagger(false), { ...prefixed, "decoder.bias": [5] })).toThrow('missing: "decoder.weight"');
  });

  test("what older versions saved and newer ones compute", () => {
    expect(found(new Tagger(false), { ...prefixed, ...head, "encoder.position_ids": [1, 512] }).unexpectedKeys).toEqual([]);
  });

  test("shared tensors are written once; Hugging Face's configuration keeps the class", () => {
    const folder = temporaryFolder();
    new Tagger(true).savePretrained(folder);
    expect(Object.keys(io.loadSafetensors(join(folder, "model.safetensors"))).sort()).toEqual([...Object.keys(prefixed), "decoder.bias"].sort());
    expect(JSON.parse(readFileSync(join(folder, "config.json"), "utf8"))).toEqual({ model_type: "tagger", architectures: ["Tagger"], dtype: "float32" });
  });
});

describe("the folder", () => {
  /** The weights in two shards. */
  function sharded(): string {
    const folder = saved();
    const state = Object.entries(io.loadSafetensors(join(folder, "model.safetensors")));
    const parts = { "one.safetensors": state.slice(0, 4), "two.safetensors": state.slice(4) };
    const map: Record<string, string> = {};
    for (const [file, entries] of Object.entries(parts)) {
      io.saveSafetensors(join(folder, file), Object.fromEntries(entries));
      for (const [name] of entries) map[name] = file;
    }
    writeFileSync(join(folder, "pytorch_model.bin.index.json"), "{}");
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    return folder;
  }
  const reindex = (folder: string, change: (map: Record<string, unknown>) => unknown) => {
    const path = join(folder, "model.safetensors.index.json");
    const index = JSON.parse(readFileSync(path, "utf8")) as { weight_map: Record<string, unknown> };
    writeFileSync(path, JSON.stringify({ ...index, weight_map: change(index.weight_map) }));
  };
  const withoutSingle = async (folder: string) => {
    const { rmSync } = await import("node:fs");
    rmSync(join(folder, "model.safetensors"));
    return folder;
  };

  test("shards", async () => {
    const folder = sharded();
    const single = bytes(await models.fromPretrained(folder));
    expect(bytes(await models.fromPretrained(await withoutSingle(folder)))).toEqual(single);
  });

  test.each<[string, (map: Record<string, unknown>) => unknown, RegExp]>([
    ["an index without a map", () => undefined, /an object as weight_map .* received nothing/],
    ["a shard outside of the folder", (map) => ({ ...map, "fc3.bias": "../two.safetensors" }), /a file's name for "fc3.bias"/],
    ["a shard that is no name", (map) => ({ ...map, "fc3.bias": 2 }), /a file's name for "fc3.bias"/],
    ["a shard that is missing", (map) => ({ ...map, "fc3.bias": "three.safetensors" }), /three\.safetensors/],
    ["a tensor that its shard has not", (map) => ({ ...map, other: "two.safetensors" }), /a file that holds "other" .* received "two.safetensors"/],
  ])("%s", async (_, change, message) => {
    const folder = await withoutSingle(sharded());
    reindex(folder, change);
    expect((await refusal(models.fromPretrained(folder))).message).toMatch(message);
  });

  test("no weights, and several", async () => {
    const folder = temporaryFolder();
    configure(folder, { architecture: "LeNet5" });
    const none = await refusal(models.fromPretrained(folder));
    expect([none.code, none.message]).toEqual(["IO", expect.stringMatching(/Expected model\.safetensors, .* but received none\.$/)]);
    for (const name of ["a.safetensors", "b.pth"]) writeFileSync(join(folder, name), "");
    expect((await refusal(models.fromPretrained(folder))).message).toMatch(/received a\.safetensors, b\.pth\. Pass the path of the one that is meant\.$/);
    expect((await refusal(models.fromPretrained(join(folder, "c")))).code).toBe("IO");
  });

  test.each<[string, string, string, RegExp]>([
    ["JSON that is none", "{", "FORMAT", /JSON at byte 1 of .*config\.json/],
    ["a list", "[]", "FORMAT", /a JSON object/],
    ["nothing that names a model", "{}", "ARGUMENT", /received no name: .* has no config\.json that gives one\. Pass \{ architecture \}/],
    ["an architecture that is not known", '{"architectures": ["LeNet6"]}', "ARGUMENT", /Expected one of MLP, LeNet5, resnet18, .* received architecture "LeNet6"\. Did you mean "LeNet5"\?/],
    ["a model_type that is not known", '{"model_type": "mamba"}', "ARGUMENT", /received model_type "mamba"/],
    ["an architecture that is no name", '{"architecture": 5}', "ARGUMENT", /the name of an architecture/],
    ["a number of classes that is none", '{"architecture": "LeNet5", "num_classes": "many"}', "ARGUMENT", /outFeatures of nn\.Linear/],
    ["an option that the model has not", '{"architecture": "LeNet5", "model_args": {"depth": 3}}', "ARGUMENT", /model_args in config\.json but received "depth"/],
    ["more layers than files have", '{"model_type": "bert", "num_hidden_layers": 1000000000}', "ARGUMENT", /Expected at most 1000, for 10 tensors, for num_hidden_layers in config\.json/],
    ["a depth beyond all measure", '{"architecture": "CifarResNet", "model_args": {"depth": 6000000002}}', "ARGUMENT", /Expected at most 1000, .* for depth in config\.json/],
    ["a dtype that is none", '{"architecture": "LeNet5", "num_classes": 3, "dtype": "float33"}', "ARGUMENT", /Did you mean "float32"\?/],
  ])("config.json with %s", async (_, text, code, message) => {
    const folder = saved();
    writeFileSync(join(folder, "config.json"), text);
    const error = await refusal(models.fromPretrained(folder));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  test("wrong arguments", async () => {
    const folder = saved();
    for (const [wrong, message] of [
      [{ stict: true }, /Did you mean "strict"/],
      [{ strict: 1 }, /true or false for strict/],
      [{ dtype: "f32" }, /a dtype for dtype/],
      [{ report: 1 }, /a function for report/],
      [{ config: [] }, /an object for config/],
      [{ dtype: "int64" }, /a floating-point or complex dtype/],
    ] as const) {
      expect((await refusal(models.fromPretrained(folder, wrong as never))).message).toMatch(message);
    }
    expect((await refusal(models.fromPretrained("" as string))).message).toMatch(/the path of a folder or a file/);
    expect(() => models.savePretrained(new nn.Linear(1, 1) as never, folder)).toThrow(/a model of models, with a config/);
  });

  test.each<[() => unknown, RegExp]>([
    [() => new models.ResNet({ block: "basic", layers: [1, 1, 1, -1] }), /four numbers of blocks for layers/],
    [() => new models.ResNet({ block: "basic", layers: [1, 1, 1.5, 1] }), /four numbers of blocks for layers/],
    [() => new models.ViT({ depth: -3 }), /a positive integer for depth/],
    [() => new models.ViT({ numHeads: 5 }), /a divisor of embedDim \(768\) for numHeads/],
    [() => new models.ViT({ imgSize: 30, patchSize: 7 }), /a multiple of patchSize \(7\) for imgSize/],
    [() => new models.MLP({ inFeatures: 3, hidden: [4, 0] }), /a positive integer for hidden\[1\]/],
    [() => new models.MLP({ inFeatures: 0 }), /a positive integer for inFeatures/],
    [() => new models.CifarResNet({ depth: 21 }), /6n \+ 2 layers/],
    [() => new models.WideResNet({ depth: 11 }), /6n \+ 4 layers/],
    [() => new models.VGG(12 as never, false), /11, 13, 16 or 19 for depth/],
    [() => new models.ConvNet({ channels: 1, size: 30, classes: 2 }), /a multiple of 4 for size/],
  ])("%s is refused", (make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(SteppeError);
  });

  test("a folder that cannot be made; the older files stay", () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expect(() => lenet().savePretrained(file)).toThrow(/able to write/);
    const folder = saved();
    const before = readFileSync(join(folder, "model.safetensors"));
    const broken = lenet();
    broken.to("complex128");
    expect(() => broken.savePretrained(folder)).toThrow(/a dtype that safetensors has/);
    expect(readFileSync(join(folder, "model.safetensors"))).toEqual(before);
    expect(existsSync(join(folder, "config.json"))).toBe(true);
  });
});
