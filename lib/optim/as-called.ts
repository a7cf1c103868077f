import { autocast, currentAutocast } from "../autocast.js";
import type { Module } from "../nn/module.js";

/** The modules' modes and the mixed precision around a call, to run something in them later, whatever holds by then. */
export function asCalled(modules: readonly Module[]): <Result>(body: () => Result) => Result {
  const all = modules.flatMap((module) => module.modules());
  const modes = all.map(({ training }) => training);
  const precisions = (["cpu", "cuda"] as const).map((device) => currentAutocast(device));

  const inPrecision = <Result>(body: () => Result): Result =>
    precisions.reduceRight((inner: () => Result, then) => {
      const now = currentAutocast(then.device!);
      return now.enabled === then.enabled && (now.dtype === then.dtype || then.enabled === false) ? inner : () => autocast(inner, then);
    }, body)();

  return (body) => {
    const now = all.map(({ training }) => training);
    const set = (values: readonly boolean[]) => all.forEach((module, i) => module.training !== values[i]! && (module.training = values[i]!));
    set(modes);
    try {
      return inPrecision(body);
    } finally {
      set(now);
    }
  };
}
