import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { io, models, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { hasLibraries, librariesPath, python, runPython, sameLibTorch } from "../support/python.js";

// Models of torchvision and timm, randomly initialised there, saved, loaded here: the same logits, loss and gradients.

const available = hasLibraries("torchvision", "timm", "safetensors");
const title = available ? "torchvision and timm" : `skipped: ${python === null ? "no Python with torch" : "that Python has no torchvision, timm or safetensors"}`;

interface Case {
  architecture: string;
  config?: object;
  /** Of a batch of images. */
  shape: number[];
  classes: number;
  /** The file, in the form in which Python writes it. */
  file: "model.safetensors" | "pytorch_model.bin" | "weights.pth" | "checkpoint.pt" | "model.safetensors.index.json";
}

const image = (size: number, count = 4) => [count, 3, size, size];
const resnet = (args: object) => ({ architecture: "ResNet", config: { model_args: { layers: [1, 1, 1, 1], ...args } } });
const vit = { embed_dim: 192, depth: 2, patch_size: 8 };
const cases: Record<string, Case> = {
  MLP: { architecture: "MLP", config: { num_classes: 4, model_args: { in_features: 12, hidden: [9, 7], activation: "gelu" } }, shape: [5, 3, 2, 2], classes: 4, file: "model.safetensors" },
  LeNet5: { architecture: "LeNet5", shape: [3, 1, 28, 28], classes: 10, file: "weights.pth" },
  resnet18: { architecture: "resnet18", shape: image(64), classes: 5, file: "weights.pth" },
  "resnet18 with a small stem": { ...resnet({ block: "basic" }), shape: image(16), classes: 4, file: "model.safetensors.index.json" },
  bottlenecks: { ...resnet({ block: "bottleneck" }), shape: image(64), classes: 4, file: "model.safetensors" },
  ResNeXt: { ...resnet({ block: "bottleneck", groups: 32, width_per_group: 4 }), shape: image(64), classes: 4, file: "model.safetensors" },
  "CIFAR ResNet-14": { architecture: "CifarResNet", shape: image(16), classes: 10, file: "checkpoint.pt" },
  "WRN-16-2": { architecture: "WideResNet", shape: image(16), classes: 10, file: "checkpoint.pt" },
  vgg11: { architecture: "vgg11", config: { model_args: { dropout: 0 } }, shape: image(32), classes: 4, file: "pytorch_model.bin" },
  vgg13_bn: { architecture: "vgg13_bn", config: { model_args: { dropout: 0 } }, shape: image(64), classes: 4, file: "model.safetensors" },
  "timm's ViT": { architecture: "vit_tiny_patch16_224", config: { model_args: vit }, shape: image(32), classes: 4, file: "model.safetensors" },
  "timm's ViT with mean pooling": { architecture: "vit_tiny_patch16_224.some_tag", config: { model_args: { ...vit, qkv_bias: false } }, shape: image(32), classes: 4, file: "pytorch_model.bin" },
  "torchvision's ViT": { architecture: "vit_b_16", config: { model_args: { embed_dim: 32, depth: 2, num_heads: 4, patch_size: 8 } }, shape: image(32), classes: 4, file: "weights.pth" },
};

const prelude = `${librariesPath}
import os
from safetensors.torch import load_file, save_file
torch.backends.mkldnn.deterministic = True
exec(open(inputs["reference"]).read())
`;
const reference = new URL("vision-reference.py", import.meta.url).pathname;

const write = `${prelude}
def save(state, folder, file):
    path = os.path.join(folder, file)
    if file == "model.safetensors":
        save_file(state, path, {"format": "pt"})
    elif file == "checkpoint.pt":
        torch.save({"epoch": 3, "model": {"module." + name: value for name, value in state.items()}}, path)
    elif file.endswith("index.json"):
        names = sorted(state)
        shards = {f"model-0000{i + 1}-of-00003.safetensors": names[i::3] for i in range(3)}
        for shard, part in shards.items():
            save_file({name: state[name] for name in part}, os.path.join(folder, shard), {"format": "pt"})
        with open(path, "w") as f:
            json.dump({"metadata": {}, "weight_map": {name: shard for shard, part in shards.items() for name in part}}, f)
    else:
        torch.save(state, path)

outputs = {}
for name, case in inputs["cases"].items():
    folder = os.path.join(inputs["folder"], name)
    torch.manual_seed(1)
    model = cases[name]()
    save({k: v.clone() for k, v in model.state_dict().items()}, folder + " initial", "model.safetensors")
    with torch.no_grad():
        for key, tensor in model.state_dict().items():  # no zeros and ones, so that every tensor has its part
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1 and tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor), alpha=0.1)
        if name == "torchvision's ViT":
            model.heads.head.weight.normal_(0, 0.2)
    save(model.state_dict(), folder, case["file"])
    x, y = torch.randn(case["shape"], dtype=torch.float64), torch.randint(0, case["classes"], case["shape"][:1])
    save_file({"x": x, "y": y}, os.path.join(folder, "batch"))
    for dtype in ("float32", "float64"):
        copy = cases[name]()
        copy.load_state_dict(model.state_dict())
        copy.to(getattr(torch, dtype))
        found = {"logits": copy.eval()(x.to(getattr(torch, dtype)))}
        found["loss"] = F.cross_entropy(copy.train()(x.to(getattr(torch, dtype))), y)
        found["loss"].backward()
        found.update({"gradient " + key: p.grad for key, p in copy.named_parameters()})
        found.update({"buffer " + key: b for key, b in copy.named_buffers()})
        save_file({key: value.detach().contiguous() for key, value in found.items()}, os.path.join(folder, dtype))
`;

const folder = mkdtempSync(join(tmpdir(), "steppe-vision-"));
afterAll(() => rmSync(folder, { recursive: true }));

const load = ({ architecture, config }: Case, path: string, dtype?: "float32" | "float64") =>
  models.fromPretrained(path, { architecture, config: config as models.Config, dtype }) as Promise<models.PretrainedModel & { forward(x: Tensor): Tensor }>;

const largest = (tensor: Tensor) => (tensor.numel() === 0 ? 0 : Number(tensor.detach().abs().max().to("float64").item()));
const between = (a: Tensor, b: Tensor) => {
  expect(a.shape).toEqual(b.shape);
  return largest(a.detach().to("float64").sub(b.to("float64")));
};

describe.runIf(available)(title, () => {
  beforeAll(() => {
    for (const name of Object.keys(cases)) for (const kind of ["", " initial"]) mkdirSync(join(folder, name + kind));
    runPython(write, { cases, folder, reference });
  }, 600_000);
  beforeEach(() => torch.setNumThreads(1));

  describe.each(Object.entries(cases))("%s", (name, given) => {
    const path = join(folder, name);
    test.each([["float32", 1e-5], ["float64", 1e-9]] as const)("logits, loss, gradients and buffers in %s", { timeout: 120_000 }, async (dtype, tolerance) => {
      const wanted = io.loadSafetensors(join(path, dtype));
      const batch = io.loadSafetensors(join(path, "batch"));
      const model = await load(given, path, dtype);
      expect(model.training).toBe(false);
      const x = batch.x!.to(dtype);
      expect(between(torch.noGrad(() => model.forward(x)), wanted.logits!)).toBeLessThanOrEqual(tolerance * Math.max(1, largest(wanted.logits!)));
      model.train();
      const loss = nn.functional.crossEntropy(model.forward(x), batch.y!);
      expect(between(loss, wanted.loss!)).toBeLessThanOrEqual(tolerance * Math.max(1, largest(wanted.loss!)));
      loss.backward();
      const parameters = model.namedParameters().map(([key, parameter]): [string, Tensor] => [`gradient ${model.fileName(key)}`, parameter.grad!]);
      const buffers = model.namedBuffers().map(([key, buffer]): [string, Tensor] => [`buffer ${key}`, buffer]);
      expect([...parameters, ...buffers].map(([key]) => key).sort()).toEqual(Object.keys(wanted).filter((key) => key.includes(" ")).sort());
      // Some gradients are 0 in theory (a bias before batch norm): those are compared with the others' size.
      const scale = Math.max(...parameters.map(([key]) => largest(wanted[key]!)));
      for (const [key, tensor] of parameters) expect(between(tensor, wanted[key]!), key).toBeLessThanOrEqual(tolerance * Math.max(largest(wanted[key]!), 1e-2 * scale));
      for (const [key, tensor] of buffers) expect(between(tensor, wanted[key]!), key).toBeLessThanOrEqual(tolerance * Math.max(1, largest(wanted[key]!)));
    });

    test("a compiled step replays it, forward and backward", { timeout: 120_000 }, async () => {
      const batch = io.loadSafetensors(join(path, "batch"));
      const model = (await load(given, path, "float32")).train();
      const wanted = io.loadSafetensors(join(path, "float32"));
      const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0 } }).compile((x, y) => nn.functional.crossEntropy(model.forward(x!), y!));
      const { loss } = step.sync(batch.x!.to("float32"), batch.y!);
      expect(Math.abs(loss - Number(wanted.loss!.item()))).toBeLessThanOrEqual(1e-5 * Math.max(1, loss));
      expect(step.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
      for (const [key, buffer] of model.namedBuffers()) expect(between(buffer, wanted[`buffer ${key}`]!), key).toBeLessThanOrEqual(1e-5 * Math.max(1, largest(buffer)));
    });
  });

  test("what is saved here loads there, strictly, with the same logits", { timeout: 300_000 }, async () => {
    const out = mkdtempSync(join(tmpdir(), "steppe-vision-out-"));
    try {
      for (const [name, given] of Object.entries(cases)) (await load(given, join(folder, name))).savePretrained(join(out, name));
      const far = runPython<Record<string, number>>(
        `${prelude}
outputs = {}
for name in inputs["cases"]:
    model = cases[name]()
    model.load_state_dict(load_file(os.path.join(inputs["out"], name, "model.safetensors")), strict=True)
    x, wanted = (load_file(os.path.join(inputs["folder"], name, file))[key] for file, key in (("batch", "x"), ("float32", "logits")))
    outputs[name] = (model.eval()(x.float()) - wanted).abs().max().item()
for name in ("resnet18", "timm's ViT", "timm's ViT with mean pooling"):  # by timm's own loader, from config.json
    model = timm.create_model("local-dir:" + os.path.join(inputs["out"], name), pretrained=True)
    x, wanted = (load_file(os.path.join(inputs["folder"], name, file))[key] for file, key in (("batch", "x"), ("float32", "logits")))
    outputs["timm " + name] = (model.eval()(x.float()) - wanted).abs().max().item()
`,
        { cases, folder, out, reference },
      );
      expect(Object.keys(far)).toHaveLength(Object.keys(cases).length + 3);
      for (const [name, distance] of Object.entries(far)) expect(distance, name).toBeLessThan(2e-5);
      // And here again, by its config.json alone.
      for (const name of Object.keys(cases)) {
        const again = (await models.fromPretrained(join(out, name))) as models.PretrainedModel & { forward(x: Tensor): Tensor };
        const x = io.loadSafetensors(join(folder, name, "batch")).x!.to("float32");
        const wanted = io.loadSafetensors(join(folder, name, "float32")).logits!;
        expect(between(torch.noGrad(() => again.forward(x)), wanted), name).toBeLessThan(2e-5);
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  // torchvision's ViT starts otherwise, and the networks of neither library start as here in their own way.
  const seeded: Record<string, () => models.PretrainedModel> = {
    resnet18: () => models.resnet18({ numClasses: 5 }),
    bottlenecks: () => new models.ResNet({ block: "bottleneck", layers: [1, 1, 1, 1], numClasses: 4 }),
    ResNeXt: () => new models.ResNet({ block: "bottleneck", layers: [1, 1, 1, 1], numClasses: 4, groups: 32, widthPerGroup: 4 }),
    vgg11: () => models.vgg11({ numClasses: 4, classifierWidth: 32 }),
    vgg13_bn: () => models.vgg13Bn({ numClasses: 4, classifierWidth: 32 }),
    "timm's ViT": () => models.vitTiny({ imgSize: 32, patchSize: 8, depth: 2, numClasses: 4 }),
    "timm's ViT with mean pooling": () => models.vitTiny({ imgSize: 32, patchSize: 8, depth: 2, numClasses: 4, globalPool: "avg", qkvBias: false }),
    MLP: () => new models.MLP({ inFeatures: 12, hidden: [9, 7], activation: "gelu", numClasses: 4 }),
    LeNet5: () => new models.LeNet5(),
  };
  test.runIf(sameLibTorch).each(Object.entries(seeded))("%s starts from the same weights with the same seed", (name, make) => {
    const wanted = io.loadSafetensors(join(folder, `${name} initial`, "model.safetensors"));
    torch.manualSeed(1);
    const state = make().stateDict();
    expect(Object.keys(state).sort()).toEqual(Object.keys(wanted).sort());
    for (const [key, tensor] of Object.entries(state)) expect(between(tensor, wanted[key]!), key).toBe(0);
  });

  test("every named model has the names and shapes of torchvision and timm, in their order", { timeout: 300_000 }, () => {
    const narrow = { classifierWidth: 8 };
    const makers: Record<string, () => models.PretrainedModel> = {
      resnet34: models.resnet34, resnet50: models.resnet50, resnet101: models.resnet101, resnet152: models.resnet152,
      wide_resnet50_2: models.wideResnet50, resnext50_32x4d: models.resnext50,
      vgg11: () => models.vgg11(narrow), vgg13: () => models.vgg13(narrow), vgg16: () => models.vgg16(narrow), vgg19: () => models.vgg19(narrow),
      vgg11_bn: () => models.vgg11Bn(narrow), vgg13_bn: () => models.vgg13Bn(narrow), vgg16_bn: () => models.vgg16Bn(narrow), vgg19_bn: () => models.vgg19Bn(narrow),
      vit_tiny_patch16_224: models.vitTiny, vit_small_patch16_224: models.vitSmall,
    };
    const wanted = runPython<Record<string, [string, number[]][]>>(
      `${prelude}
outputs = {}
with torch.device("meta"):
    for name in inputs["names"]:
        if name.startswith("vgg"):
            model = vgg({"11": "A", "13": "B", "16": "D", "19": "E"}[name[3:5]], name.endswith("bn"), 8, 1000)
        else:
            model = timm.create_model(name) if name.startswith("vit") else getattr(torchvision.models, name)()
        outputs[name] = [[key, list(tensor.shape)] for key, tensor in model.state_dict().items()]
`,
      { names: Object.keys(makers), reference },
    );
    for (const [name, make] of Object.entries(makers)) {
      torch.scope(() => expect(Object.entries(make().stateDict()).map(([key, tensor]) => [key, [...tensor.shape]]), name).toEqual(wanted[name]));
    }
  });
});
