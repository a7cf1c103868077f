import { checkInteger } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import { torch } from "../../torch.js";
import type { Tensor } from "../../tensor.js";

/** How sequences of different lengths become a tensor. */
export interface PadOptions {
  /** What fills shorter sequences; default 0. For labels: -100. */
  padTokenId?: number;
  /** Tokens at most: longer sequences are cut. Default: as long as the longest. */
  maxLength?: number;
  /** Pads up to a multiple of this many tokens, so that fewer shapes come; default 1. May go beyond maxLength. */
  padToMultipleOf?: number;
  /** Where padding goes; default "right". */
  paddingSide?: "left" | "right";
  /** Where tokens are cut off; default "right". */
  truncationSide?: "left" | "right";
}

/** Sequences side by side. */
export interface PaddedBatch {
  /** int64 [sequences, tokens] */
  inputIds: Tensor;
  /** 1 for tokens and 0 for padding, int64 [sequences, tokens] */
  attentionMask: Tensor;
}

/**
 * Sequences of tokens as one tensor: padded to the longest, with a mask that tells tokens from padding.
 *
 * @param sequences tokens of each, for example `vocabulary.encode(words)`; may be empty
 * @throws SteppeError `ARGUMENT` for no sequence, and for what is no integer
 * @example
 * collate: (pairs) => ({ ...data.padSequences(pairs.map(({ source }) => source)), labels: data.padSequences(pairs.map(({ target }) => target), { padTokenId: -100 }).inputIds })
 */
export function padSequences(sequences: readonly (readonly number[])[], options: PadOptions = {}): PaddedBatch {
  checkKeys(options, ["padTokenId", "maxLength", "padToMultipleOf", "paddingSide", "truncationSide"]);
  const { padTokenId = 0, maxLength = Infinity, padToMultipleOf = 1, paddingSide = "right", truncationSide = "right" } = options;
  if (!Number.isSafeInteger(padTokenId)) throw expected("an integer", "padTokenId", padTokenId);
  if (maxLength !== Infinity) checkInteger(maxLength, "maxLength", 1);
  checkInteger(padToMultipleOf, "padToMultipleOf", 1);
  for (const [name, side] of Object.entries({ paddingSide, truncationSide })) if (side !== "left" && side !== "right") throw expected('"left" or "right"', name, side);
  if (!Array.isArray(sequences) || sequences.length === 0) throw expected("an array of sequences", "sequences", sequences);
  const rows = (sequences as readonly (readonly number[])[]).map((sequence, i) => {
    if (!Array.isArray(sequence)) throw expected("an array of integers", `sequences[${i}]`, sequence);
    const wrong = (sequence as unknown[]).find((id) => !Number.isSafeInteger(id));
    if (wrong !== undefined) throw expected("integers", `sequences[${i}]`, wrong);
    const cut = Math.max(0, sequence.length - maxLength);
    return truncationSide === "left" ? sequence.slice(cut) : sequence.slice(0, sequence.length - cut);
  });
  const longest = Math.max(1, ...rows.map((row) => row.length));
  const length = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
  const ids = new BigInt64Array(rows.length * length).fill(BigInt(padTokenId));
  const mask = new BigInt64Array(rows.length * length);
  rows.forEach((row, i) => {
    const start = i * length + (paddingSide === "left" ? length - row.length : 0);
    ids.set(row.map(BigInt), start);
    mask.fill(1n, start, start + row.length);
  });
  const shape = [rows.length, length];
  return { inputIds: torch.tensor(ids, { shape }), attentionMask: torch.tensor(mask, { shape }) };
}
