import { torch } from "../torch.js";
import { Tensor } from "../tensor.js";
import type { HookHandle } from "./hooks.js";
import type { Module } from "./module.js";

/**
 * A table of the modules within a module: their outputs' shapes, if inputs are given, and the numbers of their own parameters.
 * The inputs run through once, in evaluation mode and without gradients.
 */
export function summary(module: Module, inputs: unknown[]): string {
  const shapes = inputs.length === 0 ? new Map<Module, string>() : outputShapes(module, inputs);
  const seen = new Set<Tensor>();
  const rows = module.namedModules().map(([path, each]) => {
    const own = each.parameters({ recurse: false }).filter((parameter) => !seen.has(parameter) && seen.add(parameter));
    const depth = path === "" ? 0 : path.split(".").length;
    const name = path === "" ? each.constructor.name : `${"  ".repeat(depth)}${path.split(".").at(-1)!} (${each.constructor.name})`;
    const count = own.reduce((sum, parameter) => sum + parameter.numel(), 0);
    return [name, shapes.get(each) ?? "", count === 0 ? "" : number(count)];
  });
  const total = module.numParameters();
  const trainable = module.numParameters({ trainableOnly: true });
  const bytes = [...module.parameters(), ...module.buffers()].reduce((sum, tensor) => sum + tensor.numel() * tensor.itemSize, 0);
  const table = [["Module", inputs.length === 0 ? "" : "Output", "Parameters"], ...rows];
  const [first, second, third] = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length))) as [number, number, number];
  const lines = table.map(([name, shape, count]) => {
    const columns = [name!.padEnd(first), ...(second === 0 ? [] : [shape!.padEnd(second)]), count!.padStart(third)];
    return columns.join("  ").trimEnd();
  });
  const rule = "-".repeat(Math.max(...lines.map((line) => line.length)));
  const end = `${number(total)} parameters, ${number(trainable)} of them trained; ${number(bytes)} bytes with buffers`;
  return [lines[0], rule, ...lines.slice(1), rule, end].join("\n");
}

function outputShapes(module: Module, inputs: unknown[]): Map<Module, string> {
  const shapes = new Map<Module, string>();
  const modes = module.modules().map((each) => [each, each.training] as const);
  const handles: HookHandle[] = [];
  try {
    for (const each of module.modules()) {
      if (typeof Reflect.get(each, "forward") !== "function") continue;
      handles.push(each.registerForwardHook((_module, _inputs, output) => void shapes.set(each, shapeOf(output))));
    }
    module.eval();
    const forward = Reflect.get(module, "forward") as (...inputs: unknown[]) => unknown;
    torch.scope(() => torch.noGrad(() => void forward.apply(module, inputs)));
  } finally {
    for (const handle of handles) handle.remove();
    for (const [each, mode] of modes) each.training = mode;
  }
  return shapes;
}

function shapeOf(output: unknown): string {
  if (output instanceof Tensor) return `[${output.shape.join(", ")}]`;
  const joined = (texts: string[]) => texts.filter((text) => text !== "").join(", ");
  if (Array.isArray(output)) return joined(output.map(shapeOf));
  if (typeof output !== "object" || output === null) return "";
  return joined(Object.entries(output).map(([key, value]) => (shapeOf(value) === "" ? "" : `${key} ${shapeOf(value)}`)));
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
