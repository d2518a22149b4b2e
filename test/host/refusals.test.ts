import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { hasNetns, netnsName } from "./names.js";

const isRoot = process.getuid?.() === 0;

describe.skipIf(lacks("netns", "unshare", "setpriv"))("what the system refuses", () => {
  const directory = mkdtempSync(join(tmpdir(), "weft-refusal-"));
  const addon = join(directory, "weft.node");
  const netns = netnsName("no");

  beforeAll(() => {
    copyFileSync("native/build/Release/weft.node", addon);
    chmodSync(directory, 0o755);
    chmodSync(addon, 0o755);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** What the call throws, as "code: message", in a process started through `wrapper`. */
  function refusal(wrapper: readonly string[], call: string): string {
    const script = `const addon = require(${JSON.stringify(addon)});
      const window = addon.createWindow(1 << 24); const netns = ${JSON.stringify(netns)};
      try { ${call}; console.log("accepted"); } catch (e) { console.log(e.code + ": " + e.message); }`;
    const [program = "", ...rest] = [...wrapper, process.execPath, "-e", script];
    const run = spawnSync(program, rest, { encoding: "utf8", cwd: directory });
    return run.stdout.trim() + run.stderr.trim();
  }

  const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
  const NO_CAPABILITY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

  it.runIf(isRoot)("says what privilege is missing", () => {
    expect(refusal(NOBODY, "addon.openTap({ name: 'wn0' })")).toMatch(
      /^E(PERM|ACCES): no (privilege|permission) .*\/?(TAP|tun)/,
    );
    expect(refusal(NO_CAPABILITY, "addon.openTap({ name: 'wn0' })")).toBe(
      'EPERM: no privilege to make TAP device "wn0" (needs CAP_NET_ADMIN)',
    );
    expect(refusal(NO_CAPABILITY, "addon.openTap({ name: 'wn0', netns })")).toMatch(
      /^EPERM: cannot make a network namespace/,
    );
    expect(hasNetns(netns)).toBe(false);
    expect(refusal(NO_CAPABILITY, "window.openPacketRing({ name: 'lo', offset: 0, bytes: 1032192 })")).toBe(
      'EPERM: no privilege to open a packet socket on "lo" (needs CAP_NET_RAW)',
    );
  });

  it.runIf(isRoot)("says that there is no /dev/net/tun, and removes the namespace it made for it", () => {
    const hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /dev/net && exec "$0" "$@"'];
    expect(refusal(hide, "addon.openTap({ name: 'wn0', netns })")).toBe(
      "ENOENT: /dev/net/tun does not exist: the kernel has no TUN/TAP driver here",
    );
    expect(hasNetns(netns)).toBe(false);
  });

  it("works in a user namespace of its own", () => {
    const enter = ["unshare", "-Urnm", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$0" "$@"'];
    const call = `const tap = addon.openTap({ name: 'wn0', netns });
      addon.configureInterface({ netns, name: 'wn0', addresses: [{ bytes: Uint8Array.of(198, 18, 0, 1), prefix: 24 }] });
      console.log(tap.createdNetns, addon.interfaceInfo({ netns, name: 'wn0' }).up);
      addon.closeFd(tap.fd); addon.deleteNetns(netns)`;
    expect(refusal(enter, call)).toBe("true true\naccepted");
  });
});
