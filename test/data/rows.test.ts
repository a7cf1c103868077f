import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { needsPython, python, runPython } from "../support/python.js";
import { temporaryFolder } from "../support/folder.js";

function file(name: string, content: string | Buffer): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe("tables", () => {
  test("CSV with quotes, commas, lines and marks in its fields", async () => {
    const path = file("a.csv", '\ufeffname,text\r\n"O\'Neill, E.","He said ""no"",\nand went"\r\nplain,é🐋\r\n\r\n');
    expect(await data.readRows(path)).toEqual([
      { name: "O'Neill, E.", text: 'He said "no",\nand went' },
      { name: "plain", text: "é🐋" },
    ]);
  });

  test("TSV, in which quotes are letters", async () => {
    const path = file("train.tsv", 'sentence\tlabel\nit \'s "fun\t1\n" quoted\t0\n');
    expect(await data.readRows(path)).toEqual([
      { sentence: "it 's \"fun", label: "1" },
      { sentence: '" quoted', label: "0" },
    ]);
    expect(await data.readRows(file("a.tsv", '"a b"\tc\n"1\t2"\t3\n'), { quotes: true })).toEqual([{ "a b": "1\t2", c: "3" }]);
  });

  test("columns that the file does not name", async () => {
    const path = file("in_domain_train.tsv", "gj04\t1\t\tOur friends won't buy this.\ngj04\t0\t*\tOne more.\n");
    expect(await data.readRows(path, { columns: ["source", "label", "mark", "sentence"] })).toEqual([
      { source: "gj04", label: "1", mark: "", sentence: "Our friends won't buy this." },
      { source: "gj04", label: "0", mark: "*", sentence: "One more." },
    ]);
  });

  test("JSON lines, gzipped", async () => {
    const path = file("val.jsonl.gz", gzipSync('{"question": "is it?", "label": true, "idx": 0}\n\n{"a": [1, {"b": null}]}\r\n'));
    expect(await data.readRows(path)).toEqual([{ question: "is it?", label: true, idx: 0 }, { a: [1, { b: null }] }]);
  });

  test("JSON lines with what ends a line elsewhere", async () => {
    expect(await data.readRows(file("a.jsonl", '{"a": "x\u2028y\u0085z"}\n{"a": 1}'))).toEqual([{ a: "x\u2028y\u0085z" }, { a: 1 }]);
  });

  test("one after the other: a reader may stop early", async () => {
    const path = file("large.csv", `n,text\n${Array.from({ length: 200_000 }, (_, i) => `${i},${"x".repeat(20)}`).join("\n")}\n`);
    let seen = 0;
    for await (const row of data.rows(path)) {
      expect(row["n"]).toBe(String(seen));
      if (++seen === 1000) break;
    }
    expect(seen).toBe(1000);
  });

  test.skipIf(python === null)(`${needsPython}: what its csv module writes`, async () => {
    const path = join(temporaryFolder(), "python.csv");
    const table = [["a", "b c", 'd"e'], ['x,"y"', "line\nbreak", ""], ["é", " spaces ", "\t"], ["'", "''", '""']];
    runPython("import csv\nwith open(inputs['path'], 'w', newline='') as file:\n    csv.writer(file).writerows(inputs['table'])\noutputs = 0", { path, table });
    expect(await data.readRows(path)).toEqual(table.slice(1).map((row) => Object.fromEntries(row.map((field, i) => [table[0]![i]!, field]))));
  });
});

describe("what is no table", () => {
  test.each<[string, string, string | Buffer, RegExp]>([
    ["too few fields", "a.csv", "a,b\n1,2\n3\n", /^Expected 2 fields in line 3 of .*a\.csv but received 1\.$/],
    ["too few fields after empty lines and lines in a field", "a.csv", 'a,b\n\n"x\ny",2\n\n3\n', /^Expected 2 fields in line 6 of .*a\.csv but received 1\.$/],
    ["the same with ends of lines as on Windows", "a.csv", 'a,b\r\n\r\n"x\r\ny",2\r\n\r\n3\r\n', /^Expected 2 fields in line 6 of .*a\.csv but received 1\.$/],
    ["too many fields", "a.tsv", "a\tb\n1\t2\t3\n", /^Expected 2 fields in line 2 of .*a\.tsv but received 3\.$/],
    ["nothing at all", "a.csv", "", /Expected a line with the names of columns in .*a\.csv but received an empty file/],
    ["two columns of one name", "a.csv", "a,a\n1,2\n", /Expected columns of different names in line 1 .* but received "a" twice/],
    ["an open quote", "a.csv", 'a,b\n"1,2\n', /Expected a table in .*a\.csv but received/],
    ["broken UTF-8", "a.csv", Buffer.concat([Buffer.from("a,b\n1,é"), Buffer.from([0xff]), Buffer.from("\n")]), /Expected UTF-8 at byte 8 of .* but received the byte 0xff/],
    ["UTF-8 that ends in a character", "a.csv", Buffer.from("a\né").subarray(0, 3), /Expected UTF-8 at byte 2 of .* but received the byte 0xc3/],
    ["no JSON", "a.jsonl", '{"a": 1}\n{"a": \n', /^Expected JSON in line 2, column 7 of .*a\.jsonl but received: Unexpected end of JSON input\.$/],
    ["no JSON, where the parser quotes the text", "a.jsonl", '{"a": 1}\n{"ä": [1, nil]}\n', /^Expected JSON in line 2, column 12 of .*a\.jsonl but received: Unexpected token 'i'/],
    ["no JSON, where it tells the place", "a.jsonl", '{"a": 1 "b"}\n', /^Expected JSON in line 1, column 9 of .*a\.jsonl but received: Expected ',' or '}' after property value\.$/],
    ["no object", "a.jsonl", "[1]\n", /Expected a JSON object in line 1 of .* but received an array of 1/],
    ["no gzip", "a.csv.gz", "a,b\n", /Expected gzipped data in /],
    ["half a gzip", "a.csv.gz", gzipSync("a,b\n".repeat(1000)).subarray(0, 30), /Expected gzipped data in /],
  ])("%s", async (_, name, content, message) => {
    await expect(data.readRows(file(name, content))).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });

  test("rows that do not fit the columns that are given: the line", async () => {
    const path = file("train.tsv", "gj04\t1\t\tA.\ngj04\t0\t*\n");
    const read = (columns: string[], ragged = false) => data.readRows(path, { columns, ragged });
    await expect(read(["source", "label", "mark", "sentence"])).rejects.toMatchObject({ code: "FORMAT", message: `Expected 4 fields in line 2 of ${path} but received 3.` });
    // Also where all rows are alike.
    await expect(read(["source", "label"])).rejects.toMatchObject({ code: "FORMAT", message: `Expected 2 fields in line 1 of ${path} but received 4.` });
    expect(await read(["source", "label", "mark", "sentence"], true)).toEqual([{ source: "gj04", label: "1", mark: "", sentence: "A." }, { source: "gj04", label: "0", mark: "*", sentence: null }]);
  });

  test("a row that has no end, of CSV and TSV, quoted and not, the header, gzipped", async () => {
    const long = "x".repeat(600);
    const cases: [string, string | Buffer, line: number][] = [
      ["a.csv", `a,b\n1,2\n${long},${long}\n3,4\n`, 3],
      ["a.csv", `a,b\n1,"${`${long.slice(0, 99)}\n`.repeat(20)}`, 12],
      ["a.tsv", `${long}\t${long}\n1\t2\n`, 1],
      ["a.csv.gz", gzipSync(`a,b\n${long}${long}${long.repeat(1000)}`), 2],
    ];
    for (const [name, content, line] of cases) {
      const path = file(name, content);
      const message = `Expected rows of at most 1000 bytes in ${path} but received a longer one that reaches line ${line}: see the option maxRowBytes.`;
      await expect(data.readRows(path, { maxRowBytes: 1000 })).rejects.toMatchObject({ name: "SteppeError", code: "FORMAT", message });
    }
    const path = file("a.csv", `a,b\n${`${long},${long.slice(0, 300)}\n`.repeat(50)}`);
    expect(await data.readRows(path, { maxRowBytes: 1000 })).toHaveLength(50);
    expect(await data.readRows(file("b.csv", `a,b\n${long},${long}\n`))).toEqual([{ a: long, b: long }]);
    await expect(data.readRows(path, { maxRowBytes: 0 })).rejects.toThrow("Expected a positive integer for maxRowBytes but received 0");
  });

  test("no file, no format, misspelled options", async () => {
    await expect(data.readRows("/nowhere/a.csv")).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.readRows("/nowhere/a.jsonl")).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.readRows("/nowhere/a.docx")).rejects.toThrow("Expected one of csv, tsv, jsonl, parquet for format but received nothing. The name of /nowhere/a.docx does not tell.");
    await expect(data.readRows("a.csv", { column: ["a"] } as never)).rejects.toThrow('Did you mean "columns"?');
  });
});
