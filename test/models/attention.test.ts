import { expect, test } from "vitest";
import { models, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Attention is one call of scaled-dot-product attention, in a form for which LibTorch has a kernel of its own.

type Loss = (...batch: Tensor[]) => Tensor;
const [vocabSize, hiddenSize, heads] = [20, 32, 2];
const ids = torch.randint(2, vocabSize, [2, 16]);
const padding = torch.ones([2, 16], { dtype: "int64" });
const labels = torch.randint(0, 2, [2]);
const images = torch.randn([2, 3, 16, 16]);
const states = torch.randn([2, 16, hiddenSize]);

const bert = new models.BertForSequenceClassification({ vocabSize, hiddenSize, numAttentionHeads: heads, numHiddenLayers: 1, intermediateSize: 8, maxPositionEmbeddings: 32 });
const distilbert = new models.DistilBertForSequenceClassification({ vocabSize, dim: hiddenSize, nHeads: heads, nLayers: 1, hiddenDim: 8, maxPositionEmbeddings: 32 });
const gpt2 = new models.GPT2LMHeadModel({ vocabSize, nPositions: 30, nEmbd: hiddenSize, nLayer: 1, nHead: heads });
const t5 = new models.T5ForConditionalGeneration({ vocabSize, dModel: hiddenSize, dKv: 16, dFf: 24, numLayers: 1, numHeads: heads, decoderStartTokenId: 0 });
const vit = new models.ViT({ imgSize: 16, patchSize: 4, embedDim: hiddenSize, depth: 1, numHeads: heads, numClasses: 2 });
const vitOfHuggingFace = new models.ViTForImageClassification({ hiddenSize, numHiddenLayers: 1, numAttentionHeads: heads, intermediateSize: 8, imageSize: 16, patchSize: 4 });
const encoder = new nn.TransformerEncoderLayer({ dModel: hiddenSize, nhead: heads, dimFeedforward: 8, batchFirst: true });
const decoder = new nn.TransformerDecoderLayer({ dModel: hiddenSize, nhead: heads, dimFeedforward: 8, batchFirst: true });
const ahead = nn.Transformer.generateSquareSubsequentMask(16);

// How many attentions each has; those to which a trained bias is added need its gradient, which that kernel does not give on the CPU.
const rows: [name: string, model: nn.Module, loss: Loss, batch: Tensor[], fused: number, others: number][] = [
  ["BERT", bert, (inputIds, labels) => bert.forward({ inputIds: inputIds!, labels: labels! }).loss, [ids, labels], 1, 0],
  ["BERT with padding", bert, (inputIds, labels, attentionMask) => bert.forward({ inputIds: inputIds!, labels: labels!, attentionMask: attentionMask! }).loss, [ids, labels, padding], 1, 0],
  ["DistilBERT", distilbert, (inputIds, labels, attentionMask) => distilbert.forward({ inputIds: inputIds!, labels: labels!, attentionMask: attentionMask! }).loss, [ids, labels, padding], 1, 0],
  ["GPT-2", gpt2, (inputIds) => gpt2.forward({ inputIds: inputIds!, labels: inputIds! }).loss, [ids], 1, 0],
  ["GPT-2 with padding", gpt2, (inputIds, attentionMask) => gpt2.forward({ inputIds: inputIds!, labels: inputIds!, attentionMask: attentionMask! }).loss, [ids, padding], 1, 0],
  ["T5", t5, (inputIds, attentionMask) => t5.forward({ inputIds: inputIds!, labels: inputIds!, attentionMask: attentionMask! }).loss, [ids, padding], 1, 2],
  ["ViT", vit, (x, y) => nn.functional.crossEntropy(vit.forward(x!), y!), [images, labels], 1, 0],
  ["ViT of Hugging Face", vitOfHuggingFace, (pixelValues, labels) => vitOfHuggingFace.forward({ pixelValues: pixelValues!, labels: labels! }).loss, [images, labels], 1, 0],
  ["an encoder's layer", encoder, (x) => encoder.forward(x!).square().mean(), [states], 1, 0],
  ["an encoder's layer with a mask", encoder, (x) => encoder.forward(x!, ahead).square().mean(), [states], 1, 0],
  ["a decoder's layer", decoder, (x) => decoder.forward(x!, x!, { tgtMask: ahead, tgtIsCausal: true }).square().mean(), [states], 2, 0],
];

test.each(rows)("%s", (_, model, loss, batch, fused, others) => {
  const step = optim.create(model.eval(), { method: "none", base: { name: "sgd", lr: 0.1 } }).compile(loss);
  step.sync(...batch);
  const { text } = step.programs[0]!;
  const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
  expect(count(/aten::_scaled_dot_product_flash_attention_for_cpu /g)).toBe(fused);
  expect(count(/aten::_scaled_dot_product_flash_attention_for_cpu_backward /g)).toBe(fused);
  expect(count(/aten::\w*_softmax /g)).toBe(others + count(/aten::_log_softmax /g));
});

test("a text without padding has no mask: later tokens are left out by the kernel", () => {
  const step = optim.create(gpt2.eval(), { method: "none", base: { name: "sgd", lr: 0 } }).compile((inputIds: Tensor) => gpt2.forward({ inputIds, labels: inputIds }).loss);
  const { loss } = step.sync(ids);
  expect(step.programs[0]!.text).not.toMatch(/aten::(triu|tril|ones)/);
  const masked = gpt2.forward({ inputIds: ids, labels: ids, attentionMask: padding });
  expect(loss).toBeCloseTo(Number(masked.loss.item()), 5);
  const stepwise = gpt2.forward({ inputIds: ids, labels: ids, outputAttentions: true });
  expect(loss).toBeCloseTo(Number(stepwise.loss.item()), 5);
});
