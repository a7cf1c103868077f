import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { data, torch } from "../../lib/index.js";
import { AnotherDevice, elsewhere } from "../support/another-device.js";
import { testPinned } from "./pinned.js";

// What a loader asks for where there is a device that copies from pinned memory. test/cuda/pin.test.ts does the same on a GPU.

const device = new AnotherDevice();
beforeAll(() => device.install());
afterAll(() => device.remove());

describe("with a device that copies from pinned memory", () => {
  testPinned(elsewhere, () => {});

  test("nobody is warned", () => {
    const warn = vi.spyOn(process, "emitWarning");
    data.loader(new data.TensorDataset(torch.ones([2])), { batchSize: 1, pin: true });
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
