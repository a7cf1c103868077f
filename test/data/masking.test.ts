import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { hasLibraries, needsPython, python, runPython, sameLibTorch } from "../support/python.js";

const usable = python !== null && sameLibTorch && hasLibraries("transformers");
const folder = mkdtempSync(join(tmpdir(), "steppe-masking-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Settings = { probability: number; maskProbability: number; randomProbability: number; wholeWords: boolean };
const settings: Settings[] = [
  { probability: 0.15, maskProbability: 0.8, randomProbability: 0.1, wholeWords: false },
  { probability: 0.4, maskProbability: 0.5, randomProbability: 0.5, wholeWords: false },
  { probability: 0.3, maskProbability: 0, randomProbability: 0.7, wholeWords: false },
  { probability: 0.3, maskProbability: 1, randomProbability: 0, wholeWords: true },
];

/** Three batches with each of the settings, one after the other from one generator, by Hugging Face's own collator. */
const reference = `
sys.path.insert(0, inputs["here"])
from small_tokenizers import make
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast
make(inputs["folder"], inputs["lines"])
names = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
tokenizer = PreTrainedTokenizerFast(tokenizer_file=inputs["folder"] + "/wordpiece/tokenizer.json", **names)
batch = tokenizer(inputs["texts"], padding=True, return_offsets_mapping=True, return_tensors="pt")
outputs = {"ids": batch["input_ids"].tolist(), "offsets": batch["offset_mapping"].tolist(), "special": sorted(tokenizer.all_special_ids), "runs": []}
for each in inputs["settings"]:
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=each["probability"], mask_replace_prob=each["maskProbability"], random_replace_prob=each["randomProbability"], whole_word_mask=each["wholeWords"])
    collator.generator = torch.Generator().manual_seed(11)
    run = []
    for _ in range(3):
        special = [tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True) for row in batch["input_ids"].tolist()]
        ids, labels = collator.torch_mask_tokens(batch["input_ids"].clone(), special_tokens_mask=torch.tensor(special), offset_mapping=batch["offset_mapping"])
        run.append([ids.tolist(), labels.tolist()])
    outputs["runs"].append(run)
`;

describe.skipIf(!usable)(`beside Hugging Face's collator (${needsPython}, transformers)`, () => {
  test("the same tokens are hidden, and replaced by the same", { timeout: 180_000 }, async () => {
    const { documents } = await data.mobyDick();
    const texts = documents.slice(0, 12).map(({ text }, i) => `${text.slice(100, 220 + 20 * i)}${i === 3 ? " \u0414 [MASK] [SEP]" : ""}`);
    const lines = documents.slice(5, 30).flatMap(({ text }) => text.split("\n"));
    const here = fileURLToPath(new URL(".", import.meta.url));
    const wanted = runPython<{ ids: number[][]; offsets: number[][][]; special: number[]; runs: [number[][], number[][]][][] }>(reference, { here, folder, lines, texts, settings });
    const tokenizer = await data.tokenizer(join(folder, "wordpiece"));
    expect(tokenizer.specialTokenIds).toEqual(wanted.special);
    const batch = tokenizer.batch(texts, { offsets: true });
    expect(batch.inputIds.toArray()).toEqual(wanted.ids);
    expect(batch.offsets!.toArray()).toEqual(wanted.offsets);
    settings.forEach((options, i) => {
      const mask = data.maskTokens(tokenizer, options);
      const generator = new torch.Generator().manualSeed(11);
      const run = [1, 2, 3].map(() => {
        const { inputIds, labels } = mask(batch, generator);
        return [inputIds.toArray(), labels.toArray()];
      });
      expect(run).toEqual(wanted.runs[i]);
    });
  });
});

describe("statistics and rules", () => {
  const tokens = { maskTokenId: 3, specialTokenIds: [0, 1, 2, 3], vocabularySize: 1000 };
  const ids = torch.arange(4, 1000, { dtype: "int64" }).repeat([200, 1]);
  const batch = { inputIds: torch.cat([torch.ones([200, 1], { dtype: "int64" }), ids, torch.zeros([200, 3], { dtype: "int64" })], 1), attentionMask: torch.ones([200, 1000], { dtype: "int64" }) };
  const share = (mask: Tensor) => Number(mask.to("float64").mean().item());
  const generator = () => new torch.Generator().manualSeed(2);

  test("15 % are guessed, of which 80, 10 and 10 % are masked, random and kept; special tokens never", () => {
    const { inputIds, labels } = data.maskTokens(tokens)(batch, generator());
    const guessed = labels.ne(-100);
    expect(guessed.sum().item()).toBe(Number(guessed.narrow(1, 1, 996).sum().item()));
    expect(Math.abs(share(guessed.narrow(1, 1, 996)) - 0.15)).toBeLessThan(0.0032); // four standard deviations
    const [was, is] = [batch.inputIds.maskedSelect(guessed), inputIds.maskedSelect(guessed)];
    expect(labels.maskedSelect(guessed).toArray()).toEqual(was.toArray());
    expect(inputIds.maskedSelect(guessed.logicalNot()).toArray()).toEqual(batch.inputIds.maskedSelect(guessed.logicalNot()).toArray());
    expect(Math.abs(share(is.eq(3)) - 0.8)).toBeLessThan(0.0096);
    expect(Math.abs(share(is.eq(was)) - 0.1)).toBeLessThan(0.0072);
    const random = is.maskedSelect(is.ne(3).logicalAnd(is.ne(was)));
    expect(Math.abs(share(random.lt(500)) - 0.5)).toBeLessThan(0.037);
    expect([Number(random.min().item()) < 30, Number(random.max().item()) > 970]).toEqual([true, true]);
  });

  test("the same generator, the same batch; the batch that came stays as it was", () => {
    const before = batch.inputIds.sum().item();
    const mask = data.maskTokens(tokens);
    expect(mask(batch, generator()).inputIds.eq(mask(batch, generator()).inputIds).all().item()).toBe(true);
    expect(batch.inputIds.sum().item()).toBe(before);
  });

  test("whole words: all tokens of a word or none, each with its own 80, 10 and 10 %", () => {
    // Words of three tokens with a gap behind them, after one special token.
    const spans = Array.from({ length: 1000 }, (_, i) => (i === 0 || i > 996 ? [0, 0] : [4 * Math.floor((i - 1) / 3) + ((i - 1) % 3), 4 * Math.floor((i - 1) / 3) + ((i - 1) % 3) + 1]));
    const offsets = torch.tensor(spans, { dtype: "int64" }).unsqueeze(0).expand([200, 1000, 2]);
    const { inputIds, labels, ...rest } = data.maskTokens(tokens, { wholeWords: true })({ ...batch, offsets }, generator());
    expect(Object.keys(rest)).toEqual(["attentionMask"]);
    const words = labels.ne(-100).narrow(1, 1, 996).view([200, 332, 3]).to("int64").sum(2);
    expect(Number(words.eq(0).logicalOr(words.eq(3)).all().item())).toBe(1);
    expect(Math.abs(share(words.eq(3)) - 0.15)).toBeLessThan(0.0056);
    expect(Math.abs(share(inputIds.maskedSelect(labels.ne(-100)).eq(3)) - 0.8)).toBeLessThan(0.0096);
  });

  test("as a loader's transform: other tokens in every pass, and the same where a pass goes on from the middle", () => {
    const texts = Array.from({ length: 10 }, (_, i) => Array.from({ length: 40 }, (_, k) => 4 + ((7 * i + k) % 900)));
    const make = () => data.loader(texts, { batchSize: 3, shuffle: true, seed: 5, collate: (some) => data.padSequences(some), transform: data.maskTokens(tokens) });
    const told = ({ inputIds, labels }: data.MaskedBatch) => [inputIds.toArray(), labels.toArray()];
    const loader = make();
    const [first, second] = [[...loader].map(told), [...loader].map(told)];
    expect(first).not.toEqual(second);
    const again = make();
    again.loadStateDict({ epoch: 1, batch: 2 });
    expect([...again].map(told)).toEqual(second.slice(2));
  });

  test("wrong arguments", () => {
    expect(() => data.maskTokens({ ...tokens, maskTokenId: null })).toThrow("a tokenizer with a mask token");
    expect(() => data.maskTokens(tokens, { probability: 1.5 })).toThrow("a number from 0 to 1 for probability");
    expect(() => data.maskTokens(tokens, { maskProbability: 0.75, randomProbability: 0.5 })).toThrow("Expected at most 0.25, what maskProbability leaves");
    expect(() => data.maskTokens(tokens, { wholeWord: true } as never)).toThrow('Did you mean "wholeWords"?');
    expect(() => data.maskTokens(tokens, { wholeWords: true })(batch)).toThrow("tokenizer.batch(texts, { offsets: true }) makes one");
  });
});
