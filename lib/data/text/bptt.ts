import { checkFlag, checkInteger } from "../../checks.js";
import { checkKeys, expected, expectedTensor } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { Loader } from "../loader.js";

/** How a text is cut for truncated backpropagation through time. */
export interface BpttOptions {
  /** How many stretches of the text are read side by side: the batch size. */
  columns: number;
  /** Tokens of each column in a batch. */
  window: number;
  /** Batches [columns, window] instead of [window, columns]; default false. */
  batchFirst?: boolean;
  /** Leaves out a last window that would be shorter; default false. */
  dropLast?: boolean;
}

/**
 * Batches for truncated backpropagation through time. The text is cut into as many columns of the same length; what does not fill a
 * row is left out. A batch is the next window of every column and, of the same shape, the tokens that follow each: it goes on
 * where the batch before has ended, so that an LSTM may keep its state (detached) from batch to batch, and takes zeros at the start
 * of a pass. These are the batches of PyTorch's example word_language_model.
 *
 * The loader's `stateDict()` goes on in the middle of a pass; the LSTM's state is the caller's to save.
 *
 * @param ids int64 [tokens]
 * @example
 * let state: models.LSTMLanguageModelOutput["state"] | null = null;
 * for (const [input, next] of data.bptt(train, { columns: 20, window: 35, batchFirst: true })) {
 *   const output: models.LSTMLanguageModelOutput = model.forward({ inputIds: input, labels: next, state });
 *   state = output.state.map(([hidden, cell]) => [hidden.detach(), cell.detach()]);
 * }
 */
export function bptt(ids: Tensor, options: BpttOptions): Loader<[input: Tensor, next: Tensor]> {
  if (!(ids instanceof Tensor) || ids.dim() !== 1 || !/int/.test(ids.dtype)) throw expectedTensor("integers of one dimension", "ids", ids);
  if (typeof options !== "object" || options === null) throw expected("an object with columns and window", "options", options);
  checkKeys(options, ["columns", "window", "batchFirst", "dropLast"]);
  const columns = checkInteger(options.columns, "columns", 1);
  const window = checkInteger(options.window, "window", 1);
  const batchFirst = checkFlag(options.batchFirst ?? false, "batchFirst");
  const dropLast = checkFlag(options.dropLast ?? false, "dropLast");
  const rows = Math.floor(ids.numel() / columns);
  const length = dropLast ? Math.floor((rows - 1) / window) : Math.ceil((rows - 1) / window);
  if (length < 1) throw expected(`at least ${columns * (dropLast ? window + 1 : 2)} tokens`, "ids", ids.numel());
  const table = ids.narrow(0, 0, rows * columns).view([columns, rows]);
  const take = (start: number, count: number) => {
    const part = table.narrow(1, start, count);
    return (batchFirst ? part : part.t()).clone({ memoryFormat: "contiguous" });
  };
  const batch = (indices: Tensor): [Tensor, Tensor] => {
    const start = Number(indices.item()) * window;
    const count = Math.min(window, rows - 1 - start);
    return torch.scope(() => [take(start, count), take(start + 1, count)] as [Tensor, Tensor]);
  };
  return new Loader({ length, batch }, { batchSize: 1 });
}
