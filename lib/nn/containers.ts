import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { modes } from "./modes.js";
import { Module } from "./module.js";

/** A module that makes one tensor of one tensor. */
export type Layer = Module & { forward(input: Tensor): Tensor };

/** What `Sequential` and `ModuleList` share: children named "0", "1", ... */
abstract class Ordered<T extends Module> extends Module implements Iterable<T> {
  [index: number]: T;

  /** The number of children. */
  get length(): number {
    return this.submodules().length;
  }

  /** Adds a module at the end. */
  append(module: T): this {
    return this.registerModule(String(this.length), module);
  }

  /** Adds modules at the end, in their order. */
  extend(modules: Iterable<T>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /**
   * Puts a module before that of a place, the length for the end, negative ones counted from there. The names are the places again.
   *
   * @throws SteppeError `ARGUMENT` for a place that there is not
   */
  insert(index: number, module: T): this {
    const { length } = this;
    if (!Number.isSafeInteger(index) || index < -length || index > length) throw expected(`a place from ${-length} to ${length}`, `${this.constructor.name}.insert`, index);
    const all = [...this.append(module)].slice(0, -1);
    all.splice(index, 0, module);
    this.#renumber(all);
    return this;
  }

  /** Takes a module out, the last one if no place is given, and returns it. The names are the places again. @throws SteppeError as `insert` */
  pop(index = -1): T {
    const all = [...this];
    const taken = Number.isSafeInteger(index) ? all.at(index) : undefined;
    if (taken === undefined) throw expected(`a place from ${-all.length} to ${all.length - 1}`, `${this.constructor.name}.pop`, index);
    all.splice(index, 1);
    this.#renumber(all);
    return taken;
  }

  #renumber(modules: readonly T[]): void {
    for (const [name] of this.submodules()) Reflect.deleteProperty(this, name);
    modules.forEach((module, i) => this.registerModule(String(i), module));
    modes.version++;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const [, child] of this.submodules()) yield child as T;
  }
}

/**
 * Modules one after the other, each fed the output of the one before.
 *
 * @example
 * new nn.Sequential(new nn.Linear(784, 100), new nn.ReLU(), new nn.Linear(100, 10)); // children "0", "1", "2"
 * new nn.Sequential({ fc: new nn.Linear(784, 10), act: new nn.ReLU() });             // children "fc", "act"
 * @throws SteppeError `ARGUMENT` for what is no module, and for a name that is taken
 */
export class Sequential extends Ordered<Layer> {
  constructor(layers: Record<string, Layer>);
  constructor(...layers: Layer[]);
  constructor(...layers: [Record<string, Layer>] | Layer[]) {
    super();
    const [first] = layers;
    if (layers.length === 1 && typeof first === "object" && first !== null && !(first instanceof Module) && !Array.isArray(first)) {
      for (const [name, layer] of Object.entries(first)) this.registerModule(name, layer);
    } else {
      this.extend(layers as Layer[]);
    }
  }

  override registerModule(name: string, module: Layer): this {
    if (typeof module?.forward !== "function") throw expected("a module with a forward method", `${name} of nn.Sequential`, module);
    return super.registerModule(name, module);
  }

  /** @param input what the first module takes; with no modules it comes back as it is */
  forward(input: Tensor): Tensor {
    let output = input;
    for (const layer of this) output = layer.forward(output);
    return output;
  }
}

/**
 * Modules in a list, so that they are found as children "0", "1", ...
 *
 * @example this.blocks = new nn.ModuleList([new Block(), new Block()]); for (const block of this.blocks) x = block.forward(x);
 */
export class ModuleList<T extends Module = Module> extends Ordered<T> {
  constructor(modules: Iterable<T> = []) {
    super();
    if (typeof modules?.[Symbol.iterator] !== "function") throw expected("an array of modules", "nn.ModuleList", modules);
    this.extend(modules);
  }

  /** Equal neighbours on one line: `(0-11): 12 x Block(...)`. */
  protected override childLines(children: [name: string, text: string][]): string[] {
    const lines: string[] = [];
    for (let start = 0, end = 0; start < children.length; start = end) {
      const [first, text] = children[start]!;
      while (children[end]?.[1] === text) end++;
      lines.push(end - start === 1 ? `(${first}): ${text}` : `(${first}-${children[end - 1]![0]}): ${end - start} x ${text}`);
    }
    return lines;
  }
}

/**
 * Modules by name, so that they are found as children under these names, in the order in which they were set.
 *
 * @example this.heads = new nn.ModuleDict({ a: new nn.Linear(8, 2), b: new nn.Linear(8, 3) }); this.heads.get("a").forward(x);
 */
export class ModuleDict<M extends Record<string, Module> = Record<string, Module>> extends Module {
  // Not as properties: a name such as "forward" would hide a method, and numbers would change places.
  readonly #modules = new Map<string, Module>();

  constructor(modules: M = {} as M) {
    super();
    if (typeof modules !== "object" || modules === null) throw expected("an object of modules by name", "nn.ModuleDict", modules);
    for (const [name, module] of Object.entries(modules)) this.set(name, module);
  }

  /** @throws SteppeError `ARGUMENT` if there is no module of this name */
  get<K extends keyof M & string>(name: K): M[K] {
    const module = this.#modules.get(name);
    if (module === undefined) throw expected(`one of ${[...this.#modules.keys()].join(", ")}`, "nn.ModuleDict", name);
    return module as M[K];
  }

  /** Sets or replaces a module. */
  set(name: string, module: Module): this {
    if (typeof name !== "string" || name === "" || name.includes(".")) {
      throw expected("a non-empty name without dots", "nn.ModuleDict", name);
    }
    if (!(module instanceof Module)) throw expected("a module", `${name} of nn.ModuleDict`, module);
    this.#modules.set(name, module);
    return this;
  }

  has(name: string): boolean {
    return this.#modules.has(name);
  }

  delete(name: string): boolean {
    return this.#modules.delete(name);
  }

  /** Takes a module out and returns it. @throws SteppeError `ARGUMENT` if there is none of this name */
  pop<K extends keyof M & string>(name: K): M[K] {
    const module = this.get(name);
    this.#modules.delete(name);
    return module;
  }

  /** Sets or replaces several modules. */
  update(modules: Readonly<Record<string, Module>> | Iterable<readonly [string, Module]>): this {
    for (const [name, module] of entriesOf(modules, "nn.ModuleDict.update")) this.set(name, module);
    return this;
  }

  /** Takes all modules out. */
  clear(): void {
    this.#modules.clear();
  }

  keys(): string[] {
    return [...this.#modules.keys()];
  }

  values(): Module[] {
    return [...this.#modules.values()];
  }

  items(): [string, Module][] {
    return [...this.#modules];
  }

  get size(): number {
    return this.#modules.size;
  }

  [Symbol.iterator](): IterableIterator<[string, Module]> {
    return this.#modules.entries();
  }

  protected override submodules(): [string, Module][] {
    // Property fields of a subclass come after the named modules.
    return [...this.#modules, ...super.submodules()];
  }
}

/** @internal Pairs, also where they are an object's. */
export function entriesOf<T>(given: Readonly<Record<string, T>> | Iterable<readonly [string, T]>, owner: string): (readonly [string, T])[] {
  if (typeof given !== "object" || given === null) throw expected("an object, or pairs of names and values", owner, given);
  return Symbol.iterator in given ? [...(given as Iterable<readonly [string, T]>)] : Object.entries(given);
}
