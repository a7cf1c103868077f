import { noGrad } from "./autograd.js";
import { call, family } from "./dispatch.js";
import { readArray, type Element, type NestedArray } from "./reading.js";
import { scope } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** More elements than this are shown by their edges only, as PyTorch does. */
const THRESHOLD = 1000;
const EDGE = 3;
const LINE = 80;

/** A tensor as text: values, shape, dtype, device, and what autograd knows of it. */
export function format(tensor: Tensor): string {
  if (!tensor.isAlive) return "tensor(<disposed>)";
  const facts = [`shape=[${tensor.shape.join(", ")}]`, `dtype=${tensor.dtype}`, `device=${tensor.device}`];
  if (tensor.gradFn !== null) facts.push(`gradFn=${tensor.gradFn}`);
  else if (tensor.requiresGrad) facts.push("requiresGrad=true");
  const values = tensor.device.startsWith("meta") || tensor.dtype.startsWith("q") ? "..." : formatValues(tensor);
  return `tensor(${values}, ${facts.join(", ")})`;
}

function formatValues(tensor: Tensor): string {
  const shape = tensor.shape;
  const summarize = tensor.numel() > THRESHOLD;
  const cut = shape.map((size) => summarize && size > 2 * EDGE);
  const values = scope(() => noGrad(() => readArray(summarize ? edges(tensor) : tensor, "printing a tensor")));
  const elements: Element[] = [];
  flatten(values, elements);
  const text = elementFormat(elements);
  const width = Math.max(0, ...elements.map((element) => text(element).length));
  return layOut(values, shape.length, cut, (element) => text(element).padStart(width), "       ");
}

/** The first and last few along every long dimension. */
function edges(tensor: Tensor): Tensor {
  let result: Tensor = tensor.detach();
  tensor.shape.forEach((size, dim) => {
    if (size <= 2 * EDGE) return;
    const first = call(family("aten::narrow"), [result, dim, 0, EDGE]);
    const last = call(family("aten::narrow"), [result, dim, size - EDGE, EDGE]);
    result = call(family("aten::cat"), [[first, last], dim]) as Tensor;
  });
  return result;
}

function flatten(values: NestedArray, into: Element[]): void {
  if (!Array.isArray(values)) into.push(values);
  else for (const value of values) flatten(value, into);
}

function layOut(values: NestedArray, dims: number, cut: readonly boolean[], text: (element: Element) => string, indent: string): string {
  if (!Array.isArray(values)) return text(values);
  const inner = `${indent} `;
  const parts = values.map((value) => layOut(value, dims - 1, cut.slice(1), text, inner));
  if (cut[0] === true) parts.splice(EDGE, 0, "...");
  if (dims > 1) return `[${parts.join(`,${"\n".repeat(dims - 1)}${inner}`)}]`;
  const lines: string[] = [];
  let line = "";
  for (const part of parts) {
    if (line !== "" && indent.length + line.length + part.length + 2 > LINE) {
      lines.push(line);
      line = part;
    } else {
      line = line === "" ? part : `${line}, ${part}`;
    }
  }
  return `[${[...lines, line].join(`,\n${inner}`)}]`;
}

/** One notation for all elements: integers as they are, 4 digits, or scientific where magnitudes differ by much. */
function elementFormat(elements: readonly Element[]): (element: Element) => string {
  const numbers = elements.flatMap((element) => (typeof element === "number" ? [element] : isComplex(element) ? [element.re, element.im] : []));
  const finite = numbers.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const largest = Math.max(0, ...finite);
  const smallest = Math.min(Infinity, ...finite);
  const whole = finite.every(Number.isInteger);
  const scientific = largest >= 1e8 || (!whole && (largest / smallest > 1000 || smallest < 1e-4));
  const one = (value: number): string => {
    if (Number.isNaN(value)) return "nan";
    if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    if (scientific && !(whole && largest < 1e15)) return value.toExponential(4);
    return whole ? String(value) : value.toFixed(4);
  };
  return (element) => {
    if (typeof element === "number") return one(element);
    if (isComplex(element)) return `${one(element.re)}${element.im < 0 ? "-" : "+"}${one(Math.abs(element.im))}j`;
    return String(element);
  };
}

function isComplex(element: Element): element is { re: number; im: number } {
  return typeof element === "object";
}
