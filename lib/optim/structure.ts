import { SteppeError, describe } from "../errors.js";
import { Tensor } from "../tensor.js";

/**
 * The arguments of a compiled function, taken apart: tensors become inputs of the program, everything else is part of what
 * the program is recorded for.
 */
export interface Flattened {
  tensors: Tensor[];
  /** What is left when the tensors are taken out, as a string: two calls with the same one fit the same program. */
  structure: string;
}

const depthLimit = 16;

/**
 * Tensors in arrays and plain objects, in order.
 *
 * @throws SteppeError `ARGUMENT` for a value that is neither (a function, a class instance): it could change unseen
 */
export function flatten(args: readonly unknown[]): Flattened {
  const tensors: Tensor[] = [];
  let structure = "";
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (i > 0) structure += ",";
    if (arg instanceof Tensor) {
      tensors.push(arg);
      structure += "T";
    } else {
      structure += describeValue(arg, `argument ${i}`, tensors, 0);
    }
  }
  return { tensors, structure };
}

function describeValue(value: unknown, path: string, tensors: Tensor[], depth: number): string {
  if (value instanceof Tensor) {
    tensors.push(value);
    return "T";
  }
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "object" && depth < depthLimit) {
    if (Array.isArray(value)) return `[${value.map((element, i) => describeValue(element, `${path}[${i}]`, tensors, depth + 1)).join()}]`;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      const parts = Object.entries(value).map(([key, element]) => `${JSON.stringify(key)}:${describeValue(element, `${path}.${key}`, tensors, depth + 1)}`);
      return `{${parts.join()}}`;
    }
  }
  throw new SteppeError("ARGUMENT", `Expected tensors, numbers, strings, booleans, or arrays and plain objects of them, for ${path} but received ${describe(value)}.`);
}

/** The arguments again, with other tensors in the places of the old ones. */
export function rebuild(args: readonly unknown[], tensors: readonly Tensor[]): unknown[] {
  let next = 0;
  const visit = (value: unknown): unknown => {
    if (value instanceof Tensor) return tensors[next++];
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, visit(element)]));
    }
    return value;
  };
  return args.map(visit);
}

/** Where the batch is to be cut, all tensors with a dimension must have the samples in their first one. */
export function checkBatch(tensors: readonly Tensor[], batched: readonly boolean[], batchSize: number): void {
  if (batchSize < 0) throw new SteppeError("ARGUMENT", "This method cuts the batch: expected at least one tensor with a dimension of samples among the arguments.");
  tensors.forEach((tensor, i) => {
    if (batched[i]! && tensor.shape[0] !== batchSize) {
      throw new SteppeError(
        "ARGUMENT",
        `This method cuts the batch along the first dimension: expected ${batchSize} samples in every tensor, as in the first, but tensor ${i} has shape [${tensor.shape.join(", ")}].`,
      );
    }
  });
}
