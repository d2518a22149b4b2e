import { existsSync, readlinkSync } from "node:fs";
import { relative } from "node:path";
import { loadAddon } from "../../host/addon.js";
import { DEMO_KINDS } from "../../host/config-types.js";
import { createStack, type StackConfig, wire } from "../../index.js";
import { defaultSocketPath } from "../socket-path.js";
import { CliSocket } from "../socket-server.js";
import { colors } from "./colors.js";
import { fetchThroughKernel, fetchThroughStack, type Fetched, inNetns } from "./demo-fetch.js";
import { LiveCounters } from "./demo-live.js";
import { EXIT_OK } from "./failure.js";
import { serveStack, type ServedStack } from "./run.js";
import { StopSignal } from "./signals.js";

const NETNS = "weft-demo";
const STACK = ["198.18.0.2", "2001:db8:18::2"] as const;
const PREFIXES = ["198.18.0.2/24", "2001:db8:18::2/64"];
const KERNEL_PREFIXES = ["198.18.0.1/24", "2001:db8:18::1/64"];
const APPS = DEMO_KINDS.map((kind) => ({ kind }));
/** With a certificate that is made on the spot. */
const HTTPS = ["tls://0.0.0.0/443", "tls://::/443"];
/** What the system says where there can be no TAP. */
const REFUSALS = ["EPERM", "EACCES", "ENOENT", "ENODEV", "EROFS"];

const TAP_CONFIG: StackConfig = {
  interfaces: [{ name: "tap0", kind: "tap", netns: NETNS, addresses: PREFIXES, host: { addresses: KERNEL_PREFIXES } }],
  apps: [...APPS, { kind: "http", listen: HTTPS }],
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Why there can be no TAP here, as `npm start` found out; undefined when it is worth a try. */
function whyNoTap(): string | undefined {
  if (process.env["WEFT_NO_NETNS"] === "1") return "network namespaces are refused";
  if (process.env["WEFT_NO_TUN"] === "1") return "/dev/net/tun cannot be opened";
  return undefined;
}

/** The demo's CLI socket. One in use means that a demo runs already; one that cannot be made is only said. */
async function openSocket(): Promise<CliSocket | undefined> {
  try {
    return await CliSocket.open(defaultSocketPath());
  } catch (error) {
    if (error instanceof Error && / in use/.test(error.message)) throw error;
    say(`weft: no CLI socket: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/**
 * Whether a demo that was killed has left its namespace. It is used again and goes at the end; the TAP in it went with
 * its process, so a second demo finds its name taken instead.
 */
function hasLeftover(): boolean {
  return existsSync(`/run/netns/${NETNS}`);
}

function report(url: string, { status, bytes, ms, by }: Fetched): void {
  const result = `${status}, ${bytes} bytes in ${ms.toFixed(1)} ms`;
  say(
    `  GET ${url.padEnd(25)} ${status === 200 ? colors.green(result) : colors.red(result)}  ${colors.dim(`(${by})`)}`,
  );
  if (status !== 200) throw new Error(`${url}: status ${status}`);
}

/**
 * What to put before a command in another terminal, when `npm start` entered a user namespace: names in our /run do not
 * show there.
 */
function shellPrefix(): string {
  try {
    if (readlinkSync("/proc/self/ns/user") === readlinkSync(`/proc/${process.ppid}/ns/user`)) return "";
  } catch {
    // A process of the outer namespace does not let us look.
  }
  return `nsenter -t ${process.pid} -U -n -m --preserve-credentials `;
}

function printCommands(socket: CliSocket | undefined): void {
  const prefix = shellPrefix();
  const inside = `${prefix}ip netns exec ${NETNS}`;
  const weft = `${prefix}node ${relative(process.cwd(), process.argv[1] ?? "") || "weft"}`;
  const commands = [
    `${inside} curl http://${STACK[0]}/`,
    `${inside} curl -g 'http://[${STACK[1]}]/'`,
    `${inside} curl --insecure https://${STACK[0]}/`,
    `${inside} ping ${STACK[0]}`,
    `${inside} iperf3 -c ${STACK[0]}`,
    ...(socket === undefined
      ? []
      : [`${weft} cli show interface`, `${weft} cli ping ${KERNEL_PREFIXES[0].split("/")[0]}`, `${weft} cli`]),
  ];
  say(`\nTry, in another terminal:\n${commands.map((command) => `  ${colors.cyan(command)}`).join("\n")}\n`);
}

/** Shows counters until a signal comes. */
async function live({ stack }: ServedStack, stop: StopSignal): Promise<void> {
  if (stop.isStopped) return;
  say("Ctrl-C ends it and removes everything it made.");
  say("weft: ready");
  const counters = new LiveCounters(stack.host);
  await stop.stopped;
  counters.close();
}

async function onTap(served: ServedStack, socket: CliSocket | undefined, stop: StopSignal): Promise<void> {
  say(`Weft runs at ${STACK.join(" and ")}, behind tap0 in network namespace ${NETNS}.\n`);
  const prefix = inNetns(NETNS);
  if (prefix === undefined) say("  neither ip nor nsenter is there to fetch a page from inside the namespace");
  else {
    for (const address of STACK) {
      if (stop.isStopped) return;
      const url = `http://${address.includes(":") ? `[${address}]` : address}/`;
      report(url, await fetchThroughKernel(prefix, url));
    }
  }
  printCommands(socket);
  await live(served, stop);
}

/** Two stacks on a wire in memory, where the system lets us have no TAP. */
async function onWire(socket: CliSocket | undefined, stop: StopSignal): Promise<void> {
  const [left, right] = wire();
  const limits = { fifoBytes: 32 << 20, smallPackets: 2048, largePackets: 64 };
  const served = await serveStack(
    { interfaces: [{ name: "wire0", kind: "wire", device: left, addresses: PREFIXES }], apps: APPS, limits },
    socket,
  );
  try {
    const second = await createStack({
      interfaces: [{ name: "wire0", kind: "wire", device: right, addresses: KERNEL_PREFIXES }],
      limits,
    });
    try {
      say(`Weft runs at ${STACK.join(" and ")}, on a wire in memory to a second stack.\n`);
      for (const address of STACK) {
        if (stop.isStopped) return;
        report(`http://${address.includes(":") ? `[${address}]` : address}/`, await fetchThroughStack(second, address));
      }
      say("");
      await live(served, stop);
    } finally {
      await second.close();
    }
  } finally {
    await served.close();
  }
}

function isRefusal(error: unknown): error is Error {
  return error instanceof Error && "code" in error && REFUSALS.includes(String(error.code));
}

/** The stack behind a TAP; undefined, with the reason said, where the system refuses one. */
async function tapStack(socket: CliSocket | undefined): Promise<ServedStack | undefined> {
  let reason = whyNoTap();
  if (reason === undefined) {
    const isLeftover = hasLeftover();
    try {
      const served = await serveStack(TAP_CONFIG, socket);
      const close = async (): Promise<void> => {
        await served.close();
        if (isLeftover) loadAddon().deleteNetns(NETNS);
      };
      return { ...served, close };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      reason = error.message;
    }
  }
  say(`weft: no TAP (${reason}): two stacks on a wire in memory instead`);
  return undefined;
}

/** `weft demo`: what `npm start` runs. */
export async function demo(): Promise<number> {
  const stop = new StopSignal();
  const socket = await openSocket();
  try {
    const served = await tapStack(socket);
    if (served === undefined) await onWire(socket, stop);
    else {
      try {
        await onTap(served, socket, stop);
      } finally {
        await served.close();
      }
    }
    return EXIT_OK;
  } finally {
    await socket?.close();
    stop.release();
  }
}
