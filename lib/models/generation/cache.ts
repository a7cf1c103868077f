import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

/** Keys and values of one attention, [rows, heads, tokens, width] each. */
interface Entry {
  key: Tensor;
  value: Tensor;
}

/** What the attention layers of a decoder have made of the tokens so far, so that each token is read once. */
export class KeyValueCache {
  readonly #own: (Entry | undefined)[] = [];
  readonly #cross: (Entry | undefined)[] = [];

  /** Number of tokens read so far. */
  get length(): number {
    return this.#own[0]?.key.shape[2] ?? 0;
  }

  /** Adds the keys and values of new tokens to those of a layer, and returns all of them. */
  extend(layer: number, key: Tensor, value: Tensor): Entry {
    const before = this.#own[layer];
    const all = before === undefined ? { key, value } : { key: torch.cat([before.key, key], 2), value: torch.cat([before.value, value], 2) };
    this.#replace(this.#own, layer, all);
    return all;
  }

  /** Keys and values of a layer over the encoder's states: the same at each token, so made once. */
  cross(layer: number, make: () => Entry): Entry {
    return (this.#cross[layer] ??= make());
  }

  /** Takes other rows: row i goes on from what row `rows[i]` was. */
  reorder(rows: Tensor): void {
    for (const entries of [this.#own, this.#cross]) {
      entries.forEach((entry, layer) => {
        if (entry === undefined) return;
        this.#replace(entries, layer, { key: entry.key.indexSelect(0, rows), value: entry.value.indexSelect(0, rows) });
      });
    }
  }

  // Old entries are let go of at once: generation is a loop, and they grow.
  #replace(entries: (Entry | undefined)[], layer: number, entry: Entry): void {
    const before = entries[layer];
    entries[layer] = entry;
    before?.key.dispose();
    before?.value.dispose();
  }
}
