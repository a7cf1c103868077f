// What the name of a recorded number says, where nobody says it: for best checkpoints, comparisons and reports alike.

const costs = /loss|perplexity|error|(?<![a-z])(nll|r?mse|mae|wer|cer)(?![a-z])/i;

/** "validationMse" → "validation Mse", "valNLLMean" → "val NLL Mean". */
const inWords = (name: string) => name.replace(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ");

/** Whether less of it is better: losses, perplexities, errors. */
export function isBetterWhenSmaller(name: string): boolean {
  return costs.test(inWords(name));
}

/** Whether it is a share of all, to be shown in percent: accuracies and F1, if their values are from 0 to 1. */
export function isShareOf(name: string, values: readonly (number | null)[]): boolean {
  return /accuracy|f1/i.test(name) && values.every((value) => value === null || (value >= 0 && value <= 1));
}
