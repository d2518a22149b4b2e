import { defineConfig } from "vitest/config";

// Two projects: unit tests share two workers; tests that touch the kernel (namespaces, devices, ports) or
// the wall clock run one file after the other, each in a process of its own.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/peer/**", "test/replay/**", "test/examples/**"],
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 10_000,
          hookTimeout: 10_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "peer",
          include: ["test/peer/**/*.test.ts", "test/replay/**/*.test.ts", "test/examples/**/*.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
