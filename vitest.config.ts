import { defineConfig } from "vitest/config";

const KERNEL = ["peer", "replay", "examples", "host", "native", "client", "attach"].map((room) => `test/${room}/**`);

// Two projects: unit tests share two workers; tests that touch the kernel (namespaces, devices, ports) or
// the wall clock run one file after the other, each in a process of its own.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: KERNEL,
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "peer",
          include: KERNEL.map((rooms) => `${rooms}/*.test.ts`),
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
