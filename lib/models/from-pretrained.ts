import { setImmediate } from "node:timers/promises";
import { toDType } from "../dtype.js";
import { SteppeError, checkKeys, expected, suggest } from "../errors.js";
import { withoutDrawing } from "../nn/drawing.js";
import type { LoadResult } from "../nn/index.js";
import type { Device, DType } from "../types.js";
import { architectures } from "./architectures.js";
import type { Architecture } from "./architecture.js";
import type { ArchitectureName, ModelOf } from "./architectures.js";
import { findWeights, readConfig } from "./folder.js";
import { assign } from "./names.js";
import { floatingDType } from "./pretrained-model.js";
import type { Config, PretrainedModel } from "./pretrained-model.js";

/** How `fromPretrained` reads a folder. */
export interface FromPretrainedOptions<Name extends string = string> {
  /** Hugging Face's class name ("BertForMaskedLM"), or torchvision's or timm's function ("resnet18"). Left out, `config.json` decides. */
  architecture?: Name;
  /** The parameters' dtype. Left out, what `config.json` says, else that of the file. */
  dtype?: DType;
  /** Where the model goes; default "cpu". */
  device?: Device;
  /** Whether missing and unexpected names are an error; default true. With false, what is missing stays random. */
  strict?: boolean;
  /** Entries that take the place of those in `config.json`: `{ num_labels: 3 }`. */
  config?: Config;
  /** Is told which names were missing and unexpected; with `strict: false` the way to know. */
  report?: (result: LoadResult) => void;
}

/**
 * Makes a model from the files that Hugging Face, timm, torchvision or {@link savePretrained} left, in evaluation mode.
 *
 * Reads `config.json`, then the weights: `model.safetensors`, `model.safetensors.index.json` with its shards,
 * `pytorch_model.bin` (single or with an index), or the folder's only `.safetensors`, `.pt`, `.pth` or `.bin`. Nothing in a
 * file is executed. Beyond the model, memory is needed for a piece of one tensor at a time. No random numbers are drawn, but
 * for what stays random without `strict`.
 *
 * Names are matched as Hugging Face does: those of older versions (`gamma`, `beta`), with or without the base model's prefix,
 * tied weights under any of their names. A tensor of another shape is an error in any case.
 *
 * @param folder a folder, or one file of weights
 * @throws SteppeError `ARGUMENT` for an unknown architecture; for names and shapes that do not fit, all listed together
 * @throws SteppeError `FORMAT` or `IO` for files that are damaged, missing or ambiguous
 * @example
 * const bert = await models.fromPretrained("bert-base", { architecture: "BertForMaskedLM" });
 * const resnet = await models.fromPretrained("resnet18-f37072fd.pth", { architecture: "resnet18" });
 */
export async function fromPretrained<Name extends ArchitectureName | (string & {}) = string>(
  folder: string,
  options: FromPretrainedOptions<Name> = {},
): Promise<ModelOf<Name>> {
  checkKeys(options, ["architecture", "dtype", "device", "strict", "config", "report"]);
  if (typeof folder !== "string" || folder === "") throw expected("the path of a folder or a file", "folder", folder);
  const { device = "cpu", strict = true, report } = options;
  if (typeof strict !== "boolean") throw expected("true or false", "strict", strict);
  if (report !== undefined && typeof report !== "function") throw expected("a function", "report", report);
  const asked = options.dtype === undefined ? undefined : toDType(options.dtype);
  if (options.config !== undefined) checkConfig(options.config);

  const config = { ...readConfig(folder), ...options.config };
  const architecture = findArchitecture(options.architecture, config, folder);
  const weights = findWeights(folder);
  try {
    const shapes = new Map([...weights.tensors].map(([name, { shape }]) => [name, shape]));
    checkLayers(config, shapes.size);
    // Strict loading fills everything or fails.
    const build = () => architecture.build(config, shapes);
    const model = strict ? withoutDrawing(build) : build();
    const said = config.dtype ?? config.torch_dtype;
    const dtype = asked ?? (typeof said === "string" ? toDType(said, "dtype in config.json") : floatingDType(weights.tensors.values()));
    model.to({ dtype, device });
    const { pairs, missingKeys, unexpectedKeys } = assign(model, architecture, shapes, strict);
    for (const { tensor, source } of pairs) {
      weights.tensors.get(source)!.copyInto(tensor);
      await setImmediate(); // other work of the event loop
    }
    report?.({ missingKeys, unexpectedKeys });
    return model.eval() as ModelOf<Name>;
  } finally {
    weights.close();
  }
}

function checkConfig(config: unknown): void {
  if (typeof config !== "object" || config === null || Array.isArray(config)) throw expected("an object", "config", config);
}

const layers = /^(num_(hidden_|decoder_)?layers|n_layers?|layers|depths?)$/;

/** Each layer has tensors, of which few are missing from a file: a damaged number would have layers made for hours before one is missed. */
function checkLayers(config: Config, tensors: number): void {
  const { model_args: args } = config;
  const entries = Object.entries({ ...config, ...(typeof args === "object" ? args : {}) }).filter(([key]) => layers.test(key));
  for (const [key, value] of entries) {
    const most = Math.max(1000, tensors);
    if ([value].flat().some((number) => typeof number === "number" && number > most)) throw expected(`at most ${most}, for ${tensors} tensors,`, `${key} in config.json`, value);
  }
}

function findArchitecture(asked: string | undefined, config: Config, folder: string): Architecture<PretrainedModel> {
  const known: Readonly<Record<string, Architecture>> = architectures;
  const listed: unknown = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  const name: unknown = asked ?? listed ?? config.architecture;
  if (typeof name === "string") {
    const [untagged] = name.split(".") as [string]; // timm tells trainings apart: "resnet18.a1_in1k"
    if (Object.hasOwn(known, untagged)) return known[untagged]!;
    throw unknown(`architecture ${JSON.stringify(name)}`, suggest(name, Object.keys(known)));
  }
  if (name !== undefined) throw expected("the name of an architecture", "architecture", name);
  const type = config.model_type;
  const standing = Object.values(known).find(({ modelType }) => modelType !== undefined && modelType === type);
  if (standing !== undefined) return standing;
  if (type !== undefined) throw unknown(`model_type ${JSON.stringify(type)}`, "");
  throw unknown(`no name: ${folder} has no config.json that gives one`, " Pass { architecture }.");
}

function unknown(received: string, hint: string): SteppeError {
  return new SteppeError("ARGUMENT", `Expected one of ${Object.keys(architectures).join(", ")} as architecture but received ${received}.${hint}`);
}
