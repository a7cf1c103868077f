import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python, runPython } from "../support/python.js";

/** Files in a new folder. */
function files<K extends string>(contents: Record<K, string | Buffer>): Record<K, string> & { folder: string } {
  const folder = temporaryFolder();
  const paths = Object.entries(contents as Record<string, string | Buffer>).map(([name, content]) => {
    writeFileSync(join(folder, name), content);
    return [name, join(folder, name)];
  });
  return { folder, ...(Object.fromEntries(paths) as Record<K, string>) };
}

describe("two files", () => {
  test("line by line, trimmed; one of them packed; U+2028 is no end of a line", async () => {
    const { "a.de": source, "a.en.gz": target } = files({ "a.de": "Der Wal. \r\n\r\nWeiß\u2028er Wal.", "a.en.gz": gzipSync("The whale.\n \nWhite\u0085 whale.\n") });
    expect(await data.readParallelText({ source, target })).toEqual([
      { source: "Der Wal.", target: "The whale." },
      { source: "", target: "" },
      { source: "Weiß\u2028er Wal.", target: "White\u0085 whale." },
    ]);
  });

  test("filters by length", async () => {
    const lines = ["a", "a b", "a b c", "", "a b c d e f"];
    const { x: source, y: target } = files({ x: lines.join("\n"), y: "a\na\na\na\na b c d e f\n" });
    const kept = async (filter: data.PairFilter) => (await data.readParallelText({ source, target }, filter)).map((pair) => lines.indexOf(pair.source));
    expect(await kept({})).toEqual([0, 1, 2, 3, 4]);
    expect(await kept({ minLength: 1 })).toEqual([0, 1, 2, 4]);
    expect(await kept({ maxLength: 3 })).toEqual([0, 1, 2, 3]);
    expect(await kept({ maxRatio: 2 })).toEqual([0, 1, 4]);
    expect(await kept({ minLength: 2, count: (text) => text.length })).toEqual([4]);
  });

  test("different numbers of lines are told, however far apart", async () => {
    const { x: source, y: target } = files({ x: "a\n".repeat(70_000), y: "b\n".repeat(70_003) });
    await expect(data.readParallelText({ source, target })).rejects.toMatchObject({ code: "FORMAT", message: `Expected as many lines in ${target} as in ${source} but received 70003 and 70000.` });
    await expect(data.readParallelText({ source: target, target: source })).rejects.toThrow("70000 and 70003");
  });

  test("missing and broken files, wrong options", async () => {
    const { x: source, y: target } = files({ x: "a\n", y: Buffer.from([0x62, 0x0a, 0xc3, 0x28]) });
    await expect(data.readParallelText({ source, target: `${target}.no` })).rejects.toMatchObject({ code: "IO" });
    await expect(data.readParallelText({ source, target })).rejects.toMatchObject({ code: "FORMAT", message: `Expected UTF-8 at byte 2 of ${target} but received the byte 0xc3.` });
    await expect(data.readParallelText({ source, target }, { maxRatio: 0.5 })).rejects.toThrow("a number of at least 1");
    await expect(data.readParallelText({ source, target }, { maxlength: 3 } as never)).rejects.toThrow('Did you mean "maxLength"?');
    await expect(data.readParallelText({ source, target }, { columns: [0, 1] })).rejects.toThrow("Two files have none");
  });
});

test("a TSV file, columns chosen", async () => {
  const { "pairs.tsv": path, "short.tsv": short } = files({ "pairs.tsv": 'Run!\tLauf!\tCC-BY\n"Oh"\tAch "so\tCC-BY\n', "short.tsv": "a\tb\nc\n" });
  expect(await data.readParallelText(path)).toEqual([{ source: "Run!", target: "Lauf!" }, { source: '"Oh"', target: 'Ach "so' }]);
  expect(await data.readParallelText(path, { columns: [1, 0] })).toEqual([{ source: "Lauf!", target: "Run!" }, { source: 'Ach "so', target: '"Oh"' }]);
  await expect(data.readParallelText(short)).rejects.toMatchObject({ code: "FORMAT", message: `Expected at least 2 fields in line 2 of ${short} but received 1.` });
});

/** As IWSLT's files are: a talk between tags, one line a sentence. */
const tags = (lines: readonly string[]) =>
  `<url>http://www.ted.com/talks/x</url>\n<keywords>talks, sea</keywords>\n<speaker>Ishmael</speaker>\n<talkid>1</talkid>\n<title>The whale</title>\n<description>TED Talk: about whales</description>\n${lines.map((line) => ` ${line} \n`).join("")}<reviewer></reviewer>\n<translator href="x">Q</translator>\n`;
const xml = (language: string, texts: readonly string[]) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<mteval>\n<refset setid="s" srclang="any" trglang="${language}">\n<doc docid="1" genre="lectures">\n<url>http://x</url>\n<title>The &lt;whale&gt;</title>\n${texts.map((text, i) => `<seg id="${i + 1}"> ${text} </seg>\n`).join("")}</doc>\n</refset>\n</mteval>\n`;

const layout = () => ({
  "train.tags.de-en.de": tags(["Danke.", "Es ist < 3.", "Ein langer Satz über Wale."]),
  "train.tags.de-en.en": tags(["Thanks.", "It is < 3.", "A long sentence about whales."]),
  "IWSLT16.TED.dev2010.de-en.de.xml": xml("de", ["Ahab &amp; Sohn", "&quot;Da &#8211; &#x1F40B;!&quot;"]),
  "IWSLT16.TED.dev2010.de-en.en.xml": xml("en", ["Ahab &amp; son", "&quot;There&apos;s &#8211; &#x1F40B;!&quot;"]),
  "IWSLT16.TED.tst2013.de-en.de.xml": xml("de", ["Eins\n Zeile"]),
  "IWSLT16.TED.tst2013.de-en.en.xml": xml("en", ["One"]),
});

describe("IWSLT", () => {
  test("text between tags, segments of XML; both directions of one folder", async () => {
    const { folder } = files(layout());
    const { train, sets } = await data.iwslt(folder, { source: "de", target: "en", maxLength: 4 });
    expect(train).toEqual([{ source: "Danke.", target: "Thanks." }, { source: "Es ist < 3.", target: "It is < 3." }]);
    expect(sets["dev2010"]).toEqual([{ source: "Ahab & Sohn", target: "Ahab & son" }, { source: '"Da – 🐋!"', target: "\"There's – 🐋!\"" }]);
    expect(Object.keys(sets)).toEqual(["dev2010", "tst2013"]);
    const back = await data.iwslt(folder, { source: "en", target: "de" });
    expect(back.train.map(({ target }) => target)).toEqual(["Danke.", "Es ist < 3.", "Ein langer Satz über Wale."]);
    expect(back.sets["tst2013"]).toEqual([{ source: "One", target: "Eins\n Zeile" }]);
  });

  test("talks of others than TED stand beside TED's of the same year; a set of several years is refused", async () => {
    const named = (name: string, text: string) => ({ [`${name}.de-en.de.xml`]: xml("de", [text]), [`${name}.de-en.en.xml`]: xml("en", [text]) });
    const { folder } = files({ ...layout(), ...named("IWSLT16.TEDX.tst2013", "X"), ...named("IWSLT16.QED.dev2016", "Q") });
    const { sets } = await data.iwslt(folder, { source: "de", target: "en" });
    expect(Object.keys(sets).sort()).toEqual(["QED.dev2016", "TEDX.tst2013", "dev2010", "tst2013"]);
    expect([sets["tst2013"]![0]!.target, sets["TEDX.tst2013"]![0]!.target]).toEqual(["One", "X"]);
    const twice = files({ ...layout(), ...named("IWSLT14.TED.dev2010", "old") }).folder;
    await expect(data.iwslt(twice, { source: "de", target: "en" })).rejects.toMatchObject({ code: "FORMAT", message: expect.stringContaining("Expected the set dev2010 once in") as unknown });
  });

  test.skipIf(python === null)(`the same segments as Python's XML parser finds (${needsPython})`, async () => {
    const { folder, "IWSLT16.TED.dev2010.de-en.en.xml": path } = files(layout());
    const script = "import xml.etree.ElementTree as tree\noutputs = [seg.text.strip() for seg in tree.parse(inputs).iter('seg')]";
    const { sets } = await data.iwslt(folder, { source: "de", target: "en" });
    expect(sets["dev2010"]!.map(({ target }) => target)).toEqual(runPython(script, path));
  });

  test.each([
    ["train.tags.de-en.en", tags(["Thanks."]), "Expected as many lines in"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", xml("en", ["one"]), "Expected as many <seg> elements in"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", xml("en", ["one", "two"]).slice(0, -60), "Expected </seg> at byte"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", xml("en", ["one </seg><seg>", "two"]).replace("</seg>", ""), "Expected text with XML's own entities at byte"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", xml("en", ["one &nbsp;", "two"]), "Expected text with XML's own entities at byte"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", xml("en", ["one &#55296;", "two"]), "Expected text with XML's own entities at byte"],
    ["IWSLT16.TED.dev2010.de-en.en.xml", "<mteval></mteval>", "Expected XML with <seg> elements at byte 0"],
  ])("a broken %s: %#", async (name, content, message) => {
    const { folder } = files({ ...layout(), [name]: content });
    await expect(data.iwslt(folder, { source: "de", target: "en" })).rejects.toMatchObject({ code: "FORMAT", message: expect.stringContaining(message) as unknown });
    await expect(data.iwslt(folder, { source: "de", target: "en" })).rejects.toThrow(join(folder, name));
  });

  test("missing files, wrong languages", async () => {
    const { folder } = files(layout());
    mkdirSync(join(folder, "empty"));
    await expect(data.iwslt(join(folder, "empty"), { source: "de", target: "en" })).rejects.toMatchObject({ code: "IO", message: expect.stringContaining("train.tags.de-en.de") as unknown });
    await expect(data.iwslt(folder, { source: "../de", target: "en" })).rejects.toThrow('a language as "de"');
    await expect(data.iwslt(folder, { source: "de" } as never)).rejects.toThrow("target");
  });
});
