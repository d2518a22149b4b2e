import { describe, expect, it } from "vitest";
import type { Host } from "../../../nodes/host.js";
import { NO_TRACE, type NodeForm } from "../../../src/graph/node.js";
import { M_CONN, M_DATA, M_L3 } from "../../../src/graph/packet-pool.js";
import { SESSION_E_INVALID } from "../../../src/session/session-errors.js";
import { established, FAMILIES, listening, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

/** A node that notes the connections whose packets it sees, and lets them go on to IP's lookup. */
function tap(family: 4 | 6, seen: number[]): NodeForm<Host> {
  return {
    name: "test-tap",
    next: [`ip${family}-lookup`],
    errors: [],
    trace: NO_TRACE,
    process:
      ({ window, pool }) =>
      (frame) => {
        for (let i = 0; i < frame.count; i++) {
          const m = pool.meta + (frame.buffers[i] << 4);
          // The IP header is in front already.
          expect(window.u8[window.i32[m + M_DATA]] >> 4).toBe(family);
          expect(window.i32[m + M_L3]).toBe(window.i32[m + M_DATA]);
          seen.push(window.i32[m + M_CONN]);
          frame.next[i] = 0;
        }
      },
  };
}

describe.each(FAMILIES)("attribute nextNode over IPv%i", (family) => {
  const output = `tcp${family}-output`;

  it("sends a connection's packets to another node, and back to IP's lookup", () => {
    const seen: number[] = [];
    const [peer, host] = established({ family, nodes: [tap(family, seen)] });
    const other = new ScriptedPeer(host, { port: 5000 });
    other.open();
    const [first, second] = host.sessions;
    const index = host.stack.engine.addNext(output, "test-tap");
    expect([index, host.stack.engine.addNext(output, "test-tap")]).toEqual([1, 1]);
    expect(first.attribute("nextNode")).toBe(0);
    expect([first.setAttribute("nextNode", index), first.attribute("nextNode")]).toEqual([0, index]);
    const c = host.core.connections.at(peer.row);
    host.together(() => {
      for (const session of [first, second]) session.write(pattern(0, 100));
    });
    expect(seen.splice(0)).toEqual([c]);
    peer.expect({ len: 100, hopLimit: 64, dscp: 0 });
    other.expect({ len: 100 });
    // Acknowledgements, and a reset, too.
    peer.send({ flags: "PA", data: 5 }).expect({ flags: "A", ack: 6 });
    expect(seen.splice(0)).toEqual([c]);
    first.setAttribute("nextNode", 0);
    peer.send({ flags: "PA", data: 5 }).expect({ flags: "A", ack: 11 });
    expect(seen).toEqual([]);
    first.setAttribute("nextNode", index);
    first.reset();
    host.settle();
    peer.expect({ flags: "RA" });
    expect(seen).toEqual([c]);
    expect(host.stack.host.tcp.format(host.core.connections.at(other.row), 2)).toContain(
      `next_node ip${family}-lookup`,
    );
  });

  it("from the first segment on: an active open's SYN, what a listener answers", () => {
    const seen: number[] = [];
    const nodes = [tap(family, seen)];
    const [peer, host] = listening({ family, nodes });
    const index = host.stack.engine.addNext(output, "test-tap");
    expect(host.app.listeners[0].session.setAttribute("nextNode", index)).toBe(0);
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    expect(seen.splice(0)).toHaveLength(1);
    peer.send({ flags: "A" });
    expect(host.session.attribute("nextNode")).toBe(index);
    const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81, undefined, { nextNode: index, hopLimit: 9, dscp: 46 });
    expect(seen).toEqual([host.core.connections.at(active.row)]);
    expect(host.stack.host.tcp.format(seen[0], 2)).toContain("next_node test-tap");
    active.expect({ flags: "S", hopLimit: 9, dscp: 46 });
    active.send({ flags: "SA", seq: 0 });
    const { session } = host;
    expect((["nextNode", "hopLimit", "dscp"] as const).map((name) => session.attribute(name))).toEqual([index, 9, 46]);
    for (const [name, value] of [
      ["dscp", 63],
      ["hopLimit", 255],
    ] as const) {
      session.setAttribute(name, value);
    }
    expect((["nextNode", "hopLimit", "dscp"] as const).map((name) => session.attribute(name))).toEqual([
      index,
      255,
      63,
    ]);
    expect(session.statistics()).toMatchObject({ IpTtl: 255, IpTosOut: 63 << 2 });
  });

  it("must be an arc of the output node of the connection's family: INVALID", () => {
    const [, host] = established({ family, nodes: [tap(family, [])] });
    const { session } = host;
    for (const value of [-1, 1, 0.5, 65_536, Number.NaN]) {
      expect(session.setAttribute("nextNode", value)).toBe(SESSION_E_INVALID);
    }
    // The other family's node has it.
    host.stack.engine.addNext(family === 4 ? "tcp6-output" : "tcp4-output", "test-tap");
    expect(session.setAttribute("nextNode", 1)).toBe(SESSION_E_INVALID);
    host.stack.engine.addNext(output, "test-tap");
    expect(session.setAttribute("nextNode", 1)).toBe(0);
    expect(() => host.stack.engine.addNext(output, "no-such-node")).toThrow("no node no-such-node");
  });

  it("is refused on connect, and nothing is left", () => {
    const host = new ScriptedStack({ family });
    host.connect(80, undefined, { nextNode: 1 });
    expect(host.core.connections.used).toBe(0);
  });
});
