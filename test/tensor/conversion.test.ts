import { describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { Device, DType } from "../../lib/index.js";
import { dtypes } from "../../lib/dtype.js";

// What is written of devices that are not here holds on machines that have one, too: they have no device 99.
const hasCuda = (() => {
  try {
    torch.zeros([1], { device: "cuda:0" });
    return true;
  } catch {
    return false;
  }
})();

describe("to", () => {
  test("a dtype, a device, a tensor, options", () => {
    const x = torch.tensor([1.5, 2]);
    expect(x.to("float64").dtype).toBe("float64");
    expect(x.to("long" as DType).toArray()).toEqual([1, 2]);
    expect(x.to("meta").device).toBe("meta");
    expect(x.to({ dtype: "bfloat16", device: "cpu", nonBlocking: true }).dtype).toBe("bfloat16");
    expect(x.to(torch.zeros([1], { dtype: "int8" })).dtype).toBe("int8");
    expect(x.to("float64", { copy: true }).dtype).toBe("float64");
    expect(x.cpu().toArray()).toEqual([1.5, 2]);
  });

  test("shares memory where nothing changes, unless a copy is wanted", () => {
    const x = torch.tensor([1.5]);
    expect(x.to("float32").dataPointer).toBe(x.dataPointer);
    expect(x.to("cpu").dataPointer).toBe(x.dataPointer);
    expect(x.to("float32", { copy: true }).dataPointer).not.toBe(x.dataPointer);
    const images = torch.arange(96).reshape([2, 3, 4, 4]);
    expect(images.to("float64", { memoryFormat: "channels_last" }).stride()).toEqual([48, 1, 12, 3]);
    expect(images.to({ memoryFormat: "channels_last" }).equal(images)).toBe(true);
  });

  test("between all dtypes that hold small numbers", () => {
    const names = Object.keys(dtypes).filter((name) => !name.startsWith("q") && name !== "float8_e8m0fnu") as DType[];
    for (const from of names) {
      for (const to of names) {
        const made = torch.tensor([0, 1], { dtype: from }).to(to);
        expect(made.dtype).toBe(to);
        expect((made.toArray() as unknown[]).map((value) => (typeof value === "object" ? (value as { re: number }).re : Number(value))), `${from} to ${to}`).toEqual([0, 1]);
      }
    }
  });

  test("autograd goes through", () => {
    const x = torch.tensor([1.5], { requiresGrad: true });
    x.to("float64").mul(3).sum().backward();
    expect([x.grad!.dtype, x.grad!.item()]).toEqual(["float32", 3]);
  });

  test("wrong targets", () => {
    const x = torch.ones([1]);
    expect(() => x.to("float33" as never)).toThrow(
      'Expected a dtype such as float32, float64, float16, bfloat16, int64 or bool, or a device such as cpu, cuda, cuda:0 or mps for target but received "float33" of type string. Did you mean "float32"?',
    );
    expect(() => x.to("cud" as never)).toThrow('Did you mean "cuda"?');
    expect(() => x.to("somewhere" as never)).toThrow(/or mps for target but received "somewhere" of type string\.$/);
    expect(() => x.to({ dtpye: "int8" } as never)).toThrow('Did you mean "dtype"?');
    expect(() => x.to({ dtype: "int9" } as never)).toThrow('Did you mean "int8"?');
    for (const wrong of [5, null, undefined, true]) expect(() => x.to(wrong as never)).toThrow("Expected a dtype, a device, a Tensor or an options object for target");
  });
});

describe("devices", () => {
  test.each(["cuda:99", "xpu:0", "cpu:3", "gpu", "", "cuda:", "cuda:-1", "cuda:x", "hpu", "mps:0"])("%j is not here: the message says what there is", (device) => {
    for (const ask of [() => torch.zeros([1], { device: device as Device }), () => torch.ones([1]).to({ device: device as Device }), () => new torch.Generator(device)]) {
      expect(ask).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(/^Expected a device that is here \(cpu, meta(, cuda:\d+)*\) for device but received "/) }));
    }
  });

  test("cuda, with a GPU or without", () => {
    if (hasCuda) {
      const x = torch.ones([2], { device: "cuda:0" });
      expect([x.device, x.cpu().toArray(), x.mul(2).toArray()]).toEqual(["cuda:0", [1, 1], [2, 2]]);
      return;
    }
    for (const device of ["cuda", "cuda:0"] as Device[]) {
      expect(() => torch.zeros([1], { device })).toThrow(`Expected a device that is here (cpu, meta) for device but received "${device}".`);
    }
    expect(() => torch.ones([1]).cuda()).toThrow(/cpu, meta/);
    expect(() => torch.tensor([1], { device: "cuda:0" })).toThrow(/cpu, meta/);
  });

  test("the meta device knows shapes only", () => {
    const x = torch.ones([2, 3], { device: "meta" }).matmul(torch.ones([3, 4], { device: "meta" }));
    expect([x.shape, x.device]).toEqual([[2, 4], "meta"]);
    expect(() => x.toArray()).toThrow("A tensor on the meta device holds no data to read.");
  });
});
