import { expect, test } from "vitest";
import { data, metrics, models, optim, torch } from "../../../lib/index.js";
import { folderOf, superGlueFiles } from "./files.js";
import { unigramOf, wordPieceOf } from "./tokenizers.js";

// The forms of T5's published code, written out.

const labelled = { label: 1, idx: 0 };
const classes: [data.TextTask, object, string, string][] = [
  ["glue/cola", { sentence: "She paints.", ...labelled }, "cola sentence: She paints.", "acceptable"],
  ["glue/sst2", { sentence: "dull ", label: 0, idx: 0 }, "sst2 sentence: dull ", "negative"],
  ["glue/mrpc", { sentence1: "A.", sentence2: "B.", ...labelled }, "mrpc sentence1: A. sentence2: B.", "equivalent"],
  ["glue/qqp", { question1: "A?", question2: "B?", ...labelled }, "qqp question1: A? question2: B?", "duplicate"],
  ["glue/mnli", { premise: "P.", hypothesis: "H.", label: 2, idx: 0 }, "mnli hypothesis: H. premise: P.", "contradiction"],
  ["glue/qnli", { question: "Q?", sentence: "S.", ...labelled }, "qnli question: Q? sentence: S.", "not_entailment"],
  ["glue/rte", { sentence1: "A.", sentence2: "B.", label: 0, idx: 0 }, "rte sentence1: A. sentence2: B.", "entailment"],
  ["glue/wnli", { sentence1: "A.", sentence2: "B.", ...labelled }, "wnli sentence1: A. sentence2: B.", "entailment"],
  ["superglue/boolq", { question: "q", passage: "P.", ...labelled }, "boolq passage: P. question: q", "True"],
  ["superglue/cb", { premise: "P.", hypothesis: "H.", ...labelled }, "cb hypothesis: H. premise: P.", "contradiction"],
  ["superglue/copa", { premise: "P.", choice1: "A.", choice2: "B.", question: "effect", ...labelled }, "copa choice1: A. choice2: B. premise: P. question: effect", "choice2"],
  ["superglue/multirc", { paragraph: "<b>Sent 1: </b>A.<br><b>Sent 2: </b>B.", question: "Q?", answer: "A", label: 0, idx: {} }, "multirc question: Q? answer: A paragraph: Sent 1: A. Sent 2: B.", "False"],
  ["superglue/rte", { premise: "P.", hypothesis: "H.", ...labelled }, "rte hypothesis: H. premise: P.", "not_entailment"],
  ["superglue/wic", { word: "bank", sentence1: "A.", sentence2: "B.", start1: 0, end1: 1, start2: 0, end2: 1, ...labelled }, "wic sentence1: A. sentence2: B. word: bank", "True"],
];

test.each(classes)("%s", (name, example, inputs, targets) => {
  const form = data.textToText(name) as data.TextToText<object, number>;
  expect(form.trainingPairs([example])).toEqual([{ inputs, targets, example }]);
  expect(form.read(targets, example)).toBe((example as { label: number }).label);
  expect([form.read(`${targets} `, example), form.read("", example)]).toEqual([-1, -1]);
  expect(form.pairs([{ ...example, label: -1 }])[0]!.targets).toBe("<unk>");
});

test("STS-B: to 0.2, and back to any number", () => {
  const form = data.textToText("glue/stsb");
  const of = (label: number) => form.pairs([{ sentence1: "A.", sentence2: "B.", label, idx: 0 }])[0]!;
  expect(of(3.8)).toMatchObject({ inputs: "stsb sentence1: A. sentence2: B.", targets: "3.8" });
  // TensorFlow rounds halves to the even fifth: 2.5 is 12.5 fifths.
  expect([0, 5, 2.5, 0.1, 0.3, 4.75, 1.333, 3.3].map((label) => of(label).targets)).toEqual(["0.0", "5.0", "2.4", "0.0", "0.4", "4.8", "1.4", "3.2"]);
  expect(["3.4", " 2 ", "-1.5e0", "much", "", "3,4"].map((text) => form.read(text, of(1).example))).toEqual([3.4, 2, -1.5, -1, -1, -1]);
  expect(of(-1).targets).toBe("<unk>");
});

test("ReCoRD: a pair for each answer, highlights as sentences", () => {
  const form = data.textToText("superglue/record");
  const example = { passage: "It rained.\n@highlight\nAnn came\n@highlight\nBob left", query: "@placeholder came", entities: ["Ann", "Bob"], answers: ["Ann", "Bob"], idx: { passage: 0, query: 0 } };
  const inputs = "record query: @placeholder came entities: Ann, Bob passage: It rained. Ann came. Bob left";
  expect(form.trainingPairs([example])).toEqual([{ inputs, targets: "Ann", example }, { inputs, targets: "Bob", example }]);
  expect(form.pairs([example])).toHaveLength(1);
  expect([form.read("Ann", example), form.references(example)]).toEqual(["Ann", ["Ann", "Bob"]]);
});

test("WSC: what a marked pronoun means", () => {
  const form = data.textToText("superglue/wsc");
  const example = { text: "Tom asked Ben if he could lend his hat .", span1Text: "Tom", span1Index: 0, span2Text: "he", span2Index: 4, label: 0, idx: 0 };
  expect(form.pairs([example])).toEqual([{ inputs: "wsc: Tom asked Ben if *he* could lend his hat .", targets: "Tom", example }]);
  // Only examples whose noun is the right one teach anything.
  expect(form.trainingPairs([example, { ...example, span1Text: "Ben", span1Index: 2, label: 1 }]).map(({ targets }) => targets)).toEqual(["Ben"]);
  const inputs = (text: string, span2Text: string, span2Index: number) => form.pairs([{ ...example, text, span2Text, span2Index }])[0]!.inputs;
  expect(inputs('John laughed. "Good for him," he said. ', "him", 4)).toBe('wsc: John laughed. "Good for *him* ," he said.');
  expect(inputs("they might want to use it , but when", "it", 4)).toBe("wsc: they might want to use *it* , but when");
  // A noun is repaired where it differs from the text.
  expect(form.pairs([{ ...example, text: "The old boat sank when it hit a rock .", span1Text: "the old\nboat.", span2Index: 5, span2Text: "it" }])[0]!.targets).toBe("The old boat");
  const read = (text: string, span1Text: string) => form.read(text, { ...example, text: `${span1Text} and others`, span1Text });
  expect([read("the fuzzy bunny", "bunny"), read("Bunny", "the fuzzy bunny"), read("cat", "bunny"), read("Bob", "Bob's hat"), read("", "bunny"), read("the", "bunny")]).toEqual([1, 1, 0, 0, 0, 0]);
});

test("SQuAD, TyDi QA and open questions", () => {
  const squad = data.textToText("squad");
  const example = { id: "1", title: "", context: "Caf\u00e9 (est. 1903), in\nLyon!", question: "When?", answers: [{ text: "1903", start: 11 }, { text: "est. 1903", start: 6 }] };
  // RE2 takes an accent for punctuation.
  expect(squad.pairs([example])[0]).toMatchObject({ inputs: "question: When ? context: Caf \u00e9 ( est . 1903 ) , in Lyon ! ", targets: "1903" });
  expect(squad.references(example)).toEqual(["1903", "est . 1903"]);
  const tydi = data.textToText("tydiqa");
  expect(tydi.pairs([{ ...example, language: "french" }])[0]!.inputs).toBe("question: When ? context: Caf\u00e9 ( est . 1903 ) , in Lyon ! ");
  expect(data.textToText("natural_questions").pairs([{ question: "who ran", answers: ["Ann", "Ann Lee"] }])[0]).toMatchObject({ inputs: "nq question: who ran", targets: "Ann" });
  expect(data.textToText("web_questions").pairs([{ question: "who ran?", answers: ["Bob"] }])[0]!.inputs).toBe("wq question: who ran?");
  const trivia = { question: "Who?", id: "1", value: "Ann", answers: ["A. Lee", "Ann"], normalizedAnswers: [], wikipedia: [], web: [] };
  expect(data.textToText("trivia_qa").pairs([trivia])[0]).toMatchObject({ inputs: "trivia_qa question: Who?", targets: "Ann" });
  expect(data.textToText("trivia_qa").references(trivia)).toEqual(["Ann", "A. Lee"]);
  expect(() => data.textToText("glue/mnl" as never)).toThrow('Did you mean "glue/mnli"?');
});

test("batches of pairs for a classifier", async () => {
  const tokenizer = await wordPieceOf(["it is late now . the sea salt ? what was cause of this"]);
  const batch = data.classifierBatch(tokenizer, "glue/mnli")([
    { premise: "It is late.", hypothesis: "Late.", label: 2, idx: 0 },
    { premise: "Now.", hypothesis: "It is.", label: 0, idx: 1 },
  ]);
  const id = (word: string) => tokenizer.tokenToId(word)!;
  expect(batch.inputIds.toArray()).toEqual([
    [id("[CLS]"), id("it"), id("is"), id("late"), id("."), id("[SEP]"), id("late"), id("."), id("[SEP]")],
    [id("[CLS]"), id("now"), id("."), id("[SEP]"), id("it"), id("is"), id("."), id("[SEP]"), 0],
  ]);
  expect(batch.tokenTypeIds!.toArray()).toEqual([[0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 0]]);
  expect([batch.labels!.dtype, batch.labels!.toArray()]).toEqual(["int64", [2, 0]]);
  const stsb = data.classifierBatch(tokenizer, "glue/stsb", { maxLength: 5 })([{ sentence1: "it is late", sentence2: "now", label: 2.5, idx: 0 }]);
  expect([stsb.inputIds.shape, stsb.labels!.dtype, stsb.labels!.toArray()]).toEqual([[1, 5], "float32", [2.5]]);
  const copa = data.classifierBatch(tokenizer, "superglue/copa")([{ premise: "the sea .", choice1: "salt", choice2: "late now", question: "cause", label: 1, idx: 0 }]);
  expect(copa.inputIds.shape).toEqual([1, 2, 15]);
  expect(tokenizer.decode((copa.inputIds.toArray() as number[][][])[0]![1]!)).toBe("[CLS] the sea. what was the cause of this? [SEP] late now [SEP]");
  expect(data.classifierBatch(tokenizer, "glue/sst2")([{ sentence: "late", label: -1, idx: 0 }]).labels).toBeUndefined();
  expect(() => data.classifierBatch(tokenizer, "superglue/wsc" as never)).toThrow("Expected one of glue/cola");
});

test("low-data fractions are the same for the same seed", () => {
  const examples = Array.from({ length: 100 }, (_, i) => ({ sentence: `s${i}`, label: i % 4 === 0 ? 1 : 0, idx: i }));
  const tenth = data.fractionPerClass(examples, { fraction: 0.1, seed: 3 });
  expect(tenth.map(({ label }) => label).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
  expect(data.fractionPerClass(examples, { fraction: 0.1, seed: 3 })).toEqual(tenth);
  expect(data.fractionPerClass(examples, { fraction: 0.1, seed: 4 })).not.toEqual(tenth);
  const fifth = data.fractionPerClass(examples, { fraction: 0.2, seed: 3 }).map(({ idx }) => idx);
  expect(fifth).toEqual(expect.arrayContaining(tenth.map(({ idx }) => idx)));
  // As of a TensorDataset with the same labels.
  const labels = torch.tensor(examples.map(({ label }) => label), { dtype: "int64" });
  expect(data.fractionPerClass(new data.TensorDataset(torch.arange(100, { dtype: "int64" }), labels), { fraction: 0.1, seed: 3 }).tensors[0].toArray()).toEqual(tenth.map(({ idx }) => idx));
  expect(data.fractionPerClass(examples, { perClass: 3, seed: 1, labels: ({ idx }) => (idx < 50 ? "first" : "second") }).map(({ idx }) => idx < 50)).toEqual([true, true, true, false, false, false]);
  // Wrong labels: the same ones as of a TensorDataset.
  const noisy = data.labelNoise(examples, { rate: 0.2, seed: 5 });
  expect(noisy.filter(({ label }, i) => label !== examples[i]!.label)).toHaveLength(20);
  expect(noisy.map(({ label }) => label)).toEqual(data.labelNoise(new data.TensorDataset(labels), { rate: 0.2, seed: 5 }).tensors[0].toArray());
  expect(noisy.map(({ idx }) => idx)).toEqual(examples.map(({ idx }) => idx));
  expect(() => data.labelNoise([{ label: -1 }], { rate: 0.5 })).toThrow("Expected an item whose label is a class for dataset[0] but received -1");
  const [train, rest] = data.randomSplit(examples, [0.9, 0.1], { seed: 2 }) as [typeof examples, typeof examples];
  expect([train.length, rest.length, new Set([...train, ...rest].map(({ idx }) => idx)).size]).toEqual([90, 10, 100]);
  expect(data.subset(examples, [5, 2])).toEqual([examples[5], examples[2]]);
  expect(() => data.fractionPerClass(examples, { perClass: 30 })).toThrow("Expected at most 25, as many as class 1 has for perClass");
  expect(() => data.fractionPerClass([{ text: "a" }] as never, { fraction: 0.5 })).toThrow("Expected a label for examples[0]");
});

test("from files to a fine-tuned T5: text pairs, SAM whose ascent takes a quarter of the batch, generated labels", async () => {
  torch.manualSeed(0);
  const folder = folderOf(superGlueFiles);
  const { examples, labels, name } = await data.superGlue("cb", { folder });
  const form = data.textToText(name);
  const pairs = form.trainingPairs([...examples, ...examples, ...examples, ...examples].slice(0, 12));
  const tokenizer = await unigramOf(pairs.flatMap(({ inputs, targets }) => [inputs, targets]));
  const t5 = new models.T5ForConditionalGeneration({ vocabSize: tokenizer.vocabularySize, dModel: 32, dKv: 8, dFf: 64, numLayers: 1, numHeads: 4, dropoutRate: 0, decoderStartTokenId: 0, padTokenId: 0, eosTokenId: 1 });
  const batches = data.loader(pairs, { batchSize: 12, shuffle: true, seed: 1, collate: data.textToTextBatch(tokenizer, { maxLength: 32, maxTargetLength: 4 }) });
  const optimizer = optim.create(t5, { method: "sam", rho: 0.02, ascentFraction: 0.25, base: { name: "adamw", lr: 0.01 } });
  const step = optimizer.compile((batch: data.TextToTextBatch) => t5.forward(batch).loss);
  const losses: number[] = [];
  for (let epoch = 0; epoch < 40; epoch++) for await (const batch of batches) losses.push((await step(batch)).loss);
  expect(losses.at(-1)!).toBeLessThan(0.1 * losses[0]!);

  const { inputIds, attentionMask } = tokenizer.batch(form.pairs(examples).map(({ inputs }) => inputs));
  const written = (await t5.eval().generate({ inputIds, attentionMask }, { maxNewTokens: 4 })).toArray() as number[][];
  const texts = written.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }));
  expect(texts).toEqual(examples.map(({ label }) => labels![label]));
  const metric = metrics.superGlue("cb");
  metric.update(texts.map((text, i) => form.read(text, examples[i]!)), examples.map(({ label }) => label));
  expect(metric.compute()).toEqual({ f1: 1, accuracy: 1, score: 1 });
});
