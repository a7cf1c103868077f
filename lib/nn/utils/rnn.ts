export { PackedSequence, packPaddedSequence, packSequence, padPackedSequence, padSequence, unpackSequence, unpadSequence } from "./packed-sequence.js";
export type { Lengths } from "./packed-sequence.js";
