import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";

/** What all encoders read. Of `inputIds` and `inputsEmbeds`, one is given. */
export interface EncoderInputs {
  /** Numbers of tokens [batch, length], int64. */
  inputIds?: Tensor | null;
  /** 1 for tokens that are seen and 0 for padding, [batch, length]; or a mask of four dimensions: see `additiveMask`. */
  attentionMask?: Tensor | null;
  /** Vectors instead of tokens, [batch, length, hiddenSize]. */
  inputsEmbeds?: Tensor | null;
  /** Places of the tokens [batch, length], int64: counted from the start if left out. */
  positionIds?: Tensor | null;
  /** Whether the states after each layer come back, too; default false. */
  outputHiddenStates?: boolean;
  /** Whether the attention weights of each layer come back, too; default false. */
  outputAttentions?: boolean;
}

export const encoderKeys = ["inputIds", "attentionMask", "inputsEmbeds", "positionIds", "outputHiddenStates", "outputAttentions"];

/**
 * Checks that a model's inputs have known names, and tokens or vectors among them.
 *
 * @param owner the model, for messages
 * @throws SteppeError `ARGUMENT` for an unknown name, and for both or none of `inputIds` and `inputsEmbeds`
 */
export function checkInputs(owner: string, inputs: EncoderInputs, keys: readonly string[]): void {
  checkKeys(inputs, keys, `the inputs of ${owner}`);
  const { inputIds = null, inputsEmbeds = null } = inputs;
  if ((inputIds === null) === (inputsEmbeds === null)) {
    throw expected("one of inputIds and inputsEmbeds", owner, inputIds === null ? undefined : [inputIds, inputsEmbeds]);
  }
  const [given, dims, name] = inputIds !== null ? [inputIds, 2, "inputIds"] : [inputsEmbeds!, 3, "inputsEmbeds"];
  if (!(given instanceof Tensor)) throw expected("a Tensor", `${name} of ${owner}`, given);
  if (given.dim() !== dims) throw expectedTensor(`${dims} dimensions`, `${name} of ${owner}`, given);
}

/**
 * Inputs with a dimension of choices after the first, taken together with it.
 *
 * @param inputs inputIds [batch, choices, length], and all other tensors alike
 * @returns the number of choices, and the inputs with [batch · choices, length]
 * @throws SteppeError `ARGUMENT` for fewer dimensions
 */
export function flattenChoices<Inputs extends EncoderInputs>(owner: string, inputs: Inputs): { choices: number; flat: Inputs } {
  const main = inputs.inputIds ?? inputs.inputsEmbeds;
  const dims = inputs.inputIds ? 3 : 4;
  if (!(main instanceof Tensor) || main.dim() !== dims) throw expected(`a tensor of ${dims} dimensions`, `inputIds of ${owner}`, main);
  const flat = Object.entries(inputs).map(([key, value]: [string, unknown]) => [key, value instanceof Tensor ? value.flatten(0, 1) : value]);
  return { choices: main.shape[1]!, flat: Object.fromEntries(flat) as Inputs };
}
