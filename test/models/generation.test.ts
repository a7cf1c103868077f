import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { models, torch } from "../../lib/index.js";
import { needsPython, python } from "../support/python.js";
import { folderOfFile, load, runCases } from "./parity.js";
import type { Case } from "./parity.js";
import { integers } from "./texts.js";

// Generated tokens beside those of Hugging Face's generate, for the same weights.

const t5Config = { vocab_size: 14, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_heads: 4, dropout_rate: 0, decoder_start_token_id: 0 };
const source = {
  inputIds: integers([[5, 9, 12, 3, 7, 1, 0, 0], [4, 4, 7, 2, 6, 11, 10, 1], [13, 12, 1, 0, 0, 0, 0, 0]]),
  attentionMask: integers([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0, 0]]),
};
const gpt2Config = { vocab_size: 14, n_positions: 40, n_embd: 32, n_layer: 2, n_head: 4, bos_token_id: 1, eos_token_id: 1, pad_token_id: 0, initializer_range: 0.2 };
const prompt = {
  inputIds: integers([[0, 0, 5, 9, 12], [4, 4, 7, 2, 6], [0, 3, 8, 8, 3]]),
  attentionMask: integers([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]]),
};

const cases: Case[] = [
  ...[0, 1, 2].map((i): Case => ({ name: `t5 ${i}`, model: "T5ForConditionalGeneration", configClass: "T5Config", config: { ...t5Config, ...(i === 1 ? { feed_forward_proj: "gated-gelu", tie_word_embeddings: false } : {}) }, inputs: { ...source, labels: source.inputIds.clone() } })),
  ...[0, 1].map((i): Case => ({ name: `gpt2 ${i}`, model: "GPT2LMHeadModel", configClass: "GPT2Config", config: gpt2Config, inputs: prompt })),
];

// Padding of 0 counts as none in Hugging Face's beam search, which then fills up with the ending token: here it is another one.
const padTokenId = 13;
const searches: models.GenerateOptions[] = [
  { maxNewTokens: 12 },
  { maxNewTokens: 12, minNewTokens: 6, padTokenId },
  { maxNewTokens: 15, noRepeatNgramSize: 2 },
  { maxNewTokens: 15, noRepeatNgramSize: 1, eosTokenId: [1, 5] },
  { maxNewTokens: 12, padTokenId, numBeams: 3 },
  { maxNewTokens: 12, padTokenId, numBeams: 4, earlyStopping: true },
  { maxNewTokens: 9, padTokenId, numBeams: 4, earlyStopping: "never", lengthPenalty: 0 },
  { maxNewTokens: 12, padTokenId, numBeams: 3, earlyStopping: "never", lengthPenalty: 2, numReturnSequences: 3 },
  { maxNewTokens: 12, padTokenId, numBeams: 2, lengthPenalty: -1, minNewTokens: 3, noRepeatNgramSize: 3 },
  { maxNewTokens: 7, padTokenId, numBeams: 5, eosTokenId: [1, 3], numReturnSequences: 2 },
  { maxNewTokens: 12, doSample: true, topK: 0 },
  { maxNewTokens: 12, doSample: true, temperature: 0.7, topK: 5, numReturnSequences: 2 },
  { maxNewTokens: 12, doSample: true, temperature: 1.3, topK: 0, topP: 0.8, minNewTokens: 2 },
  { maxNewTokens: 8, doSample: true, padTokenId, numBeams: 3, topK: 6, topP: 0.9 },
];

const snake = (options: object) => Object.fromEntries(Object.entries(options).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value as unknown]));

const script = `
outputs["generated"] = {}
for case in inputs["cases"]:
    model = getattr(transformers, case["model"]).from_pretrained(os.path.join(inputs["folder"], case["name"]), dtype=torch.float32).eval()
    given = {key: unpack(v) for key, v in case["inputs"].items() if key != "labels"}
    found = []
    for options in inputs["extra"]["searches"]:
        torch.manual_seed(7)
        found.append(model.generate(**given, **options).tolist())
    outputs["generated"][case["name"]] = found
`;

describe.skipIf(python === null)(`generate is Hugging Face's (${needsPython})`, () => {
  const folder = folderOfFile();
  let generated: Record<string, number[][][]> = {};
  beforeAll(() => {
    ({ generated } = runCases<{ generated: typeof generated }>(folder, cases, script, { searches: searches.map(snake) }));
  });

  const both = cases.flatMap(({ name }) => searches.map((options, i) => ({ name, i, shown: JSON.stringify(options) })));
  test.each(both)("$name: $shown", async ({ name, i }) => {
    const options = { ...searches[i]!, generator: new torch.Generator().manualSeed(7) };
    const path = join(folder, name);
    const ids = name.startsWith("t5")
      ? await (await load(path, "T5ForConditionalGeneration")).generate(source, options)
      : await (await load(path, "GPT2LMHeadModel")).generate(prompt, options);
    expect(ids.toArray()).toEqual(generated[name]![i]!);
  });

  test("the searches ended some sequences early", () => {
    const rows = Object.values(generated).flat(2);
    expect(rows.filter((row) => row.slice(1).includes(1)).length).toBeGreaterThan(rows.length / 10);
  });
});
