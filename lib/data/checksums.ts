import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { SteppeError, expected } from "../errors.js";
import { ioError } from "../io/file-errors.js";

/** What publishers give to check a file with, in hexadecimal digits; of several all must agree. */
export interface Checksums {
  /** 64 digits. */
  sha256?: string;
  /** 32 digits. */
  md5?: string;
}

const lengths: Readonly<Record<keyof Checksums, number>> = { sha256: 64, md5: 32 };
const titles: Readonly<Record<keyof Checksums, string>> = { sha256: "SHA-256", md5: "MD5" };

/** Those of the checksums that are given, in small letters. */
export function checkChecksums(sums: Checksums): [keyof Checksums, string][] {
  return (Object.keys(lengths) as (keyof Checksums)[]).flatMap((kind) => {
    const value = sums[kind];
    if (value === undefined) return [];
    if (typeof value !== "string" || !new RegExp(`^[0-9a-f]{${lengths[kind]}}$`, "i").test(value)) throw expected(`${lengths[kind]} hexadecimal digits`, kind, value);
    return [[kind, value.toLowerCase()]];
  });
}

/** The first checksum that the file does not have: what is wrong, in words, or null if all are right. */
export async function mismatch(path: string, sums: Checksums): Promise<string | null> {
  for (const [kind, wanted] of checkChecksums(sums)) {
    const hash = createHash(kind);
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    } catch (error) {
      throw ioError("read", path, error);
    }
    const found = hash.digest("hex");
    if (found !== wanted) return `Expected content with the ${titles[kind]} ${wanted} in ${path} but received ${found}.`;
  }
  return null;
}

/** @throws SteppeError `FORMAT` unless the file has these checksums */
export async function verifyFile(path: string, sums: Checksums): Promise<void> {
  const wrong = await mismatch(path, sums);
  if (wrong !== null) throw new SteppeError("FORMAT", wrong);
}
