import { describe, expect, it } from "vitest";
import type { BatchDevice } from "../../bench/support/batch-device.js";
import { makeForwarding } from "../../bench/support/forwarding.js";
import { fusedIp4Forward } from "../../bench/support/fused-ip4-forward.js";
import { fusedTcp4Input } from "../../bench/support/fused-tcp4-input.js";
import { PAYLOAD_BYTES, TcpFlows } from "../../bench/support/tcp-flows.js";
import { LISTENER_ADDRESS, LISTENER_PORT, makeListenerStack } from "../../bench/support/tcp-listener.js";
import { M_DATA, M_LEN } from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { S_RX_FIFO } from "../../src/session/session-table.js";
import type { Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { DEFAULT_TCP_CONFIG } from "../../src/transport/tcp/config.js";
import { TRANSPORT_TCP } from "../../src/transport/transport.js";

/** Segments of each flow: more than are acknowledged at once at its start. */
const ROUNDS = 20;

/** Everything that a device is given to send, as hexadecimal. */
function catchFrames(stack: Stack, device: BatchDevice): string[] {
  const { pool, window } = stack.host;
  const caught: string[] = [];
  device.onTx = (buffers, count) => {
    for (let i = 0; i < count; i++) {
      const m = pool.meta + (buffers[i] << 4);
      const data = window.i32[m + M_DATA];
      caught.push(Buffer.from(window.u8.subarray(data, data + window.i32[m + M_LEN])).toString("hex"));
    }
  };
  return caught;
}

describe("the loops that the graph is measured against do the graph's work", () => {
  it("forwarding gives the same frames and counters", () => {
    const run = (isGraph: boolean): unknown => {
      const clock = new ManualClock(1_000_000);
      const { stack, inDevice, outDevice, rx, tx, nextFrame } = makeForwarding(clock, 200);
      const poll = fusedIp4Forward(stack.host, clock, rx, tx);
      const frames = catchFrames(stack, outDevice);
      for (let i = 0; i < 8; i++) {
        inDevice.prepare(256, nextFrame);
        if (isGraph) stack.engine.turn();
        else poll();
      }
      return { frames, rx: rx.counters, tx: tx.counters, free: stack.host.pool.freeSmall };
    };
    const graph = run(true);
    expect(run(false)).toEqual(graph);
    expect(graph).toMatchObject({ tx: { txPackets: 2048, txDrops: 0 } });
  });

  it("TCP input fills the same fifos and causes the same acknowledgements", () => {
    const run = (isGraph: boolean): { frames: string[]; unread: number[] } => {
      const clock = new ManualClock(1_000_000);
      const { stack, device, iface } = makeListenerStack(MemoryWindow.plain(64 << 20), clock, 300, 8 << 20);
      const { sessions, fifos, window } = stack.host;
      const app = sessions.attach({ name: "sink" }, { accept: () => true });
      sessions.listen(app, TRANSPORT_TCP, { family: 4, address: new Int32Array(4), port: LISTENER_PORT });
      const flows = TcpFlows.prepare(stack, device, 256, LISTENER_ADDRESS, LISTENER_PORT);
      flows.open();
      const poll = fusedTcp4Input(stack.host, clock, iface);
      const frames = catchFrames(stack, device);
      for (let i = 0; i < ROUNDS; i++) {
        device.prepare(256, (flow) => flows.next(flow));
        if (!isGraph) poll();
        stack.engine.turn();
      }
      // What is acknowledged later.
      clock.advanceUs(100_000);
      for (let i = 0; i < 4; i++) stack.engine.turn();
      const unread = [...sessions.table].map((s) => window.i32[sessions.table.row(s) + S_RX_FIFO]);
      return { frames, unread: unread.filter((fifo) => fifo !== 0).map((fifo) => fifos.maxDequeue(fifo)) };
    };
    const graph = run(true);
    expect(run(false)).toEqual(graph);
    expect(graph.frames).toHaveLength((DEFAULT_TCP_CONFIG.quickAcks + 1) * 256);
    expect(graph.unread).toEqual(Array.from({ length: 256 }, () => ROUNDS * PAYLOAD_BYTES));
  });
});
