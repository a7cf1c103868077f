import { count, integer, or } from "../../nn/arguments.js";
import { bertFields, readBertConfig } from "../bert/config.js";
import type { BertConfig, BertConfigInput } from "../bert/config.js";
import { nullable } from "../config.js";
import type { ReadConfig } from "../config.js";

/** RoBERTa's configuration: BERT's, with defaults of its own. */
const robertaFields: typeof bertFields = { ...bertFields, vocabSize: or(count, 50265), padTokenId: or(nullable(integer), 1) };

/** RoBERTa's configuration, complete. */
export type RobertaConfig = BertConfig;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type RobertaConfigInput = BertConfigInput;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong values */
export function readRobertaConfig(owner: string, given: RobertaConfigInput): ReadConfig<RobertaConfig> {
  return readBertConfig(owner, given, "roberta", robertaFields);
}
