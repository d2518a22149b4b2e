import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasNetns, netnsName } from "../host/names.js";
import { lacks } from "../needs.js";

const NATIVE = join(process.cwd(), "native");
const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

/** Where Node's headers are: beside the program, or where node-gyp has put them. */
function includeFlags(): string[] {
  const beside = join(dirname(dirname(process.execPath)), "include", "node");
  const cached = join(process.env["HOME"] ?? "", ".cache", "node-gyp", process.versions.node, "include", "node");
  return [beside, cached].filter((path) => existsSync(join(path, "node_api.h"))).map((path) => `-I${path}`);
}

/** The sanitizer's runtime library, which must be loaded before Node; "" when the compiler has none. */
function runtimeLibrary(): string {
  const asked = spawnSync("gcc", ["-print-file-name=libasan.so"], { encoding: "utf8" });
  const path = (asked.stdout ?? "").trim();
  return path.startsWith("/") ? path : "";
}

describe.skipIf(lacks("gcc"))("the addon under AddressSanitizer and UndefinedBehaviorSanitizer", () => {
  const directory = mkdtempSync(join(tmpdir(), "weft-asan-"));
  const addon = join(directory, "weft.node");

  beforeAll(() => {
    const sources = readdirSync(NATIVE)
      .filter((name) => name.endsWith(".c"))
      .map((name) => join(NATIVE, name));
    const flags = ["-std=gnu11", "-O1", "-g", "-shared", "-fPIC", "-pthread", "-DNAPI_VERSION=8", "-D_GNU_SOURCE"];
    const built = spawnSync(
      "gcc",
      [...flags, ...SANITIZE, "-Wall", "-Wextra", "-Werror", ...includeFlags(), ...sources, "-o", addon],
      { encoding: "utf8" },
    );
    if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`);
  }, 30_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("is clean", { timeout: 20_000 }, () => {
    const netns = lacks("netns") ? "" : netnsName("asan");
    const run = spawnSync(process.execPath, ["--expose-gc", join(import.meta.dirname, "exercise.mjs"), addon, netns], {
      encoding: "utf8",
      env: {
        ...process.env,
        LD_PRELOAD: runtimeLibrary(),
        // Node itself keeps memory until the end; leaks of ours are looked for by the collector's finalizers instead.
        ASAN_OPTIONS: "detect_leaks=0:abort_on_error=0:exitcode=77",
        UBSAN_OPTIONS: "print_stacktrace=1",
      },
    });
    expect(run.stderr).toBe("");
    expect(run.stdout).toBe("done\n");
    expect(run.status).toBe(0);
    expect(netns !== "" && hasNetns(netns)).toBe(false);
  });
});
