import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { sendFile, serve } from "../support/server.js";
import { content, hash, newer, quick, ranges, serving, sha256, target } from "./downloads.js";

describe("what ends in an error leaves no file", () => {
  const failing: [string, Parameters<typeof serve>[0], data.DownloadOptions, string, RegExp, number][] = [
    ["404", (_, response) => response.writeHead(404).end("no"), {}, "IO", /able to download http.* received: HTTP 404 Not Found/, 1],
    ["503 again and again", (_, response) => response.writeHead(503).end(), { retries: 2 }, "IO", /HTTP 503/, 3],
    ["another SHA-256", (request, response) => sendFile(request, response, newer), { sha256 }, "FORMAT", new RegExp(`the SHA-256 ${sha256} in http.* received ${hash("sha256", newer)}`), 1],
    ["another MD5", (request, response) => sendFile(request, response, newer), { md5: hash("md5", content) }, "FORMAT", /the MD5/, 1],
    ["redirects without end", (_, response) => response.writeHead(302, { location: "/again" }).end(), {}, "IO", /more than 10 redirects/, 11],
    ["a redirect to a file", (_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(), {}, "IO", /a redirect to file:/, 1],
    ["a length that is none", (_, response) => void response.socket!.end("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx"), { retries: 0 }, "IO", /able to download http/, 1],
    ["no HTTP at all", (_, response) => void response.socket!.end("SSH-2.0-OpenSSH_9.2\r\n"), { retries: 0 }, "IO", /able to download http/, 1],
    ["an unwanted encoding", (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"), {}, "IO", /content in gzip/, 1],
    ["a part that was not asked for", (_, response) => response.writeHead(206, { "content-range": "bytes 5-6/7" }).end("xy"), { retries: 1 }, "IO", /changed meanwhile/, 2],
  ];
  test.each(failing)("%s", async (_, answer, options, code, message, requests) => {
    const server = await serve(answer);
    const { folder, file } = target();
    await expect(data.download(server.url, file, { ...quick, ...options })).rejects.toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
    expect(readdirSync(folder)).toEqual([]);
    expect(server.requests).toHaveLength(requests);
  });

  test.each([{ "content-length": 100 }, {}])("less than was announced, and no way to go on: %j", async (headers) => {
    const server = await serve((_, response) => response.writeHead(200, headers).write("x", () => setTimeout(() => response.destroy(), 20)));
    const { file } = target();
    await expect(data.download(server.url, file, { ...quick, retries: 1 })).rejects.toThrow(expect.objectContaining({ code: "IO", message: expect.stringMatching(/a connection that broke|1 of 100 bytes/) }));
    expect(existsSync(file)).toBe(false);
    expect(ranges(server).every((range) => range === null)).toBe(true);
  });

  test("a server that is not there", async () => {
    const { file } = target();
    await expect(data.download("http://127.0.0.1:9/", file, { ...quick, retries: 1 })).rejects.toThrow(expect.objectContaining({ code: "IO", message: expect.stringMatching(/ECONNREFUSED/) }));
  });

  test("a folder that cannot be made", async () => {
    const { folder } = target();
    writeFileSync(join(folder, "file"), "");
    await expect(data.download("http://127.0.0.1:9/", join(folder, "file", "set"), quick)).rejects.toThrow(expect.objectContaining({ code: "IO", message: expect.stringMatching(/able to write/) }));
    await expect(data.download("http://127.0.0.1:9/", folder, quick)).rejects.toThrow(expect.objectContaining({ code: "IO", message: expect.stringMatching(/it is no file/) }));
    mkdirSync(join(folder, "set.part"));
    const server = await serving([]);
    await expect(data.download(server.url, join(folder, "set"), quick)).rejects.toThrow(expect.objectContaining({ code: "IO" }));
  });

  test("aborted before, in the middle, and while it waits for the next try", async () => {
    const { file } = target();
    await expect(data.download("http://127.0.0.1:9/", file, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    const slow = await serve((_, response) => response.writeHead(200, { "content-length": content.length, etag: '"a"' }).write(content.subarray(0, 1000)));
    const controller = new AbortController();
    const onProgress = ({ received }: { received: number }) => received > 0 && controller.abort(new Error("in the middle"));
    await expect(data.download(slow.url, file, { ...quick, signal: controller.signal, onProgress })).rejects.toThrow("in the middle");
    expect(existsSync(file)).toBe(false);
    expect(statSync(`${file}.part`).size).toBeGreaterThan(0);
    const busy = await serve((_, response) => response.writeHead(503).end());
    const third = new AbortController();
    setTimeout(() => third.abort(new Error("while waiting")), 50);
    await expect(data.download(busy.url, file, { retryDelay: 1e8, signal: third.signal })).rejects.toThrow("while waiting");
  });
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  ["no URL", () => data.download("x", "f"), /an http or https URL for url/],
  ["another protocol", () => data.download("ftp://x/y", "f"), /an http or https URL for url/],
  ["no path", () => data.download("http://x/y", ""), /a path for file/],
  ["a short checksum", () => data.download("http://x/y", "f", { sha256: "ab" }), /64 hexadecimal digits for sha256/],
  ["a misspelled option", () => data.download("http://x/y", "f", { sha265: "ab" } as never), /Did you mean "sha256"/],
  ["retries −1", () => data.download("http://x/y", "f", { retries: -1 }), /a non-negative integer for retries/],
])("%s", async (_, work, message) => {
  await expect(work()).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
});
