import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import { distance, needsPython, python, runPython, sameLibTorch, unpack, type Packed } from "../support/python.js";

const { cuda } = torch;

describe.skipIf(!cuda.isAvailable())("random numbers on a GPU", () => {
  test("a seed gives the same ones, a state goes back", () => {
    const draw = () => torch.randn([1000], { device: "cuda" });
    torch.manualSeed(3);
    const first = draw();
    const state = cuda.getRngState();
    const second = draw();
    cuda.setRngState(state);
    expect(distance(draw(), second)).toBe(0);
    cuda.manualSeedAll(3);
    expect(distance(draw(), first)).toBe(0);
    expect(cuda.initialSeed()).toBe(3n);
  });

  test("a generator of one's own", () => {
    const generator = new torch.Generator("cuda").manualSeed(5);
    const a = torch.rand([10], { device: "cuda", generator });
    expect(distance(torch.rand([10], { device: "cuda", generator: generator.manualSeed(5) }), a)).toBe(0);
    expect(generator.device).toBe("cuda:0");
  });

  test("both passes of a step drop the same places, and the next step others", async () => {
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Linear(16, 64), new nn.Dropout(0.5), new nn.Linear(64, 1)).to("cuda");
    // With a radius of nearly nothing, the second pass's loss is the first one's if its masks are.
    const step = optim.create(net, { method: "sam", rho: 1e-12, base: { name: "sgd", lr: 0 } }).compile((x) => net.forward(x).pow(2).mean());
    const x = torch.randn([32, 16], { device: "cuda" });
    const reports = [await step(x), await step(x)];
    for (const { loss, perturbedLoss } of reports) expect(perturbedLoss).toBeCloseTo(loss, 5);
    expect(reports[0]!.loss).not.toBe(reports[1]!.loss);
  });

  test.skipIf(python === null || !sameLibTorch)(`the same numbers as ${needsPython}`, () => {
    const theirs = runPython<Packed>(`
torch.manual_seed(11)
outputs = pack(torch.cat([torch.randn(100, device="cuda"), torch.rand(100, device="cuda")]).cpu())`);
    torch.manualSeed(11);
    const ours = torch.cat([torch.randn([100], { device: "cuda" }), torch.rand([100], { device: "cuda" })]);
    expect(distance(ours.cpu(), unpack(theirs))).toBeLessThan(1e-6);
  });
});
