import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { models, nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { distance, hasLibraries, librariesPath, pack, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

const available = hasLibraries("torchvision", "safetensors");

describe.runIf(available)(available ? "torchvision" : "skipped: no Python with torchvision and safetensors", () => {
  test("logits", async () => {
    const folder = temporaryFolder();
    const x = torch.randn([2, 3, 32, 32]);
    const { logits } = runPython<{ logits: Packed }>(
      `${librariesPath}
import torchvision
from safetensors.torch import save_file
model = torchvision.models.resnet18(num_classes=5)
save_file(model.state_dict(), inputs["path"])
outputs = {"logits": pack(model.eval()(unpack(inputs["x"])))}
`,
      { path: join(folder, "model.safetensors"), x: pack(x) },
    );
    const model = await models.fromPretrained(folder, { architecture: "resnet18" });
    expect(distance(torch.noGrad(() => model.forward(x)), unpack(logits))).toBeLessThan(1e-5);
    const out = temporaryFolder();
    model.savePretrained(out);
    const again = await models.fromPretrained(out);
    expect(distance(torch.noGrad(() => (again as models.ResNet).forward(x)), unpack(logits))).toBeLessThan(1e-5);
  });
});
