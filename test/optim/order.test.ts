import { describe, expect, test } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, titled, type Net } from "./nets.js";
import { difference, everything, walk } from "./walk.js";

// Convolutions in float32 want their weights with the channels last. A step lays them out so once, for all its passes, where nothing
// that the method keeps from step to step would lie so, too. Weights, state and what is saved stay as the user has them.

torch.setNumThreads(2);

const still: Net = { ...nets.conv, layers: nets.conv.layers.filter(({ type }) => type !== "Dropout") };
const layouts = (tensors: Record<string, Tensor>) => Object.entries(tensors).map(([name, tensor]) => [name, tensor.stride()]);

describe("over a convnet in float32", () => {
  test.each(titled(methods))("%s: as in float64, where weights are left as they lie", async (_, options) => {
    const given = { net: still, options: over(options), seed: 71, form: "promise" } as const;
    const [narrow, wide] = [await walk({ ...given, dtype: "float32" }), await walk(given)];
    expect(difference(narrow, wide, false)).toBeLessThan(1e-3);
    const model = narrow.model.stateDict();
    expect(layouts(model)).toEqual(layouts(Object.fromEntries(Object.entries(model).map(([name, tensor]) => [name, tensor.contiguous()]))));
  });

  test.each(titled([...methods, ...drawing]))("%s: saved and loaded, the same bits", async (_, options) => {
    const given = { net: nets.conv, options: over(options), seed: 72, dtype: "float32", form: "promise" } as const;
    const [whole, begun] = [await walk(given), await walk({ ...given, until: 2 })];
    const model = Object.fromEntries(Object.entries(begun.model.stateDict()).map(([name, tensor]) => [name, tensor.detach().clone()]));
    const state = begun.optimizer.stateDict();
    // As files have them.
    const optimizer = { ...state, tensors: Object.fromEntries(Object.entries(state.tensors).map(([name, tensor]) => [name, tensor.contiguous().clone()])) };
    const resumed = await walk({ ...given, from: { step: 2, model, optimizer } });
    expect(everything(resumed.model, resumed.optimizer)).toEqual(everything(whole.model, whole.optimizer));
  });
});

test("functions that want weights in different orders take turns on one optimizer", () => {
  const run = (dtype: "float32" | "float64") => {
    const model = makeModel(still, 73, dtype);
    const optimizer = optim.create(model, { method: "sam", rho: 0.3, maxGradNorm: 0.5, base: { name: "adam", lr: 0.01 } });
    const loss = lossFunction(still, model, "sam") as (x: Tensor, y: Tensor) => Tensor;
    const plain = optimizer.compile(loss);
    const penalised = optimizer.compile((x: Tensor, y: Tensor) => loss(x, y).add(model.parameters()[0]!.pow(2).sum()));
    const reports = [0, 1, 2, 3].map((s) => (s % 2 === 0 ? plain : penalised).sync(...makeBatch(still, 6, 740 + s, dtype)));
    const texts = [plain, penalised].map((step) => step.programs[0]!.text);
    return { texts, reports, weights: model.parameters().map((parameter) => parameter.detach().to("float64")) };
  };
  const [narrow, wide] = [run("float32"), run("float64")];
  const places = (text: string) => text.match(/^expects {2}%\d+/gm) ?? [];
  expect([places(narrow.texts[0]!).length, places(narrow.texts[1]!).length, ...wide.texts.flatMap(places)]).toEqual([2, 1]);
  narrow.reports.forEach((report, s) => expect(Math.abs(report.loss - wide.reports[s]!.loss)).toBeLessThan(1e-4));
  narrow.weights.forEach((weight, k) => expect(Number(weight.sub(wide.weights[k]!).abs().max().item())).toBeLessThan(1e-4));
});
