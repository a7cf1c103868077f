import { Changes } from "./normalized.js";

export type UnicodeForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/** Where the characters of a text come one after the other, of the same ones the first first: marks are put in order, equal ones never pass each other. */
class Supply {
  readonly #shifts = new Map<string, number[]>();
  readonly #taken = new Map<string, number>();

  add(char: string, shift: number): void {
    const shifts = this.#shifts.get(char);
    if (shifts === undefined) this.#shifts.set(char, [shift]);
    else shifts.push(shift);
  }

  take(char: string): number {
    const n = this.#taken.get(char) ?? 0;
    this.#taken.set(char, n + 1);
    return this.#shifts.get(char)?.[n] ?? 0;
  }
}

/** How a text comes into one of Unicode's normal forms: taken apart, put in order, and for NFC and NFKC put together again. */
export function changesTo(form: UnicodeForm, text: string): Changes {
  const apart = form === "NFC" || form === "NFD" ? "NFD" : "NFKD";
  const composes = form === "NFC" || form === "NFKC";
  const supply = new Supply();
  for (const char of text) {
    let shift = 0;
    for (const part of char.normalize(apart)) {
      supply.add(part, shift);
      shift = 1;
    }
  }
  const changes = new Changes();
  for (const char of text.normalize(form)) {
    if (!composes) {
      changes.push(char, supply.take(char));
      continue;
    }
    let shift = 1;
    for (const part of char.normalize("NFD")) shift += supply.take(part) - 1;
    changes.push(char, shift);
  }
  return changes;
}
