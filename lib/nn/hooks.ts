import { checkKeys, expected } from "../errors.js";

/** What a module's `forward` takes and returns. */
type Inputs<M> = M extends { forward(...inputs: infer I): unknown } ? I : unknown[];
type Output<M> = M extends { forward(...inputs: never[]): infer O } ? O : unknown;

/** Called after `forward`. What it returns, if anything, is returned in its place. */
export type ForwardHook<M> = (module: M, inputs: Inputs<M>, output: Output<M>) => Output<M> | void;
/** Called before `forward`. An array that it returns takes the place of the inputs. */
export type ForwardPreHook<M> = (module: M, inputs: Inputs<M>) => Inputs<M> | void;

/** Where a hook comes among others. */
export interface HookOptions {
  /** Before those that are there already; default false. */
  prepend?: boolean;
}

/** A registered hook. */
export interface HookHandle {
  /** Takes the hook away again. */
  remove(): void;
}

type AnyForward = (...inputs: unknown[]) => unknown;
type AnyHook = (module: unknown, inputs: unknown[], output?: unknown) => unknown;

/** Modules whose `forward` can be watched and changed. */
export class Hooked {
  readonly #before = new Set<AnyHook>();
  readonly #after = new Set<AnyHook>();

  /**
   * Calls a function after each `forward` of this module.
   *
   * A compiled step runs JavaScript only when it is recorded, hooks included: what they compute with tensors is part of the
   * program. One that is registered or removed later counts once the step was reset.
   *
   * @param options `prepend` (false): before the hooks that are there already, not after them
   * @example const handle = layer.registerForwardHook((_layer, _inputs, output) => console.log(output.shape)); handle.remove();
   * @throws SteppeError `ARGUMENT` for what is no function, and for a module without `forward`
   */
  registerForwardHook(hook: ForwardHook<this>, options: HookOptions = {}): HookHandle {
    return this.#register(this.#after, hook as AnyHook, options);
  }

  /** Calls a function before each `forward` of this module: it may return other inputs, in an array. Options as of {@link registerForwardHook}. */
  registerForwardPreHook(hook: ForwardPreHook<this>, options: HookOptions = {}): HookHandle {
    return this.#register(this.#before, hook as AnyHook, options);
  }

  #register(hooks: Set<AnyHook>, hook: AnyHook, options: HookOptions): HookHandle {
    checkKeys(options, ["prepend"], `the options of a hook of ${this.constructor.name}`);
    if (typeof hook !== "function") throw expected("a function", `a hook of ${this.constructor.name}`, hook);
    if (typeof Reflect.get(this, "forward") !== "function") throw expected("a module with a forward method", "a hook", this);
    if (this.#before.size + this.#after.size === 0) this.#intercept();
    const own: AnyHook = (...args) => hook(...args); // the same function may be registered twice
    const others = options.prepend === true ? [...hooks] : [];
    for (const other of others) hooks.delete(other);
    for (const each of [own, ...others]) hooks.add(each);
    return {
      remove: () => {
        if (hooks.delete(own) && this.#before.size + this.#after.size === 0) Reflect.deleteProperty(this, "forward");
      },
    };
  }

  /** An own `forward` stands before the class's while there are hooks. */
  #intercept(): void {
    const forward = Reflect.get(this, "forward") as AnyForward;
    const value: AnyForward = (...given) => {
      let inputs = given;
      for (const hook of this.#before) {
        const changed = hook(this, inputs);
        if (changed === undefined) continue;
        if (!Array.isArray(changed)) {
          throw expected("an array of inputs or nothing", `the result of a hook before the forward of ${this.constructor.name}`, changed);
        }
        inputs = changed as unknown[];
      }
      let output = forward.apply(this, inputs);
      for (const hook of this.#after) output = hook(this, inputs, output) ?? output;
      return output;
    };
    Object.defineProperty(this, "forward", { value, configurable: true, writable: true });
  }
}
