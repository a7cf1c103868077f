import { describe } from "vitest";
import { torch } from "../../lib/index.js";
import { testPinned } from "../data/pinned.js";

describe.skipIf(!torch.cuda.isAvailable())("a loader for a GPU", () => {
  testPinned("cuda:0", () => {
    let x = torch.rand([4096, 4096], { device: "cuda" });
    for (let i = 0; i < 50; i++) x = x.matmul(x).tanh();
  });
});
