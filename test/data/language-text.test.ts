import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { data, models, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python, runPython } from "../support/python.js";

const chapter = async (i: number) => (await data.mobyDick()).documents[i]!.text;

/** Sentences as Penn Treebank's files have them: lower case, a space at both ends of a line, rare words as <unk>. */
function treebank(text: string): string {
  const sentences = text.toLowerCase().split(/(?<=[.;])\s+/).map((sentence) => sentence.replace(/[^a-z' ]/g, " ").replace(/\b[a-z']{10,}/g, "<unk>"));
  return sentences.map((sentence) => ` ${sentence.trim().replace(/ +/g, " ")} \n`).join("");
}

/** Articles as WikiText's files have them: empty lines, headings between equals signs, capitals, odd white space. */
const wiki = (text: string) => ` \n = Whales = \n \n ${text.replace(/([.,;])/g, " $1")} \n \n = = Of\u00a0the\u2003odd = = \n \n a\u0085b\u001cc\ufeffd \u2028 e \n`;

async function folderOf(names: readonly [string, string, string], make: (text: string) => string): Promise<string> {
  const folder = temporaryFolder();
  for (const [i, name] of names.entries()) {
    const content = make((await chapter(i)).slice(0, 6000));
    writeFileSync(join(folder, name), name.endsWith(".gz") ? gzipSync(content) : content);
  }
  return folder;
}

/** What the example word_language_model of PyTorch makes of a folder: every line's words and <eos>, then batches of columns. */
const reference = `
columns, window = inputs["columns"], inputs["window"]
outputs = []
for path in inputs["paths"]:
    words = []
    with open(path, "r", encoding="utf8") as file:
        for line in file:
            words += line.split() + ["<eos>"]
    number = {word: i for i, word in enumerate(dict.fromkeys(words))}
    ids = torch.tensor([number[word] for word in words])
    names = list(number)
    rows = ids.size(0) // columns
    source = ids.narrow(0, 0, rows * columns).view(columns, -1).t().contiguous()
    batches = []
    for i in range(0, source.size(0) - 1, window):
        length = min(window, len(source) - 1 - i)
        batches.append([[[names[n] for n in row] for row in part.tolist()] for part in (source[i:i + length], source[i + 1:i + 1 + length])])
    outputs.append({"words": words, "batches": batches})
`;

describe.skipIf(python === null)(`as word_language_model reads them (${needsPython})`, () => {
  test.each([
    { layout: "Penn Treebank", names: ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"] as const, make: treebank },
    { layout: "WikiText", names: ["wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"] as const, make: wiki },
  ])("$layout: words, and batches in columns", { timeout: 120_000 }, async ({ names, make }) => {
    const folder = await folderOf(names, make);
    const { vocabulary, train, validation, test: held } = await data.languageText(folder);
    const parts = [train, validation!, held!];
    const [columns, window] = [7, 12];
    type Expected = { words: string[]; batches: [string[][], string[][]][] }[];
    const wanted = runPython<Expected>(reference, { paths: names.map((name) => join(folder, name)), columns, window });
    const known = new Set(wanted[0]!.words);
    expect([...vocabulary.tokens].sort()).toEqual([...new Set(["<unk>", ...known])].sort());
    const seen = (word: string) => (known.has(word) ? word : "<unk>");
    parts.forEach((ids, i) => {
      expect(ids.dtype).toBe("int64");
      expect(vocabulary.decode(ids)).toEqual(wanted[i]!.words.map(seen));
      const batches = [...data.bptt(ids, { columns, window })].map((pair) => pair.map((part) => (part.toArray() as number[][]).map((row) => vocabulary.decode(row))));
      expect(batches).toEqual(wanted[i]!.batches.map((pair) => pair.map((part) => part.map((row) => row.map(seen)))));
    });
  });
});

test("plain text by characters, packed with gzip", async () => {
  const folder = await folderOf(["train.txt.gz", "valid.txt.gz", "test.txt"], (text) => text);
  const { vocabulary, train, test: held } = await data.languageText(folder, { level: "characters" });
  const text = (await chapter(0)).slice(0, 6000);
  expect(vocabulary.decode(train).join("")).toBe(`${text}\n`);
  expect(vocabulary.tokens[0]).toBe("<unk>");
  expect(held!.numel()).toBeGreaterThan(5000);
});

test("single files, a vocabulary of one's own, no ends of lines", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "a.txt"), "to be\r\nor not to be");
  const vocabulary = new data.Vocabulary(["not", "be", "to", "or"]);
  const read = await data.languageText({ train: join(folder, "a.txt") }, { vocabulary, endOfLine: null });
  expect(read.train.toArray()).toEqual([2, 1, 3, 0, 2, 1]);
  expect(read.validation).toBeUndefined();
  await expect(data.languageText({ train: join(folder, "a.txt") }, { vocabulary })).rejects.toThrow('Expected a token of the vocabulary for token but received "<eos>"');
});

test("empty, missing and broken text", async () => {
  const folder = temporaryFolder();
  await expect(data.languageText(folder)).rejects.toMatchObject({ code: "IO", message: expect.stringContaining("ptb.train.txt, wiki.train.tokens") as unknown });
  writeFileSync(join(folder, "train.txt"), "");
  await expect(data.languageText(folder)).rejects.toMatchObject({ code: "FORMAT", message: `Expected text in ${join(folder, "train.txt")} but received none.` });
  writeFileSync(join(folder, "train.txt"), Buffer.from([0x61, 0x20, 0xff, 0x0a]));
  await expect(data.languageText(folder)).rejects.toMatchObject({ code: "FORMAT", message: expect.stringContaining("UTF-8 at byte 2") as unknown });
  await expect(data.languageText({ train: join(folder, "none.txt") })).rejects.toMatchObject({ code: "IO" });
  await expect(data.languageText(folder, { level: "word" as never })).rejects.toThrow('"words" or "characters"');
  await expect(data.languageText(folder, { endofline: null } as never)).rejects.toThrow('Did you mean "endOfLine"?');
});

describe("bptt", () => {
  const ids = torch.arange(50, { dtype: "int64" });
  const columns = 4; // of 12 tokens each: 48 and 49 fill no row

  test("each column goes on where it ended, and the next tokens are the column's", () => {
    const batches = [...data.bptt(ids, { columns, window: 5 })];
    expect(batches.map(([input]) => input.shape)).toEqual([[5, 4], [5, 4], [1, 4]]);
    const read = batches.flatMap(([input]) => input.toArray() as number[][]);
    const next = batches.flatMap(([, following]) => following.toArray() as number[][]);
    expect(read).toEqual(Array.from({ length: 11 }, (_, i) => [i, i + 12, i + 24, i + 36]));
    expect(next).toEqual(read.map((row) => row.map((id) => id + 1)));
  });

  test("batch first, full windows only", () => {
    const batches = [...data.bptt(ids, { columns, window: 5, batchFirst: true, dropLast: true })];
    expect(batches.map(([input]) => [input.shape, input.isContiguous()])).toEqual([[[4, 5], true], [[4, 5], true]]);
    expect(batches[1]![0].toArray()).toEqual([5, 17, 29, 41].map((first) => [0, 1, 2, 3, 4].map((i) => first + i)));
  });

  test("goes on in the middle of a pass, from plain JSON", () => {
    const options = { columns, window: 3 };
    const all = [...data.bptt(ids, options)].map(([input]) => input.toArray());
    const first = data.bptt(ids, options);
    const begun = first[Symbol.iterator]();
    begun.next();
    begun.next();
    const state = JSON.parse(JSON.stringify(first.stateDict())) as data.LoaderState;
    const second = data.bptt(ids, options);
    second.loadStateDict(state);
    expect([...second].map(([input]) => input.toArray())).toEqual(all.slice(2));
  });

  test("an LSTM that keeps its state from batch to batch reads each column as if in one go", () => {
    torch.manualSeed(3);
    const model = new models.LSTMLanguageModel({ vocabSize: 50, embeddingSize: 8, hiddenSize: 8, numLayers: 2 }).eval();
    torch.noGrad(() => {
      let state: models.LSTMLanguageModelOutput["state"] | null = null;
      const parts: Tensor[] = [];
      for (const [inputIds] of data.bptt(ids, { columns, window: 4, batchFirst: true })) {
        const output: models.LSTMLanguageModelOutput = model.forward({ inputIds, state });
        state = output.state;
        parts.push(output.logits);
      }
      const whole = model.forward({ inputIds: ids.narrow(0, 0, 48).view([columns, 12]).narrow(1, 0, 11) }).logits;
      expect(Number(torch.cat(parts, 1).sub(whole).abs().max().item())).toBeLessThan(1e-6);
    });
  });

  test("a batch is a copy: changing it leaves the text as it was", () => {
    for (const [input] of data.bptt(ids, { columns: 1, window: 49 })) input.fill_(7);
    expect(ids.select(0, 3).item()).toBe(3);
  });

  test("too little text, and what is no text", () => {
    expect(() => data.bptt(ids, { columns: 26, window: 5 })).toThrow("Expected at least 52 tokens for ids but received 50");
    expect(() => data.bptt(ids, { columns: 4, window: 12, dropLast: true })).toThrow("Expected at least 52 tokens");
    expect(() => data.bptt(ids.view([5, 10]), { columns: 1, window: 1 })).toThrow("integers of one dimension");
    expect(() => data.bptt(ids.to("float32"), { columns: 1, window: 1 })).toThrow("integers of one dimension");
    expect(() => data.bptt(ids, { columns: 1, windows: 1 } as never)).toThrow('Did you mean "window"?');
  });
});
