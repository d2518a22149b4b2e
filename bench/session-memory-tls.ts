// What does an open, idle TLS session cost at each of its ends, in memory that is really touched: rows in the memory window (its
// own and TCP's below it), JavaScript's heap, OpenSSL's memory? And does it hold fifo memory?
import { AppServer } from "../src/app/attach.js";
import { SystemClock } from "../src/host/system-clock.js";
import { printValue } from "./support/report.js";
import { cHeapBytes, heapBytes, residentBytes } from "./support/resident.js";
import { TLS_SERVER, tlsStacks } from "./support/tls-stacks.js";

const FIRST = 256;
const SESSIONS = 1000;
/** No other mapping has these sizes. */
const WINDOW_BYTES = [(1 << 29) + (7 << 20), (1 << 29) + (9 << 20)] as const;
/** Until delayed acknowledgements have gone, too. */
const SETTLE_US = 200_000;
const NAME = "session-memory-tls";

const clock = new SystemClock();
const sizes = { connections: FIRST + SESSIONS + 16, windowBytes: WINDOW_BYTES };
const stacks = tlsStacks(clock, 1 << 18, { fifoBytes: 1 << 16 }, sizes);
const [near, far] = stacks;
const byte = Uint8Array.of(1);
let accepted = 0;
const server = await new AppServer(far.host.sessions).attach(
  { name: "server" },
  {
    accept: (session) => {
      accepted++;
      session.write(byte);
    },
    rx: (session) => void session.drop(1),
  },
);
await server.listen(`tls://${TLS_SERVER}/443`);
let heard = 0;
const client = await new AppServer(near.host.sessions).attach(
  { name: "client" },
  {
    // The byte comes after the ticket.
    rx: (session) => {
      heard += session.drop(1);
      session.write(byte);
    },
  },
);

function turn(): void {
  for (const { engine } of stacks) engine.turn();
}

/** Opens so many sessions, a byte sent on each in either direction, and waits until nothing happens any more. */
async function open(count: number): Promise<void> {
  const wanted = heard + count;
  for (let next = heard + 1; next <= wanted; next++) {
    const connect = client.connect(`tls://${TLS_SERVER}/443`, { tls: { verify: "none" } });
    connect.catch(() => {});
    for (let turns = 0; turns < 1000 && heard < next; turns++) turn();
    await connect;
  }
  if (heard !== wanted || accepted !== wanted) throw new Error(`${heard} and ${accepted} of ${wanted} sessions`);
  for (const startUs = clock.nowUs(); clock.nowUs() - startUs < SETTLE_US; ) turn();
}

/** Of both ends together. */
function inUse(): { window: number; heap: number; openssl: number } {
  const heap = heapBytes();
  return { heap, window: WINDOW_BYTES.reduce((sum, bytes) => sum + residentBytes(bytes), 0), openssl: cHeapBytes() };
}

// A few first, so that what is touched once for all sessions counts for none; then the others.
await open(FIRST);
const before = inUse();
await open(SESSIONS);
const after = inUse();

// Now and then the system has no room behind the heap of C, which then grows elsewhere.
if (after.openssl <= before.openssl) throw new Error("the heap of C has grown where it is not seen: measure again");
const each = (what: keyof typeof before): number => (after[what] - before[what]) / (2 * SESSIONS);
printValue(`${NAME}-window`, each("window"), "bytes");
printValue(`${NAME}-heap`, each("heap"), "bytes");
printValue(`${NAME}-openssl`, each("openssl"), "bytes");
printValue(NAME, each("window") + each("heap") + each("openssl"), "bytes");
printValue(`${NAME}-fifo-chunks`, near.host.fifos.inUse() + far.host.fifos.inUse(), "bytes");
for (const stack of stacks) stack.close();
process.exit(0);
