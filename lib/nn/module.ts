import { expected, suggest } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { flag, or, read } from "./arguments.js";
import { clearGradients, type ClearingOptions } from "./clear-gradients.js";
import { conversion, convert } from "./conversion.js";
import type { Destination } from "./conversion.js";
import { noteHome } from "./home.js";
import { modes } from "./modes.js";
import { isParameter } from "./parameter.js";
import type { Parameter } from "./parameter.js";
import { join, unique } from "./paths.js";
import { Printed } from "./printed.js";
import { loadStates } from "./state-dict.js";
import type { LoadResult, State } from "./state-dict.js";
import { summary } from "./summary.js";

const keeping = { persistent: or(flag, true) };
const recursion = { recurse: or(flag, true) };
const counted = { trainableOnly: or(flag, false) };
const loading = { strict: or(flag, true) };

/**
 * The base of all layers and models.
 *
 * A module's own properties are its parts, in the order of their definition: another module is a child, a tensor made by
 * `nn.parameter` a parameter. Names in the state dict are the properties' names, joined by dots. Arrays are not looked
 * into (`nn.ModuleList` is for that), nor are `#private` fields. `forward` computes its outputs, with a signature of its own.
 *
 * @example
 * class Net extends nn.Module {
 *   fc = new nn.Linear(784, 10);
 *   forward(x: Tensor) { return this.fc.forward(x.flatten(1)); } // [N, 1, 28, 28] -> [N, 10]
 * }
 */
export class Module extends Printed {
  #training = true;
  readonly #buffers = new Map<string, { persistent: boolean }>();

  /** Whether the module behaves as in training (dropout drops, batch norm uses the batch) or as in evaluation. */
  get training(): boolean {
    modes.read?.(this, this.#training);
    return this.#training;
  }

  set training(mode: boolean) {
    if (typeof mode !== "boolean") throw expected("true or false", "training", mode);
    if (mode === this.#training) return;
    this.#training = mode;
    modes.version++;
  }

  /** Whether it is a normalisation layer (batch, instance, layer, RMS or group norm), whose parameters some methods treat apart. */
  get isNormalization(): boolean {
    return false;
  }

  /** The module's own children, shared ones as often as they appear. Containers may keep them elsewhere than in properties. */
  protected override submodules(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module);
  }

  /** The modules that are properties of this one, each once, with their names. */
  namedChildren(): [string, Module][] {
    return unique(this.submodules());
  }

  /** The modules that are properties of this one, each once. */
  children(): Module[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /** This module and all modules within, each once, with their paths: "" for this one, then "layer1", "layer1.conv", ... */
  namedModules(): [string, Module][] {
    const paths = new Map<Module, string>();
    const visit = (module: Module, path: string): void => {
      if (paths.has(module)) return;
      paths.set(module, path);
      for (const [name, child] of module.submodules()) visit(child, join(path, name));
    };
    visit(this, "");
    return [...paths].map(([module, path]) => [path, module]);
  }

  /** This module and all modules within, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /**
   * The parameters with their paths, each once: a shared one under its first name. `recurse: false` leaves out those of children.
   */
  namedParameters(options: { recurse?: boolean } = {}): [string, Parameter][] {
    const { recurse } = read("namedParameters", recursion, [options]);
    const found = this.#gather((module) => module.ownParameters(), recurse);
    for (const [path, parameter] of found) noteHome(parameter, this, path);
    return found;
  }

  /** The parameters, each once, frozen ones included. */
  parameters(options?: { recurse?: boolean }): Parameter[] {
    return this.namedParameters(options).map(([, tensor]) => tensor);
  }

  /** The buffers with their paths, each once, persistent or not. */
  namedBuffers(options: { recurse?: boolean } = {}): [string, Tensor][] {
    const { recurse } = read("namedBuffers", recursion, [options]);
    return this.#gather((module) => module.#ownBuffers(), recurse);
  }

  /** The buffers, each once. */
  buffers(options?: { recurse?: boolean }): Tensor[] {
    return this.namedBuffers(options).map(([, tensor]) => tensor);
  }

  /**
   * The module at a path: `getSubmodule("encoder.layers.0")`, "" for this one.
   *
   * @throws SteppeError `ARGUMENT` if there is none, naming those that there are
   */
  getSubmodule(path: string): Module {
    return this.#get("a module", path, this.namedModules());
  }

  /** The parameter at a path: `getParameter("fc.weight")`. @throws SteppeError `ARGUMENT` if there is none */
  getParameter(path: string): Parameter {
    return this.#get("a parameter", path, this.namedParameters());
  }

  /** The buffer at a path. @throws SteppeError `ARGUMENT` if there is none */
  getBuffer(path: string): Tensor {
    return this.#get("a buffer", path, this.namedBuffers());
  }

  #get<T>(what: string, path: string, entries: [string, T][]): T {
    const found = entries.find(([name]) => name === path);
    if (found === undefined) {
      throw expected(`the path of ${what}`, this.constructor.name, path, suggest(String(path), entries.map(([name]) => name)).trim());
    }
    return found[1];
  }

  /**
   * A table of all modules within, with the numbers of their parameters.
   *
   * @param inputs what `forward` takes: with it, the table has the outputs' shapes, found in evaluation mode
   * @example console.log(model.summary(torch.zeros([1, 3, 32, 32])));
   */
  summary(...inputs: unknown[]): string {
    return summary(this, inputs);
  }

  /** The number of trained values, shared ones counted once. `trainableOnly` leaves out frozen parameters. */
  numParameters(options: { trainableOnly?: boolean } = {}): number {
    const { trainableOnly } = read("numParameters", counted, [options]);
    const all = this.parameters().filter((tensor) => !trainableOnly || tensor.requiresGrad);
    return all.reduce((sum, tensor) => sum + tensor.numel(), 0);
  }

  /**
   * Adds a tensor that is part of the module's state but not trained, as the property `name`.
   *
   * @param tensor `null` keeps the name for a later tensor
   * @param options `persistent` (true by default): whether the state dict holds it
   * @returns the tensor, so that a class field can take it: `mask = this.registerBuffer("mask", torch.ones([3]))`
   * @throws SteppeError `ARGUMENT` for a name that is empty, has a dot or is taken
   */
  registerBuffer<T extends Tensor | null>(name: string, tensor: T, options: { persistent?: boolean } = {}): T {
    const { persistent } = read("registerBuffer", keeping, [options]);
    if (tensor !== null && !(tensor instanceof Tensor)) throw expected("a tensor or null", `buffer ${name}`, tensor);
    this.#setMember(name, tensor);
    this.#buffers.set(name, { persistent });
    return tensor;
  }

  /**
   * Adds a child module as the property `name`, for names that are known at run time only.
   *
   * @throws SteppeError `ARGUMENT` for a name that is empty, has a dot or is taken
   */
  registerModule(name: string, module: Module): this {
    if (!(module instanceof Module)) throw expected("a module", `child ${name} of ${this.constructor.name}`, module);
    this.#setMember(name, module);
    return this;
  }

  /**
   * Adds a parameter as the property `name`, for names that are known at run time only.
   *
   * @throws SteppeError `ARGUMENT` for what is none, and a name that is empty, has a dot or is taken
   */
  registerParameter(name: string, parameter: Parameter): this {
    if (!isParameter(parameter)) throw expected("a parameter made by nn.parameter", `parameter ${name} of ${this.constructor.name}`, parameter);
    this.#setMember(name, parameter);
    return this;
  }

  /**
   * Puts another module in the place of that at a path: `setSubmodule("encoder.layers.0", new nn.Identity())`.
   *
   * @throws SteppeError `ARGUMENT` if there is none
   */
  setSubmodule(path: string, module: Module): this {
    if (!(module instanceof Module)) throw expected("a module", `child ${path} of ${this.constructor.name}`, module);
    this.getSubmodule(path);
    if (path === "") throw expected("the path of a module within", this.constructor.name, path);
    const at = path.lastIndexOf(".");
    this.getSubmodule(path.slice(0, Math.max(at, 0))).registerModule(path.slice(at + 1), module);
    modes.version++;
    return this;
  }

  /**
   * The parameters and persistent buffers by path. The tensors share their memory with the module's and have no gradient history.
   */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(this.states().map(({ name, tensor }) => [name, tensor.detach()]));
  }

  /**
   * Copies values into the parameters and persistent buffers, converting their dtype and device. Nothing is changed if it throws.
   *
   * @param state tensors by path, as from `stateDict()` or `io.loadSafetensors`
   * @param options `strict` (true by default): missing and unexpected names are an error
   * @returns the missing and unexpected names
   * @throws SteppeError `ARGUMENT` that lists everything missing, unexpected and of a wrong shape
   */
  loadStateDict(state: Record<string, Tensor>, options: { strict?: boolean } = {}): LoadResult {
    const { strict } = read("loadStateDict", loading, [options]);
    if (typeof state === "object" && state !== null) for (const [path, module] of this.namedModules()) module.beforeLoading(state, join(path, ""));
    return loadStates(this.constructor.name, this.states(), state, strict);
  }

  /** Called with the state dict, and the module's place in it, before it is loaded: lazy layers take their sizes from it. */
  protected beforeLoading(_state: Record<string, Tensor>, _path: string): void {}

  /** The own state `name` may be absent from a state dict: files from before it existed have none. */
  protected mayBeMissing(_name: string): boolean {
    return false;
  }

  /** Switches this module and all within to training, or to evaluation with `train(false)`. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Switches this module and all within to evaluation. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Moves and converts parameters, buffers and gradients. The tensor objects stay the same, so optimizers keep working.
   * A dtype applies to floating-point and complex tensors only, a memory format to images and volumes.
   *
   * @example model.to("float64"); model.to("cuda:0"); model.to({ device: "cuda:0", dtype: "bfloat16", memoryFormat: "channels_last" });
   * @throws SteppeError `ARGUMENT` for a dtype that is neither floating-point nor complex
   */
  to(destination: Destination): this {
    const target = conversion(destination);
    torch.noGrad(() => {
      for (const tensor of [...this.parameters(), ...this.buffers()]) convert(tensor, target);
    });
    return this;
  }

  /** Drops the gradients of all parameters. `setToNone: false` fills them with zeros instead. */
  zeroGrad(options: ClearingOptions = {}): void {
    clearGradients(this.parameters(), options);
  }

  /** Freezes (`false`) or unfreezes all parameters. */
  requiresGrad_(requiresGrad = true): this {
    for (const tensor of this.parameters()) tensor.requiresGrad = requiresGrad;
    return this;
  }

  /**
   * Calls `fn` on all modules within, then on this one.
   *
   * @example model.apply((m) => { if (m instanceof nn.Linear) nn.init.xavierUniform_(m.weight); });
   */
  apply(fn: (module: Module) => void): this {
    const visit = (module: Module, above: readonly Module[]): void => {
      const path = [...above, module];
      for (const child of module.children()) if (!path.includes(child)) visit(child, path);
      fn(module);
    };
    visit(this, []);
    return this;
  }

  /** The module's own parameters. Containers may keep them elsewhere than in properties. */
  protected ownParameters(): [string, Parameter][] {
    return Object.entries(this).filter((entry): entry is [string, Parameter] => isParameter(entry[1]) && !this.#buffers.has(entry[0]));
  }

  #ownBuffers(): [string, Tensor][] {
    return [...this.#buffers.keys()].flatMap((name) => {
      const value: unknown = Reflect.get(this, name);
      return value instanceof Tensor ? [[name, value] as [string, Tensor]] : [];
    });
  }

  #gather<T extends Tensor>(own: (module: Module) => [string, T][], recurse: boolean): [string, T][] {
    const modules: [string, Module][] = recurse ? this.namedModules() : [["", this]];
    return unique(modules.flatMap(([path, module]) => own(module).map(([name, tensor]): [string, T] => [join(path, name), tensor])));
  }

  /** @internal What the state dict holds: the very tensors, shared ones under each of their names. */
  states(): State[] {
    return this.#states("", []);
  }

  // Shared modules and tensors appear under each of their names, as in PyTorch; a module within itself does not.
  #states(path: string, above: readonly Module[]): State[] {
    const persistent = this.#ownBuffers().filter(([name]) => this.#buffers.get(name)!.persistent);
    const own = [...this.ownParameters(), ...persistent].map(([name, tensor]) => ({
      name: join(path, name),
      tensor,
      mayBeMissing: this.mayBeMissing(name),
    }));
    const line = [...above, this];
    const below = this.submodules().filter(([, child]) => !line.includes(child));
    return [...own, ...below.flatMap(([name, child]) => child.#states(join(path, name), line))];
  }

  #setMember(name: string, value: Tensor | Module | null): void {
    if (typeof name !== "string" || name === "" || name.includes(".")) {
      throw expected("a non-empty name without dots", `a part of ${this.constructor.name}`, name);
    }
    const current: unknown = Reflect.get(this, name);
    const replaceable = current === undefined || current === null || current instanceof Tensor || current instanceof Module;
    if (!replaceable) throw expected("a name that is not taken", `a part of ${this.constructor.name}`, name);
    Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
  }
}
