import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { entriesOf } from "./containers.js";
import { Module } from "./module.js";
import { isParameter, parameter } from "./parameter.js";
import type { Parameter } from "./parameter.js";

/**
 * Parameters in a list, named "0", "1", ... Other tensors that are put in become parameters.
 *
 * @example this.scales = new nn.ParameterList([torch.ones([3]), torch.ones([4])]); x.mul(this.scales[0]);
 */
export class ParameterList extends Module implements Iterable<Parameter> {
  [index: number]: Parameter;
  #length = 0;

  constructor(parameters: Iterable<Tensor> = []) {
    super();
    if (typeof parameters?.[Symbol.iterator] !== "function") throw expected("an array of tensors", "nn.ParameterList", parameters);
    this.extend(parameters);
  }

  /** The number of parameters. */
  get length(): number {
    return this.#length;
  }

  /** Adds a parameter at the end. */
  append(tensor: Tensor): this {
    this[this.#length++] = isParameter(tensor) ? tensor : parameter(tensor);
    return this;
  }

  /** Adds parameters at the end, in their order. */
  extend(tensors: Iterable<Tensor>): this {
    for (const tensor of tensors) this.append(tensor);
    return this;
  }

  *[Symbol.iterator](): IterableIterator<Parameter> {
    for (let i = 0; i < this.#length; i++) yield this[i]!;
  }

  protected override extraRepr(): string {
    return [...this].map((each) => `[${each.shape.join(", ")}]`).join(", ");
  }
}

/**
 * Parameters by name, in the order in which they were set. Other tensors that are put in become parameters.
 *
 * @example this.scales = new nn.ParameterDict({ left: torch.ones([3]), right: torch.ones([3]) }); x.mul(this.scales.get("left"));
 */
export class ParameterDict<Names extends string = string> extends Module {
  // Not as properties: a name such as "forward" would hide a method, and numbers would change places.
  readonly #parameters = new Map<string, Parameter>();

  constructor(parameters: Record<Names, Tensor> = {} as Record<Names, Tensor>) {
    super();
    if (typeof parameters !== "object" || parameters === null) {
      throw expected("an object of tensors by name", "nn.ParameterDict", parameters);
    }
    for (const [name, tensor] of Object.entries<Tensor>(parameters)) this.set(name as Names, tensor);
  }

  /** @throws SteppeError `ARGUMENT` if there is no parameter of this name */
  get(name: Names): Parameter {
    const found = this.#parameters.get(name);
    if (found === undefined) throw expected(`one of ${[...this.#parameters.keys()].join(", ")}`, "nn.ParameterDict", name);
    return found;
  }

  /** Sets or replaces a parameter. */
  set(name: Names, tensor: Tensor): this {
    if (typeof name !== "string" || name === "" || name.includes(".")) {
      throw expected("a non-empty name without dots", "nn.ParameterDict", name);
    }
    this.#parameters.set(name, isParameter(tensor) ? tensor : parameter(tensor));
    return this;
  }

  has(name: string): boolean {
    return this.#parameters.has(name);
  }

  delete(name: string): boolean {
    return this.#parameters.delete(name);
  }

  /** Takes a parameter out and returns it. @throws SteppeError `ARGUMENT` if there is none of this name */
  pop(name: Names): Parameter {
    const parameter = this.get(name);
    this.#parameters.delete(name);
    return parameter;
  }

  /** Sets or replaces several parameters. */
  update(parameters: Readonly<Partial<Record<Names, Tensor>>> | Iterable<readonly [Names, Tensor]>): this {
    for (const [name, tensor] of entriesOf<Tensor>(parameters as Record<string, Tensor>, "nn.ParameterDict.update")) this.set(name as Names, tensor);
    return this;
  }

  /** Takes all parameters out. */
  clear(): void {
    this.#parameters.clear();
  }

  keys(): string[] {
    return [...this.#parameters.keys()];
  }

  values(): Parameter[] {
    return [...this.#parameters.values()];
  }

  items(): [string, Parameter][] {
    return [...this.#parameters];
  }

  get size(): number {
    return this.#parameters.size;
  }

  [Symbol.iterator](): IterableIterator<[string, Parameter]> {
    return this.#parameters.entries();
  }

  protected override ownParameters(): [string, Parameter][] {
    return [...this.#parameters, ...super.ownParameters()];
  }

  protected override extraRepr(): string {
    return [...this].map(([name, each]) => `${name}: [${each.shape.join(", ")}]`).join(", ");
  }
}
