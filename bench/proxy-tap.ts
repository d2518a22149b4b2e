// How fast does a network namespace whose only way out is the stack's TAP send and receive one TCP stream through the proxy and
// the kernel's sockets, beside slirp4netns (at the largest MTU, as it is mostly run, and at 1500)?
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kernel, PORT } from "./support/kernel.js";
import { measurePairs } from "./support/pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";

const WARM_UP = 3;
const PAIRS = 5;
const MEASURE_MS = 1000;
const SERVER = "198.19.0.2";
const WEFT = join(import.meta.dirname, "..", "src", "cli", "weft.js");
/** The most that slirp4netns takes. */
const LARGE_MTU = 65_520;
const DIRECTIONS = [
  { name: "tx", service: "sink", mode: "send", port: PORT },
  { name: "rx", service: "source", mode: "receive", port: PORT + 1 },
] as const;

/** Lets a namespace out through the stack, whose process is in another one. */
async function startWeft(kernel: Kernel, inside: string, outside: string, directory: string): Promise<void> {
  const host = { addresses: ["198.18.0.1/24"], routes: [{ prefix: "0.0.0.0/0", via: "198.18.0.2" }] };
  const tap = { name: "tap0", netns: inside, addresses: ["198.18.0.2/24"], host, mode: "promiscuous", spoofing: true };
  const file = join(directory, "weft.json");
  const config = {
    interfaces: [tap],
    session: { anyProxy: true },
    apps: [{ kind: "proxy", to: "direct" }],
    cli: { socket: join(directory, "cli.sock") },
  };
  writeFileSync(file, JSON.stringify(config));
  await kernel.start(outside, OUR_CPU, [process.execPath, WEFT, "run", "--config", file]);
}

/** The same by slirp4netns. */
async function startSlirp(kernel: Kernel, inside: string, outside: string, mtu: number): Promise<void> {
  const options = ["--configure", `--mtu=${mtu}`, "--ready-fd=1", "--netns-type=path"];
  await kernel.start(outside, OUR_CPU, ["slirp4netns", ...options, `/run/netns/${inside}`, "tap0"]);
  const hasRoute = (): boolean =>
    spawnSync("ip", ["-n", inside, "route", "show", "default"], { encoding: "utf8" }).stdout !== "";
  while (!hasRoute()) await new Promise((resolve) => setTimeout(resolve, 50));
}

protect();
const kernel = new Kernel();
const directory = mkdtempSync(join(tmpdir(), "weft-bench-"));
try {
  const outside = kernel.namespace("outside");
  const server = kernel.namespace("server");
  kernel.veth([outside, "out", "198.19.0.1/24"], [server, "in", `${SERVER}/24`]);
  for (const { service, port } of DIRECTIONS) await kernel.serve(server, PEER_CPU, service, port);
  const ours = kernel.namespace("weft");
  await startWeft(kernel, ours, outside, directory);
  const gbps = async (inside: string, mode: string, port: number): Promise<number> =>
    ((await kernel.measure(inside, PEER_CPU, mode, SERVER, MEASURE_MS, port)) * 8) / 1e9;
  const hasSlirp = spawnSync("slirp4netns", ["--version"]).status === 0;
  if (!hasSlirp) console.error("bench: slirp4netns is not installed: alone");
  const peers: string[] = [];
  for (const mtu of hasSlirp ? [LARGE_MTU, 1500] : []) {
    const inside = kernel.namespace(`slirp-${mtu}`);
    await startSlirp(kernel, inside, outside, mtu);
    peers.push(inside);
  }
  for (const { name, mode, port } of DIRECTIONS) {
    for (let i = 0; i < WARM_UP; i++) await gbps(ours, mode, port);
    if (peers.length === 0) printValue(`proxy-tap-${name}`, await gbps(ours, mode, port), "Gbit/s");
    for (const inside of peers) {
      const found = await measurePairs(
        PAIRS,
        () => gbps(ours, mode, port),
        () => gbps(inside, mode, port),
      );
      const label = inside.replace(/^.*slirp-/, "slirp4netns-");
      printValue(`proxy-tap-${name}`, found.ours, "Gbit/s");
      printValue(`proxy-tap-${name}-${label}`, found.peer, "Gbit/s");
      printRatio(`proxy-tap-${name}`, label, found.ratio);
    }
  }
} finally {
  await kernel.close();
  rmSync(directory, { recursive: true, force: true });
}
