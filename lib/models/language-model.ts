import type { Architecture } from "./architecture.js";
import type { ConfigFile, ReadConfig } from "./config.js";
import { PretrainedModel } from "./pretrained-model.js";
import type { Config } from "./pretrained-model.js";

/** What Hugging Face's models share: a `config.json`, and the same in camelCase. */
export abstract class LanguageModel<Options> extends PretrainedModel<ConfigFile> {
  /** The configuration in camelCase, complete and checked. */
  readonly options: Options;

  constructor({ file, options }: ReadConfig<Options>) {
    super(file);
    this.options = options;
  }
}

/** How `fromPretrained` makes a model of a class that takes a `config.json`. */
export function languageArchitecture<Model extends PretrainedModel>(
  modelType: string,
  Class: new (config: ConfigFile) => Model,
  others: Omit<Architecture<Model>, "build" | "modelType"> & { standing?: boolean } = {},
): Architecture<Model> {
  const { standing = false, ...rest } = others;
  const build = (config: Config) => new Class({ ...config, model_type: modelType });
  return { build, ...(standing ? { modelType } : {}), ...rest };
}
