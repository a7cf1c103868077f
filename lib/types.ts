/** Element types, under PyTorch's names. */
export type DType =
  | "float32" | "float64" | "float16" | "bfloat16"
  | "int64" | "int32" | "int16" | "int8" | "uint8" | "uint16" | "uint32" | "uint64" | "bool"
  | "complex32" | "complex64" | "complex128"
  | "float8_e4m3fn" | "float8_e5m2" | "float8_e4m3fnuz" | "float8_e5m2fnuz" | "float8_e8m0fnu"
  | "qint8" | "quint8" | "qint32";

/** Where a tensor lives: "cpu", "meta", "cuda", "cuda:1", or any other device that LibTorch has. */
export type Device = "cpu" | "meta" | "cuda" | `${string}:${number}`;

/** How a tensor lies in memory. */
export type Layout = "strided" | "sparse" | "sparse_csr" | "sparse_csc" | "sparse_bsr" | "sparse_bsc" | "mkldnn" | "jagged";

/** The order of dimensions in memory. */
export type MemoryFormat = "contiguous" | "preserve" | "channels_last" | "channels_last_3d";

/** One number: whole ones are integers, as in Python; complex ones are `{ re, im }`. */
export type Scalar = number | bigint | boolean | { re: number; im: number };
