import { FifoTable } from "../../src/mem/fifo-table.js";
import { PacketPool } from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import type { ApplicationCallbacks, ApplicationOptions } from "../../src/session/application.js";
import type { InterfaceView, LocalAddresses } from "../../src/session/local-addresses.js";
import { FlowPackets } from "../../src/session/flow-packets.js";
import { SessionLookup } from "../../src/session/lookup.js";
import { DEFAULT_SESSION_CONFIG, type SessionConfig } from "../../src/session/session-config.js";
import { SessionIo } from "../../src/session/session-io.js";
import { SessionLayer } from "../../src/session/session-layer.js";
import { S_STATE, SESSION_STATE_NAMES } from "../../src/session/session-table.js";
import { parseUri } from "../../src/session/uri.js";
import {
  C_COMMON_WORDS,
  C_FIB,
  C_FLAGS,
  C_LCL,
  C_PORTS,
  C_RMT,
  C_SESSION,
  CF_IP6,
  CF_USED,
  type ConnectRequest,
  type Endpoint,
  type Transport,
} from "../../src/transport/transport.js";

/** A stream transport whose peer is the test: it remembers what was asked of it, and does nothing by itself. */
export class FakeTransport implements Transport {
  readonly name: string;
  readonly proto: number;
  readonly isDatagram: boolean;
  /** Rows are never given back. */
  readonly rows: { base: number; stride: number; capacity: number; used: number };
  readonly calls: string[] = [];
  /** The request of each active open, by connection. */
  readonly requests: ConnectRequest[] = [];
  /** Answer of the next startListen or connect, when it is to fail. */
  failure = 0;
  /** Called within close and reset. */
  onClose: ((c: number) => void) | undefined;
  readonly #window: MemoryWindow;

  constructor(window: MemoryWindow, capacity: number, name = "tcp", proto = 0, isDatagram = false) {
    this.#window = window;
    this.name = name;
    this.proto = proto;
    this.isDatagram = isDatagram;
    this.rows = {
      base: window.reserve("fake rows", capacity * C_COMMON_WORDS * 4) >> 2,
      stride: C_COMMON_WORDS,
      capacity,
      used: 0,
    };
  }

  row(c: number): number {
    return this.rows.base + c * C_COMMON_WORDS;
  }

  session(c: number): number {
    return this.#window.i32[this.row(c) + C_SESSION];
  }

  /** A connection row for these ends. */
  open(local: Endpoint, remote: Endpoint, fib = 0): number {
    const { i32 } = this.#window;
    const c = this.rows.used++;
    const r = this.row(c);
    i32.fill(0, r, r + C_COMMON_WORDS);
    i32[r + C_SESSION] = -1;
    i32[r + C_FLAGS] = local.family === 6 ? CF_USED | CF_IP6 : CF_USED;
    i32[r + C_FIB] = fib;
    i32[r + C_PORTS] = (local.port << 16) | remote.port;
    i32.set(local.address, r + C_LCL);
    i32.set(remote.address, r + C_RMT);
    return c;
  }

  startListen(session: number, local: Endpoint): number {
    if (this.failure < 0) return this.failure;
    const c = this.open(local, { family: local.family, address: new Int32Array(4), port: 0 });
    this.#window.i32[this.row(c) + C_SESSION] = session;
    this.calls.push(`listen ${c}`);
    return c;
  }

  stopListen(c: number): void {
    this.calls.push(`stopListen ${c}`);
  }

  connect(request: ConnectRequest): number {
    if (this.failure < 0) return this.failure;
    const c = this.open(request.local, request.remote, request.fib);
    this.requests[c] = request;
    this.calls.push(`connect ${c}`);
    return c;
  }

  halfClose(c: number): void {
    this.calls.push(`halfClose ${c}`);
  }

  close(c: number): void {
    this.calls.push(`close ${c}`);
    this.onClose?.(c);
  }

  reset(c: number): void {
    this.calls.push(`reset ${c}`);
    this.onClose?.(c);
  }

  transmit(): boolean {
    return false;
  }

  rxDequeued(c: number): void {
    this.calls.push(`rxDequeued ${c}`);
  }

  icmpError(): void {}

  attribute(c: number, name: string): number {
    return name === "dscp" ? c : -10;
  }

  setAttribute(_c: number, name: string, value: number): number {
    this.calls.push(`setAttribute ${name} ${value}`);
    return 0;
  }

  markUrgent(c: number): number {
    this.calls.push(`markUrgent ${c}`);
    return 0;
  }

  statistics(c: number): Readonly<Record<string, number>> {
    return { c };
  }

  format(c: number): string {
    return `fake ${c}`;
  }
}

/** Addresses of the test's host: 10.0.0.1, 10.0.0.2 and 2001:db8::1; a route everywhere but to 203.0.113.0/24. */
export class FakeAddresses implements LocalAddresses {
  /** IPv4 addresses of interface if0. */
  of0 = [0x0a000001];
  /** Interfaces that are spoofing; if0 is any. */
  readonly spoofing = new Set<number>();

  isLocal(_fib: number, family: 4 | 6, [a, b, c, d]: Int32Array): boolean {
    if (family === 4) return a === 0x0a000001 || a === 0x0a000002;
    return a === 0x20010db8 && b === 0 && c === 0 && d === 1;
  }

  maySpoof(_fib: number, _family: 4 | 6, ifIndex: number, [a]: Int32Array): boolean {
    return this.spoofing.has(ifIndex < 0 ? 0 : ifIndex) && a >>> 28 !== 14;
  }

  sourceFor(_fib: number, family: 4 | 6, remote: Int32Array, out: Int32Array): number {
    if (family === 4 && remote[0] >>> 8 === 0xcb0071) return -6;
    out.set(family === 4 ? [0x0a000001, 0, 0, 0] : [0x20010db8, 0, 0, 1]);
    return 0;
  }

  isBroadcast(_fib: number, family: 4 | 6, [a]: Int32Array): boolean {
    return family === 4 && a === 0x0a0000ff;
  }

  interfaceOf(name: string): InterfaceView | undefined {
    const ifIndex = ["if0", "if1"].indexOf(name);
    return ifIndex < 0 ? undefined : { ifIndex, fib4: 0, fib6: 0 };
  }

  interfaceName(ifIndex: number): string {
    return `if${ifIndex}`;
  }

  /** Interface if0 has the addresses that end in 1, if1 10.0.0.2 and no IPv6 address. */
  addressesOf(ifIndex: number, family: 4 | 6): readonly Int32Array[] {
    if (family === 4) return (ifIndex === 0 ? this.of0 : [0x0a000002]).map((word) => Int32Array.of(word, 0, 0, 0));
    return ifIndex === 0 ? [Int32Array.of(0x20010db8, 0, 0, 1)] : [];
  }

  hasAddress(ifIndex: number, family: 4 | 6, address: Int32Array): boolean {
    return this.addressesOf(ifIndex, family).some((own) => own.every((word, i) => word === address[i]));
  }

  sourceOn(ifIndex: number, family: 4 | 6): Int32Array | undefined {
    return this.addressesOf(ifIndex, family)[0];
  }

  /** Tables 0 to 3. */
  fibOf(_family: 4 | 6, table: number): number {
    return table >= 0 && table <= 3 ? table : -1;
  }
}

/** A session layer over the fake transport. */
export class SessionHarness {
  readonly window: MemoryWindow;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly layer: SessionLayer;
  readonly io: SessionIo;
  readonly tcp: FakeTransport;
  readonly addresses = new FakeAddresses();
  readonly errors: unknown[] = [];
  wakes = 0;

  constructor({ maxFifos = 256, ...config }: Partial<SessionConfig> & { maxFifos?: number } = {}) {
    this.window = MemoryWindow.plain(16 << 20);
    const { window } = this;
    const bytes = 4 << 20;
    this.fifos = new FifoTable(window, window.reserve("fifos", bytes, 4096), bytes, { maxFifos });
    const random = new SeededRandom(5);
    this.lookup = new SessionLookup(window, random, { connections: 4096, halfOpens: 1024, listeners: 64 });
    this.layer = new SessionLayer({
      window,
      fifos: this.fifos,
      lookup: this.lookup,
      addresses: this.addresses,
      packets: new FlowPackets(new PacketPool(window, { small: 64, large: 0 }), () => undefined),
      random,
      config: { ...DEFAULT_SESSION_CONFIG, maxSessions: 256, ...config },
      hooks: { wake: () => this.wakes++, reportError: (error) => this.errors.push(error) },
    });
    this.tcp = new FakeTransport(window, 4096);
    this.layer.register(this.tcp);
    this.io = new SessionIo(this.layer);
  }

  /** Registers another fake transport. */
  add(name: string, proto: number, isDatagram = false): FakeTransport {
    const transport = new FakeTransport(this.window, 256, name, proto, isDatagram);
    this.layer.register(transport);
    return transport;
  }

  /** Attaches an application that writes what it hears to the list that is returned. */
  app(
    name = "app",
    callbacks: ApplicationCallbacks = {},
    options: Omit<ApplicationOptions, "name"> = {},
  ): { index: number; heard: string[] } {
    const heard: string[] = [];
    const index = this.layer.attach({ ...options, name }, { ...recorder(heard), ...callbacks });
    if (index < 0) throw new Error(`attach: ${index}`);
    return { index, heard };
  }

  listen(app: number, uri: string): number {
    return this.layer.listen(app, 0, parseUri(uri).endpoint);
  }

  connect(app: number, uri: string, from?: string): number {
    const local = from === undefined ? undefined : parseUri(from).endpoint;
    return this.layer.connect(app, 0, parseUri(uri).endpoint, { local });
  }

  /** A peer's connection to a listener is established. Returns its connection, or the session layer's refusal. */
  arrive(listener: number, remotePort = 5000): number {
    const local = this.layer.localEndpoint(listener) as Endpoint;
    const c = this.tcp.open(
      { ...local, address: Int32Array.of(0x0a000001, 0, 0, 0) },
      { family: 4, address: Int32Array.of(0x0a000009, 0, 0, 0), port: remotePort },
    );
    if (!this.layer.mayAccept(listener)) return -1000;
    const error = this.layer.accepted(0, c, listener);
    return error < 0 ? error : c;
  }

  /** A session that a listener accepted and whose application was told. */
  accepted(app: number, port = 80): { s: number; c: number } {
    const c = this.arrive(this.listen(app, `tcp://0.0.0.0/${port}`));
    this.layer.deliver();
    return { s: this.tcp.session(c), c };
  }

  /** The peer sends bytes. */
  feed(s: number, text: string): void {
    const rx = this.window.i32[this.layer.table.row(s) + 4];
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    this.fifos.write(rx, bytes, 0, bytes.length);
    this.layer.received(s);
  }

  read(s: number): string {
    const bytes = new Uint8Array(1000);
    const n = this.io.read(s, bytes, 0, bytes.length);
    return n < 0 ? `error ${n}` : String.fromCharCode(...bytes.subarray(0, n));
  }

  state(s: number): string {
    return this.layer.table.isUsed(s)
      ? SESSION_STATE_NAMES[this.window.i32[this.layer.table.row(s) + S_STATE]]
      : "free";
  }

  /** Turns until no session has anything to be told. */
  settle(): void {
    for (let i = 0; i < 100 && this.layer.deliver() > 0; i++);
  }
}

/** Callbacks that note their name and session. */
export function recorder(heard: string[]): ApplicationCallbacks {
  return {
    accept: (s) => void heard.push(`accept ${s}`),
    connected: (s, error) => void heard.push(`connected ${s} ${error}`),
    disconnect: (s) => void heard.push(`disconnect ${s}`),
    reset: (s, error) => void heard.push(`reset ${s} ${error}`),
    transportClosed: (s) => void heard.push(`transportClosed ${s}`),
    cleanup: (s, phase) => void heard.push(`cleanup ${s} ${phase}`),
    halfOpenCleanup: (s) => void heard.push(`halfOpenCleanup ${s}`),
    listened: (s) => void heard.push(`listened ${s}`),
    unlistened: (s) => void heard.push(`unlistened ${s}`),
    rx: (s) => void heard.push(`rx ${s}`),
    tx: (s) => void heard.push(`tx ${s}`),
    urgent: (s) => void heard.push(`urgent ${s}`),
    softError: (s, kind) => void heard.push(`softError ${s} ${kind}`),
  };
}
