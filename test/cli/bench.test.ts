import { expect, test } from "vitest";
import { setUp } from "./processes.js";
import { config, steppe, withConfig } from "./steppe.js";

// `npx steppe bench` as users start it. What a step takes is never asserted.

setUp();

test("a net of the package, and a configuration's own with methods that need other losses", async () => {
  const net = await steppe(process.cwd(), "bench", "--net", "mlp", "--steps", "2", "--batch-size", "8", "--threads", "1");
  expect(net.stderr).toBe("");
  expect(net.code).toBe(0);
  expect(net.stdout).toContain("mlp: 669,706 parameters, batches of 8\n");
  expect(net.stdout).toMatch(/^method +time per step +samples per second +÷ none's$/m);
  for (const method of ["none", "sam", "msam", "gasam"]) expect(net.stdout).toMatch(new RegExp(`^${method} +[\\d.]+ ms +[\\d,]+ +[\\d.]+$`, "m"));

  const folder = withConfig("sam.json", config);
  const own = await steppe(folder, "bench", "sam.json", "--methods", "none,sam,k-sam,bilevel", "--steps", "2", "--json");
  expect(own.stderr).toBe("");
  const { results } = JSON.parse(own.stdout) as { results: { parameters: number; batchSize: number; methods: { method: string; milliseconds: number }[] }[] };
  expect(results[0]).toMatchObject({ parameters: 678, batchSize: 32 });
  expect(results[0]!.methods.map(({ method }) => method)).toEqual(["none", "sam", "k-sam", "bilevel"]);
  expect(results[0]!.methods.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
});

test.each<[string[], string]>([
  [["bench", "--net", "mpl"], 'Expected one of mlp, convnet, resnet but received "mpl". Did you mean "mlp"?'],
  [["bench", "--methods", "sma", "--net", "mlp", "--steps", "1"], 'received "sma". Did you mean "sam"?'],
  [["bench", "--steps", "0"], "Expected an integer of at least 1."],
])("%j is refused", async (args, message) => {
  const { code, stderr } = await steppe(process.cwd(), ...args);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
