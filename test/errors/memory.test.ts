import { describe, expect, test } from "vitest";
import { SteppeError, torch } from "../../lib/index.js";

// What LibTorch says where memory runs out has no type of its own in most places: its words tell. An operator that fails with the
// words that it is given stands in for a GPU that is full.
const failing = (message: string): SteppeError => {
  try {
    torch.ops.call("aten::_assert_async.msg", torch.tensor(false), message);
  } catch (error) {
    return error as SteppeError;
  }
  throw new Error("Expected it to fail.");
};

describe("OUT_OF_MEMORY is told from other errors", () => {
  test.each([
    "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in the CUDA runtime's documentation",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
  ])("%s", (message) => {
    const error = failing(message);
    expect(error).toBeInstanceOf(SteppeError);
    expect(error.code).toBe("OUT_OF_MEMORY");
    expect(error.message).toContain(message);
  });

  test.each(["CUDA error: an illegal memory access was encountered", "CUDA error: device-side assert triggered", "a plain reason"])("%s", (message) => {
    expect(failing(message).code).toBe("OPERATOR");
  });
});
