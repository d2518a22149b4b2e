import type { BufferIndex } from "../../src/graph/packet-pool.js";
import { ADDRESSES, type FuzzHost } from "./fuzz-host.js";

/** A time in which something lacks. Ends by calling what it returns. */
export type Phase = (host: FuzzHost) => () => void;

/** Leaves the pool few free buffers or none, between turns and also right after each receive burst. */
function noBuffers(host: FuzzHost): () => void {
  const { pool } = host.stack.host;
  const held: BufferIndex[] = [];
  const keep = host.random.nextBelow(4) === 0 ? host.random.nextBelow(6) : 0;
  const takeAll = (): void => {
    while (pool.freeLarge > 0) held.push(pool.allocLarge());
    while (pool.freeSmall > keep) held.push(pool.alloc());
  };
  // The pooled device needs some to receive into; the graph gets none.
  const spare = host.random.nextBelow(3) * 20;
  takeAll();
  for (let i = 0; i < spare && held.length > 0; i++) pool.free(held.pop() as BufferIndex);
  for (const device of host.devices) device.onReceived = takeAll;
  return () => {
    for (const device of host.devices) device.onReceived = () => {};
    for (const b of held) pool.free(b);
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
  const which = host.random.nextBelow(4);
  const gone = ADDRESSES.filter(
    ([index, prefix]) => which === 3 || (which < 2 ? index === which : prefix.includes(":") === host.random.nextBelow(2) > 0),
  );
  for (const [index, prefix] of gone) host.stack.apply({ kind: "address", interface: index, prefix, add: false });
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
  noFifos,
  both(noBuffers, noFifos),
  both(noBuffers, noAddresses),
  noSessions,
  interfaceDown,
  noForwarding,
  noAddresses,
  busy,
];
