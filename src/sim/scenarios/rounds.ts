import type { AppCallbacks } from "../../app/callbacks.js";
import type { AppScope } from "../../session/application.js";
import { LEAST_SEGMENT_BYTES, type SegmentOptions } from "../../session/segment-manager.js";
import type { Draw } from "../draw.js";
import {
  type DatagramPlan,
  RESIDENT_PORT,
  ROUND_NAMESPACES,
  type RoundAppPlan,
  type RoundBreak,
  type RoundConnect,
  type RoundListen,
  type RoundNamespace,
  type RoundOddity,
} from "../round.js";
import type { SimCase } from "../sim-case.js";
import type { EndPlan, Step } from "../workload.js";
import { end, type RoundScenario, sendAll } from "./scenario.js";

/** Ports that rounds listen on: few, so that they meet. */
const FIRST_PORT = 100;
const PORTS = 6;
/** Ports that connects ask for: few, likewise. */
const FIRST_FROM_PORT = 5000;
const FROM_PORTS = 3;
/** A port on which nobody listens, unless it is a proxy. */
const NOBODYS_PORT = 9;
const BOTH_SCOPES: readonly AppScope[] = ["global", "local"];
const BOTH_FAMILIES: readonly Omit<RoundNamespace, "id" | "secret">[] = [
  {},
  { interface: "eth0" },
  { table4: 0, table6: 0 },
];
const ONE_FAMILY: typeof BOTH_FAMILIES = [{ table4: 0 }, { table6: 0 }];
const CALLBACKS: readonly (keyof AppCallbacks)[] = [
  "accept",
  "connected",
  "halfOpenCleanup",
  "rx",
  "tx",
  "disconnect",
  "reset",
  "transportClosed",
  "cleanup",
  "listened",
  "unlistened",
  "detached",
];

/** How a stream ends, other than in order. */
const ENDINGS: readonly (readonly Step[])[] = [
  [{ kind: "await-end" }, { kind: "close" }],
  [{ kind: "close" }],
  [{ kind: "reset" }],
  [],
];

/** Everything that an application can do, over and over, most of it broken off. */
export const ROUNDS: RoundScenario = {
  name: "rounds",
  about: "applications attach, listen, connect, transfer and detach, with something broken off in most rounds",
  draw: (draw) => ({
    family: "both",
    clients: 1,
    connections: draw.between(24, 60),
    session: {
      maxSessions: draw.between(64, 400),
      maxListeners: draw.between(24, 128),
      maxApplications: draw.between(12, 48),
      maxAppWorkers: draw.between(3, 5),
      maxNamespaces: draw.chance(200) ? 3 : 4,
      ...(draw.chance(200) && { minSrcPort: 40_000, maxSrcPort: 40_000 + draw.between(10, 60) }),
    },
    limits: { appSegmentBytes: draw.size(256 << 10, 2 << 20) & -4096 },
    tcp: draw.chance(300) ? { maxConnections: draw.between(32, 128) } : {},
  }),
  round: (draw, _number, of) => {
    const server = app(draw, draw.oneOf([0, 1] as const));
    const apps = [server];
    if (draw.chance(900)) apps.push(app(draw, other(server.host)));
    // One that is to be reached by cut-through is in the same namespace, mostly.
    if (draw.chance(500)) apps.push(app(draw, server.host, draw.chance(800) ? server : undefined));
    const listens = Array.from({ length: draw.between(1, 3) }, () => listen(draw, apps, of)).flat();
    const connects = Array.from({ length: draw.between(1, 5) }, () => connect(draw, apps, listens, of));
    const breaks = draw.chance(600)
      ? Array.from({ length: draw.between(1, 3) }, () => breakOff(draw, apps.length))
      : [];
    const endUs = draw.chance(750) ? draw.between(30_000_000, 90_000_000) : draw.size(1000, 4_000_000);
    return { startUs: draw.between(0, 3_000_000), endUs, apps, listens, connects, breaks };
  },
};

function other(host: 0 | 1): 0 | 1 {
  return host === 0 ? 1 : 0;
}

function app(draw: Draw, host: 0 | 1, beside?: RoundAppPlan): RoundAppPlan {
  const namespace = beside === undefined && draw.chance(500) ? namespaceOf(draw) : beside?.namespace;
  return {
    host,
    ...(namespace !== undefined && { namespace }),
    knowsSecret: draw.chance(960),
    scope: draw.chance(700) ? BOTH_SCOPES : draw.oneOf([["global"], ["global"], ["local"], []] as const),
    workers: draw.chance(300) ? draw.between(1, 3) : 0,
    rxFifoBytes: draw.size(1024, 65_536),
    txFifoBytes: draw.size(1024, 65_536),
    ...(draw.chance(250) && { segments: segments(draw) }),
    ...(draw.chance(400) && { oddity: oddity(draw) }),
  };
}

function namespaceOf(draw: Draw): RoundNamespace {
  const id = draw.oneOf(ROUND_NAMESPACES);
  const where = draw.oneOf(draw.chance(750) ? BOTH_FAMILIES : ONE_FAMILY);
  return { id, secret: draw.chance(700) ? `of ${id} ${draw.between(0, 99)}` : "", ...where };
}

function segments(draw: Draw): SegmentOptions {
  const segmentBytes = LEAST_SEGMENT_BYTES << draw.between(0, 2);
  return draw.chance(500)
    ? { segmentBytes }
    : { segmentBytes, maxFifoMemoryBytes: 4 * segmentBytes, highWatermark: 50 };
}

function oddity(draw: Draw): RoundOddity {
  return {
    callback: draw.oneOf(CALLBACKS),
    nth: draw.size(1, 6) - 1,
    act: draw.oneOf(["throw", "throw", "throw", "detach", "delete-worker", "unlisten", "reset", "close"] as const),
  };
}

function family(draw: Draw, of: SimCase): 4 | 6 {
  return of.family === "both" ? draw.oneOf([4, 6] as const) : of.family;
}

/** One worker listens, or all of its application. */
function listen(draw: Draw, apps: readonly RoundAppPlan[], of: SimCase): RoundListen[] {
  const by = draw.chance(850) ? 0 : draw.between(0, apps.length - 1);
  const { workers } = apps[by];
  const isProxy = draw.chance(40);
  const address = draw.chance(600) ? "any" : draw.oneOf(["own", "own", "own", "own", "loopback", "nobody"] as const);
  const one: RoundListen = {
    app: by,
    worker: draw.between(0, workers),
    protocol: draw.chance(750) ? "tcp" : "udp",
    family: family(draw, of),
    address: isProxy ? "own" : address,
    port: isProxy || draw.chance(50) ? 0 : FIRST_PORT + draw.between(0, PORTS - 1),
    backlog: draw.chance(200) ? draw.between(0, 2) : 64,
    isConnected: draw.chance(500),
    isProxy,
  };
  if (draw.chance(400)) return [one];
  return Array.from({ length: workers + 1 }, (_, worker) => ({ ...one, worker }));
}

/** To what the round listens on, mostly; else to what is there all the time, or to nobody. */
function connect(
  draw: Draw,
  apps: readonly RoundAppPlan[],
  listens: readonly RoundListen[],
  of: SimCase,
): RoundConnect {
  const by = draw.chance(900) ? Math.min(draw.between(1, 2), apps.length - 1) : 0;
  const target = draw.chance(850) ? draw.oneOf(listens) : undefined;
  const isDatagram = target === undefined ? draw.chance(200) : target.protocol === "udp";
  const host = target === undefined ? draw.oneOf([0, 1] as const) : apps[target.app].host;
  const isLoop = target?.address === "loopback" || (target?.address !== "own" && draw.chance(400));
  return {
    app: by,
    worker: draw.between(0, apps[by].workers),
    atUs: draw.chance(500) ? 0 : draw.size(1, 500_000),
    host,
    family: target === undefined || draw.chance(30) ? family(draw, of) : target.family,
    address: draw.chance(60)
      ? draw.oneOf(["nobody", "any"] as const)
      : isLoop && host === apps[by].host
        ? "loopback"
        : "own",
    port: target === undefined ? (draw.chance(750) ? RESIDENT_PORT : NOBODYS_PORT) : target.port || NOBODYS_PORT,
    fromPort: draw.chance(100) ? FIRST_FROM_PORT + draw.between(0, FROM_PORTS - 1) : 0,
    isRefused: draw.chance(60),
    abandonAfterUs: draw.chance(120) ? draw.size(1, 100_000) : -1,
    ...(isDatagram ? { datagrams: datagrams(draw) } : { ends: [streamEnd(draw), streamEnd(draw)] as const }),
  };
}

function datagrams(draw: Draw): DatagramPlan {
  const bytes = draw.chance(800) ? draw.size(1, 1200) : draw.size(1200, 4000);
  return { count: draw.between(1, 8), bytes, everyUs: draw.size(1, 300_000) };
}

/** Sends, and ends in one of all the ways there are. */
function streamEnd(draw: Draw): EndPlan {
  const send: Step = { kind: "send", bytes: draw.chance(150) ? 0 : draw.size(1, 65_536) };
  const pause: Step = { kind: "pause", us: draw.size(1, 1_000_000) };
  const steps = [send, ...(draw.chance(200) ? [pause] : []), ...(draw.chance(700) ? sendAll(0) : draw.oneOf(ENDINGS))];
  const slow = draw.chance(150) ? { readEveryUs: draw.size(1000, 300_000) } : {};
  return end(draw, steps, { ...slow, abortAfterUs: draw.chance(100) ? draw.size(1, 3_000_000) : -1 });
}

/** Something that is broken off: an application in most cases, early or late. */
function breakOff(draw: Draw, apps: number): RoundBreak {
  const kinds = ["detach", "delete-worker", "delete-namespace", "unlisten", "take", "take"] as const;
  return {
    atUs: draw.chance(500) ? draw.size(1, 1_000_000) : draw.between(0, 4_000_000),
    app: draw.between(0, apps - 1),
    kind: draw.oneOf(kinds),
    pick: draw.between(0, 99),
  };
}
