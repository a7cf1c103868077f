import { createHash } from "node:crypto";
import { join } from "node:path";
import { temporaryFolder } from "../support/folder.js";
import { randomNumbers } from "../support/random.mjs";
import { sendFile, serve } from "../support/server.js";
import type { FileAnswer } from "../support/server.js";

// What tests of downloads have in common: a file, another one of the same length, and a server of it.

const random = randomNumbers(11);
export const content = Buffer.from(Array.from({ length: 300_000 }, () => Math.floor(random() * 256)));
export const newer = Buffer.from(content.map((byte) => byte ^ 1));
export const hash = (kind: string, bytes: Buffer) => createHash(kind).update(bytes).digest("hex");
export const sha256 = hash("sha256", content);
export const quick = { retryDelay: 1 };

/** A server of the file that answers the requests one after the other so, then well. */
export const serving = (answers: FileAnswer[], then: FileAnswer = { etag: '"a"' }) => serve((request, response, i) => sendFile(request, response, content, answers[i] ?? then));

export function target(): { folder: string; file: string } {
  const folder = temporaryFolder();
  return { folder, file: join(folder, "set.bin") };
}

export const ranges = ({ requests }: { requests: { headers: { range?: string } }[] }) => requests.map(({ headers }) => headers.range ?? null);
