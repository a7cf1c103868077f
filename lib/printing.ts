import { noGrad } from "./autograd.js";
import { call, family } from "./dispatch.js";
import { dtypes } from "./dtype.js";
import { readArray, type Element, type NestedArray } from "./reading.js";
import { scope } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** More elements than this are shown by their edges only, as PyTorch does. */
const THRESHOLD = 1000;
const EDGE = 3;
const LINE = 80;
const PREFIX = "tensor(";

/** A tensor as text: values as PyTorch prints them, shape, dtype, device, and what autograd knows of it. */
export function format(tensor: Tensor): string {
  if (!tensor.isAlive) return "tensor(<disposed>)";
  const facts = [`shape=[${tensor.shape.join(", ")}]`, `dtype=${tensor.dtype}`, `device=${tensor.device}`];
  if (tensor.layout !== "strided") facts.push(`layout=${tensor.layout}`);
  if (tensor.gradFn !== null) facts.push(`gradFn=${tensor.gradFn}`);
  else if (tensor.requiresGrad) facts.push("requiresGrad=true");
  const hidden = tensor.device.startsWith("meta") || tensor.dtype.startsWith("q");
  return addFacts(PREFIX + (hidden ? "..." : formatValues(tensor)), facts);
}

/** Facts stand on the last line of the values as far as there is room. */
function addFacts(text: string, facts: readonly string[]): string {
  let column = text.length - text.lastIndexOf("\n");
  for (const fact of facts) {
    if (column + fact.length + 2 > LINE) {
      text += `,\n${" ".repeat(PREFIX.length)}${fact}`;
      column = PREFIX.length + fact.length;
    } else {
      text += `, ${fact}`;
      column += fact.length + 2;
    }
  }
  return `${text})`;
}

function formatValues(tensor: Tensor): string {
  if (tensor.numel() === 0) return "[]";
  const shape = tensor.shape;
  const summarize = tensor.numel() > THRESHOLD;
  const values = scope(() => noGrad(() => readArray(summarize ? edges(tensor) : tensor, "printing a tensor")));
  const cut = shape.map((size) => summarize && size > 2 * EDGE);
  return layOut(values, shape.length, cut, elementFormat(values, dtypes[tensor.dtype]?.floating ?? true), PREFIX.length);
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

interface ElementFormat {
  /** Columns that each element takes up. */
  width: number;
  text(element: Element): string;
}

function layOut(values: NestedArray, dims: number, cut: readonly boolean[], format: ElementFormat, indent: number): string {
  if (!Array.isArray(values)) return format.text(values);
  const parts = values.map((value) => layOut(value, dims - 1, cut.slice(1), format, indent + 1));
  if (cut[0] === true) parts.splice(EDGE, 0, dims === 1 ? " ..." : "...");
  const margin = " ".repeat(indent + 1);
  if (dims > 1) return `[${parts.join(`,${"\n".repeat(dims - 1)}${margin}`)}]`;
  const perLine = Math.max(1, Math.floor((LINE - indent) / (format.width + 2)));
  const lines: string[] = [];
  for (let i = 0; i < parts.length; i += perLine) lines.push(parts.slice(i, i + perLine).join(", "));
  return `[${lines.join(`,\n${margin}`)}]`;
}

/** One notation for all elements of a tensor. */
function elementFormat(values: NestedArray, floating: boolean): ElementFormat {
  const elements: Element[] = [];
  const collect = (value: NestedArray): unknown => (Array.isArray(value) ? value.forEach(collect) : elements.push(value));
  collect(values);
  if (typeof elements[0] === "object") {
    const complex = elements as { re: number; im: number }[];
    const re = floatFormat(complex.map((element) => element.re));
    const im = floatFormat(complex.map((element) => element.im));
    return {
      width: re.width + im.width + 1,
      text: (element) => {
        const { re: real, im: imaginary } = element as { re: number; im: number };
        const tail = im.text(imaginary).trimStart();
        return `${re.text(real)}${tail.startsWith("-") ? "" : "+"}${tail}j`;
      },
    };
  }
  if (floating) return floatFormat(elements as number[]);
  const width = Math.max(...elements.map((element) => String(element).length));
  return { width, text: (element) => String(element).padStart(width) };
}

/** Whole numbers end in a point, others have 4 digits; scientific where magnitudes differ by much. */
function floatFormat(numbers: readonly number[]): ElementFormat {
  const finite = numbers.filter((value) => Number.isFinite(value) && value !== 0);
  const magnitudes = finite.map(Math.abs);
  const [least, greatest] = [Math.min(...magnitudes), Math.max(...magnitudes)];
  const whole = finite.every(Number.isInteger);
  const scientific = finite.length > 0 && (greatest / least > 1000 || greatest > 1e8 || least < 1e-4);
  const one = (value: number): string => {
    if (Number.isNaN(value)) return "nan";
    if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    const sign = Object.is(value, -0) ? "-" : "";
    if (scientific) return sign + exponential(value);
    return sign + (whole ? `${value.toFixed(0)}.` : halfToEven(value, (digits) => value.toFixed(digits)));
  };
  const width = Math.max(1, ...finite.map((value) => one(value).length));
  return { width, text: (element) => one(element as number).padStart(width) };
}

function exponential(value: number): string {
  const [mantissa, exponent] = halfToEven(value, (digits) => value.toExponential(digits)).split("e") as [string, string];
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** Four digits after the point. JavaScript rounds a tie up where C and Python round it to the even digit. */
function halfToEven(value: number, render: (digits: number) => string): string {
  const rounded = render(4);
  const [exact, exponent = ""] = render(40).split("e");
  const [whole, fraction] = exact!.split(".") as [string, string];
  if (!/^50*$/.test(fraction.slice(4)) || Number(fraction[3]) % 2 === 1) return rounded;
  return `${whole}.${fraction.slice(0, 4)}${exponent === "" ? "" : `e${exponent}`}`;
}
