import { afterAll, describe, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { nn } from "../../lib/index.js";
import { modelsOn, tensors } from "../models/all-models.js";
import type { AnyModel } from "../models/all-models.js";
import { expectTrainedAlike, isRecurrent, weighted, withoutDropout } from "./beside-cpu.js";

const rows = modelsOn("cpu");
const uncaptured: string[] = [];

describe.skipIf(!torch.cuda.isAvailable())("every model trains on a GPU as on the CPU", () => {
  test.each(Object.keys(rows))("%s", async (name) => {
    const { make, calls } = rows[name]!;
    for (const form of [0, 1]) {
      const task = {
        make: () => withoutDropout(make()),
        batch: () => calls("float64").slice(form, form + 1),
        loss: (model: nn.Module, [inputs]: readonly unknown[]) => weighted(tensors((model as AnyModel).forward(inputs)).map(([, each]) => each)),
      };
      if (task.batch().length === 0) continue;
      const said = await expectTrainedAlike(task, "cuda:0", !isRecurrent(make()));
      if (!said.startsWith("Steps are taken as")) uncaptured.push(`${name}: ${said}`);
    }
  });
  afterAll(() => console.log(`Not captured in a graph: ${uncaptured.length === 0 ? "none" : `\n${uncaptured.join("\n")}`}`));
});
