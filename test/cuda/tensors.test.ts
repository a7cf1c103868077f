import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import { distance } from "../support/python.js";

const { cuda } = torch;

describe.skipIf(!cuda.isAvailable())("tensors on a GPU", () => {
  test("are made there, move, and come back", () => {
    const x = torch.tensor([[1, 2], [3, 4]], { dtype: "float32", device: "cuda:0" });
    expect([x.device, x.add(1).device, x.to("cpu").device]).toEqual(["cuda:0", "cuda:0", "cpu"]);
    expect(x.matmul(x).toArray()).toEqual([[7, 10], [15, 22]]);
    expect(torch.arange(5, { device: "cuda", dtype: "int64" }).sum().item()).toBe(10);
  });

  test.each(["float32", "float64", "float16", "bfloat16", "int64", "int32", "bool", "complex64"] as const)("%s survives the way there and back", (dtype) => {
    const x = torch.tensor([0, 1, 1, 0, 1], { dtype });
    expect(x.cuda().cpu().toArray()).toEqual(x.toArray());
  });

  test("a net's results and gradients are the CPU's", () => {
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.BatchNorm2d(8), new nn.GELU(), new nn.Flatten(), new nn.Linear(8 * 64, 5)).to("float64");
    const x = torch.randn([4, 3, 8, 8], { dtype: "float64" });
    const run = (device: "cpu" | "cuda:0") => {
      net.to(device);
      for (const parameter of net.parameters()) parameter.grad = null;
      const loss = net.forward(x.to(device)).pow(2).mean();
      loss.backward();
      return [loss, ...[...net.parameters()].map((parameter) => parameter.grad!)].map((tensor) => tensor.cpu());
    };
    const [here, there] = [run("cpu"), run("cuda:0")];
    here.forEach((tensor, i) => expect(distance(there[i]!, tensor)).toBeLessThan(1e-10));
  });

  test("gradients of gradients", () => {
    const x = torch.tensor([1, 2, 3], { dtype: "float64", device: "cuda", requiresGrad: true });
    const [first] = torch.autograd.grad(x.pow(3).sum(), x, { createGraph: true });
    const [second] = torch.autograd.grad(first!.sum(), x);
    expect(second!.toArray()).toEqual([6, 12, 18]);
  });

  test("two devices' tensors in one operator are an error that says so, and work goes on", () => {
    const x = torch.ones([2], { device: "cuda" });
    expect(() => x.add(torch.ones([2]))).toThrow(/device/);
    expect(x.add(1).toArray()).toEqual([2, 2]);
  });

  test("a device that is not here", () => {
    expect(() => torch.zeros([1], { device: `cuda:${cuda.deviceCount()}` })).toThrow(/Expected a device that is here \(cpu, meta, cuda:0/);
    expect(() => cuda.setDevice(cuda.deviceCount())).toThrow(/Expected a GPU that is here/);
  });

  test("pinned memory and copies that nobody waits for", () => {
    const x = torch.randn([1024, 1024]);
    const pinned = x.pinMemory();
    expect([x.isPinned(), pinned.isPinned()]).toEqual([false, true]);
    const there = pinned.to("cuda", { nonBlocking: true });
    expect(distance(there.cpu(), x)).toBe(0);
  });
});

describe.skipIf(!cuda.isAvailable())("what a GPU is", () => {
  test("name, capability, memory", () => {
    const { name, major, totalMemory, multiProcessorCount } = cuda.getDeviceProperties();
    expect(name).toBe(cuda.getDeviceName(0));
    expect(cuda.getDeviceCapability("cuda:0")[0]).toBe(major);
    expect(multiProcessorCount).toBeGreaterThan(0);
    const [free, total] = cuda.memGetInfo();
    expect(free).toBeLessThanOrEqual(total);
    expect(Math.abs(total - totalMemory) / totalMemory).toBeLessThan(0.05);
  });

  test("the current device", () => {
    expect(cuda.currentDevice()).toBe(0);
    const last = cuda.deviceCount() - 1;
    expect(cuda.device(last, () => torch.zeros([1], { device: "cuda" }).device)).toBe(`cuda:${last}`);
    expect(cuda.currentDevice()).toBe(0);
  });
});
