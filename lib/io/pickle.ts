import { describe } from "../errors.js";
import { formatError } from "./file-errors.js";

// A reader of Python's pickles that can execute nothing: it makes plain values, and of named things those alone that its
// caller gives it. Protocols 2 to 5: the comments of Python's Lib/pickletools.py describe each operation.

/** A Python dict, with its keys as they are. */
export class Dict {
  readonly entries = new Map<unknown, unknown>();
}

/** Something that a pickle names: a function that can be called, or a mere name. */
export interface Global {
  readonly name: string;
  call?(args: readonly unknown[]): unknown;
}

/** What the pickle may use from outside. */
export interface PickleContext {
  /** The file, for messages, and where in it the pickle begins. */
  path: string;
  offset: number;
  /** What a name stands for; `undefined` refuses it. */
  find(name: string): Global | undefined;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
  /** What an object becomes by its state; `undefined` leaves that to the reader, which knows dicts alone. */
  build?(object: unknown, state: unknown): unknown;
  /** Strings of Python 2 may be bytes of any kind: each becomes a character below 256, as `pickle.load(encoding="latin1")` has it. */
  latin1?: boolean;
}

const refused: Readonly<Record<string, string>> = {
  I: "INT", L: "LONG", F: "FLOAT", S: "STRING", V: "UNICODE", P: "PERSID", p: "PUT", g: "GET", i: "INST", o: "OBJ",
  "\x81": "NEWOBJ", "\x92": "NEWOBJ_EX", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4", "\x8f": "EMPTY_SET", "\x90": "ADDITEMS", "\x91": "FROZENSET",
  "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER",
};

/** An integer of more bytes than any count or seed has. */
const longestInteger = 1024;

/**
 * The value that a pickle describes. Integers beyond 2⁵³ come as bigint, lists and tuples as arrays, dicts as {@link Dict}.
 *
 * @throws SteppeError `FORMAT` for anything else, named with its place
 */
export function unpickle(bytes: Buffer, context: PickleContext): unknown {
  return new Machine(bytes, context).run();
}

class Machine {
  #at = 0;
  #operation = 0;
  #stack: unknown[] = [];
  readonly #marked: unknown[][] = []; // the stacks below each mark
  readonly #memo = new Map<number, unknown>();

  constructor(
    private readonly bytes: Buffer,
    private readonly context: PickleContext,
  ) {}

  run(): unknown {
    for (;;) {
      this.#operation = this.#at;
      const code = String.fromCharCode(this.#uint(1));
      if (code === ".") {
        const value = this.#pop();
        if (this.#stack.length > 0 || this.#marked.length > 0) throw this.#wrong("one value at the end of the pickle", "several");
        return value;
      }
      this.#execute(code);
    }
  }

  #execute(code: string): void {
    const stack = this.#stack;
    switch (code) {
      case "\x80": {
        const protocol = this.#uint(1);
        if (protocol < 2 || protocol > 5) throw this.#wrong("a pickle of protocol 2 to 5", `protocol ${protocol}`);
        return;
      }
      case "\x95": return void this.#long(8); // FRAME: what follows is read in any case
      case "(": this.#marked.push(stack); this.#stack = []; return;
      case "0": return void this.#pop();
      case "1": return void this.#popMark();
      case "2": return void stack.push(this.#top());
      case "N": return void stack.push(null);
      case "\x88": return void stack.push(true);
      case "\x89": return void stack.push(false);
      case "K": return void stack.push(this.#uint(1));
      case "M": return void stack.push(this.#uint(2));
      case "J": return void stack.push(this.#take(4).readInt32LE());
      case "\x8a": return void stack.push(this.#integer(this.#uint(1)));
      case "\x8b": return void stack.push(this.#integer(this.#uint(4)));
      case "G": return void stack.push(this.#take(8).readDoubleBE());
      case "X": return void stack.push(this.#text(this.#uint(4)));
      case "\x8c": return void stack.push(this.#text(this.#uint(1)));
      case "T": return void stack.push(this.#string(this.#uint(4)));
      case "U": return void stack.push(this.#string(this.#uint(1)));
      case "\x8d": return void stack.push(this.#text(this.#long(8)));
      case "B": return void stack.push(Uint8Array.from(this.#take(this.#uint(4))));
      case "C": return void stack.push(Uint8Array.from(this.#take(this.#uint(1))));
      case "\x8e": case "\x96": return void stack.push(Uint8Array.from(this.#take(this.#long(8))));
      case ")": case "]": return void stack.push([]);
      case "}": return void stack.push(new Dict());
      case "\x85": return void stack.push([this.#pop()]);
      case "\x86": return void stack.push(this.#popMany(2));
      case "\x87": return void stack.push(this.#popMany(3));
      case "t": case "l": {
        const values = this.#popMark();
        return void this.#stack.push(values);
      }
      case "d": {
        const dict = this.#fill(new Dict(), this.#popMark());
        return void this.#stack.push(dict);
      }
      case "a": case "e": {
        const values = code === "a" ? [this.#pop()] : this.#popMark();
        const list = this.#top();
        if (!Array.isArray(list)) throw this.#wrong("a list to append to", describe(list));
        for (const value of values) list.push(value);
        return;
      }
      case "s": case "u": {
        const values = code === "s" ? this.#popMany(2) : this.#popMark();
        const dict = this.#top();
        if (!(dict instanceof Dict)) throw this.#wrong("a dict to set items of", describe(dict));
        return void this.#fill(dict, values);
      }
      case "q": return void this.#memo.set(this.#uint(1), this.#top());
      case "r": return void this.#memo.set(this.#uint(4), this.#top());
      case "\x94": return void this.#memo.set(this.#memo.size, this.#top());
      case "h": return this.#recall(this.#uint(1));
      case "j": return this.#recall(this.#uint(4));
      case "c": {
        const module = this.#line();
        return this.#find(module, this.#line());
      }
      case "\x93": {
        const [module, name] = this.#popMany(2);
        if (typeof module !== "string" || typeof name !== "string") throw this.#wrong("the name of a global", describe(name));
        return this.#find(module, name);
      }
      case "R": {
        const [target, args] = this.#popMany(2) as [Global, unknown];
        if (typeof target?.call !== "function" || !Array.isArray(args)) throw this.#wrong("a function and its arguments", describe(target?.name ?? target));
        return void this.#stack.push(this.#guard(() => target.call!(args)));
      }
      case "b": { // the attributes of an object: an OrderedDict has some (_metadata of a state dict), and they say nothing here
        const state = this.#pop();
        const object = this.#top();
        const built = this.#guard(() => this.context.build?.(object, state));
        if (built !== undefined) return void (stack[stack.length - 1] = built);
        if (!(object instanceof Dict)) throw this.#wrong("attributes for a dict alone", describe(object));
        return;
      }
      case "Q": {
        const id = this.#pop();
        return void this.#stack.push(this.#guard(() => this.context.persistent(id)));
      }
    }
    const name = Object.hasOwn(refused, code) ? refused[code]! : `0x${code.charCodeAt(0).toString(16).padStart(2, "0")}`;
    throw this.#wrong("an operation that plain tensors need", `the pickle operation ${name}`);
  }

  #find(module: string, name: string): void {
    const full = `${module}.${name}`;
    const found = this.context.find(full);
    if (found === undefined) throw this.#wrong("tensors, dicts, lists, numbers and strings alone", `${full.slice(0, 200)}, which is not loaded: nothing in a file is executed`);
    this.#stack.push(found);
  }

  /** Adds the place to what a function of the caller refuses. */
  #guard<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof Refusal) throw this.#wrong(error.what, error.received);
      throw error;
    }
  }

  #fill(dict: Dict, values: unknown[]): Dict {
    if (values.length % 2 !== 0) throw this.#wrong("a value for each key", "one key more");
    for (let i = 0; i < values.length; i += 2) dict.entries.set(values[i], values[i + 1]);
    return dict;
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw this.#wrong("something remembered before", `number ${index}, which is not`);
    this.#stack.push(this.#memo.get(index));
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw this.#wrong("a value on the pickle's stack", "none");
    return this.#stack[this.#stack.length - 1];
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) throw this.#wrong(`${count} values on the pickle's stack`, `${this.#stack.length}`);
    return this.#stack.splice(-count);
  }

  #popMark(): unknown[] {
    const values = this.#stack;
    const below = this.#marked.pop();
    if (below === undefined) throw this.#wrong("a mark on the pickle's stack", "none");
    this.#stack = below;
    return values;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.bytes.length) throw this.#wrong(`${length} more bytes of the pickle`, `${this.bytes.length - this.#at}`);
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #uint(length: 1 | 2 | 4): number {
    return this.#take(length).readUIntLE(0, length);
  }

  #long(length: 8): number {
    return Number(this.#take(length).readBigUInt64LE());
  }

  /** Two's complement, little-endian. */
  #integer(length: number): number | bigint {
    if (length > longestInteger) throw this.#wrong(`an integer of at most ${longestInteger} bytes`, `one of ${length}`);
    const hex = Buffer.from(this.#take(length)).reverse().toString("hex");
    const value = length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#wrong("text in UTF-8", "other bytes");
    }
  }

  /** A string of Python 2. */
  #string(length: number): string {
    return this.context.latin1 === true ? this.#take(length).toString("latin1") : this.#text(length);
  }

  #line(): string {
    const end = this.bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#wrong("the end of a name", "the end of the pickle");
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #wrong(what: string, received: string): Error {
    return formatError(this.context.path, this.context.offset + this.#operation, what, received);
  }
}

/** What a function of the caller throws: the machine knows the place. */
export class Refusal extends Error {
  constructor(
    readonly what: string,
    readonly received: string,
  ) {
    super(`Expected ${what} but received ${received}.`);
  }
}
