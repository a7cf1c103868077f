import { checkKeys, expected } from "../errors.js";
import type { Architecture, Shapes } from "./architecture.js";
import type { Config, PretrainedModel } from "./pretrained-model.js";

// What image models share: their config.json is timm's, with what differs from the named model in model_args.

/** What every named image model takes. */
export interface ImageModelOptions {
  /** Number of outputs; default 1000. */
  numClasses?: number;
  /** Channels of the images; default 3. */
  inChannels?: number;
}

/** timm's names in `model_args` for options. */
const timmNames: Readonly<Record<string, string>> = { inChannels: "in_chans" };

const snake = (name: string) => timmNames[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The `config.json` of a model that was made by name with options. */
export function imageConfig(architecture: string, { numClasses = 1000, ...others }: ImageModelOptions & Readonly<Record<string, unknown>>): Config {
  const given = Object.entries(others).filter(([, value]) => value !== undefined);
  const args = Object.fromEntries(given.map(([name, value]) => [snake(name), value]));
  // timm looks for the key pretrained_cfg to tell this form from an older one.
  return { architecture, num_classes: numClasses, model_args: args, pretrained_cfg: {} };
}

/**
 * The options that a `config.json` holds, the other way round.
 *
 * @param names of the options that the model has
 * @param guess what a file's shapes say, for what the configuration leaves open
 */
export function imageOptions(config: Config, names: readonly string[], guess: object): Record<string, unknown> {
  const { model_args: args = {}, num_classes } = config;
  if (typeof args !== "object" || args === null || Array.isArray(args)) throw expected("an object", "model_args in config.json", args);
  checkKeys(args, ["num_classes", ...names.map(snake)], "model_args in config.json");
  const found = { ...(num_classes === undefined ? {} : { num_classes }), ...args } as Record<string, unknown>;
  const said = Object.fromEntries(names.map((name) => [name, found[snake(name)] ?? (Reflect.get(guess, name) as unknown)]));
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** A named image model's entry among the architectures. */
export function imageArchitecture<M extends PretrainedModel>(
  names: readonly string[],
  make: (options: Record<string, never>) => M,
  guess: (shapes: Shapes) => object = () => ({}),
): Architecture<M> {
  return { build: (config, shapes) => make(imageOptions(config, names, guess(shapes)) as Record<string, never>) };
}
