import { checkInteger } from "../../checks.js";
import { checkKeys, expected, expectedTensor } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { TensorDataset } from "../tensor-dataset.js";
import type { Dataset } from "../tensor-dataset.js";

/**
 * A text in blocks of one length for a model that reads from left to right, borders of documents or not. What does not fill
 * the last block is left out. Labels are the tokens themselves: models shift them, as Hugging Face's do.
 *
 * @param ids int64 [tokens]; or documents, which are put one behind the other
 * @returns inputIds and labels, int64 [blocks, blockSize]
 * @example const blocks = data.blocks(documents.map((text) => [...tokenizer.encode(text).ids, eos]), 1024);
 */
export function blocks(ids: Tensor | readonly (readonly number[])[], blockSize: number): TensorDataset<[inputIds: Tensor, labels: Tensor]> {
  checkInteger(blockSize, "blockSize", 2);
  return torch.scope(() => {
    const stream = ids instanceof Tensor ? ids : torch.tensor(Int32Array.from(documentsOf(ids).flat())).to("int64");
    if (stream.dim() !== 1 || !/int/.test(stream.dtype)) throw expectedTensor("integers of one dimension", "ids", stream);
    const count = Math.floor(stream.numel() / blockSize);
    if (count === 0) throw expected(`at least ${blockSize} tokens`, "ids", stream.numel());
    const inputIds = stream.narrow(0, 0, count * blockSize).view([count, blockSize]).clone();
    return new TensorDataset(inputIds, inputIds);
  });
}

/** How texts are put into rows of one length. */
export interface PackingOptions {
  /** Tokens of a block. */
  blockSize: number;
  /**
   * "isolate": documents stand in a block one behind the other, and none sees another: the mask keeps them apart, and each has
   * positions from 0. "pad": a block holds one document, or a piece of one, and padding. Default "isolate".
   */
  borders?: "isolate" | "pad";
  /** What fills a block; default 0. */
  padTokenId?: number;
}

/** Blocks: all int64 but for the mask. */
export type PackedBatch = [
  /** [blocks, blockSize] */
  inputIds: Tensor,
  /** "isolate": bool [blocks, 1, blockSize, blockSize], true where a token (row) may look. "pad": int64 [blocks, blockSize], 1 for tokens. */
  attentionMask: Tensor,
  /** Of each token in its document, or its piece of one; 0 for padding. */
  positionIds: Tensor,
  /** The tokens; -100 for padding and for a document's first token, which nothing foretells. */
  labels: Tensor,
];

/**
 * Documents in blocks of one length for a model that reads from left to right, so that no document sees another. A document
 * that does not fit goes on in the next block, as one of its own. Masks are made batch by batch.
 *
 * @throws SteppeError `ARGUMENT` for no document, or an empty one
 * @example
 * const packed = data.packDocuments(documents.map((text) => tokenizer.encode(text).ids), { blockSize: 512 });
 * for (const [inputIds, attentionMask, positionIds, labels] of data.loader(packed, { batchSize: 8, shuffle: true })) …
 */
export function packDocuments(documents: readonly (readonly number[])[], options: PackingOptions): Dataset<PackedBatch> {
  if (typeof options !== "object" || options === null) throw expected("an object with blockSize", "options", options);
  checkKeys(options, ["blockSize", "borders", "padTokenId"]);
  const blockSize = checkInteger(options.blockSize, "blockSize", 2);
  const padTokenId = checkInteger(options.padTokenId ?? 0, "padTokenId", 0);
  const { borders = "isolate" } = options;
  if (borders !== "isolate" && borders !== "pad") throw expected('"isolate" or "pad"', "borders", borders);

  const rows: number[][][] = []; // the pieces of documents in each block
  let room = 0;
  for (const document of documentsOf(documents)) {
    for (let start = 0; start < document.length; ) {
      if (room === 0 || (borders === "pad" && start === 0)) {
        rows.push([]);
        room = blockSize;
      }
      const piece = document.slice(start, start + room);
      rows.at(-1)!.push(piece);
      start += piece.length;
      room -= piece.length;
    }
  }
  const table = (of: (pieces: number[][]) => number[], filler: number) =>
    torch.scope(() => {
      const flat = new Int32Array(rows.length * blockSize).fill(filler);
      rows.forEach((pieces, i) => flat.set(of(pieces), i * blockSize));
      return torch.tensor(flat, { shape: [rows.length, blockSize] }).to("int64");
    });
  const inputIds = table((pieces) => pieces.flat(), padTokenId);
  const positionIds = table((pieces) => pieces.flatMap((piece) => [...piece.keys()]), 0);
  const labels = table((pieces) => pieces.flatMap(([, ...rest]) => [-100, ...rest]), -100);
  // 0 for padding, then the number of the piece in its block.
  const piece = table((pieces) => pieces.flatMap((tokens, i) => Array<number>(tokens.length).fill(i + 1)), 0);
  return {
    length: rows.length,
    batch: (indices) =>
      torch.scope(() => {
        const take = (tensor: Tensor) => tensor.indexSelect(0, indices);
        return [take(inputIds), maskOf(take(piece), borders), take(positionIds), take(labels)] as PackedBatch;
      }),
  };
}

/** @param piece int64 [blocks, blockSize] */
function maskOf(piece: Tensor, borders: "isolate" | "pad"): Tensor {
  if (borders === "pad") return piece.gt(0).to("int64");
  // Padding is a piece, too: a row that may look nowhere would have no softmax.
  return piece.unsqueeze(2).eq(piece.unsqueeze(1)).tril().unsqueeze(1);
}

function documentsOf(documents: readonly (readonly number[])[]): readonly (readonly number[])[] {
  if (!Array.isArray(documents) || documents.length === 0) throw expected("an array of documents", "documents", documents);
  (documents as unknown[]).forEach((document, i) => {
    if (!Array.isArray(document) || document.length === 0) throw expected("an array of tokens", `documents[${i}]`, document);
    const wrong = (document as unknown[]).find((id) => !Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= 2 ** 31);
    if (wrong !== undefined) throw expected("non-negative integers below 2^31", `documents[${i}]`, wrong);
  });
  return documents as readonly (readonly number[])[];
}
