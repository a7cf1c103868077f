import http from "node:http";
import https from "node:https";
import { SteppeError } from "../errors.js";
import type { IncomingMessage } from "node:http";

/** What may succeed when it is tried again. */
export class Transient extends Error {}

const mostRedirects = 10;

export interface RequestOptions {
  headers: Record<string, string>;
  signal: AbortSignal;
}

/**
 * The answer to a GET, after redirects, with its body still to come: as the server sends it, never unpacked.
 *
 * @throws Transient where no answer came
 * @throws SteppeError `IO` for redirects that lead nowhere
 */
export async function get(url: string, options: RequestOptions): Promise<IncomingMessage> {
  let at = url;
  for (let i = 0; i <= mostRedirects; i++) {
    const response = await request(at, options);
    const { statusCode: status = 0, headers } = response;
    if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) return response;
    response.destroy();
    const next = URL.canParse(headers.location, at) ? new URL(headers.location, at) : null;
    if (next === null || !isWeb(next)) throw refused(url, `a redirect to ${headers.location}`);
    at = next.href;
  }
  throw refused(url, `more than ${mostRedirects} redirects`);
}

export function isWeb({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}

export function refused(url: string, reason: string, cause?: unknown): SteppeError {
  return new SteppeError("IO", `Expected to be able to download ${url} but received: ${reason}.`, { cause });
}

function request(url: string, { headers, signal }: RequestOptions): Promise<IncomingMessage> {
  const client = url.startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    client
      // A connection of its own: one that is kept from an earlier request may be closing.
      .get(url, { agent: false, headers: { "accept-encoding": "identity", "user-agent": "steppe", ...headers }, signal }, resolve)
      .on("error", (error: NodeJS.ErrnoException) => reject(new Transient(error.message || String(error.code), { cause: error })));
  });
}
