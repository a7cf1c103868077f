import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dtypes } from "../dtype.js";
import { expected } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { saveSafetensors } from "../io/safetensors.js";
import { isSystemError, writeWhole } from "../io/whole-file.js";
import { Module } from "../nn/index.js";
import type { Tensor } from "../tensor.js";

/** What a `config.json` holds, with the names that it has there. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * A model that `models.fromPretrained` can make again from a folder: it knows its own `config.json`.
 *
 * Hugging Face's models keep that file's content as it is, with `model_type`; torchvision's and timm's keep timm's, with
 * `architecture`, the name of the function that makes them.
 */
export abstract class PretrainedModel<C extends Config = Config> extends Module {
  /** What `config.json` says of the model. */
  readonly config: C;

  constructor(config: C) {
    super();
    this.config = config;
  }

  /** The name under which a tensor of the model is written into files. */
  fileName(name: string): string {
    return name;
  }

  /** Writes the model into a folder: {@link savePretrained}. */
  savePretrained(folder: string): void {
    savePretrained(this, folder);
  }
}

/**
 * Writes a model into a folder, which is made if it is not there: `config.json` and `model.safetensors`. Hugging Face's
 * `from_pretrained` loads models of its names from it, timm's `create_model("local-dir:FOLDER")` those of timm's.
 *
 * Each file is written whole or not at all. A tensor that several parts share is written once, under its first name.
 *
 * @throws SteppeError `ARGUMENT` for what is no such model, `IO` if the file system refuses
 * @example models.savePretrained(bert, "out"); bert.savePretrained("out");
 */
export function savePretrained(model: PretrainedModel, folder: string): void {
  if (!(model instanceof PretrainedModel)) throw expected("a model of models, with a config", "model", model);
  if (typeof folder !== "string" || folder === "") throw expected("the path of a folder", "folder", folder);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? ioError("write", folder, error) : error;
  }
  const states = model.states();
  const once = states.filter(({ tensor }, i) => states.findIndex((other) => other.tensor === tensor) === i);
  saveSafetensors(join(folder, "model.safetensors"), Object.fromEntries(once.map(({ name, tensor }) => [model.fileName(name), tensor])), { format: "pt" });
  writeWhole(join(folder, "config.json"), [Buffer.from(configText(configFile(model)))]);
}

/** Python tells 1.0 from 1, and Hugging Face's configurations refuse an integer in these places. */
const floats = /^( *"(?:initializer_factor|initializer_range|layer_norm_eps|layer_norm_epsilon)": -?\d+)(,?)$/gm;

function configText(config: Config): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(floats, "$1.0$2");
}

function configFile(model: PretrainedModel): Config {
  const dtype = floatingDType(model.parameters());
  // timm's files name a function, Hugging Face's a class.
  if (typeof model.config.architecture === "string") return model.config;
  const { torch_dtype: _, ...config } = model.config;
  return { ...config, architectures: [model.constructor.name], ...(dtype === undefined ? {} : { dtype }) };
}

/** The dtype of the first floating-point tensor. */
export function floatingDType<T extends Pick<Tensor, "dtype">>(tensors: Iterable<T>) {
  for (const { dtype } of tensors) if (dtypes[dtype]!.floating) return dtype;
  return undefined;
}
