import { SteppeError } from "../errors.js";
import * as models from "../models/index.js";
import { Module } from "../nn/module.js";
import type { ModelConfig } from "./config.js";

/** What the data tells about the model that is to learn it. */
export interface Facts {
  /** Number of classes. */
  classes?: number;
  /** The shape of one input without the first dimension: [channels, height, width] for images. */
  shape?: readonly number[];
  /** Tokens in the vocabulary. */
  vocabulary?: number;
  /** Tokens in the longest sample. */
  length?: number;
}

type Options = Record<string, unknown>;

/** How a model is made by name: what the data says of its options, and its constructor. */
interface Entry {
  make: (options: never) => Module;
  told: (facts: Facts) => Options;
}

const channels = ({ shape }: Facts) => (shape?.length === 3 ? shape[0] : undefined);
const size = ({ shape }: Facts) => (shape?.length === 3 ? shape[1] : undefined);
const numbers = ({ shape }: Facts) => shape?.reduce((a, b) => a * b, 1);

const image = (facts: Facts) => ({ numClasses: facts.classes, inChannels: channels(facts) });
const sizedImage = (facts: Facts) => ({ ...image(facts), imgSize: size(facts) });
const classifier = ({ classes, vocabulary }: Facts) => ({ numLabels: classes, vocabSize: vocabulary });
const language = ({ vocabulary }: Facts) => ({ vocabSize: vocabulary });

const made = (Class: new (options: never) => Module, told: Entry["told"]): Entry => ({ make: (options) => new Class(options), told });
const images = (functions: Record<string, (options: never) => Module>, told: Entry["told"]) => Object.fromEntries(Object.entries(functions).map(([name, make]) => [name, { make, told }]));

const { resnet18, resnet34, resnet50, resnet101, resnet152, wideResnet50, resnext50, cifarResnet20, cifarResnet32, cifarResnet56 } = models;
const { vgg11, vgg13, vgg16, vgg19, vgg11Bn, vgg13Bn, vgg16Bn, vgg19Bn, vitTiny, vitSmall, vitBase, vitLarge } = models;

/** Every model that a configuration can name. */
const entries: Readonly<Record<string, Entry>> = {
  MLP: made(models.MLP, (facts) => ({ inFeatures: numbers(facts), numClasses: facts.classes })),
  ConvNet: made(models.ConvNet, (facts) => ({ channels: channels(facts), size: size(facts), classes: facts.classes })),
  LeNet5: made(models.LeNet5, image),
  ...images({ resnet18, resnet34, resnet50, resnet101, resnet152, wideResnet50, resnext50, cifarResnet20, cifarResnet32, cifarResnet56 }, image),
  ResNet: made(models.ResNet, image),
  CifarResNet: made(models.CifarResNet, image),
  WideResNet: made(models.WideResNet, image),
  ...images({ vgg11, vgg13, vgg16, vgg19, vgg11Bn, vgg13Bn, vgg16Bn, vgg19Bn }, image),
  ...images({ vitTiny, vitSmall, vitBase, vitLarge }, sizedImage),
  ViT: made(models.ViT, sizedImage),
  BertForSequenceClassification: made(models.BertForSequenceClassification, classifier),
  RobertaForSequenceClassification: made(models.RobertaForSequenceClassification, classifier),
  DistilBertForSequenceClassification: made(models.DistilBertForSequenceClassification, classifier),
  GPT2ForSequenceClassification: made(models.GPT2ForSequenceClassification, classifier),
  GPT2LMHeadModel: made(models.GPT2LMHeadModel, language),
  LSTMLanguageModel: made(models.LSTMLanguageModel, language),
};

export const modelNames: readonly string[] = Object.keys(entries);

/**
 * Makes the model of a configuration.
 *
 * @param config `from` is relative to the working directory
 * @param tell is told what of a pretrained model is random
 * @throws SteppeError `ARGUMENT` for options that the model does not have, with `model` before their names
 */
export async function makeModel({ name, from, ...options }: ModelConfig, facts: Facts, tell: (text: string) => void): Promise<Module> {
  try {
    if (from !== undefined) return await pretrained(from, name, options, facts, tell);
    const { make, told } = entries[name!]!;
    const model = make({ ...present(told(facts)), ...options } as never);
    if (!(model instanceof Module)) throw new SteppeError("INTERNAL", `${name!} is no module.`);
    return model;
  } catch (error) {
    if (!(error instanceof SteppeError) || error.code !== "ARGUMENT") throw error;
    throw new SteppeError("ARGUMENT", placed(error.message), { cause: error });
  }
}

/** The message with the key's path before it. */
function placed(message: string): string {
  const [, known, key, hint] = /^Expected one of (.*) in (?:options|the configuration of \S+) but received "(.*?)"\.(.*)$/.exec(message) ?? [];
  return key === undefined ? `model: ${message}` : `model.${key}: there is no such key.${hint === "" ? ` Known here: ${known!}.` : hint!}`;
}

/** Weights of a folder; a new head where there is none. */
async function pretrained(from: string, name: string | undefined, options: Options, { classes, shape }: Facts, tell: (text: string) => void): Promise<Module> {
  const snake = Object.fromEntries(Object.entries(options).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]));
  const labels = classes === undefined ? {} : shape === undefined ? { num_labels: classes } : { num_classes: classes };
  const report = ({ missingKeys, unexpectedKeys }: { missingKeys: string[]; unexpectedKeys: string[] }) => {
    if (missingKeys.length > 0) tell(`Not in ${from}, and random: ${missingKeys.join(", ")}.`);
    if (unexpectedKeys.length > 0) tell(`In ${from}, and left out: ${unexpectedKeys.join(", ")}.`);
  };
  return models.fromPretrained(from, { ...(name === undefined ? {} : { architecture: name }), config: { ...labels, ...snake }, strict: false, report });
}

function present(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
