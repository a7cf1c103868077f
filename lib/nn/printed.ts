import { Hooked } from "./hooks.js";

/** Modules as text: a tree of their parts. */
export abstract class Printed extends Hooked {
  protected abstract submodules(): [string, Printed][];

  /** What a module says of itself between the brackets of `toString()`. */
  protected extraRepr(): string {
    return "";
  }

  /** The module as a tree of its parts, one line each. */
  override toString(): string {
    return this.#print([]);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** The lines for the children in `toString()`. */
  protected childLines(children: [name: string, text: string][]): string[] {
    return children.map(([name, text]) => `(${name}): ${text}`);
  }

  #print(above: readonly Printed[]): string {
    const path = [...above, this];
    const children = this.submodules().map(([name, child]): [string, string] => [
      name,
      path.includes(child) ? `${child.constructor.name}(...)` : child.#print(path),
    ]);
    const extra = this.extraRepr();
    const name = this.constructor.name;
    if (children.length === 0) return `${name}(${extra})`;
    const lines = [...(extra === "" ? [] : [extra]), ...this.childLines(children)];
    return `${name}(\n${lines.join("\n").replace(/^/gm, "  ")}\n)`;
  }
}
