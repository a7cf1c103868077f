import type { Config, PretrainedModel } from "./pretrained-model.js";

/** The shapes of a file's tensors, by their names in the file. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** How a named model is made from a configuration, and how names in files become its own. */
export interface Architecture<M extends PretrainedModel = PretrainedModel> {
  /**
   * Makes the model, with random weights.
   *
   * @param config what `config.json` says; `{}` where there is none
   * @param shapes of the tensors in the files, for what no configuration says (torchvision's files have none); may be empty
   */
  build(config: Config, shapes: Shapes): M;
  /** The `model_type` that stands for this model where `config.json` names no architecture. */
  modelType?: string;
  /**
   * The part of the model that is a model of its own, Hugging Face's `base_model_prefix`: "bert". Files of the base model
   * alone lack it before their names, and files of a model with a head have it where the base model alone has none.
   */
  prefix?: string;
  /** A name in a file as the model has it. */
  rename?(name: string): string;
  /** Names in files that are no weights: what older versions saved and newer ones compute. */
  ignored?: RegExp;
}
