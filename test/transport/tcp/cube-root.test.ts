import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cubeRoot } from "../../../src/transport/tcp/cube-root.js";

const MOST = 2 ** 17 - 1;

describe("cube root", () => {
  it("is exact: the largest integer whose cube is not above", () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(10_000), fc.integer({ min: 0, max: MOST ** 3 })), (n) => {
        const root = cubeRoot(n);
        expect(BigInt(root) ** 3n <= BigInt(n)).toBe(true);
        expect((BigInt(root) + 1n) ** 3n > BigInt(n)).toBe(true);
      }),
    );
  });

  it("is exact at cubes and beside them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MOST }), (root) => {
        const cube = root ** 3;
        expect([cubeRoot(cube - 1), cubeRoot(cube), cubeRoot(cube + 1)]).toEqual([root - 1, root, root]);
      }),
    );
  });

  it("of more than the largest cube is the largest root; of nothing, none", () => {
    expect(cubeRoot(1e300)).toBe(MOST);
    expect(cubeRoot(0)).toBe(0);
    expect(cubeRoot(-1)).toBe(0);
  });
});
