import { expected, suggest } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { Module } from "../module.js";

type Callable = Module & { forward(...inputs: never[]): unknown };
type InputsOf<M extends Callable> = M["forward"] extends (...inputs: infer I) => unknown ? I : never;

/**
 * What a module's `forward` gives with other tensors in the place of its parameters and buffers. The module itself stays as it is:
 * gradients go to the tensors given.
 *
 * @param tensors by the paths of `namedParameters` and `namedBuffers`; shared ones under any of their names
 * @param inputs what `forward` takes
 * @throws SteppeError `ARGUMENT` for unknown paths and what is no tensor
 * @example const output = nn.utils.functionalCall(model, { "fc.weight": weight }, [x]);
 */
export function functionalCall<M extends Callable>(module: M, tensors: Readonly<Record<string, Tensor>>, inputs: InputsOf<M>): ReturnType<M["forward"]> {
  const owner = "nn.utils.functionalCall";
  if (!(module instanceof Module) || typeof module.forward !== "function") throw expected("a module with a forward method", `module of ${owner}`, module);
  if (typeof tensors !== "object" || tensors === null || tensors instanceof Tensor) throw expected("an object of tensors by path", `tensors of ${owner}`, tensors);
  if (!Array.isArray(inputs)) throw expected("an array of what forward takes", `inputs of ${owner}`, inputs);
  const states = new Map([...module.states().map(({ name, tensor }): [string, Tensor] => [name, tensor]), ...module.namedBuffers()]);
  const replacements = new Map<Tensor, Tensor>();
  for (const [path, tensor] of Object.entries(tensors)) {
    const state = states.get(path);
    if (state === undefined) throw expected("the path of a parameter or buffer", `tensors of ${owner}`, path, suggest(path, [...states.keys()]).trim());
    if (!(tensor instanceof Tensor)) throw expected("a tensor", `${path} of ${owner}`, tensor);
    replacements.set(state, tensor);
  }
  const undo: { value: Tensor; restore: () => void }[] = [];
  try {
    for (const each of module.modules()) {
      for (const [name, value] of Object.entries(each)) {
        const other = value instanceof Tensor ? replacements.get(value) : undefined;
        if (other === undefined) continue;
        Reflect.set(each, name, other);
        undo.push({ value: value as Tensor, restore: () => void Reflect.set(each, name, value) });
      }
    }
    const applied = new Set(undo.map(({ value }) => value));
    for (const [path, tensor] of states) {
      if (replacements.has(tensor) && !applied.has(tensor)) throw expected("a tensor that is a property of its module", `${path} of ${owner}`, tensor);
    }
    return (module.forward as (...args: unknown[]) => unknown).apply(module, inputs) as ReturnType<M["forward"]>;
  } finally {
    for (const { restore } of undo) restore();
  }
}
