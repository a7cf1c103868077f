import { data, torch } from "../../dist/index.js";

/** Characters of the novel, from "Call me Ishmael." on: these many to train on, and as many after them to tune and to test by. */
export const lengths = { train: 50_000, heldOut: 80_000 };

/** Characters of a window: the LSTM starts each one from zero state. */
export const windowLength = 64;

/**
 * Moby Dick as numbers: each part a pair of windows and the characters that follow each character, int64 [windows, windowLength].
 * Held-out windows go to validation and test in turn, so that both see the same chapters. Characters that the training text
 * lacks share one number, the last.
 */
export async function mobyDick() {
  const { documents } = await data.mobyDick();
  const text = [...documents.map((each) => each.text).join("\n")];
  const alphabet = new Map([...new Set(text.slice(0, lengths.train))].sort().map((character, i) => [character, i]));
  const ids = text.map((character) => alphabet.get(character) ?? alphabet.size);
  const { train, heldOut } = lengths;
  const held = windows(ids.slice(train, train + heldOut));
  const everyOther = (start) => ({ inputs: held.inputs.slice(0, start, null, 2), targets: held.targets.slice(0, start, null, 2) });
  return { train: windows(ids.slice(0, train)), validation: everyOther(0), test: everyOther(1), vocabulary: alphabet.size + 1 };
}

function windows(ids) {
  const count = Math.floor((ids.length - 1) / windowLength);
  const shape = [count, windowLength];
  const tensor = (from) => torch.tensor(BigInt64Array.from(ids.slice(from, from + count * windowLength), BigInt), { dtype: "int64" }).view(shape);
  return { inputs: tensor(0), targets: tensor(1) };
}
