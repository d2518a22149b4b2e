import { posix } from "node:path";
import { importsOf } from "./scan.js";
import type { SourceFile } from "./tree.js";

/**
 * The house's floors, lowest first, with the rooms on each. An import goes down or stays on its floor, and rooms of one
 * floor may not import each other in a circle.
 */
const FLOORS: readonly (readonly string[])[] = [
  ["src/mem", "src/wire", "src/time", "src/random"],
  ["src/graph"],
  ["src/device", "src/ip"],
  ["src/transport/transport.ts"],
  ["src/session"],
  ["src/transport"],
  ["nodes"],
  ["src/stack.ts"],
  ["src/app", "src/sim"],
  ["src/host"],
  ["src/node", "src/cli", "src/client"],
  ["src/index.ts"],
  // The weft program stands on the library like any other; the debug CLI under it is part of the library.
  ["src/cli/program", "src/cli/weft.ts"],
];

/** Rooms that may import Node's modules, packages and the addon. */
const OUTER_ROOMS = new Set([
  "src/host",
  "src/node",
  "src/cli",
  "src/client",
  "src/index.ts",
  "src/cli/program",
  "src/cli/weft.ts",
]);

/** Rooms outside the house: they may import anything and nothing in the house imports them. */
const YARD = /^(?:test|bench)\/|^[^/]+$/;

/** The room a file is in, `undefined` for one that has no place on a floor. */
export function roomOf(path: string): string | undefined {
  let best: string | undefined;
  for (const room of FLOORS.flat()) {
    if ((path === room || path.startsWith(`${room}/`)) && room.length > (best?.length ?? 0)) best = room;
  }
  return best;
}

/** Whether the core's rules hold for a file: no Node, no clock but ours, no state of its own. */
export function isCore(path: string): boolean {
  const room = roomOf(path);
  return /^(?:src|nodes)\//.test(path) && (room === undefined || !OUTER_ROOMS.has(room));
}

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

/** The file a relative specifier names: its .js stands for a .ts. */
function targetOf(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly where: string;
}

function edgesOf(files: readonly SourceFile[]): Edge[] {
  return files.flatMap((file) =>
    importsOf(file.scan)
      .filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier, offset }) => ({
        from: file.path,
        to: targetOf(file.path, specifier),
        where: `${file.path}:${file.text.slice(0, offset).split("\n").length}`,
      })),
  );
}

/** Imports that go up, that leave the house, and files without a place on a floor. */
export function checkFloors(files: readonly SourceFile[]): string[] {
  const house = files.filter((file) => !YARD.test(file.path) && file.path.endsWith(".ts"));
  const found: string[] = [];
  for (const file of house) {
    if (roomOf(file.path) === undefined) found.push(`${file.path}:1 has no place on a floor`);
  }
  for (const { from, to, where } of edgesOf(house)) {
    const here = roomOf(from);
    const there = roomOf(to);
    if (there === undefined) found.push(`${where} imports ${to}, which is in no room`);
    else if (here !== undefined && floorOf(there) > floorOf(here))
      found.push(`${where} imports up: ${here} < ${there}`);
  }
  return found;
}

/** One path along which a graph comes back to its start, or `undefined`. */
function circleIn(edges: readonly Edge[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (at: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(at)) return [...path.slice(path.indexOf(at)), at];
    if (done.has(at)) return undefined;
    for (const to of next.get(at) ?? []) {
      const circle = walk(to, [...path, at]);
      if (circle !== undefined) return circle;
    }
    done.add(at);
    return undefined;
  };
  for (const start of next.keys()) {
    const circle = walk(start, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/** Circles of files, and of rooms on one floor; the first of each. */
export function checkCircles(files: readonly SourceFile[]): string[] {
  const edges = edgesOf(files);
  const found: string[] = [];
  const ofFiles = circleIn(edges);
  if (ofFiles !== undefined) found.push(`${ofFiles[0]}:1 imports in a circle: ${ofFiles.join(" -> ")}`);
  const between = edges
    .map(({ from, to, where }) => ({ from: roomOf(from) ?? "", to: roomOf(to) ?? "", where }))
    .filter(({ from, to }) => from !== to && from !== "" && floorOf(from) === floorOf(to));
  const ofRooms = circleIn(between);
  if (ofRooms !== undefined) {
    const [first, second] = ofRooms;
    const where = between.find(({ from, to }) => from === first && to === second)?.where ?? "";
    found.push(`${where} closes a circle of rooms: ${ofRooms.join(" -> ")}`);
  }
  return found;
}

/** Packages of pure JavaScript that the core may use: they touch no clock, no randomness and nothing of Node's. */
const CORE_PACKAGES = new Set(["ipaddr.js"]);

/** Node's modules, packages and the addon, imported where only the house's own files may be. */
export function checkForeignImports(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => isCore(file.path) && file.path.endsWith(".ts"))
    .flatMap((file) =>
      importsOf(file.scan)
        .filter(({ specifier }) => !specifier.startsWith(".") || specifier.endsWith(".node"))
        .filter(({ specifier }) => !CORE_PACKAGES.has(specifier))
        .map(({ specifier, offset }) => {
          const line = file.text.slice(0, offset).split("\n").length;
          return `${file.path}:${line} imports "${specifier}": only src/host, src/node, src/cli and src/index.ts may`;
        }),
    );
}
