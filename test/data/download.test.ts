import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { runProgram } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";
import { randomNumbers } from "../support/random.js";
import { sendFile, serve } from "../support/server.js";
import type { FileAnswer } from "../support/server.js";

const random = randomNumbers(11);
const content = Buffer.from(Array.from({ length: 300_000 }, () => Math.floor(random() * 256)));
const newer = Buffer.from(content.map((byte) => byte ^ 1));
const hash = (kind: string, bytes: Buffer) => createHash(kind).update(bytes).digest("hex");
const sha256 = hash("sha256", content);
const quick = { retryDelay: 1 };

/** A server of the file that answers the requests one after the other so, then well. */
const serving = (answers: FileAnswer[], then: FileAnswer = { etag: '"a"' }) => serve((request, response, i) => sendFile(request, response, content, answers[i] ?? then));

function target(): { folder: string; file: string } {
  const folder = temporaryFolder();
  return { folder, file: join(folder, "set.bin") };
}

const ranges = ({ requests }: { requests: { headers: { range?: string } }[] }) => requests.map(({ headers }) => headers.range ?? null);

describe("a file comes whole", () => {
  test("in new folders, with progress, checked; nothing else is left", async () => {
    const server = await serving([]);
    const folder = join(temporaryFolder(), "a", "b");
    const file = join(folder, "set.bin");
    const seen: { received: number; total: number | null }[] = [];
    expect(await data.download(server.url, file, { sha256: sha256.toUpperCase(), md5: hash("md5", content), onProgress: (progress) => seen.push({ ...progress }) })).toBe(file);
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(["set.bin"]);
    expect([seen[0], seen.at(-1)]).toEqual([{ received: 0, total: 300_000 }, { received: 300_000, total: 300_000 }]);
    expect(server.requests[0]!.headers["accept-encoding"]).toBe("identity");
  });

  test("without a length, and an empty one", async () => {
    const server = await serve((request, response) => {
      response.writeHead(200);
      if (request.url === "/long") response.write(content.subarray(0, 1000), () => response.end(content.subarray(1000)));
      else response.end();
    });
    const { folder } = target();
    await data.download(`${server.url}long`, join(folder, "long"), { sha256 });
    await data.download(`${server.url}empty`, join(folder, "empty"));
    expect(statSync(join(folder, "empty")).size).toBe(0);
  });

  test("what is there already is not asked for again, unless its checksum is another", async () => {
    const server = await serving([]);
    const { file } = target();
    writeFileSync(file, content);
    await data.download(server.url, file, { sha256 });
    await data.download(server.url, file);
    expect(server.requests).toHaveLength(0);
    writeFileSync(file, newer);
    await data.download(server.url, file, { sha256 });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  test("twice at the same time: once", async () => {
    const server = await serving([]);
    const { folder, file } = target();
    await Promise.all([1, 2, 3].map(() => data.download(server.url, file, { sha256 })));
    expect(server.requests).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(["set.bin"]);
  });

  test("after redirects", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/file") sendFile(request, response, content);
      else response.writeHead(request.url === "/" ? 302 : 308, { location: request.url === "/" ? "/next" : `http://${request.headers.host}/file` }).end();
    });
    const { file } = target();
    await data.download(server.url, file, { sha256 });
    expect(server.requests.map(({ path }) => path)).toEqual(["/", "/next", "/file"]);
  });
});

describe("connections that break", () => {
  test("it goes on from where it was", async () => {
    const server = await serving([{ etag: '"a"', breakAfter: 100_000 }, { etag: '"a"', breakAfter: 50_000 }]);
    const { folder, file } = target();
    await data.download(server.url, file, { ...quick, sha256 });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(["set.bin"]);
    expect(ranges(server)[0]).toBe(null);
    // As much as reached the file, whatever the system still had in its buffers.
    for (const range of ranges(server).slice(1)) expect(range).toMatch(/^bytes=\d+-$/);
    expect(server.requests).toHaveLength(3);
    expect(server.requests[1]!.headers["if-range"]).toBe('"a"');
  });

  test("the date of the last change serves as well as an ETag", async () => {
    const modified = "Tue, 03 Mar 2020 10:00:00 GMT";
    const server = await serving([{ modified, breakAfter: 100_000 }], { modified });
    const { file } = target();
    await data.download(server.url, file, { ...quick, sha256 });
    expect(server.requests[1]!.headers["if-range"]).toBe(modified);
  });

  test.each<[string, FileAnswer[], FileAnswer, (string | null)[]]>([
    ["a server that does not know Range", [{ etag: '"a"', breakAfter: 100_000 }], { etag: '"a"', ranges: false }, [null, expect.stringMatching(/^bytes=/) as string]],
    ["one that names nothing to go on from", [{ breakAfter: 100_000 }], {}, [null, null]],
    ["one with a weak ETag", [{ etag: 'W/"a"', breakAfter: 100_000 }], { etag: 'W/"a"' }, [null, null]],
  ])("%s: from the start", async (_, first, then, asked) => {
    const server = await serving(first, then);
    const { file } = target();
    await data.download(server.url, file, { ...quick, sha256 });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(ranges(server)).toEqual(asked);
  });

  test.each([true, false])("the file changes in the middle: no mixture of both (If-Range is heeded: %s)", async (honest) => {
    const server = await serve((request, response, i) => (i === 0 ? sendFile(request, response, content, { etag: '"a"', breakAfter: 100_000 }) : sendFile(request, response, newer, { etag: '"b"', honest })));
    const { file } = target();
    await data.download(server.url, file, quick);
    expect(readFileSync(file).equals(newer)).toBe(true);
    expect(server.requests).toHaveLength(honest ? 2 : 3);
  });

  test("the file becomes shorter in the middle", async () => {
    const short = newer.subarray(0, 10);
    const server = await serve((request, response, i) => (i === 0 ? sendFile(request, response, content, { etag: '"a"', breakAfter: 100_000 }) : sendFile(request, response, short, { etag: '"b"', honest: false })));
    const { file } = target();
    await data.download(server.url, file, quick);
    expect(readFileSync(file).equals(short)).toBe(true);
  });

  test("a later call goes on from what an earlier one left", async () => {
    const { folder, file } = target();
    let broken = true;
    const server = await serve((request, response) => sendFile(request, response, content, broken ? { etag: '"a"', breakAfter: 120_000 } : { etag: '"a"' }));
    // A connection that brought something does not count as a failure in a row: the third try gets to the end.
    await data.download(server.url, join(folder, "other"), { ...quick, retries: 1, sha256 });
    await expect(data.download(server.url, file, { ...quick, retries: 0 })).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    expect(existsSync(file)).toBe(false);
    const kept = statSync(`${file}.part`).size;
    expect(kept).toBeGreaterThan(0);
    broken = false;
    const before = server.requests.length;
    await data.download(server.url, file, { ...quick, sha256 });
    expect(server.requests.slice(before).map(({ headers }) => headers.range)).toEqual([`bytes=${kept}-`]);
    expect(readdirSync(folder).sort()).toEqual(["other", "set.bin"]);
  });

  test("a process that is killed again and again, from a server that sends slowly: the next one goes on, and never is there half a file", { timeout: 300_000 }, async () => {
    const { folder, file } = target();
    const server = await serve((request, response) => {
      const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const range = begin > 0 ? { "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` } : {};
      response.writeHead(begin > 0 ? 206 : 200, { ...range, "content-length": content.length - begin, etag: '"a"' });
      const trickle = (at: number) => {
        if (response.destroyed) return;
        if (at >= content.length) return void response.end();
        response.write(content.subarray(at, at + 5000));
        setTimeout(trickle, 2, at + 5000);
      };
      trickle(begin);
    });
    const round = (most: number) => `
      const onProgress = ({ received }) => received >= ${most} && process.kill(process.pid, "SIGKILL");
      await steppe.data.download(${JSON.stringify(server.url)}, ${JSON.stringify(file)}, { sha256: ${JSON.stringify(sha256)}, onProgress });`;
    for (const most of [40_000, content.length]) {
      expect((await runProgram(round(most))).signal).toBe("SIGKILL");
      expect(readdirSync(folder).sort()).toEqual(["set.bin.part", "set.bin.part.json"]);
    }
    expect((await runProgram(round(Infinity))).code).toBe(0);
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(["set.bin"]);
    const begins = ranges(server).map((range) => Number(/\d+/.exec(range ?? "0")![0]));
    expect(begins).toEqual([0, expect.any(Number), content.length]);
    expect(begins[1]).toBeGreaterThan(0);
  });

  test("a process that ended after the part was emptied for another file, and before the note was written", async () => {
    const server = await serve((request, response) => sendFile(request, response, newer, { etag: '"b"' }));
    const { file } = target();
    writeFileSync(`${file}.part`, "");
    writeFileSync(`${file}.part.json`, JSON.stringify({ url: server.url, validator: '"a"' }));
    await data.download(server.url, file, quick);
    expect(readFileSync(file).equals(newer)).toBe(true);
  });

  test("parts in parts: a server that sends no more than so many bytes at once", async () => {
    const server = await serve((request, response, i) => {
      if (i === 0) return sendFile(request, response, content, { etag: '"a"', breakAfter: 70_000 });
      const begin = Number(/\d+/.exec(request.headers.range!)![0]);
      const piece = content.subarray(begin, begin + 90_000);
      response.writeHead(206, { etag: '"a"', "content-range": `bytes ${begin}-${begin + piece.length - 1}/${content.length}`, "content-length": piece.length }).end(piece);
    });
    const { file } = target();
    await data.download(server.url, file, { ...quick, retries: 1 });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test("goes on after a redirect, too", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/") response.writeHead(302, { location: "/file" }).end();
      else sendFile(request, response, content, { etag: '"a"', ...(request.headers.range === undefined ? { breakAfter: 100_000 } : {}) });
    });
    const { file } = target();
    await data.download(server.url, file, { ...quick, sha256 });
    expect(server.requests.map(({ path, headers }) => [path, headers.range !== undefined])).toEqual([["/", false], ["/file", false], ["/", true], ["/file", true]]);
  });

  test("a whole part needs no more bytes; a damaged one is fetched anew", async () => {
    const server = await serving([]);
    for (const part of [content, Buffer.from(newer.subarray(0, 5000))]) {
      const { file } = target();
      writeFileSync(`${file}.part`, part);
      writeFileSync(`${file}.part.json`, JSON.stringify({ url: server.url, validator: '"a"' }));
      await data.download(server.url, file, { ...quick, sha256 });
      expect(readFileSync(file).equals(content)).toBe(true);
    }
    expect(ranges(server)).toEqual(["bytes=300000-", "bytes=5000-", null]);
  });

  test("a part of another URL, or with a broken note, is none", async () => {
    const server = await serving([]);
    for (const note of [JSON.stringify({ url: "http://else", validator: '"a"' }), "{", "null", JSON.stringify({ url: server.url, validator: 5 })]) {
      const { file } = target();
      writeFileSync(`${file}.part`, content.subarray(0, 1000));
      writeFileSync(`${file}.part.json`, note);
      await data.download(server.url, file, { ...quick, sha256 });
    }
    expect(ranges(server)).toEqual([null, null, null, null]);
  });

  test("a connection without a byte for too long is broken off and made anew", async () => {
    const server = await serve((request, response, i) => {
      if (i > 0) sendFile(request, response, content, { etag: '"a"' });
      else response.writeHead(200, { "content-length": content.length, etag: '"a"' }).write(content.subarray(0, 10));
    });
    const { file } = target();
    await data.download(server.url, file, { ...quick, stallTimeout: 1000, sha256 });
    expect(server.requests.length).toBeGreaterThanOrEqual(2);
  });

  test("servers that are busy are asked again", async () => {
    const server = await serve((request, response, i) => (i < 2 ? response.writeHead(i === 0 ? 503 : 429).end("later") : sendFile(request, response, content)));
    const { file } = target();
    await data.download(server.url, file, { ...quick, sha256 });
    expect(server.requests).toHaveLength(3);
  });
});

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
