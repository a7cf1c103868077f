import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: each file then has a LibTorch of its own, and a crash names its file.
    pool: "forks",
    // Each file starts a LibTorch with thread pools of its own: two at once fill a small machine.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
