import { expect, it } from "vitest";
import { FeatureArc, MAX_INTERFACES } from "../../src/graph/feature-arc.js";

/** An arc whose next slots are numbered by (member, target) as they are asked for. */
function makeArc(features: readonly string[]): {
  arc: FeatureArc;
  targets: (slots: Int32Array) => string[];
  name: (slot: number) => string;
} {
  const names: string[] = [];
  const arc = new FeatureArc("arc", ["start"], "end", (_from, to) => names.push(to) - 1);
  for (const feature of features) arc.addFeature(feature);
  return { arc, targets: (slots) => [...slots].map((slot) => names[slot]), name: (slot) => names[slot] };
}

it("without features leads to its end", () => {
  const { arc, name } = makeArc([]);
  const slots = arc.slotsOf("start");
  expect(slots.length).toBe(1);
  expect(name(arc.next(slots, 3, -1))).toBe("end");
});

it("visits the features that are on for the interface, in order", () => {
  const { arc, name } = makeArc(["a", "b", "c"]);
  const way = (ifIndex: number): string[] => {
    const seen = ["start"];
    for (let member = "start"; member !== "end"; member = seen[seen.length - 1]) {
      seen.push(name(arc.next(arc.slotsOf(member), ifIndex, arc.positionOf(member))));
    }
    return seen.slice(1);
  };
  expect(way(0)).toEqual(["end"]);
  for (let on = 0; on < 8; on++) {
    for (const [i, feature] of ["a", "b", "c"].entries()) arc.enable(feature, 7, (on & (1 << i)) !== 0);
    const expected = ["a", "b", "c"].filter((_, i) => (on & (1 << i)) !== 0);
    expect(way(7)).toEqual([...expected, "end"]);
    expect(arc.mask[7] === 0).toBe(on === 0);
    expect(arc.isEnabled("b", 7)).toBe((on & 2) !== 0);
  }
  expect(way(6)).toEqual(["end"]);
});

it("orders features as it is told", () => {
  const { arc, targets } = makeArc(["a", "b"]);
  arc.enable("a", 1, true);
  arc.addFeature("c", "b");
  arc.addFeature("d");
  expect(arc.features).toEqual(["a", "c", "b", "d"]);
  expect(targets(arc.slotsOf("c"))).toEqual(["a", "c", "b", "d", "end"]);
  expect(arc.slotsOf("c")).toBe(arc.slotsOf("c"));
  // What was switched on before is off: the bits have moved.
  expect(arc.isEnabled("a", 1)).toBe(false);
});

it("holds thirty features on every interface", () => {
  const features = Array.from({ length: 30 }, (_, i) => `f${i}`);
  const { arc, name } = makeArc(features);
  const slots = arc.slotsOf("start");
  arc.enable("f29", MAX_INTERFACES - 1, true);
  expect(name(arc.next(slots, MAX_INTERFACES - 1, -1))).toBe("f29");
  expect(name(arc.next(slots, MAX_INTERFACES - 1, 28))).toBe("f29");
  expect(name(arc.next(slots, MAX_INTERFACES - 1, 29))).toBe("end");
  expect(name(arc.next(slots, -1, -1))).toBe("end");
  expect(() => arc.addFeature("f30")).toThrow("is full");
});

it("refuses what it does not know", () => {
  const { arc } = makeArc(["a"]);
  expect(() => arc.enable("x", 0, true)).toThrow(RangeError);
  expect(() => arc.addFeature("b", "x")).toThrow(RangeError);
  expect(arc.isEnabled("x", 0)).toBe(false);
});
