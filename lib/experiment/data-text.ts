import { readRows, tokenizer as openTokenizer } from "../data/index.js";
import type { Dataset, Tokenizer } from "../data/index.js";
import { SteppeError, describe, suggest } from "../errors.js";
import { torch } from "../torch.js";
import type { TextConfig } from "./config.js";
import { choose } from "./data-sets.js";
import type { Batch, Sets } from "./data-sets.js";

/** Texts and the numbers of their classes. */
interface Texts {
  texts: (string | readonly [string, string])[];
  labels: number[];
}

/** Batches of texts: inputIds, attentionMask, (tokenTypeIds,) labels; int64 [N, tokens], labels [N]. */
export async function loadTexts(config: TextConfig, at: (path: string) => string): Promise<Sets> {
  const tokenizer = await openTokenizer(at(config.tokenizer));
  const read = async (path: string | undefined) => (path === undefined ? null : readTable(at(path), config));
  const [train, validation, test] = [await readTable(at(config.train), config), await read(config.validation), await read(config.test)];
  const classes = classesOf([train, validation, test].flatMap((table) => table?.map(({ label }) => label) ?? []));
  const numbered = (table: Row[]): Texts => ({ texts: table.map(({ text }) => text), labels: table.map(({ label }) => classes.get(label)!) });
  const all = numbered(train);
  const chosen = choose(all.labels, classes.size, config);
  const pick = (indices: number[], labels: number[]): Texts => ({ texts: indices.map((i) => all.texts[i]!), labels });
  const split = chosen.validation === null ? null : pick(chosen.validation, chosen.validation.map((i) => all.labels[i]!));
  const set = (texts: Texts) => batches(texts, tokenizer, config);
  return {
    kind: "texts",
    train: set(pick(chosen.train, chosen.labels)),
    ...(split ? { validation: set(split) } : validation && { validation: set(numbered(validation)) }),
    ...(test && { test: set(numbered(test)) }),
    facts: { classes: classes.size, vocabulary: tokenizer.vocabularySize },
  };
}

interface Row {
  text: string | readonly [string, string];
  label: string;
}

async function readTable(path: string, { text = "text", pair, label = "label", columns }: TextConfig): Promise<Row[]> {
  const rows = await readRows(path, columns === undefined ? {} : { columns });
  if (rows.length === 0) throw new SteppeError("FORMAT", `Expected at least one row in ${path} but received none.`);
  return rows.map((row, i) => {
    const field = (name: string) => {
      const value = row[name];
      if (value === undefined) {
        const known = Object.keys(row);
        throw new SteppeError("ARGUMENT", `Expected a column ${JSON.stringify(name)} in row ${i + 1} of ${path} but received ${known.join(", ")}.${suggest(name, known)}`);
      }
      return value;
    };
    const string = (name: string) => {
      const value = field(name);
      if (typeof value !== "string") throw new SteppeError("FORMAT", `Expected a string for ${name} in row ${i + 1} of ${path} but received ${describe(value)}.`);
      return value;
    };
    return { text: pair === undefined ? string(text) : [string(text), string(pair)], label: String(field(label)) };
  });
}

/** Labels by name, numbered in order: numbers by their value. */
function classesOf(labels: readonly string[]): Map<string, number> {
  const names = [...new Set(labels)];
  const numeric = names.every((name) => /^-?\d+$/.test(name));
  names.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
  if (names.length < 2) throw new SteppeError("ARGUMENT", `data.label: expected labels of at least two classes, received ${names.length === 1 ? JSON.stringify(names[0]) : "none"} alone.`);
  return new Map(names.map((name, i) => [name, i]));
}

function batches({ texts, labels }: Texts, tokenizer: Tokenizer, { maxLength, padToMultipleOf = 16 }: TextConfig): Dataset<Batch> {
  const most = maxLength ?? Math.min(512, tokenizer.maxLength ?? 512);
  return {
    length: texts.length,
    batch: (indices) => {
      const chosen = indices.toArray() as number[];
      const options = { truncation: true, maxLength: most, ...(most % padToMultipleOf === 0 ? { padToMultipleOf } : {}) };
      const { inputIds, attentionMask, tokenTypeIds } = tokenizer.batch(chosen.map((i) => texts[i]!), options);
      const classes = torch.tensor(chosen.map((i) => labels[i]!), { dtype: "int64" });
      return tokenTypeIds === undefined ? [inputIds, attentionMask, classes] : [inputIds, attentionMask, tokenTypeIds, classes];
    },
  };
}

