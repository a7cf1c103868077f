import { dtypes } from "../dtype.js";
import { describe } from "../errors.js";
import type { DType } from "../types.js";
import { Dict, Refusal } from "./pickle.js";
import { TorchStorage, TorchTensor } from "./torch-storage.js";
import type { Global } from "./pickle.js";

// What torch.save names in a pickle of plain tensors, and nothing else.

/** A storage's class, as persistent ids name it: `dtype` is null for bytes of any. */
export class StorageType implements Global {
  constructor(
    readonly name: string,
    readonly dtype: DType | null,
  ) {}
}

/** A storage as a persistent id gives it: its dtype may be known from the tensor only. */
export interface StorageReference {
  type: StorageType;
  /** Number of elements, of bytes where the type has no dtype. */
  length: number;
  /** @throws Refusal if the file has no such bytes */
  open(dtype: DType): TorchStorage;
}

/** A dtype, which stands as its name. */
class DTypeName implements Global {
  constructor(readonly dtype: DType) {}
  get name(): string {
    return `torch.${this.dtype}`;
  }
}

const storageTypes: Readonly<Record<string, DType>> = {
  FloatStorage: "float32", DoubleStorage: "float64", HalfStorage: "float16", BFloat16Storage: "bfloat16",
  LongStorage: "int64", IntStorage: "int32", ShortStorage: "int16", CharStorage: "int8", ByteStorage: "uint8", BoolStorage: "bool",
  ComplexFloatStorage: "complex64", ComplexDoubleStorage: "complex128",
};

const functions: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
  "collections.OrderedDict": ([items, ...others]) => {
    const dict = new Dict();
    if (items !== undefined && !(Array.isArray(items) && others.length === 0)) throw new Refusal("the pairs of an OrderedDict", describe(items));
    for (const pair of (items ?? []) as unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2) throw new Refusal("a pair of an OrderedDict", describe(pair));
      dict.entries.set(pair[0], pair[1]);
    }
    return dict;
  },
  // Of some learning rate schedules.
  "collections.Counter": ([counts]) => {
    if (!(counts instanceof Dict)) throw new Refusal("the counts of a Counter", describe(counts));
    return counts;
  },
  // How protocol 2, which torch.save writes, spells bytes.
  "_codecs.encode": ([text, encoding]) => {
    const isLatin = encoding === "latin1" || encoding === "latin-1";
    if (typeof text !== "string" || !isLatin || /[^\0-\xff]/.test(text)) throw new Refusal("bytes as text in Latin-1", describe(isLatin ? text : encoding));
    return new Uint8Array(Buffer.from(text, "latin1"));
  },
  "__builtin__.bytes": (args) => {
    if (args.length > 0) throw new Refusal("no bytes", describe(args[0]));
    return new Uint8Array();
  },
  "torch.Size": ([sizes]) => {
    if (!isSizes(sizes)) throw new Refusal("sizes", describe(sizes));
    return sizes;
  },
  "torch.device": ([type, index]) => {
    if (typeof type !== "string" || (index !== undefined && !isSize(index))) throw new Refusal("a device", describe(type));
    return index === undefined ? type : `${type}:${index}`;
  },
  "torch._utils._rebuild_tensor": ([storage, offset, shape, strides]) => view(storage, offset, shape, strides),
  "torch._utils._rebuild_tensor_v2": ([storage, offset, shape, strides, _requiresGrad, _hooks, metadata]) => {
    refuseMetadata(metadata);
    return view(storage, offset, shape, strides);
  },
  "torch._utils._rebuild_tensor_v3": ([storage, offset, shape, strides, _requiresGrad, _hooks, dtype, metadata]) => {
    refuseMetadata(metadata);
    if (!(dtype instanceof DTypeName)) throw new Refusal("a dtype", describe(dtype));
    return view(storage, offset, shape, strides, dtype.dtype);
  },
  "torch._utils._rebuild_parameter": ([data]) => tensor(data),
  "torch._utils._rebuild_parameter_with_state": ([data]) => tensor(data),
};

const globals = new Map<string, Global>([
  ...Object.entries(functions).map(([name, call]): [string, Global] => [name, { name, call }]),
  ...Object.entries(storageTypes).map(([name, dtype]): [string, Global] => [`torch.${name}`, new StorageType(`torch.${name}`, dtype)]),
  ["torch.storage.UntypedStorage", new StorageType("torch.storage.UntypedStorage", null)],
  // Quantized tensors are rebuilt by functions that are not known here.
  ...Object.keys(dtypes).map((dtype): [string, Global] => [`torch.${dtype}`, new DTypeName(dtype as DType)]),
]);

/** What a pickled name stands for. */
export function findGlobal(name: string): Global | undefined {
  return globals.get(name);
}

/** What a name that was not called comes to: a dtype is its name. */
export function plainGlobal(value: unknown): string | undefined {
  return value instanceof DTypeName ? value.dtype : undefined;
}

function tensor(value: unknown): TorchTensor {
  if (!(value instanceof TorchTensor)) throw new Refusal("a tensor", describe(value));
  return value;
}

function refuseMetadata(metadata: unknown): void {
  if (metadata === undefined || metadata === null || (metadata instanceof Dict && metadata.entries.size === 0)) return;
  throw new Refusal("a tensor as it is", "one with marks of its own, such as a pending conjugation");
}

function view(reference: unknown, offset: unknown, shape: unknown, strides: unknown, given?: DType): TorchTensor {
  const { open, type } = (reference ?? {}) as Partial<StorageReference>;
  if (typeof open !== "function") throw new Refusal("a storage", describe(reference));
  const dtype = given ?? type!.dtype;
  if (dtype === null) throw new Refusal("a storage with a dtype", type!.name);
  if (!isSize(offset)) throw new Refusal("an offset", describe(offset));
  if (!isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) throw new Refusal("sizes and as many strides", `${describe(shape)} and ${describe(strides)}`);
  const storage = open(dtype);
  const empty = shape.includes(0);
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset);
  // Sizes of 0 are left out of the product: what stands beside them must be a shape as well.
  const extent = shape.reduce((product, size) => product * (size || 1), dtypes[dtype]!.size);
  if (!Number.isSafeInteger(extent) || (empty ? offset > storage.length : last >= storage.length)) {
    throw new Refusal(
      `a tensor within the ${storage.length} elements of its storage`,
      `sizes [${shape.join(", ")}], strides [${strides.join(", ")}], offset ${offset}`,
    );
  }
  return new TorchTensor(storage, offset, shape, strides);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isSize);
}
