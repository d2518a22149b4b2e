import { setFlowHook } from "../../src/app/flow-hook.js";
import { FLOW_VERDICTS, type FlowDecision } from "../../src/session/flow-record.js";
import type { BufferIndex } from "../../src/graph/packet-pool.js";
import { ADDRESSES, type FuzzHost } from "./fuzz-host.js";

/** A time in which something lacks. Ends by calling what it returns. */
export type Phase = (host: FuzzHost) => () => void;

/** Leaves the pool few free buffers or none, between turns and also right after each receive burst. */
function noBuffers(host: FuzzHost): () => void {
  const { random } = host;
  const { pool } = host.stack.host;
  const small: BufferIndex[] = [];
  const large: BufferIndex[] = [];
  const keepSmall = random.nextBelow(3) === 0 ? random.nextBelow(6) : 0;
  const keepLarge = random.nextBelow(3) === 0 ? 1 : 0;
  const takeAll = (): void => {
    while (pool.freeLarge > keepLarge) large.push(pool.allocLarge());
    while (pool.freeSmall > keepSmall) small.push(pool.alloc());
  };
  // Segments of the host to itself are under way.
  for (let i = 0; i < 3; i++) host.apps.connectToSelf();
  for (let turns = random.nextBelow(6); turns > 0; turns--) host.stack.engine.turn();
  takeAll();
  // One buffer for a long datagram, none for its fragments.
  if (keepLarge > 0) for (let i = 0; i < 10; i++) host.apps.announce();
  // Neighbours that are asked for are given up, and asked for again.
  if (random.nextBelow(3) === 0) host.pass(4000);
  // A device without a ring needs some buffers to receive into; the graph gets none of them.
  for (let i = random.nextBelow(3) * 20; i > 0 && small.length > 0; i--) pool.free(small.pop() as BufferIndex);
  for (let i = random.nextBelow(4); i > 0 && large.length > 0; i--) pool.free(large.pop() as BufferIndex);
  for (const device of host.devices) device.onReceived = takeAll;
  return () => {
    for (const device of host.devices) device.onReceived = () => {};
    for (const b of [...small, ...large]) pool.free(b);
  };
}

/** Takes the memory of all fifos, or all but little. */
function noFifoMemory(host: FuzzHost): () => void {
  const { fifos, window } = host.stack.host;
  // Any bytes of the window will do.
  const source = window.u8.length - 65536;
  const step = host.random.nextBelow(2) === 0 ? 1024 : 65536;
  const f = fifos.allocFifo(64 << 20);
  if (f !== 0) while (fifos.enqueue(f, source, step) > 0);
  return () => {
    if (f !== 0) fifos.freeFifo(f);
  };
}

/** Takes the rows of all fifos. */
function noFifos(host: FuzzHost): () => void {
  const { fifos } = host.stack.host;
  const held: number[] = [];
  // Opens under way find out when they are answered.
  for (let i = 0; i < 10; i++) host.apps.connect();
  host.settle();
  for (let f = fifos.allocFifo(1024); f !== 0; f = fifos.allocFifo(1024)) held.push(f);
  return () => {
    for (const f of held) fifos.freeFifo(f);
  };
}

/** Takes all session rows. */
function noSessions(host: FuzzHost): () => void {
  const { table } = host.stack.host.sessions;
  const held: number[] = [];
  for (let s = table.alloc(); s >= 0; s = table.alloc()) held.push(s);
  return () => {
    for (const s of held) table.free(s);
  };
}

/** Takes all rows of TCP connections. */
function noConnections(host: FuzzHost): () => void {
  const { connections } = host.stack.host.tcp.core;
  const held: number[] = [];
  for (let c = connections.alloc(); c >= 0; c = connections.alloc()) held.push(c);
  return () => {
    for (const c of held) connections.free(c);
  };
}

/** An interface is switched off. */
function interfaceDown(host: FuzzHost): () => void {
  const iface = host.stack.host.interfaces.at(host.random.nextBelow(2));
  if (iface === undefined) return () => {};
  iface.up = false;
  return () => {
    iface.up = true;
  };
}

/** Nothing is forwarded. */
function noForwarding(host: FuzzHost): () => void {
  const { settings } = host.stack.host.ip;
  settings.forward4 = settings.forward6 = false;
  return () => {
    settings.forward4 = settings.forward6 = true;
  };
}

/** The addresses of one family, or of one interface, or all, are taken away. */
function noAddresses(host: FuzzHost): () => void {
  const which = host.random.nextBelow(6);
  const isGone = [
    (index: number): boolean => index === 0,
    (index: number): boolean => index === 1,
    (_index: number, prefix: string): boolean => prefix.includes(":"),
    (_index: number, prefix: string): boolean => !prefix.includes(":"),
  ][which];
  const gone = ADDRESSES.filter(([index, prefix]) => isGone === undefined || isGone(index, prefix));
  for (const [index, prefix] of gone) host.stack.apply({ kind: "address", interface: index, prefix, add: false });
  for (let i = 0; i < 20; i++) host.apps.announce();
  return () => {
    for (const [index, prefix] of gone) host.stack.apply({ kind: "address", interface: index, prefix, add: true });
  };
}

/** Frames for other stations are taken too, and answered in their names. */
export function promiscuous(host: FuzzHost): () => void {
  const all = host.stack.host.interfaces.all();
  host.verifier.speaksForOthers = true;
  for (const iface of all) iface.promiscuous = true;
  return () => {
    for (const iface of all) iface.promiscuous = false;
  };
}

/** Rules drop a part of what has no connection, and lead a part of that to applications, of which one is not there. */
function rules(host: FuzzHost): () => void {
  const { random } = host;
  const added = ["198.18.0.0/16", "2001:db8::/32"].flatMap((prefix) =>
    (["tcp", "udp"] as const).flatMap((proto) =>
      [
        "drop" as const,
        "allow" as const,
        ...["echo", "udp echo", "nobody"].map((application) => ({ application })),
      ].map((action) => {
        const length = Number(prefix.split("/")[1]) + random.nextBelow(17);
        const remote = `${prefix.split("/")[0]}/${length}`;
        return { proto, remote, localPort: random.nextBelow(2) * random.nextBelow(64), action };
      }),
    ),
  );
  for (const rule of added) host.stack.apply({ kind: "rule", add: true, ...rule });
  return () => {
    // Two may have been the same.
    for (const rule of added) host.stack.host.sessions.apply({ kind: "rule", add: false, ...rule });
  };
}

/** A hook decides on new flows: by lot, at once or when the phase ends, or not at all. */
function flowHook(host: FuzzHost): () => void {
  const { random } = host;
  const { sessions } = host.stack.host;
  const later: number[] = [];
  const draw = (): FlowDecision => {
    const verdict = FLOW_VERDICTS[random.nextBelow(5)];
    return verdict ?? { application: ["echo", "udp echo", "nobody"][random.nextBelow(3)] };
  };
  const hook = setFlowHook(sessions, "default", "", ({ token }) => {
    if (random.nextBelow(2) === 0) return draw();
    later.push(token);
    return "later";
  });
  return () => {
    for (const token of later) if (random.nextBelow(3) > 0) void hook.answer(token, draw());
    void hook.close();
  };
}

/** A device takes half of what it is to send. */
function busy(host: FuzzHost): () => void {
  const device = host.devices[host.random.nextBelow(2)];
  device.isBusy = true;
  return () => {
    device.isBusy = false;
  };
}

/** Two of the others at a time. */
function both(one: Phase, other: Phase): Phase {
  return (host) => {
    const ends = [one(host), other(host)];
    return () => {
      for (const end of ends) end();
    };
  };
}

/** All of them. */
export const PHASES: readonly Phase[] = [
  noBuffers,
  noBuffers,
  noFifoMemory,
  noFifoMemory,
  noFifos,
  both(noFifos, noBuffers),
  both(noBuffers, noAddresses),
  noSessions,
  noConnections,
  interfaceDown,
  noForwarding,
  noAddresses,
  rules,
  flowHook,
  both(flowHook, noBuffers),
  busy,
];
