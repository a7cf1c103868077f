import { describe, expect, test } from "vitest";
import { SteppeError, torch } from "../../lib/index.js";

const { cuda } = torch;

/** The code and message of what is thrown. */
function refusal(body: () => unknown): { code: string; message: string } {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(SteppeError);
    return error as SteppeError;
  }
  throw new Error("Expected it to be refused.");
}

describe.skipIf(cuda.isAvailable())("where LibTorch has no GPU to use", () => {
  test("the questions whether there is one are answered", () => {
    expect([cuda.isAvailable(), cuda.deviceCount()]).toEqual([false, 0]);
  });

  test("what PyTorch's programs call in any case does nothing", () => {
    const before = torch.defaultGenerator().initialSeed();
    cuda.manualSeed(7);
    cuda.manualSeedAll(7);
    cuda.emptyCache();
    expect(torch.defaultGenerator().initialSeed()).toBe(before);
  });

  const state = torch.zeros([16], { dtype: "uint8" });
  const calls: Record<string, () => unknown> = {
    currentDevice: () => cuda.currentDevice(),
    setDevice: () => cuda.setDevice(0),
    device: () => cuda.device(0, () => 1),
    getDeviceName: () => cuda.getDeviceName(),
    getDeviceCapability: () => cuda.getDeviceCapability(0),
    getDeviceProperties: () => cuda.getDeviceProperties("cuda:0"),
    isBf16Supported: () => cuda.isBf16Supported(),
    synchronize: () => cuda.synchronize(),
    memoryAllocated: () => cuda.memoryAllocated(),
    maxMemoryAllocated: () => cuda.maxMemoryAllocated(),
    memoryReserved: () => cuda.memoryReserved(),
    maxMemoryReserved: () => cuda.maxMemoryReserved(),
    memoryStats: () => cuda.memoryStats(),
    memGetInfo: () => cuda.memGetInfo(),
    resetPeakMemoryStats: () => cuda.resetPeakMemoryStats(),
    resetAccumulatedMemoryStats: () => cuda.resetAccumulatedMemoryStats(),
    initialSeed: () => cuda.initialSeed(),
    getRngState: () => cuda.getRngState(),
    setRngState: () => cuda.setRngState(state),
    Stream: () => new cuda.Stream(),
    Event: () => new cuda.Event({ enableTiming: true }),
    currentStream: () => cuda.currentStream(),
    defaultStream: () => cuda.defaultStream(),
  };

  test("every function of torch.cuda is in this file", () => {
    const others = ["isAvailable", "deviceCount", "manualSeed", "manualSeedAll", "emptyCache", "stream", "setStream"];
    expect(Object.keys(cuda).sort()).toEqual([...Object.keys(calls), ...others].sort());
  });

  test.each(Object.keys(calls))("%s says that there is no GPU, why, and what tells more", (name) => {
    const { code, message } = refusal(calls[name]!);
    expect(code).toBe("DEVICE");
    expect(message).toMatch(torch.libtorch.cuda === null ? /this LibTorch is a CPU build/ : /found none: NVIDIA's driver/);
    expect(message).toContain("npx steppe doctor");
  });

  test("devices of tensors and generators are refused by their names", () => {
    for (const body of [() => torch.zeros([2], { device: "cuda" }), () => torch.ones([2]).to("cuda:0"), () => torch.ones([2]).cuda(), () => new torch.Generator("cuda")]) {
      const { code, message } = refusal(body);
      expect(code).toBe("ARGUMENT");
      expect(message).toMatch(/^Expected a device that is here \(cpu, meta\) for device but received "cuda(:0)?"\.$/);
    }
  });

  test("pinned memory is refused, and other work goes on", () => {
    for (const body of [() => torch.ones([2]).pinMemory(), () => torch.zeros([2], { pinMemory: true })]) expect(refusal(body).code).toBe("DEVICE");
    expect(torch.ones([2]).isPinned()).toBe(false);
  });
});

describe("wrong arguments", () => {
  test("are refused before a device is asked", () => {
    expect(refusal(() => new cuda.Stream({ priorty: 1 } as never)).message).toContain('received "priorty". Did you mean "priority"?');
    expect(refusal(() => new cuda.Stream({ priority: 1 })).message).toContain("Expected 0 or a negative integer for priority");
    expect(refusal(() => new cuda.Event({ enableTiming: 1 as never })).message).toContain("Expected a boolean for enableTiming");
    expect(refusal(() => cuda.setStream({} as never)).message).toContain("Expected a Stream for stream");
  });
});

describe("switches of the kernels' libraries", () => {
  test("cuDNN's have PyTorch's defaults, and can be set", () => {
    const { cudnn } = torch.backends;
    expect({ ...cudnn }).toEqual({ enabled: true, benchmark: false, deterministic: false, allowTf32: true });
    cudnn.benchmark = true;
    expect(cudnn.benchmark).toBe(true);
    cudnn.benchmark = false;
    expect(refusal(() => (cudnn.benchmark = 1 as never)).message).toContain("for backends.cudnn.benchmark");
  });

  test("the precision of float32 matrix products", () => {
    expect(torch.getFloat32MatmulPrecision()).toBe("highest");
    torch.setFloat32MatmulPrecision("high");
    expect(torch.getFloat32MatmulPrecision()).toBe("high");
    torch.setFloat32MatmulPrecision("highest");
    expect(refusal(() => torch.setFloat32MatmulPrecision("low" as never)).code).toBe("ARGUMENT");
  });
});
