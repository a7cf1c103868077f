import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Metric } from "./metric.js";

/**
 * e to the mean negative log likelihood per token. Logits [N, length, vocabulary] (or [N, vocabulary]), tokens [N, length]
 * (or [N]); tokens that are `ignoreIndex` (default -100) do not count.
 */
export class Perplexity implements Metric {
  readonly ignoreIndex: number;
  #sum = 0;
  #tokens = 0;

  constructor(options: { ignoreIndex?: number } = {}) {
    checkKeys(options, ["ignoreIndex"]);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    if (!Number.isSafeInteger(this.ignoreIndex)) throw expected("an integer", "ignoreIndex", options.ignoreIndex);
  }

  reset(): void {
    this.#sum = this.#tokens = 0;
  }

  update(predictions: Tensor, targets: Tensor): void {
    if (!(predictions instanceof Tensor) || predictions.dim() < 2) throw expectedTensor("logits of shape [N, length, vocabulary] or [N, vocabulary]", "predictions", predictions);
    const wanted = predictions.shape.slice(0, -1);
    if (!(targets instanceof Tensor) || String(targets.shape) !== String(wanted)) throw expectedTensor(`tokens of shape [${wanted.join(", ")}]`, "targets", targets);
    torch.scope(() => {
      const logits = predictions.reshape([-1, predictions.shape.at(-1)!]).to("float64");
      const tokens = targets.reshape([-1]);
      this.#sum += torch.crossEntropyLoss(logits, tokens, null, 2, this.ignoreIndex).item() as number;
      this.#tokens += tokens.ne(this.ignoreIndex).sum().item() as number;
    });
  }

  compute(): number {
    return Math.exp(this.#sum / this.#tokens);
  }
}
