import { Tensor } from "../tensor.js";
import { read } from "./arguments.js";
import type { Signature } from "./arguments.js";
import { Module } from "./module.js";

/** A function with settings as a module: its arguments become its properties, under their names. */
export abstract class Stateless extends Module {
  readonly #settings: string[];

  /**
   * @param owner the layer's name in messages
   * @param signature its arguments
   * @param args what its constructor received
   */
  constructor(owner: string, signature: Signature, args: readonly unknown[]) {
    super();
    this.#settings = Object.keys(signature);
    Object.assign(this, read(owner, signature, args));
  }

  /** The settings. Tensors are left out, and what is off. */
  protected override extraRepr(): string {
    const shown = this.#settings.map((name) => [name, Reflect.get(this, name) as unknown] as const);
    const on = shown.filter(([, value]) => value !== false && value !== null && !(value instanceof Tensor));
    return on.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
  }
}
