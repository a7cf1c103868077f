// Random arguments for any schema: nearly right ones, so that calls go deep, and now and then quite wrong ones. Sizes are small.
import { Generator, torch } from "../../dist/index.js";

const floats = ["float32", "float32", "float32", "float64", "float16", "bfloat16"];
const integers = ["int64", "int64", "int32", "int16", "int8", "uint8", "bool", "uint16", "uint32", "uint64"];
const dtypes = [...floats, ...integers, "complex64", "complex128", "complex32", "float8_e5m2"];
const words = [
  ...["mean", "sum", "none", "max", "min", "prod", "amax", "reflect", "replicate", "circular", "constant", "linear", "higher"],
  ...["trunc", "floor", "ij", "xy", "same", "valid", "tanh", "relu", "gelu", "i,i->", "ij,jk->ik", "left", "fro", "nuc", "gesvd"],
  ...["fill", "", "cpu", "L", "U", "hann", "x".repeat(300)],
];
const layouts = ["strided", "strided", "sparse", "sparse_csr", "mkldnn", "jagged"];
const devices = ["cpu", "cpu", "meta", "cuda:0"];
const formats = ["contiguous", "preserve", "channels_last", "channels_last_3d"];
const counts = [0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5];
const sizes = [0, 1, 1, 2, 2, 3, 3, 4, 5, 8];
const farIntegers = [-(2 ** 31), -(2 ** 53) + 1, -100, 100, 64, -1n, 3n];
const oddReals = [NaN, Infinity, -Infinity, 1e30, -1e-30, -0];

const canRequireGrad = (dtype) => /^(float|bfloat|complex)/.test(dtype);

function print(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  return typeof value === "number" ? String(value) : (JSON.stringify(value)?.slice(0, 80) ?? String(value));
}

/** Makes the arguments of one call; `text` tells what they are. */
export function maker(random) {
  const below = (n) => Math.floor(random() * n);
  const pick = (list) => list[below(list.length)];
  const chance = (p) => random() < p;
  const text = [];
  const say = (value) => (text.push(print(value)), value);

  const integer = () => (chance(0.85) ? below(6) - 1 : chance(0.8) ? below(40) - 20 : pick(farIntegers));
  const real = () => (chance(0.8) ? pick([0, 1, 0.5, 2, -1, 0.1, 1e-5, random() * 4 - 2]) : pick(oddReals));
  const complex = () => ({ re: real(), im: real() });
  const boolean = () => chance(0.5);

  let common = null;
  function shape() {
    if (common !== null && chance(0.6)) return common; // shapes that agree make more calls go deep
    const made = Array.from({ length: pick(counts) }, () => pick(sizes));
    common ??= made;
    return made;
  }

  function element(dtype) {
    if (dtype === "bool") return boolean();
    if (dtype.startsWith("complex")) return complex();
    if (canRequireGrad(dtype)) return real();
    return dtype.startsWith("uint") ? below(4) : below(8) - 2;
  }

  /** A tensor of another kind made of this one; itself where LibTorch has none. */
  function change([tensor, note], name, body) {
    try {
      return [body(tensor), `${name}(${note})`];
    } catch {
      return [tensor, note];
    }
  }

  function tensor() {
    const size = shape();
    const dtype = chance(0.6) ? pick(floats) : pick(dtypes);
    const values = Array.from({ length: size.reduce((a, b) => a * b, 1) }, () => element(dtype));
    let made = [torch.tensor(values, { dtype }).reshape(size), `${dtype}[${size}]`];
    if (chance(0.1)) made = change(made, "transpose", (t) => t.transpose(0, 1));
    if (chance(0.05)) made = change(made, "expand", (t) => t.expand([2, ...t.shape]));
    if (chance(0.04)) made = change(made, "meta", (t) => t.to("meta"));
    if (chance(0.04)) made = change(made, "sparse", (t) => t.toSparse());
    if (chance(0.1)) made = change(made, "quantized", (t) => torch.quantizePerTensor(t, 0.1, 2, pick(["qint8", "quint8", "qint32"])));
    if (chance(0.1) && canRequireGrad(dtype)) made = change(made, "grad", (t) => t.detach().requiresGrad_());
    text.push(made[1]);
    return made[0];
  }

  function one(kind) {
    switch (kind) {
      case "Tensor":
        return tensor();
      case "int":
        return say(integer());
      case "float":
        return say(real());
      case "bool":
        return say(boolean());
      case "Scalar":
        return say(pick([integer, real, boolean, complex])());
      case "str":
        return say(pick(words));
      case "ScalarType":
        return say(pick([...dtypes, "qint8"]));
      case "Layout":
        return say(pick(layouts));
      case "Device":
        return say(pick(devices));
      case "MemoryFormat":
        return say(pick(formats));
      case "Generator":
        text.push("Generator");
        return new Generator().manualSeed(below(100));
      default:
        return say(null); // nothing in JavaScript stands for it
    }
  }

  /** A value for one argument of a schema. */
  function argument({ kind, list, size, optional, optionalElements, hasDefault }) {
    if (optional && chance(0.4)) return say(null);
    if (hasDefault && chance(0.5)) return say(undefined);
    if (chance(0.01)) return say(pick([null, "x", -1, NaN, [], true]));
    if (!list) return one(kind);
    text.push("[");
    const length = size > 0 && chance(0.8) ? size : pick([0, 1, 1, 2, 2, 3, 4]);
    const made = Array.from({ length }, () => (optionalElements && chance(0.3) ? say(null) : one(kind)));
    text.push("]");
    return made;
  }

  return { pick, argument, text };
}
