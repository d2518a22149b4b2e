import fc from "fast-check";
import { expect, test } from "vitest";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { bytes, OneStack } from "./one-stack.js";

const URI = "tcp://127.0.0.1/80";

/** Callbacks of a session: Accept, Connected, Rx, Tx (who may still write after Disconnect), reset (X), closed (o), cleanups 1, 2. */
const IN_ORDER = /^[AC][RT]*D?T*X?o?1?2?$/;

test("whatever two applications do, each session hears its callbacks in order, and nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 1 << 30 }), async (seed) => {
      const random = new SeededRandom(seed);
      const h = new OneStack();
      const told = new Map<Session, string>();
      const note = (session: Session, letter: string): void => {
        told.set(session, (told.get(session) ?? "") + letter);
      };
      const live: Session[] = [];
      const act = (session: Session): void => {
        switch (random.nextBelow(8)) {
          case 0:
            session.close();
            break;
          case 1:
            session.halfClose();
            break;
          case 2:
            if (random.nextBelow(3) === 0) session.reset();
            break;
          case 3:
            session.read(new Uint8Array(random.nextBelow(3000)));
            break;
          default:
            session.write(bytes("x".repeat(random.nextBelow(3000))));
        }
      };
      /** Does something, sometimes, whenever it is called. */
      const callbacks = (): AppCallbacks => ({
        accept: (session) => {
          note(session, "A");
          live.push(session);
          if (random.nextBelow(3) === 0) act(session);
          return random.nextBelow(8) !== 0;
        },
        connected: (session) => {
          if (session === undefined) return;
          note(session, "C");
          live.push(session);
          if (random.nextBelow(3) === 0) act(session);
        },
        rx: (session) => {
          note(session, "R");
          if (random.nextBelow(2) === 0) act(session);
          if (random.nextBelow(60) === 0) throw new Error("rx");
        },
        tx: (session) => note(session, "T"),
        disconnect: (session) => {
          note(session, "D");
          if (random.nextBelow(2) === 0) act(session);
        },
        reset: (session) => note(session, "X"),
        transportClosed: (session) => note(session, "o"),
        cleanup: (session, phase) => note(session, phase === "transport" ? "1" : "2"),
      });
      const attach = async (name: string): ReturnType<typeof h.server.attach> =>
        h.server.attach({ name, scope: ["local"], rxFifoBytes: 4000, txFifoBytes: 4000 }, callbacks());
      const before = h.pools();
      let server = await attach("s");
      await server.listen(URI);
      let client = await attach("c");
      for (let step = 0; step < 150; step++) {
        const what = random.nextBelow(20);
        if (what < 3) client.connect(URI).catch(() => {});
        else if (what < 10 && live.length > 0) act(live[random.nextBelow(live.length)]);
        else if (what < 18) h.stack.engine.turn();
        else if (what === 18 && random.nextBelow(10) === 0) {
          await client.detach();
          client = await attach(`c${step}`);
        } else if (what === 19 && random.nextBelow(10) === 0) {
          await server.detach();
          server = await attach(`s${step}`);
          await server.listen(URI);
        }
      }
      h.settle();
      for (const session of live) session.close();
      h.settle();
      await server.detach();
      await client.detach();
      h.settle();
      for (const order of told.values()) expect(order).toMatch(IN_ORDER);
      expect(h.pools()).toEqual(before);
      expect(h.stack.host.fifos.stats().badFifos).toBe(0);
    }),
    { numRuns: 60, seed: 5 },
  );
});
