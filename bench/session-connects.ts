// How many TCP sessions per second are opened and closed again between two stacks in one process, over a wire in memory?
// Accepted, connected, closed by either end, and forgotten by both; ports come round again.
import { wire } from "../src/device/wire-device.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { parseAddress } from "../src/ip/address.js";
import { SeededRandom } from "../src/random/seeded.js";
import { endpointOf } from "../src/session/uri.js";
import { Stack } from "../src/stack.js";
import { TRANSPORT_TCP } from "../src/transport/transport.js";
import { protect } from "./support/protect.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { median, printValue } from "./support/report.js";

/** Sessions of one measurement. */
const SESSIONS = 20_000;
/** Sessions that are being opened or closed at a time. */
const UNDER_WAY = 256;
const WARM_UP = 2;
const ROUNDS = 5;
/** Short enough for the range of ports to do: 64,512 of them. */
const TIME_WAIT_MS = 50;
const PORT = 7001;
const ADDRESSES = ["198.18.0.1", "198.18.0.2"] as const;

protect();
const clock = new SystemClock();
const [client, server] = wire().map((device, i) => {
  const stack = new Stack({
    window: new NativeWindow({ bytes: 1 << 29 }).window,
    clock,
    random: new SeededRandom(i + 1),
    hooks: MANUAL_HOOKS,
    limits: { smallPackets: 4096, largePackets: 8, ringPackets: 0, fifoBytes: 64 << 20 },
    session: { maxSessions: 2 * UNDER_WAY, backlog: UNDER_WAY },
    tcp: { maxConnections: 65_536, timeWaitMs: TIME_WAIT_MS },
  });
  stack.addInterface("wire0", device, { addresses: [`${ADDRESSES[i]}/24`] });
  return stack;
});

let connected = 0;
let accepted = 0;
/** Sessions that are gone, of both ends. */
let gone = 0;
const listening = server.host.sessions.attach(
  { name: "server" },
  {
    accept: () => {
      accepted++;
      return true;
    },
    // Without a disconnect callback a session is closed when its peer has closed.
    cleanup: (_session, phase) => {
      if (phase === "session") gone++;
    },
  },
);
const local = { family: 4, address: new Int32Array(4), port: PORT } as const;
if (listening < 0 || server.host.sessions.listen(listening, TRANSPORT_TCP, local) < 0) throw new Error("cannot listen");

const { sessions } = client.host;
const connecting = sessions.attach(
  { name: "client" },
  {
    connected: (session, error) => {
      if (error < 0) throw new Error(`connect: session error ${error}`);
      connected++;
      sessions.close(session);
    },
    cleanup: (_session, phase) => {
      if (phase === "session") gone++;
    },
  },
);
const remote = endpointOf(parseAddress(ADDRESSES[1]), PORT);

/** Sessions opened and closed per second. */
function measure(): number {
  connected = accepted = gone = 0;
  const startUs = clock.nowUs();
  for (let opened = 0; gone < 2 * SESSIONS; ) {
    // Both ends of a session count: those under way are all that were opened but for what is gone.
    for (; opened < SESSIONS && opened - gone / 2 < UNDER_WAY; opened++) {
      const s = sessions.connect(connecting, TRANSPORT_TCP, remote);
      if (s < 0) throw new Error(`connect: session error ${s}`);
    }
    client.engine.turn();
    server.engine.turn();
  }
  const seconds = (clock.nowUs() - startUs) / 1_000_000;
  if (connected !== SESSIONS || accepted !== SESSIONS) throw new Error(`${connected} connected, ${accepted} accepted`);
  return SESSIONS / seconds;
}

const rates: number[] = [];
for (let round = 0; round < WARM_UP + ROUNDS; round++) {
  const rate = measure();
  if (round >= WARM_UP) rates.push(rate);
}
printValue("session-connects", Math.round(median(rates)), "sessions/s");

// Once TIME_WAIT is over nothing is left but the listener.
const untilUs = clock.nowUs() + 2000 * TIME_WAIT_MS;
while (clock.nowUs() < untilUs) client.engine.turn();
for (const [stack, listeners] of [
  [client, 0],
  [server, 1],
] as const) {
  const { tcp, lookup, fifos } = stack.host;
  const { established4, halfOpen4 } = lookup.counts();
  const left = [
    stack.host.sessions.table.used - listeners,
    tcp.core.connections.used - listeners,
    established4,
    halfOpen4,
  ];
  if (left.some((count) => count !== 0) || fifos.inUse() !== 0) throw new Error(`left over: ${left.join(", ")}`);
  stack.close();
}
