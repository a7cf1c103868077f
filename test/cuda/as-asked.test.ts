import { afterEach, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";

// A step that is first recorded, or that waits for others, is asked of the training thread later than its caller asked for it, when
// other streams may be current. This thread's current device and streams are made up here: no GPU is needed.

afterEach(() => {
  vi.restoreAllMocks();
});

/** Two devices. What is asked of the training thread is noted: which device was current, and which stream of each. */
function madeUp() {
  const now = { device: 0, streams: ["a", "b"] };
  const ids = new Map<number, { device: number; stream: string }>();
  const touched = new Set<number>();
  let last = 1000;
  vi.spyOn(native, "deviceCount").mockImplementation(() => 2);
  vi.spyOn(native, "currentDevice").mockImplementation(() => now.device);
  vi.spyOn(native, "setDevice").mockImplementation((device) => void (now.device = device));
  vi.spyOn(native, "currentStream").mockImplementation((device) => (ids.set(++last, { device, stream: now.streams[device]! }), last));
  vi.spyOn(native, "streamId").mockImplementation((id) => BigInt(ids.get(id)!.stream.charCodeAt(0)));
  vi.spyOn(native, "setStream").mockImplementation((id) => {
    const { device, stream } = ids.get(id)!;
    touched.add(device);
    now.device = device;
    now.streams[device] = stream;
  });
  vi.spyOn(native, "freeStream").mockImplementation((id) => void expect(ids.delete(id)).toBe(true));
  const asked: string[] = [];
  for (const name of ["recordBegin", "recordEnd", "engineStep"] as const) {
    const original = native[name] as (...args: unknown[]) => unknown;
    vi.spyOn(native, name as "recordEnd").mockImplementation(((...args: unknown[]) => {
      asked.push(`${name} on ${now.device}${now.streams.join("")}`);
      return original(...args);
    }) as never);
  }
  const within = <T>(device: number, streams: string[], body: () => T): T => {
    const before = { device: now.device, streams: now.streams };
    Object.assign(now, { device, streams: [...streams] });
    try {
      return body();
    } finally {
      Object.assign(now, before);
    }
  };
  return { now, asked, ids, touched, within };
}

test("a step goes to the device and streams that were current when it was asked for", async () => {
  torch.manualSeed(0);
  const net = new nn.Linear(4, 2);
  const step = optim.create(net, { method: "sam", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).square().mean());
  const { now, asked, ids, within } = madeUp();
  const first = within(1, ["c", "d"], () => step(torch.ones([3, 4]))); // is recorded
  const second = within(0, ["e", "b"], () => step(torch.ones([5, 4]))); // waits, and is recorded
  const third = within(0, ["a", "f"], () => step(torch.ones([3, 4]))); // waits
  await Promise.all([first, second, third]);
  const fourth = within(1, ["g", "h"], () => step(torch.ones([3, 4])));
  await fourth;
  const recorded = (where: string) => [`recordBegin on ${where}`, `recordEnd on ${where}`, `engineStep on ${where}`];
  expect(asked).toEqual([...recorded("1cd"), ...recorded("0eb"), "engineStep on 0af", "engineStep on 1gh"]);
  expect(now).toEqual({ device: 0, streams: ["a", "b"] });
  expect(ids.size).toBe(0);
});

test("a device whose current stream is the same is not made the current one: CUDA would keep memory there", async () => {
  const net = new nn.Linear(4, 2);
  const step = optim.create(net, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).square().mean());
  const { touched, ids, within } = madeUp();
  await step(torch.ones([3, 4]));
  expect([...touched]).toEqual([]);
  await within(0, ["a", "f"], () => step(torch.ones([5, 4])));
  expect([...touched]).toEqual([1]);
  expect(ids.size).toBe(0);
});
