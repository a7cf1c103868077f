// Small files of every binary format that is read, and how each is read.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import sharp from "sharp";
import { pack as tarPack } from "tar-stream";
import { data, io, torch } from "../../dist/index.js";
import { idx } from "../support/idx.mjs";
import { zip } from "../support/zip.mjs";

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const fixture = (name) => readFileSync(join(fixtures, name));
const noise = (length, step = 37) => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * step + (i >> 3)) % 256));
const gzip = (bytes) => gzipSync(bytes, { level: 1 });

async function tar(files) {
  const archive = tarPack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content);
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What Python's pickle (protocol 2) writes of a dict with an array of uint8 [n, 3072] and labels. */
function pickledBatch(n) {
  const op = (text) => Buffer.from(text, "latin1");
  const size = Buffer.alloc(4);
  size.writeUInt32LE(n * 3072);
  const array = [op("cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R(K\x01K"), Buffer.from([n]), op("M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"), size, noise(n * 3072), op("tb")];
  const labels = Array.from({ length: n }, (_, i) => op(`K${String.fromCharCode(i % 10)}`));
  return Buffer.concat([op("\x80\x02}q\x00(U\x04data"), ...array, op("U\x06labels]q\x03("), ...labels, op("eu.")]);
}
const pickledNames = Buffer.from(`\x80\x02}(U\x0blabel_names](${Array.from({ length: 10 }, (_, i) => `U\x06kind ${i}`).join("")}eu.`, "latin1");

const rows = (n) => Buffer.concat(Array.from({ length: n }, (_, i) => Buffer.concat([Buffer.from([i % 10]), noise(3072, 7 + i)])));
const names = Buffer.from(Array.from({ length: 10 }, (_, i) => `kind ${i}\n`).join(""));
const binary = Object.fromEntries([...[1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, rows(1)]), ["test_batch.bin", rows(2)], ["batches.meta.txt", names]]);
const pickled = Object.fromEntries([...[1, 2, 3, 4, 5].map((i) => [`data_batch_${i}`, pickledBatch(1)]), ["test_batch", pickledBatch(2)], ["batches.meta", pickledNames]]);
const emnist = Object.fromEntries(["train", "test"].flatMap((part) => [[`gzip/emnist-digits-${part}-images-idx3-ubyte.gz`, gzip(idx(8, [3, 28, 28], noise(2352)))], [`gzip/emnist-digits-${part}-labels-idx1-ubyte.gz`, gzip(idx(8, [3], Buffer.from([1, 2, 3])))]]));

function safetensors() {
  const folder = mkdtempSync(join(tmpdir(), "steppe-sample-"));
  try {
    io.saveSafetensors(join(folder, "a"), { weight: torch.arange(12, { dtype: "float32" }).reshape([3, 4]), bias: torch.ones([4], { dtype: "float16" }), count: torch.tensor([7], { dtype: "int64" }) }, { note: "sample" });
    return readFileSync(join(folder, "a"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** torch.save's archive without the checksums, which would refuse nearly all damage. */
function unchecked(bytes) {
  const result = Buffer.from(bytes);
  for (let at = result.indexOf("PK\x01\x02"); at >= 0; at = result.indexOf("PK\x01\x02", at + 4)) result.writeUInt32LE(0, at + 16);
  return result;
}

const pixels = sharp(noise(20 * 14 * 3), { raw: { width: 20, height: 14, channels: 3 } });
const unigram = (table) => ({
  added_tokens: [{ id: 0, content: "<pad>", special: true }],
  normalizer: { type: "Precompiled", precompiled_charsmap: table },
  pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" },
  model: { type: "Unigram", unk_id: 1, vocab: [["<pad>", 0], ["<unk>", 0], ...[..."\u2581abcdefghijklmnopqrstuvwxyz"].map((char, i) => [char, -1 - i / 9])] },
});
const awkward = "A text e\u0301 \u2460 \ufb01 \ud55c\uad6d\uc5b4 \ud83d\udc0b with all sorts.";

const drain = async (path, read) => {
  for await (const _ of read(path)) _; // to the end
};
const one = (name, file, bytes, read, pack) => ({ name, files: { [file]: { bytes, ...(pack === undefined ? {} : { pack }) } }, harmed: [file], read: (at) => read(join(at, file)) });
const set = (name, files, harmed, read, pack) => ({ name, files: Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, { bytes, pack }])), harmed, read });

const text = Buffer.from(Array.from({ length: 300 }, (_, i) => `{"n": ${i}, "text": "a line \u00e9 ${i * i}"}\n`).join(""));
const table = gunzipSync(fixture("tokenizers/nmt_nfkc.charsmap.gz"));
const charsmap = (damaged) => Buffer.from(JSON.stringify(unigram(damaged.toString("base64"))));

/** @type {{ name: string, files: Record<string, { bytes: Buffer, pack?: (bytes: Buffer) => Buffer }>, harmed: string[], read: (folder: string) => Promise<unknown> }[]} */
export const kinds = [
  one("IDX", "a", idx(0x0b, [5, 3, 2], noise(60)), data.readIdx),
  one("IDX, damaged and then gzipped", "a", idx(8, [5, 28, 28], noise(5 * 784)), data.readIdx, gzip),
  one("IDX in damaged gzip", "a", gzip(idx(8, [5, 28, 28], noise(5 * 784))), data.readIdx),
  set("CIFAR, binary", binary, ["test_batch.bin", "batches.meta.txt"], (root) => data.cifar10({ root, dtype: "uint8" })),
  set("CIFAR, pickled", pickled, ["test_batch", "batches.meta"], (root) => data.cifar10({ root, dtype: "uint8" })),
  one("tar, damaged and then gzipped", "cifar-10-python.tar.gz", await tar(pickled), (root) => data.cifar10({ root, dtype: "uint8" }), gzip),
  one("tar in damaged gzip", "cifar-10-binary.tar.gz", gzip(await tar(binary)), (root) => data.cifar10({ root, dtype: "uint8" })),
  set("zip", { "gzip.zip": zip(emnist, true) }, ["gzip.zip"], (root) => data.emnist({ split: "digits", root })),
  ...readdirSync(join(fixtures, "parquet")).filter((name) => name.endsWith(".parquet")).map((name) => one(`Parquet, ${name}`, "a.parquet", fixture(`parquet/${name}`), data.readRows)),
  one("safetensors", "a.safetensors", safetensors(), async (path) => io.loadSafetensors(path)),
  one("torch.save", "a.pt", unchecked(fixture("models/checkpoint.pt")), async (path) => io.loadTorch(path)),
  one("text in damaged gzip", "a.jsonl.gz", gzip(text), (path) => drain(path, data.rows)),
  one("text, damaged and then gzipped", "a.txt.gz", text, (path) => drain(path, data.lines), gzip),
  one("table of characters", "tokenizer.json", table, async (path) => (await data.tokenizer(join(path, ".."))).encode(awkward), charsmap),
  ...(await Promise.all(["png", "jpeg", "webp", "gif", "tiff", "avif"].map(async (format) => one(`image, ${format}`, `a/1.${format}`, await pixels.clone().toFormat(format).toBuffer(), async (path) => (await data.imageFolder(join(path, "../.."))).load())))),
];
