// The program that bare-context.test.ts runs where there is nothing but JavaScript: two hosts on a wire in memory.
import { AppServer } from "../../src/app/attach.js";
import { wire } from "../../src/device/wire-device.js";
import { ManualDriver } from "../../src/graph/manual-driver.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";

const BYTES = 300_000;

/** A host on virtual time at one end of the wire. */
function host(clock: ManualClock, seed: number): Stack {
  return new Stack({
    window: MemoryWindow.plain(32 << 20),
    clock,
    random: new SeededRandom(seed),
    hooks: {
      wake: () => {},
      reportError: (error) => {
        throw error;
      },
    },
    limits: SMALL_LIMITS,
    session: { maxSessions: 64 },
    tcp: { maxConnections: 64 },
    udp: { maxConnections: 64 },
  });
}

/** Sends 300,000 bytes from one host to the other and back; returns what arrived and the frames that it took. */
export async function run(family: 4 | 6): Promise<{ received: number; sum: number; frames: number; timeUs: number }> {
  const clock = new ManualClock();
  const [endA, endB] = wire();
  const a = host(clock, 1);
  const b = host(clock, 2);
  a.addInterface("a", endA, { addresses: ["10.0.0.1/24", "2001:db8::1/64"] });
  b.addInterface("b", endB, { addresses: ["10.0.0.2/24", "2001:db8::2/64"] });
  const address = family === 4 ? "0.0.0.0" : "[::]";
  const echo = await new AppServer(b.host.sessions).attach(
    { name: "echo" },
    {
      accept: () => true,
      rx: (session) => {
        session.peek((u8, offset, length) => {
          const written = session.write(u8, offset, length);
          return written > 0 ? written : 0;
        });
      },
    },
  );
  await echo.listen(`tcp://${address}:7`);
  let received = 0;
  let sum = 0;
  const buffer = new Uint8Array(65536);
  const client = await new AppServer(a.host.sessions).attach(
    { name: "client" },
    {
      rx: (session) => {
        for (let n = session.read(buffer); n > 0; n = session.read(buffer)) {
          for (let i = 0; i < n; i++) sum = (Math.imul(sum, 31) + buffer[i]) | 0;
          received += n;
        }
      },
    },
  );
  const connecting = client.connect(family === 4 ? "tcp://10.0.0.2/7" : "tcp://[2001:db8::2]:7");
  const drivers = [new ManualDriver(a.engine, clock), new ManualDriver(b.engine, clock)];
  const settle = (): void => {
    while (drivers[0].settle() + drivers[1].settle() > 0);
  };
  settle();
  const session = await connecting;
  const data = Uint8Array.from({ length: BYTES }, (_, i) => i % 251);
  for (let sent = 0, rounds = 0; received < BYTES && rounds < 10_000; rounds++) {
    if (sent < BYTES) sent += Math.max(session.write(data, sent), 0);
    clock.advanceUs(1000);
    settle();
  }
  return { received, sum, frames: endA.counters.frames + endB.counters.frames, timeUs: clock.nowUs() };
}
