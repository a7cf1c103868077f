import { TensorDataset, cifar10, cifar100, digits, fashionMnist, kmnist, mnist, randomSplit, subset, transforms } from "../data/index.js";
import { SteppeError, expected } from "../errors.js";
import { loadSafetensors } from "../io/index.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { AugmentConfig, DigitsConfig, ImageSetConfig, SafetensorsConfig } from "./config.js";
import { choose } from "./data-sets.js";
import type { Sets } from "./data-sets.js";

type Pairs = TensorDataset<[inputs: Tensor, targets: Tensor]>;
type Transform = ReturnType<typeof transforms.compose>;

const published = { mnist, "fashion-mnist": fashionMnist, kmnist, "cifar-10": cifar10, "cifar-100": cifar100 };

/** Images by name, and tensors of files. */
export async function loadImages(config: DigitsConfig | ImageSetConfig | SafetensorsConfig, at: (path: string) => string): Promise<Sets> {
  const { train, validation, test } = await read(config, at);
  const [inputs, targets] = train.tensors;
  const isClasses = targets.dim() === 1 && /^u?int/.test(targets.dtype);
  const shape = inputs.shape.slice(1);
  if (!isClasses) {
    for (const key of ["fraction", "labelNoise"] as const) if (config[key] !== undefined) throw new SteppeError("ARGUMENT", `data.${key}: expected nothing, as the targets are numbers, not classes.`);
    const { validationShare = 0, seed = 0 } = config;
    const [rest, split] = validationShare > 0 ? randomSplit(train, [1 - validationShare, validationShare], { seed }) : [train];
    return sets("numbers", rest!, split ?? validation, test, { shape }, config);
  }
  const labels = (targets.toArray() as (number | bigint)[]).map(Number);
  const classes = 1 + [train, validation, test].reduce((most, set) => Math.max(most, set === undefined ? 0 : Number(set.tensors[1].max().item())), 0);
  const chosen = choose(labels, classes, config);
  const part = (indices: number[], of: number[]): Pairs => new TensorDataset(subset(train, indices).tensors[0], torch.tensor(of, { dtype: "int64" }));
  const whole = chosen.train.length === labels.length && config.labelNoise === undefined && chosen.validation === null;
  const split = chosen.validation === null ? undefined : part(chosen.validation, chosen.validation.map((i) => labels[i]!));
  return sets("classes", whole ? train : part(chosen.train, chosen.labels), split ?? validation, test, { classes, shape }, config);
}

function sets(kind: "classes" | "numbers", train: Pairs, validation: Pairs | undefined, test: Pairs | undefined, facts: Sets["facts"], config: Pick<DigitsConfig, "normalize" | "augment">): Sets {
  return { kind, train, ...(validation && { validation }), ...(test && { test }), facts, ...imageTransforms(config, facts.classes) };
}

/** What is done to batches of images, and to those that are trained on. */
export function imageTransforms({ normalize, augment = [] }: Pick<DigitsConfig, "normalize" | "augment">, classes: number | undefined): Pick<Sets, "transform" | "trainTransform"> {
  const after = normalize === undefined ? [] : [transforms.normalize(normalize.mean, normalize.std)];
  const both = [...augment.map((each) => transformOf(each, classes)), ...after];
  return {
    ...(after.length > 0 && { transform: transforms.compose(...after) as unknown as NonNullable<Sets["transform"]> }),
    ...(both.length > 0 && { trainTransform: transforms.compose(...both) as unknown as NonNullable<Sets["trainTransform"]> }),
  };
}

function transformOf(config: AugmentConfig, classes: number | undefined): Transform {
  switch (config.name) {
    case "randomHorizontalFlip":
      return transforms.randomHorizontalFlip(config.p);
    case "randomCrop": {
      const { name: _, ...options } = config;
      return transforms.randomCrop(options);
    }
    case "cutout":
      return transforms.cutout(config.size);
    case "randomErasing": {
      const { name: _, ...options } = config;
      return transforms.randomErasing(options);
    }
    case "mixup":
    case "cutmix": {
      if (classes === undefined) throw new SteppeError("ARGUMENT", `data.augment: ${config.name} mixes labels of classes, and the targets are numbers.`);
      return transforms[config.name]({ alpha: config.alpha ?? 1, classes });
    }
  }
}

async function read(config: DigitsConfig | ImageSetConfig | SafetensorsConfig, at: (path: string) => string): Promise<{ train: Pairs; validation?: Pairs; test?: Pairs }> {
  if (config.name === "digits") return digits();
  if (config.name !== "safetensors") {
    const { root, download } = config;
    return published[config.name]({ ...(root !== undefined && { root: at(root) }), ...(download !== undefined && { download }) });
  }
  const { inputs = "x", targets = "y" } = config;
  const pairs = (path: string | undefined): Pairs | undefined => {
    if (path === undefined) return undefined;
    const tensors = loadSafetensors(at(path));
    for (const name of [inputs, targets]) {
      if (tensors[name] === undefined) throw new SteppeError("FORMAT", `Expected a tensor ${JSON.stringify(name)} in ${at(path)} but received ${Object.keys(tensors).join(", ") || "none"}.`);
    }
    const [x, y] = [tensors[inputs]!, tensors[targets]!];
    if (!/float/.test(x.dtype)) throw expected("floating-point numbers", `${inputs} in ${at(path)}`, x.dtype);
    const classes = y.dim() === 1 && /^u?int/.test(y.dtype);
    return new TensorDataset(x, classes ? y.to("int64") : y.to(x.dtype));
  };
  const [train, validation, test] = [config.train, config.validation, config.test].map(pairs);
  return { train: train!, ...(validation && { validation }), ...(test && { test }) };
}
