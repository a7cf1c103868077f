import { describe, expect, test } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";

const { cuda } = torch;

describe.skipIf(!cuda.isAvailable())("streams and events", () => {
  test("work of a stream is waited for by another", () => {
    const side = new cuda.Stream();
    const x = torch.ones([1 << 20], { device: "cuda" });
    side.waitStream(cuda.currentStream());
    const y = cuda.stream(side, () => {
      expect(cuda.currentStream().streamId).toBe(side.streamId);
      let y = x;
      for (let i = 0; i < 50; i++) y = y.add(1);
      return y;
    });
    expect(cuda.currentStream().streamId).toBe(cuda.defaultStream().streamId);
    cuda.currentStream().waitStream(side);
    cuda.currentStream().recordStream(y);
    expect(y.sum().item()).toBe(51 * (1 << 20));
    side.synchronize();
    expect(side.query()).toBe(true);
  });

  test("events tell the time between them", () => {
    const [begin, end] = [new cuda.Event({ enableTiming: true }), new cuda.Event({ enableTiming: true })];
    const x = torch.ones([1024, 1024], { device: "cuda" });
    begin.record();
    for (let i = 0; i < 20; i++) x.matmul(x);
    end.record();
    end.synchronize();
    expect(end.query()).toBe(true);
    expect(begin.elapsedTime(end)).toBeGreaterThan(0);
  });

  test("a step that was asked for in a stream runs in it", async () => {
    const net = new nn.Linear(4, 4).to("cuda");
    const step = optim.create(net, { method: "sam", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).pow(2).mean());
    const x = torch.ones([4, 4], { device: "cuda" });
    await step(x);
    const side = new cuda.Stream();
    side.waitStream(cuda.currentStream());
    const { loss } = await cuda.stream(side, () => step(x));
    cuda.currentStream().waitStream(side);
    expect(loss).toBeGreaterThan(0);
    expect(net.weight.isfinite().all().item()).toBe(true);
  });

  test("the first step, which is recorded, finds what was made in its stream before", async () => {
    const net = new nn.Linear(4, 4);
    const expected = net.forward(torch.full([4, 4], 3)).pow(2).mean().item() as number;
    net.to("cuda");
    const step = optim.create(net, { method: "sam", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).pow(2).mean());
    const side = new cuda.Stream();
    side.waitStream(cuda.currentStream());
    const { loss } = await cuda.stream(side, () => {
      let slow = torch.rand([4096, 4096], { device: "cuda" });
      for (let i = 0; i < 50; i++) slow = slow.matmul(slow).tanh();
      return step(slow.narrow(0, 0, 4).narrow(1, 0, 4).mul(0).add(3));
    });
    expect(loss).toBeCloseTo(expected, 4);
  });

  test("an async function is refused", () => {
    expect(() => cuda.stream(new cuda.Stream(), async () => 1)).toThrow(/Expected a synchronous function for torch.cuda.stream/);
  });
});
