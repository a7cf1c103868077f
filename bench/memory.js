import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cases } from "./cases.js";
import { median } from "../dist/statistics.js";

const script = fileURLToPath(new URL("memory-side.js", import.meta.url));
const resnet = cases.find(({ id }) => id === "resnet18");

/** Where parameters take the memory, where activations do, and both. */
export const memoryCases = [
  { title: "MLP, 4 layers of 2048, batch 8", net: "Mlp", sizes: { features: [2048, 2048, 2048, 2048, 10] }, data: { kind: "rows", shape: [8, 2048], classes: 10 } },
  { title: "convnet with batch norm, 64×64, batch 64", net: "ConvNet", sizes: { channels: 3, size: 64, width: 16, classes: 10 }, data: { kind: "images", shape: [64, 3, 64, 64], classes: 10 } },
  { title: resnet.title, net: resnet.net, sizes: resnet.sizes, data: resnet.data },
];

// Freed blocks go back to the system at once: what the C library keeps would hide what a step takes.
const env = { ...process.env, MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "65536" };

/**
 * Peak memory of the steps of "base" and "sam", each in processes of their own: what else is in a process differs from run to run.
 *
 * @returns {{ title: string, parameterBytes: number, base: Figures, sam: Figures }[] | null} null where the system does not tell
 * @typedef {{ peak: number, stepBytes: number }} Figures medians in bytes
 */
export function measureMemory(runs = 3) {
  if (process.platform !== "linux") return null;
  return memoryCases.map(({ title }, place) => {
    const side = (contender) => {
      const answers = Array.from({ length: runs }, () => JSON.parse(execFileSync(process.execPath, [script, String(place), contender], { encoding: "utf8", env })));
      return { parameterBytes: answers[0].parameterBytes, peak: median(answers.map(({ peak }) => peak)), stepBytes: median(answers.map(({ stepBytes }) => stepBytes)) };
    };
    const [base, sam] = [side("base"), side("sam")];
    return { title, parameterBytes: base.parameterBytes, base, sam };
  });
}
