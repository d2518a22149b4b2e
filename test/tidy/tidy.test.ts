import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkCircles, checkFloors, checkForeignImports } from "./floors.js";
import { checkNodeForm } from "./node-form.js";
import {
  checkCoreBans,
  checkDocs,
  checkExportForm,
  checkLeftOutTests,
  checkLengths,
  checkModuleState,
  checkTopLevel,
  checkTypeEscapes,
} from "./rules.js";
import { pathsOf, readTree } from "./tree.js";

const root = join(import.meta.dirname, "..", "..");
const files = readTree(root);

describe("the house is in order", () => {
  it("has files to look at", () => {
    expect(files.length).toBeGreaterThan(10);
  });

  it.each([
    ["imports go down", checkFloors],
    ["nothing imports in a circle", checkCircles],
    ["only the outer rooms import Node's modules and packages", checkForeignImports],
    ["the core uses no global or Math function that is not ours", checkCoreBans],
    ["no module holds state", checkModuleState],
    ["no way around the type checker", checkTypeEscapes],
    ["every test runs", checkLeftOutTests],
    ["files are short", checkLengths],
    ["every node has the one form", checkNodeForm],
    ["every export is explained", checkDocs],
    ["exports are made at the declaration", checkExportForm],
  ])("%s", (_, check) => {
    expect(check(files)).toEqual([]);
  });

  it("has no other entry at the top level", () => {
    expect(checkTopLevel(pathsOf(root))).toEqual([]);
  });
});
