import { expected } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, kind, oneOf, or, orNull, read, real, requireTensors, size } from "../arguments.js";
import type { Rest } from "../arguments.js";

/**
 * Sequences of several lengths without padding, for recurrent layers: first the first steps of all sequences, then the second
 * steps of those that have one, ... Made by `packPaddedSequence` or `packSequence`.
 */
export class PackedSequence {
  /**
   * @param data [sum of lengths, ...features]
   * @param batchSizes how many sequences have a first step, a second, ...: [longest], int64
   * @param sortedIndices the given sequences by decreasing length, [batch]; null if they came so
   * @param unsortedIndices the way back
   * @param lengths of the sequences as they were given
   */
  constructor(
    readonly data: Tensor,
    readonly batchSizes: Tensor,
    readonly sortedIndices: Tensor | null = null,
    readonly unsortedIndices: Tensor | null = null,
    readonly lengths: readonly number[] = lengthsOf(batchSizes, unsortedIndices),
  ) {}
}

/** Lengths of sequences: numbers, or an int64 tensor [batch]. */
export type Lengths = readonly number[] | Tensor;

const packArguments = { batchFirst: or(flag, false), enforceSorted: or(flag, true) };

/**
 * Packs padded sequences.
 *
 * In a compiled step, lengths must be numbers: which steps there are is a part of the program.
 *
 * @param input [longest, batch, ...features], or [batch, longest, ...features] with `batchFirst`
 * @param lengths of the sequences, from 1 to the longest
 * @param rest `batchFirst` (false); `enforceSorted` (true): the lengths decrease; false sorts them
 * @throws SteppeError `ARGUMENT` for lengths that do not fit or decrease
 * @example nn.utils.rnn.packPaddedSequence(x, [3, 5, 2], { batchFirst: true, enforceSorted: false })
 */
export function packPaddedSequence(
  input: Tensor,
  lengths: Lengths,
  ...rest: Rest<[batchFirst: boolean, enforceSorted: boolean], typeof packArguments>
): PackedSequence {
  const owner = "nn.utils.rnn.packPaddedSequence";
  const { batchFirst, enforceSorted } = read(owner, packArguments, rest);
  const given = numbers(lengths, `lengths of ${owner}`);
  const [batch, longest] = batchFirst ? [input.shape[0], input.shape[1]] : [input.shape[1], input.shape[0]];
  if (given.length !== batch) throw expected(`${batch} numbers, one per sequence,`, `lengths of ${owner}`, given);
  for (const length of given) if (length < 1 || length > longest!) throw expected(`numbers from 1 to ${longest}`, `lengths of ${owner}`, length);

  const order = given.map((_, i) => i).sort((a, b) => given[b]! - given[a]!);
  const sorted = order.every((place, i) => place === i);
  if (enforceSorted && given.some((length, i) => i > 0 && length > given[i - 1]!)) {
    throw expected("decreasing numbers", `lengths of ${owner}`, given, "Or pass { enforceSorted: false }.");
  }
  const decreasing = order.map((place) => given[place]!);
  const indices = (places: number[]) => torch.tensor(places, { dtype: "int64", device: input.device });
  const [there, back] = sorted && enforceSorted ? [null, null] : [indices(order), indices(order.map((_, i) => order.indexOf(i)))];
  const rows = there === null ? input : input.indexSelect(batchFirst ? 0 : 1, there);
  const sizes = torch.tensor(decreasing, { dtype: "int64" });
  const [data, batchSizes] = torch.ops.call("aten::_pack_padded_sequence", rows, sizes, batchFirst) as [Tensor, Tensor];
  return new PackedSequence(data, batchSizes, there, back, given);
}

const unpackArguments = { batchFirst: or(flag, false), paddingValue: or(real, 0), totalLength: orNull(size) };

/**
 * The sequences, padded again.
 *
 * @param rest `batchFirst` (false); `paddingValue` (0); `totalLength`: to which to pad, the longest sequence if left out
 * @returns [longest, batch, ...features], or [batch, longest, ...features], and the lengths [batch], int64
 */
export function padPackedSequence(
  sequence: PackedSequence,
  ...rest: Rest<[batchFirst: boolean, paddingValue: number, totalLength: number | null], typeof unpackArguments>
): [padded: Tensor, lengths: Tensor] {
  const owner = "nn.utils.rnn.padPackedSequence";
  if (!(sequence instanceof PackedSequence)) throw expected("a PackedSequence", `sequence of ${owner}`, sequence);
  const { batchFirst, paddingValue, totalLength } = read(owner, unpackArguments, rest);
  const { data, batchSizes, unsortedIndices } = sequence;
  const longest = batchSizes.shape[0]!;
  if (totalLength !== null && totalLength < longest) {
    throw expected(`at least ${longest}, the longest sequence,`, `totalLength of ${owner}`, totalLength);
  }
  // The operator's second result, the lengths, is filled by no operator: in a program it would stay empty.
  const pad = [batchFirst, paddingValue, totalLength ?? longest] as const;
  const [padded] = torch.ops.call("aten::_pad_packed_sequence", data, batchSizes, ...pad) as [Tensor, Tensor];
  const inOrder = unsortedIndices === null ? padded : padded.indexSelect(batchFirst ? 0 : 1, unsortedIndices);
  return [inOrder, torch.tensor([...sequence.lengths], { dtype: "int64" })];
}

/** Reads how long the sequences are from how many have a first step, a second, ... */
function lengthsOf(batchSizes: Tensor, unsortedIndices: Tensor | null): number[] {
  const counts = batchSizes.toArray() as number[];
  const decreasing = Array.from({ length: counts[0]! }, (_, i) => counts.filter((count) => count > i).length);
  return unsortedIndices === null ? decreasing : (unsortedIndices.toArray() as number[]).map((place) => decreasing[place]!);
}

const padArguments = { batchFirst: or(flag, false), paddingValue: or(real, 0), paddingSide: or(oneOf("right", "left"), "right") };

/**
 * Sequences of several lengths as one tensor.
 *
 * @param sequences each [length, ...features]
 * @param rest `batchFirst` (false), `paddingValue` (0), `paddingSide` ("right")
 * @returns [longest, batch, ...features], or [batch, longest, ...features]
 */
export function padSequence(
  sequences: readonly Tensor[],
  ...rest: Rest<[batchFirst: boolean, paddingValue: number, paddingSide: "right" | "left"], typeof padArguments>
): Tensor {
  const { batchFirst, paddingValue, paddingSide } = read("nn.utils.rnn.padSequence", padArguments, rest);
  return torch.padSequence(several.read(sequences, "sequences of nn.utils.rnn.padSequence"), batchFirst, paddingValue, { paddingSide });
}

const packingArguments = { enforceSorted: or(flag, true) };

/** Packs sequences. @param sequences each [length, ...features] @param rest `enforceSorted` (true): their lengths decrease; false sorts them */
export function packSequence(sequences: readonly Tensor[], ...rest: Rest<[enforceSorted: boolean], typeof packingArguments>): PackedSequence {
  const { enforceSorted } = read("nn.utils.rnn.packSequence", packingArguments, rest);
  several.read(sequences, "sequences of nn.utils.rnn.packSequence");
  const lengths = sequences.map((sequence) => sequence.shape[0]!);
  return packPaddedSequence(padSequence(sequences), lengths, { enforceSorted });
}

const unpadArguments = { batchFirst: or(flag, false) };

/** The sequences of a padded tensor, each [length, ...features]. @param padded [longest, batch, ...features], or with `batchFirst` [batch, longest, ...] */
export function unpadSequence(padded: Tensor, lengths: Lengths, ...rest: Rest<[batchFirst: boolean], typeof unpadArguments>): Tensor[] {
  const { batchFirst } = read("nn.utils.rnn.unpadSequence", unpadArguments, rest);
  requireTensors("nn.utils.rnn.unpadSequence", { padded });
  const sequences = (batchFirst ? padded : padded.transpose(0, 1)).unbind(0);
  return numbers(lengths, "lengths of nn.utils.rnn.unpadSequence").map((length, i) => sequences[i]!.narrow(0, 0, length));
}

/** The sequences that were packed, each [length, ...features]. */
export function unpackSequence(sequence: PackedSequence): Tensor[] {
  return unpadSequence(padPackedSequence(sequence, true)[0], sequence.lengths, true);
}

const several = kind<readonly Tensor[]>(
  "an array of tensors",
  (value) => Array.isArray(value) && value.length > 0 && value.every((item) => item instanceof Tensor),
);

function numbers(lengths: Lengths, name: string): number[] {
  const list: unknown = lengths instanceof Tensor ? (lengths.toArray() as unknown) : lengths;
  if (!Array.isArray(list) || !list.every(Number.isSafeInteger)) {
    throw expected("an array of integers or an int64 tensor [batch]", name, lengths);
  }
  return list as number[];
}
