/** Why something was refused. Stable strings, to be compared in code. */
export type SteppeErrorCode =
  | "ARGUMENT" // a wrong value, type, shape, dtype, device or option
  | "OPERATOR" // LibTorch refused or failed an operator
  | "DISPOSED" // a tensor was used after its release
  | "FOREIGN" // a tensor of another environment or of another copy of the package
  | "RECORD" // the loss function cannot be recorded as a program
  | "NON_FINITE" // a step met NaN or infinity in a loss or a gradient
  | "OUT_OF_MEMORY" // of the machine or of a GPU, after all that nobody holds was given back
  | "DEVICE" // there is no GPU that LibTorch can use
  | "LIBTORCH" // LibTorch is missing, broken or of the wrong version
  | "FORMAT" // a file is not what it claims to be
  | "IO" // the file system refused
  | "CLOSED" // the environment is shutting down
  | "INTERNAL"; // a defect of this library

/** The one error class of the library: a sentence for people, a `code` for programs. */
export class SteppeError extends Error {
  readonly code: SteppeErrorCode;

  constructor(code: SteppeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
Object.defineProperty(SteppeError.prototype, "name", { value: "SteppeError", configurable: true, writable: true });

/** LibTorch's message without the places in its source, its lists of all backends and advice that is Python's, with options written as in JavaScript. */
export function tidy(message: string): string {
  const kernel = /^(Could not run '[^']+' with arguments from the '[^']+' backend)\./.exec(message);
  if (kernel !== null) return `${kernel[1]}: LibTorch has no kernel for it there.`;
  const own = message
    .replace(/^\[enforce fail at [^\]]*\] (?:[^.]*\. )?/, "")
    .replace(/ Hint: [^.]*torch\.autograd\.set_detect_anomaly\([^)]*\)\.[^]*$/, "")
    .replace(/\b(element \d+)of\b/, "$1 of")
    .trimEnd();
  return own.replace(/\b([a-z]+(?:_[a-z]+)+)=True\b/g, (_, name: string) => `${name.replace(/_([a-z])/g, (__, letter: string) => letter.toUpperCase())}: true`);
}

/** A short, safe rendering of any value for an error message. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  switch (typeof value) {
    case "string":
      return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)} of type string`;
    case "number":
    case "boolean":
      return `${value} of type ${typeof value}`;
    case "bigint":
      return `${value}n of type bigint`;
    case "function":
      return value.name === "" ? "a function" : `function ${value.name}`;
    case "symbol":
      return "a symbol";
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  let name: unknown;
  try {
    name = (value as object).constructor?.name;
  } catch {
    // A getter or proxy that throws is an object, too.
  }
  return typeof name !== "string" || name === "" || name === "Object" ? "an object" : `an object of type ${name}`;
}

/**
 * The library's one sentence for a wrong argument.
 *
 * @param what what was expected: "a positive integer"
 * @param name the argument, as the caller knows it: "rho", "options.base.lr"
 * @param received the value that came
 * @param hint what to do about it, a sentence of its own
 */
export function expected(what: string, name: string, received: unknown, hint = ""): SteppeError {
  if (what.includes("Tensor") && isForeignTensor(received)) return foreign(name);
  return refusal(what, name, describe(received), hint);
}

/** As {@link expected}, where a tensor may have come whose shape or dtype is the wrong one. */
export function expectedTensor(what: string, name: string, received: unknown, hint = ""): SteppeError {
  const { dtype, shape } = (received ?? {}) as { dtype?: unknown; shape?: unknown };
  if (typeof dtype !== "string" || !Array.isArray(shape)) return expected(what, name, received, hint);
  return refusal(what, name, `a tensor of ${dtype} [${shape.join(", ")}]`, hint);
}

function refusal(what: string, name: string, received: string, hint: string): SteppeError {
  const sentence = `Expected ${what} for ${name} but received ${received}.`;
  return new SteppeError("ARGUMENT", hint === "" ? sentence : `${sentence} ${hint}`);
}

/**
 * Whether a value that is no Tensor here was one elsewhere: posted from another thread, or made by another copy of the
 * package. Its number in that place's addon is all that it has.
 */
export function isForeignTensor(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { handle?: unknown }).handle === "number" && Object.keys(value).length === 1;
}

export function foreign(name: string): SteppeError {
  const sentence = `Expected a Tensor of this thread for ${name} but received one of another thread or of another copy of steppe.`;
  return new SteppeError("FOREIGN", `${sentence} Tensors cannot be posted: post toTypedArray(), and make a tensor of it there.`);
}

/** The candidate nearest to a misspelled word, as ` Did you mean "…"?`, or nothing if none is near. */
export function suggest(word: string, candidates: Iterable<string>): string {
  let best = "";
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === "" ? "" : ` Did you mean "${best}"?`;
}

/** Levenshtein distance, given up once it reaches `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * Checks that options are an object, and hold known keys only.
 *
 * @throws SteppeError `ARGUMENT` that names the unknown key and the nearest known one
 */
export function checkKeys(options: object, known: readonly string[], name = "options"): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw expected("an object", name, options);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new SteppeError(
        "ARGUMENT",
        `Expected ${known.length === 0 ? "nothing" : `one of ${known.join(", ")}`} in ${name} but received ${JSON.stringify(key)}.${suggest(key, known)}`,
      );
    }
  }
}
