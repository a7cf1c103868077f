import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { runProgram } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";
import { sendFile, serve } from "../support/server.js";
import { content, hash, newer, quick, ranges, serving, sha256, target } from "./downloads.js";
import type { FileAnswer } from "../support/server.js";

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
