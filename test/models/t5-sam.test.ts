import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { io, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, pack, python } from "../support/python.js";
import { expectClose, folderOfFile, load, runCases } from "./parity.js";
import type { Case } from "./parity.js";

// SAM with a quarter of the batch for the ascent, on T5's Adafactor: five steps of fine-tuning beside a plain loop in PyTorch
// with Hugging Face's model and optimizer.

const steps = 5;
const rho = 0.05;
const config = { vocab_size: 40, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_heads: 4, dropout_rate: 0, decoder_start_token_id: 0 };
const tokens = (seed: number, shape: [number, number], least: number) =>
  torch.randint(least, 40, shape, { generator: new torch.Generator().manualSeed(seed) });

/** Eight pairs of texts; every other one is shorter. */
function batch(seed: number): { inputIds: Tensor; attentionMask: Tensor; labels: Tensor } {
  const places = (length: number) => torch.arange(length).unsqueeze(0);
  const lengths = torch.arange(8).remainder(2).unsqueeze(1);
  const attentionMask = places(9).lt(lengths.mul(3).add(6)).to("int64");
  const labels = tokens(seed + 100, [8, 6], 2).maskedFill(places(6).ge(lengths.mul(2).add(4)), -100);
  return { inputIds: tokens(seed, [8, 9], 2).mul(attentionMask), attentionMask, labels };
}
const batches = Array.from({ length: steps }, (_, i) => batch(i));

const bases = [
  { name: "adafactor-t5", lr: 1e-3, relativeStep: false, scaleParameter: false },
  { name: "adafactor-t5" },
] satisfies optim.BaseOptions[];
const dtypes = ["float32", "float64"] as const;
const cases: Case[] = [{ name: "small", model: "T5ForConditionalGeneration", configClass: "T5Config", config, inputs: { inputIds: batches[0]!.inputIds, labels: batches[0]!.labels } }];

const script = `
from transformers.optimization import Adafactor
extra = inputs["extra"]
outputs["losses"] = {}
for i, options in enumerate([dict(lr=1e-3, relative_step=False, scale_parameter=False), dict()]):
    for dtype in (torch.float32, torch.float64):
        model = make(inputs["cases"][0]).to(dtype).train()
        exact_losses(model)
        parameters = [p for p in model.parameters()]
        base = Adafactor(parameters, **options)
        losses = []
        for batch in extra["batches"]:
            x, mask, y = (unpack(batch[key]) for key in ("inputIds", "attentionMask", "labels"))
            part = math.ceil(0.25 * len(x))
            loss = model(input_ids=x[:part], attention_mask=mask[:part], labels=y[:part]).loss
            ascent = torch.autograd.grad(loss, parameters)
            norm = torch.stack([g.norm() for g in ascent]).norm()
            weights = [p.detach().clone() for p in parameters]
            with torch.no_grad():
                for p, g in zip(parameters, ascent):
                    p.add_(g, alpha=(extra["rho"] / norm).item())
            perturbed = model(input_ids=x, attention_mask=mask, labels=y).loss
            base.zero_grad()
            perturbed.backward()
            with torch.no_grad():
                for p, w in zip(parameters, weights):
                    p.copy_(w)
            base.step()
            losses.append([loss.item(), perturbed.item(), norm.item()])
        key = f"{i}.{str(dtype).removeprefix('torch.')}"
        outputs["losses"][key] = losses
        save_file({n: p.detach().clone() for n, p in model.named_parameters()}, os.path.join(inputs["folder"], f"{key}.safetensors"))
`;

describe.skipIf(python === null)(`fine-tuning T5 with SAM (${needsPython})`, () => {
  const folder = folderOfFile();
  let losses: Record<string, number[][]> = {};
  beforeAll(() => {
    const packed = batches.map((one) => Object.fromEntries(Object.entries(one).map(([key, value]) => [key, pack(value)])));
    ({ losses } = runCases<{ losses: typeof losses }>(folder, cases, script, { batches: packed, rho }));
  });

  const runs = bases.flatMap((base, i) => dtypes.map((dtype) => ({ base, dtype, key: `${i}.${dtype}`, shown: JSON.stringify(base) })));
  test.each(runs)("$shown in $dtype", async ({ base, dtype, key }) => {
    const model = (await load(join(folder, "small"), "T5ForConditionalGeneration")).to(dtype).train();
    const before = Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.clone()]));
    const optimizer = optim.create(model, { method: "sam", rho, ascentFraction: 0.25, base });
    const step = optimizer.compile((inputs: { inputIds: Tensor; attentionMask: Tensor; labels: Tensor }) => model.forward(inputs).loss);
    const tolerance = { float32: 1e-4, float64: 1e-9 }[dtype];
    for (const [i, one] of batches.entries()) {
      const { loss, perturbedLoss, gradNorm } = await step(one);
      const expected = losses[key]![i]!;
      [loss, perturbedLoss!, gradNorm].forEach((value, j) => expect(Math.abs(value - expected[j]!), `step ${i}`).toBeLessThan(tolerance * Math.max(1, expected[j]!)));
    }
    expect(step.programs.map(({ samples, backwardObstacle }) => [samples, backwardObstacle])).toEqual([[2, null], [8, null]]);
    const after = io.loadSafetensors(join(folder, `${key}.safetensors`));
    for (const [name, parameter] of model.namedParameters()) {
      expectClose(parameter, after[name]!, tolerance, name);
      expect(parameter.detach().sub(before[name]!).abs().max().item(), name).toBeGreaterThan(1e-5);
    }
  });
});
