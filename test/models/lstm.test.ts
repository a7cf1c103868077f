import { beforeAll, describe, expect, test } from "vitest";
import { models, optim, torch } from "../../lib/index.js";
import type { Tensor, nn } from "../../lib/index.js";
import { expectReplayNearAutograd } from "../program/replay.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, pack, python, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { expectClose } from "./parity.js";
import { integers } from "./texts.js";

// The models of long short-term memories beside PyTorch: the language model written down step by step from its formulae, the
// encoder of the sequence-to-sequence model with packed sequences and a bidirectional layer.

const tied = { vocabSize: 12, embeddingSize: 10, hiddenSize: 14, numLayers: 3 };
const regularised = { dropout: 0.4, hiddenDropout: 0.3, inputDropout: 0.5, embeddingDropout: 0.2, weightDropout: 0.5, activationRegularization: 2, temporalRegularization: 1 };
const plain = { dropout: 0, hiddenDropout: 0, inputDropout: 0, embeddingDropout: 0, weightDropout: 0 };
const ids = integers([[3, 5, 7, 1, 0], [2, 2, 9, 11, 4]]);
const labels = integers([[5, 7, 1, 0, -100], [2, 9, 11, 4, 8]]);

const languageModels = [
  { name: "plain", options: { ...tied, ...plain }, train: true },
  { name: "with all dropouts and penalties", options: { ...tied, ...regularised }, train: true },
  { name: "in evaluation", options: { ...tied, ...regularised }, train: false },
  { name: "untied, one layer", options: { ...tied, ...regularised, numLayers: 1, tieWeights: false }, train: true },
];

const reading = { sourceVocabSize: 12, targetVocabSize: 9, embeddingSize: 6, hiddenSize: 5, dropout: 0, padTokenId: 0, eosTokenId: 1, decoderStartTokenId: 2 };
const source = { inputIds: integers([[3, 5, 7, 0, 0], [2, 2, 9, 11, 4], [8, 0, 0, 0, 0]]), attentionMask: integers([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]) };
const target = integers([[3, 4, 1, -100], [5, 6, 7, 1], [8, 1, -100, -100]]);
const pairs = [
  { name: "one layer", options: { ...reading, numLayers: 1 } },
  { name: "two layers", options: { ...reading, numLayers: 2 } },
];

interface Reference {
  loss: Packed;
  logits: Packed;
  gradients: Record<string, Packed>;
  state?: Packed[];
  generated: number[][];
}

const script = `
def cell(x, h, c, w_ih, w_hh, b_ih, b_hh):
    i, f, g, o = (x @ w_ih.t() + b_ih + h @ w_hh.t() + b_hh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c

def locked(x, p):
    return x * F.dropout(torch.ones(len(x), 1, x.shape[-1], dtype=x.dtype), p)

def language_model(w, o, ids, labels, train):
    drop = (lambda key: o[key]) if train else (lambda key: 0)
    table = w["encoder.weight"]
    if drop("embeddingDropout"):
        table = table * F.dropout(torch.ones(len(table), 1, dtype=table.dtype), drop("embeddingDropout"))
    x = F.embedding(ids, table)
    if drop("inputDropout"):
        x = locked(x, drop("inputDropout"))
    states = []
    for layer in range(o["numLayers"]):
        if layer > 0 and drop("hiddenDropout"):
            x = locked(x, drop("hiddenDropout"))
        w_ih, w_hh, b_ih, b_hh = (w[f"rnns.{layer}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        if drop("weightDropout"):
            w_hh = F.dropout(w_hh, drop("weightDropout"))
        h = c = torch.zeros(len(ids), w_hh.shape[1], dtype=x.dtype)
        outputs_ = []
        for t in range(ids.shape[1]):
            h, c = cell(x[:, t], h, c, w_ih, w_hh, b_ih, b_hh)
            outputs_.append(h)
        x = torch.stack(outputs_, 1)
        states += [h, c]
    dropped = locked(x, drop("dropout")) if drop("dropout") else x
    head = w["decoder.weight"] if not o.get("tieWeights", True) else w["encoder.weight"]
    logits = dropped @ head.t() + w["decoder.bias"]
    loss = None
    if labels is not None:
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        if train:
            loss = loss + o.get("activationRegularization", 0) * dropped.pow(2).mean()
            loss = loss + o.get("temporalRegularization", 0) * (x[:, 1:] - x[:, :-1]).pow(2).mean()
    return loss, logits, states

def rnn(w, prefix, layers, i, bidirectional):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    first = w[f"{prefix}.{i}.{names[0]}"]
    layer = nn.LSTM(first.shape[1], first.shape[0] // 4, batch_first=True, bidirectional=bidirectional, dtype=first.dtype)
    given = {name: w[f"{prefix}.{i}.{name}"] for name in names}
    if bidirectional:
        given.update({f"{name}_reverse": w[f"{layers}.{i}.{name}"] for name in names})
    return lambda *args: torch.func.functional_call(layer, given, args)

def sequence_model(w, o, source, mask, read, labels):
    lengths = mask.sum(1)
    x = F.embedding(source, w["source_embedding.weight"], padding_idx=o["padTokenId"])
    for i in range(o["numLayers"]):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, (h, c) = rnn(w, "forwards", "backwards", i, True)(packed)
        x = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=source.shape[1])[0]
    final = torch.cat([h[0], h[1]], -1)
    y = F.embedding(read, w["target_embedding.weight"])
    for i in range(o["numLayers"]):
        start = [(final @ w[f"bridge_{kind}.{i}.weight"].t() + w[f"bridge_{kind}.{i}.bias"]).tanh().unsqueeze(0) for kind in ("hidden", "cell")]
        y, _ = rnn(w, "decoder", None, i, False)(y, tuple(start))
    scores = torch.einsum("bth,hs,bls->btl", y, w["score.weight"], x)
    weights = scores.masked_fill(mask[:, None] == 0, -math.inf).softmax(-1)
    context = weights @ x
    combined = (torch.cat([context, y], -1) @ w["combine.weight"].t()).tanh()
    logits = combined @ w["head.weight"].t() + w["head.bias"]
    return (None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten())), logits

def answer(w, loss, logits):
    loss.backward()
    return {"loss": pack(loss), "logits": pack(logits), "gradients": {n: pack(t.grad) for n, t in w.items() if t.grad is not None}}

outputs = {"language": [], "sequence": []}
for case in inputs["language"]:
    w = {name: unpack(t).requires_grad_() for name, t in case["weights"].items()}
    torch.manual_seed(3)
    loss, logits, states = language_model(w, case["options"], unpack(inputs["ids"]), unpack(inputs["labels"]), case["train"])
    reference = answer(w, loss, logits)
    reference["state"] = [pack(s) for s in states]
    rows = unpack(inputs["ids"])
    for _ in range(6):
        rows = torch.cat([rows, language_model(w, case["options"], rows, None, False)[1][:, -1:].argmax(-1)], 1)
    reference["generated"] = rows.tolist()
    outputs["language"].append(reference)
for case in inputs["sequence"]:
    w = {name: unpack(t).requires_grad_() for name, t in case["weights"].items()}
    o, source, mask, labels = case["options"], unpack(inputs["source"]), unpack(inputs["mask"]), unpack(inputs["target"])
    read = torch.cat([torch.full((len(labels), 1), o["decoderStartTokenId"]), labels[:, :-1]], 1)
    read = read.masked_fill(read == -100, o["padTokenId"])
    reference = answer(w, *sequence_model(w, o, source, mask, read, labels))
    rows = torch.full((len(source), 1), o["decoderStartTokenId"])
    for _ in range(6):
        rows = torch.cat([rows, sequence_model(w, o, source, mask, rows, None)[1][:, -1:].argmax(-1)], 1)
    reference["generated"] = rows.tolist()
    outputs["sequence"].append(reference)
`;

function weightsOf(model: nn.Module): Record<string, Packed> {
  return Object.fromEntries(model.namedParameters().map(([name, parameter]) => [name, pack(parameter)]));
}

function compare(model: nn.Module, output: { loss: Tensor; logits: Tensor }, reference: Reference): void {
  expectClose(output.logits, unpack(reference.logits), 1e-9, "logits");
  expectClose(output.loss, unpack(reference.loss), 1e-9, "loss");
  output.loss.backward();
  const gradients = Object.fromEntries(model.namedParameters().map(([name, { grad }]) => [name, grad]));
  expect(Object.keys(gradients).sort()).toEqual(Object.keys(reference.gradients).sort());
  for (const [name, gradient] of Object.entries(reference.gradients)) expectClose(gradients[name]!, unpack(gradient), 1e-9, name);
}

function recorded(model: nn.Module, loss: (...batch: Tensor[]) => Tensor, batch: Tensor[]): void {
  // In float32 kernels of our own run: program/lstm.test.ts.
  const { step } = expectReplayNearAutograd(model, loss, [batch, batch.map((tensor) => tensor.clone())]);
  expect(step.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
  const mixed = optim.create(model, { method: "sam", rho: 0, base: { name: "sgd", lr: 0 } }).compile(loss, { autocast: {} });
  torch.manualSeed(1);
  const report = mixed.sync(...batch);
  torch.manualSeed(1);
  const eager = Number(torch.autocast(() => loss(...batch)).item());
  expect(mixed.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
  expect(Math.abs(report.loss - eager)).toBeLessThanOrEqual(1e-6 * Math.abs(eager));
}

describe.skipIf(python === null)(`LSTM models are what their formulae say (${needsPython})`, () => {
  const made = {
    language: languageModels.map(({ options, train }) => new models.LSTMLanguageModel(options).to("float64").train(train)),
    sequence: pairs.map(({ options }) => new models.Seq2SeqLSTM(options).to("float64")),
  };
  let references: { language: Reference[]; sequence: Reference[] };
  beforeAll(() => {
    references = runPython(script, {
      language: languageModels.map(({ options, train }, i) => ({ options, train, weights: weightsOf(made.language[i]!) })),
      sequence: pairs.map(({ options }, i) => ({ options, weights: weightsOf(made.sequence[i]!) })),
      ids: pack(ids),
      labels: pack(labels),
      source: pack(source.inputIds),
      mask: pack(source.attentionMask),
      target: pack(target),
    });
  });

  test.each(languageModels.map(({ name }, i) => ({ name, i })))("language model $name", async ({ i }) => {
    const model = made.language[i]!;
    const reference = references.language[i]!;
    if (sameLibTorch || !languageModels[i]!.train || i === 0) {
      torch.manualSeed(3);
      const output = model.forward({ inputIds: ids, labels });
      compare(model, output, reference);
      output.state.flat().forEach((state, k) => expectClose(state.squeeze(0), unpack(reference.state![k]!), 1e-9, `state ${k}`));
    }
    expect((await model.eval().generate({ inputIds: ids }, { maxNewTokens: 6 })).toArray()).toEqual(reference.generated);
  });

  test.each(pairs.map(({ name }, i) => ({ name, i })))("sequence to sequence, $name", async ({ i }) => {
    const model = made.sequence[i]!;
    compare(model, model.forward({ ...source, labels: target }), references.sequence[i]!);
    const written = await model.eval().generate(source, { maxNewTokens: 6, eosTokenId: null });
    expect(written.toArray()).toEqual(references.sequence[i]!.generated);
  });
});

describe("LSTM models", () => {
  test.each(languageModels)("language model $name: recorded with its backward, also in mixed precision", ({ options, train }) => {
    const model = new models.LSTMLanguageModel(options).train(train);
    recorded(model, (inputIds, targets) => model.forward({ inputIds: inputIds!, labels: targets! }).loss, [ids, labels]);
  });

  test.each(pairs)("sequence to sequence, $name: recorded with its backward, also in mixed precision", ({ options }) => {
    const model = new models.Seq2SeqLSTM({ ...options, dropout: 0.3 });
    const loss = (inputIds: Tensor, attentionMask: Tensor, targets: Tensor) => model.forward({ inputIds, attentionMask, labels: targets }).loss;
    recorded(model, loss as never, [source.inputIds, source.attentionMask, target]);
  });

  test("a text is read on from where it was left", () => {
    const model = new models.LSTMLanguageModel({ ...tied, ...plain }).eval();
    const whole = model.forward({ inputIds: ids });
    const first = model.forward({ inputIds: ids.narrow(1, 0, 2) });
    const rest = model.forward({ inputIds: ids.narrow(1, 2, 3), state: first.state });
    expectClose(torch.cat([first.logits, rest.logits], 1), whole.logits, 1e-6, "logits");
  });

  test("padding after a text changes nothing", () => {
    const model = new models.Seq2SeqLSTM(pairs[1]!.options).eval();
    const short = model.forward({ inputIds: integers([[3, 5, 7]]), labels: integers([[3, 4, 1]]) });
    const padded = model.forward({ inputIds: integers([[3, 5, 7, 0, 0]]), attentionMask: integers([[1, 1, 1, 0, 0]]), labels: integers([[3, 4, 1]]) });
    expectClose(padded.logits, short.logits, 1e-6, "logits");
    expectClose(padded.attentions.narrow(2, 3, 2), torch.zeros([1, 3, 2]), 1e-12, "attention to padding");
  });

  test("beams find a sequence that is at least as probable as the greedy one", async () => {
    torch.manualSeed(0);
    const model = new models.Seq2SeqLSTM({ ...pairs[0]!.options, hiddenSize: 16 }).eval();
    const score = (written: Tensor) => {
      const read = written.narrow(1, 0, 6);
      const { logits } = model.forward({ ...source, decoderInputIds: read });
      return logits.logSoftmax(-1).gather(2, written.narrow(1, 1, 6).unsqueeze(2)).sum([1, 2]);
    };
    const options = { maxNewTokens: 6, eosTokenId: null };
    const greedy = score(await model.generate(source, options));
    const beams = score(await model.generate(source, { ...options, numBeams: 9 }));
    expect(beams.sub(greedy).min().item()).toBeGreaterThan(-1e-5);
  });

  test("saved and loaded again", async () => {
    const folder = temporaryFolder();
    const model = new models.LSTMLanguageModel({ ...tied, ...plain }).eval();
    model.savePretrained(folder);
    const again = await models.fromPretrained(folder, { architecture: "LSTMLanguageModel" });
    expect(again.options).toEqual(model.options);
    expect(again.decoder.weight).toBe(again.encoder.weight);
    expectClose(again.forward({ inputIds: ids }).logits, model.forward({ inputIds: ids }).logits, 1e-12, "logits");
  });
});
