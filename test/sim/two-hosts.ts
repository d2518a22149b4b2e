import type { Session } from "../../src/app/session.js";
import type { SimHost } from "../../src/sim/host.js";
import { type HostSize, SMALL_HOST, type SimHostOptions } from "../../src/sim/host-options.js";
import type { SimLink } from "../../src/sim/link.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { createSimulation, type Simulation } from "../../src/sim/simulation.js";
import type { TlsOptions } from "../../src/transport/tls/crypto-config.js";

/** How two hosts are connected. */
export interface TwoHostsOptions {
  readonly seed?: number;
  readonly link?: LinkOptions;
  readonly size?: HostSize;
  readonly a?: Partial<SimHostOptions>;
  readonly b?: Partial<SimHostOptions>;
}

/** Two hosts and a link between them. */
export interface TwoHosts {
  readonly sim: Simulation;
  readonly a: SimHost;
  readonly b: SimHost;
  readonly link: SimLink;
}

/** Addresses of the second host in URIs. */
export const SERVER = { 4: "10.0.0.2", 6: "[2001:db8::2]" } as const;
const ANY = { 4: "0.0.0.0", 6: "[::]" } as const;

/** Makes hosts 10.0.0.1 and 10.0.0.2, 2001:db8::1 and 2001:db8::2. */
export function twoHosts(options: TwoHostsOptions = {}): TwoHosts {
  const { seed = 1, size = SMALL_HOST } = options;
  const sim = createSimulation({ seed });
  const make = (i: 1 | 2, more: Partial<SimHostOptions> = {}): SimHost =>
    sim.host(`h${i}`, { ...size, addresses: [`10.0.0.${i}/24`, `2001:db8::${i}/64`], ...more });
  const a = make(1, options.a);
  const b = make(2, options.b);
  return { sim, a, b, link: sim.link(a, b, options.link) };
}

/** A stream of bytes from one host to another. */
export interface Transfer {
  /** Bytes as sent. */
  readonly data: Uint8Array;
  /** Bytes that arrived so far. */
  got: number;
  /** First byte that differs, -1 while none does. */
  wrongAt: number;
  /** Both ends have closed. */
  isDone: boolean;
  /** What ended it otherwise. */
  error: unknown;
}

/** How a transfer goes. */
export interface TransferOptions {
  readonly proto?: "tcp" | "tls";
  /** Of the client. */
  readonly tls?: TlsOptions;
}

/** Starts to send `bytes` random bytes, over TCP or TLS, from `from` to port 9 of `to`, which is host 2 and `localhost`. */
export function transfer(
  sim: Simulation,
  from: SimHost,
  to: SimHost,
  bytes: number,
  family: 4 | 6 = 4,
  { proto = "tcp", tls }: TransferOptions = {},
): Transfer {
  const data = new Uint8Array(bytes);
  sim.fork().fill(data);
  const state: Transfer = { data, got: 0, wrongAt: -1, isDone: false, error: undefined };
  const buffer = new Uint8Array(65_536);
  const receive = (session: Session): void => {
    for (let n = session.read(buffer); n > 0; n = session.read(buffer)) {
      for (let i = 0; i < n; i++) {
        if (buffer[i] !== data[state.got + i] && state.wrongAt < 0) state.wrongAt = state.got + i;
      }
      state.got += n;
    }
  };
  const sink = to.attach(
    { name: "sink" },
    {
      accept: () => true,
      rx: receive,
      disconnect: (session) => {
        receive(session);
        session.close();
      },
    },
  );
  let sent = 0;
  const push = (session: Session): void => {
    while (sent < bytes) {
      const n = session.write(data, sent);
      if (n <= 0) return;
      sent += n;
    }
    session.halfClose();
  };
  const source = from.attach(
    { name: "source" },
    {
      connected: (session, error) => {
        if (session === undefined) state.error = error;
        else push(session);
      },
      tx: push,
      disconnect: (session) => {
        state.isDone = true;
        session.close();
      },
      reset: (_session, error) => {
        state.error = error;
      },
    },
  );
  sink.listen(`${proto}://${ANY[family]}:9`).catch((error: unknown) => (state.error = error));
  const target = proto === "tls" ? `[localhost]${SERVER[family].replace(/[[\]]/g, "")}/9` : `${SERVER[family]}:9`;
  source.connect(`${proto}://${target}`, tls && { tls }).catch((error: unknown) => (state.error = error));
  return state;
}

/** Sends `count` datagrams, one each `everyUs`, from host 1 to port 7 of host 2; returns the numbers that arrived. */
export function datagrams(net: TwoHosts, count: number, everyUs: number, family: 4 | 6 = 4): number[] {
  const { sim, a, b } = net;
  const arrived: number[] = [];
  const buffer = new Uint8Array(2000);
  const sink = b.attach(
    { name: "datagrams" },
    {
      rx: (session) => {
        while (session.readDatagram(buffer) >= 0) arrived.push((buffer[0] << 8) | buffer[1]);
      },
    },
  );
  const source = a.attach(
    { name: "source of datagrams" },
    {
      connected: (session) => {
        for (let n = 1; n <= count; n++) {
          sim.after(n * everyUs, () =>
            session?.writeDatagram(Uint8Array.of(n >> 8, n, ...new Array<number>(200).fill(n & 255))),
          );
        }
      },
    },
  );
  sink.listen(`udp://${ANY[family]}:7`).catch((error: unknown) => b.errors.push(error));
  source.connect(`udp://${SERVER[family]}:7`).catch((error: unknown) => a.errors.push(error));
  return arrived;
}
