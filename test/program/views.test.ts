import { expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd } from "./own-kernels.js";

// Views of views become views of what lies under them, and those that nobody else reads are gone.

const count = (text: string, operator: string) => text.split("\n").filter((line) => line.startsWith("forward") && line.includes(`aten::${operator}`)).length;

function program(loss: (hidden: Tensor) => Tensor): string {
  const make = () => {
    torch.manualSeed(3);
    const model = new nn.Linear(6, 8);
    return { model, loss: (x: Tensor) => loss(model.forward(x)) };
  };
  torch.manualSeed(5);
  return expectLikeAutograd(make, [torch.randn([12, 6])]);
}

test("of a chain the last one is left", () => {
  const text = program((hidden) => hidden.view([3, 4, 8]).transpose(1, 2).narrow(1, 2, 5).select(0, 1).sin().sum());
  expect(["view", "transpose", "slice", "select"].map((name) => count(text, name))).toEqual([0, 0, 0, 1]);
});

test("what is read itself stays", () => {
  const text = program((hidden) => {
    const turned = hidden.view([3, 32]).transpose(0, 1);
    return turned.sin().sum().add(turned.narrow(0, 3, 7).cos().sum());
  });
  expect(["view", "transpose", "slice"].map((name) => count(text, name))).toEqual([0, 1, 1]);
});

test("several views at once, of a view", () => {
  const text = program((hidden) => {
    const [a, b] = hidden.view([4, 24]).split(12, 1);
    return a!.sin().narrow(1, 0, 11).mul(b!.narrow(1, 1, 11)).sum();
  });
  expect(count(text, "split")).toBe(1);
  expect(count(text, "view ")).toBe(0);
});

test("of a tensor that is then put elsewhere in memory, what the first view looked at", () => {
  program((hidden) => {
    const copy = hidden.mul(2);
    return torch.noGrad(() => {
      const detached = copy.detach().clone();
      const view = detached.view([96]);
      detached.asStrided_([4], [1], 50);
      return view.narrow(0, 10, 30).sum();
    }).add(copy.sin().sum());
  });
});

test("a change through a view of a view is seen", () => {
  program((hidden) => {
    const copy = hidden.mul(2);
    copy.view([96]).narrow(0, 10, 30).mul_(3);
    return copy.sin().sum();
  });
});
