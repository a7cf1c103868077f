import { createServer } from "node:http";
import { onTestFinished } from "vitest";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  url: string;
  /** The requests that came, in order. */
  requests: { path: string; headers: IncomingMessage["headers"] }[];
}

/** A server on this machine for the time of a test; `answer` gets the number of the request, from 0. */
export async function serve(answer: (request: IncomingMessage, response: ServerResponse, number: number) => void): Promise<Served> {
  const requests: Served["requests"] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url!, headers: request.headers });
    answer(request, response, requests.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests };
}

export interface FileAnswer {
  etag?: string;
  modified?: string;
  /** Breaks the connection after so many bytes of the body. */
  breakAfter?: number;
  /** Whether it knows Range; default true. */
  ranges?: boolean;
  /** Whether it looks at If-Range; default true. */
  honest?: boolean;
}

/** Answers with a file as web servers do: Range, If-Range, ETag, Last-Modified. */
export function sendFile(request: IncomingMessage, response: ServerResponse, content: Buffer, { etag, modified, breakAfter, ranges = true, honest = true }: FileAnswer = {}): void {
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const same = [etag, modified].includes(request.headers["if-range"] as string | undefined) || !honest;
  const begin = ranges && asked !== null && same ? Number(asked[1]) : 0;
  const common = { ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { "last-modified": modified }) };
  if (begin > 0 && begin >= content.length) {
    response.writeHead(416, { ...common, "content-range": `bytes */${content.length}` }).end();
    return;
  }
  const body = content.subarray(begin);
  const range = begin > 0 ? { "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(begin > 0 ? 206 : 200, { ...common, ...range, "content-length": body.length });
  if (breakAfter === undefined) response.end(body);
  else response.write(body.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 50)); // bytes that were not read yet go with the connection
}
