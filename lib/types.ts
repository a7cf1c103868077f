/** Element types, under PyTorch's names. */
export type DType =
  | "float32" | "float64" | "float16" | "bfloat16"
  | "int64" | "int32" | "int16" | "int8" | "uint8" | "uint16" | "uint32" | "uint64" | "bool"
  | "complex32" | "complex64" | "complex128"
  | "float8_e4m3fn" | "float8_e5m2" | "float8_e4m3fnuz" | "float8_e5m2fnuz" | "float8_e8m0fnu"
  | "qint8" | "quint8" | "qint32";

/** Where a tensor lives: "cpu", "cuda", "cuda:1", "meta" (shapes alone), or any other device that LibTorch has. */
export type Device = "cpu" | "meta" | "cuda" | "mps" | "xpu" | "mtia" | "hpu" | `${string}:${number}`;

/** How a tensor lies in memory. */
export type Layout = "strided" | "sparse" | "sparse_csr" | "sparse_csc" | "sparse_bsr" | "sparse_bsc" | "mkldnn" | "jagged";

/** The order of dimensions in memory. */
export type MemoryFormat = "contiguous" | "preserve" | "channels_last" | "channels_last_3d";

/** One number: whole ones are integers, as in Python; complex ones are `{ re, im }`. */
export type Scalar = number | bigint | boolean | { re: number; im: number };

/** A whole number: bigint beyond 2⁵³. */
export type Int = number | bigint;

/** Whole numbers, such as sizes or dimensions. */
export type Ints = readonly Int[] | Int32Array | BigInt64Array;

/** Numbers. */
export type Floats = readonly number[] | Float32Array | Float64Array;

/** An object that names arguments, where a tensor (it has a dtype, a device, …), an array or a string would pass for one. */
export type Named<Arguments> = Arguments & { readonly [Symbol.dispose]?: never; readonly [Symbol.iterator]?: never };

/** All members of an object or none of them. */
export type AllOrNone<Members> = Members | { readonly [Key in keyof Members]?: never };

/** What operators that make tensors take by name. */
export type FactoryOptions = Named<{
  /** Default: float32 for most; operators that count (`randperm`, `randint`) or copy a tensor's kind (`zerosLike`) have their own. */
  dtype?: DType | null;
  /** Default "strided". */
  layout?: Layout | null;
  /** Default "cpu", or that of the tensor it is made after. */
  device?: Device | null;
  /** In memory that a GPU reads from directly; default false. */
  pinMemory?: boolean | null;
  /** Record its operators for backward; default false. */
  requiresGrad?: boolean;
  /** A tensor to write into has a dtype and a place already. */
  out?: never;
}>;
