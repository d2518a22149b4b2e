import { expect, test } from "vitest";
import { TcpFlows } from "../../bench/support/tcp-flows.js";
import { LISTENER_ADDRESS, LISTENER_PORT, makeListenerStack } from "../../bench/support/tcp-listener.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SessionIo } from "../../src/session/session-io.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { TRANSPORT_TCP } from "../../src/transport/transport.js";

test("flows open, have a byte each echoed, and close, with nothing left of them", () => {
  const clock = new ManualClock(1_000_000);
  const { stack, device } = makeListenerStack(MemoryWindow.plain(64 << 20), clock, 600, 8 << 20);
  const { sessions, fifos, lookup, tcp, pool } = stack.host;
  const io = new SessionIo(sessions);
  const byte = new Uint8Array(1);
  let accepted = 0;
  const app = sessions.attach(
    { name: "echo" },
    {
      accept: () => {
        accepted++;
        return true;
      },
      rx: (s) => {
        expect(io.read(s, byte, 0, 1)).toBe(1);
        expect(io.write(s, byte, 0, 1)).toBe(1);
      },
    },
  );
  sessions.listen(app, TRANSPORT_TCP, { family: 4, address: new Int32Array(4), port: LISTENER_PORT });
  // Not a multiple of a batch.
  const flows = TcpFlows.prepare(stack, device, 600, LISTENER_ADDRESS, LISTENER_PORT);
  flows.open();
  expect(accepted).toBe(600);
  expect(lookup.counts().established4).toBe(600);
  expect(flows.sendByte()).toBe(600);
  expect(fifos.inUse()).toBe(0);
  expect(flows.close()).toBe(600);
  expect(sessions.table.used).toBe(1);
  expect(tcp.core.connections.used).toBe(1);
  expect(lookup.counts().established4).toBe(0);
  expect(pool.inUse()).toEqual([]);
});
