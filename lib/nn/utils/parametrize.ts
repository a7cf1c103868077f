import { expected, expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { Module } from "../module.js";
import { isParameter, parameter } from "../parameter.js";
import type { Parameter } from "../parameter.js";

// A parameter as the value of a function of others that are trained in its place. Names in the state dict are PyTorch's:
// "parametrizations.weight.original".

/** How a tensor of a module comes from the parameters that are trained in its place. */
export abstract class Parametrization extends Module {
  abstract value(): Tensor;
}

class Parametrizations extends Module {}

const container = (module: Module): Module | undefined => Reflect.get(module, "parametrizations") as Module | undefined;

function of(module: Module, name: string): Parametrization | undefined {
  const found: unknown = container(module) === undefined ? undefined : Reflect.get(container(module)!, name);
  return found instanceof Parametrization ? found : undefined;
}

/** Puts a parametrization in the place of a module's parameter. */
export function attach<M extends Module>(owner: string, module: M, name: string, make: (weight: Parameter) => Parametrization): M {
  if (!(module instanceof Module)) throw expected("a module", `module of ${owner}`, module);
  const weight: unknown = Object.getOwnPropertyDescriptor(module, name)?.value;
  if (!isParameter(weight)) throw expected("the name of a parameter", `name of ${owner}`, name);
  const parametrization = make(weight);
  parametrization.train(module.training);
  const all = container(module) ?? new Parametrizations();
  all.registerModule(name, parametrization);
  Reflect.set(module, "parametrizations", all);
  const set = (value: Tensor): void => assign(owner, parametrization, value);
  Object.defineProperty(module, name, { get: () => parametrization.value(), set, configurable: true, enumerable: false });
  return module;
}

/** What makes one tensor of another, of the same shape; `rightInverse`, if there is one, finds for a value what gives it. */
export type Step = Module & { forward(original: Tensor): Tensor; rightInverse?(value: Tensor): Tensor };

/** Steps one after the other, named "0", "1", ... */
class Chain extends Parametrization {
  original: Parameter;

  constructor(weight: Parameter, first: Step) {
    super();
    this.original = first.rightInverse === undefined ? weight : parameter(torch.noGrad(() => first.rightInverse!(weight.detach())), weight.requiresGrad);
    this.append(first);
  }

  get steps(): Step[] {
    return this.children() as Step[];
  }

  append(step: Step): void {
    this.registerModule(String(this.children().length), step);
  }

  value(): Tensor {
    return this.steps.reduce((value: Tensor, step) => step.forward(value), this.original);
  }
}

function assign(owner: string, parametrization: Parametrization, value: Tensor): void {
  if (!(parametrization instanceof Chain)) throw expected("nothing", `the parametrized tensor of ${owner}`, value, "It is computed from others.");
  torch.noGrad(() => {
    const original = [...parametrization.steps].reverse().reduce((given, step) => {
      if (step.rightInverse === undefined) throw expected("a method rightInverse", `the parametrization ${step.constructor.name}`, undefined, "Without one no value can be set.");
      return step.rightInverse(given);
    }, value.detach());
    parametrization.original.copy_(original);
  });
}

/**
 * Makes a parameter of a module the value of a function: of `original`, which is trained in its place. A second one is applied to
 * the first one's value. Setting the parameter sets `original` by the functions' `rightInverse`.
 *
 * @param name the parameter
 * @param parametrization a module with `forward(original)`, and perhaps `rightInverse(value)`
 * @returns the module itself, changed
 * @throws SteppeError `ARGUMENT` if the value has another shape or dtype than the parameter
 * @example
 * class Symmetric extends nn.Module { forward(x: Tensor) { return x.triu().add(x.triu(1).t()); } }
 * nn.utils.parametrize.registerParametrization(new nn.Linear(4, 4), "weight", new Symmetric());
 */
export function registerParametrization<M extends Module>(module: M, name: string, parametrization: Step): M {
  const owner = "nn.utils.parametrize.registerParametrization";
  if (!(parametrization instanceof Module) || typeof parametrization.forward !== "function") throw expected("a module with a forward method", `parametrization of ${owner}`, parametrization);
  const present = module instanceof Module ? of(module, name) : undefined;
  if (present !== undefined && !(present instanceof Chain)) throw expected("a parameter without a norm of its weights", `name of ${owner}`, name);
  const check = (value: Tensor, weight: Tensor): void => {
    if (String(value.shape) !== String(weight.shape) || value.dtype !== weight.dtype) {
      throw expectedTensor(`${weight.dtype} of shape [${weight.shape.join(", ")}]`, `the value of ${parametrization.constructor.name} for ${name}`, value);
    }
  };
  if (present !== undefined) {
    const before = torch.noGrad(() => present.value());
    check(torch.noGrad(() => parametrization.forward(before)), before);
    present.append(parametrization);
    return module;
  }
  return attach(owner, module, name, (weight) => {
    const chain = new Chain(weight, parametrization);
    check(torch.noGrad(() => chain.value()), weight);
    return chain;
  });
}

/** Whether a parameter of a module, or any if no name is given, is the value of a parametrization. */
export function isParametrized(module: Module, name?: string): boolean {
  return name === undefined ? container(module) !== undefined : of(module, name) !== undefined;
}

/**
 * Makes a parametrized tensor an ordinary parameter again.
 *
 * @param leaveParametrized true (default): with its present value; false: with `original`'s
 * @returns the module itself, changed
 */
export function removeParametrizations<M extends Module>(module: M, name: string, leaveParametrized = true): M {
  const owner = "nn.utils.parametrize.removeParametrizations";
  const parametrization = module instanceof Module ? of(module, name) : undefined;
  if (parametrization === undefined) throw expected("the name of a parametrized parameter", `name of ${owner}`, name);
  const original: unknown = Reflect.get(parametrization, "original");
  if (!leaveParametrized && !isParameter(original)) throw expected("true", `leaveParametrized of ${owner}`, false, "The parameter comes from several.");
  const trains = parametrization.parameters().some((each) => each.requiresGrad);
  const value = leaveParametrized ? parameter(torch.noGrad(() => parametrization.value().detach().clone()), trains) : (original as Parameter);
  const all = container(module)!;
  Reflect.deleteProperty(all, name);
  if (all.children().length === 0) Reflect.deleteProperty(module, "parametrizations");
  Object.defineProperty(module, name, { value, writable: true, enumerable: true, configurable: true });
  return module;
}
