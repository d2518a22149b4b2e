import { describe, expect, it } from "vitest";
import { tcpTrace } from "../../../src/transport/tcp/trace.js";
import { established, FAMILIES, pattern } from "./scripted-peer.js";

describe.each(FAMILIES)("a connection's listing over IPv%i", (family) => {
  it("is its state, or with more words its variables, numbers relative to the initial ones", () => {
    const [peer, host] = established({ family }, { mss: 1000, wscale: 2, timestamps: true });
    host.session.write(pattern(0, 20_000));
    host.settle();
    peer.send({ flags: "PA", ack: 1, data: 100 });
    for (let i = 0; i < 3; i++) peer.send({ flags: "A", ack: 989 });
    peer.send({ flags: "A", ack: 989 });
    const { tcp } = host.stack.host;
    const c = host.core.connections.at(peer.row);
    expect(tcp.format(c, 1)).toBe("ESTABLISHED");
    const lines = tcp.format(c, 2).split("\n");
    expect(lines.slice(0, 6)).toEqual([
      `ESTABLISHED index ${c} flags: timestamps wscale no-delay fast-recovery`,
      " snd_una 989 snd_nxt 13833 snd_wnd 262140",
      " rcv_nxt 101 rcv_edge 253957 dupacks 3",
      " user_timeout_ms 120000 keepalive_ms off",
      ` snd_mss 988 mss_bound none next_node ip${family}-lookup`,
      " congestion newreno pacing on max_pacing_kBps none",
    ]);
    // Then the statistics, all of them.
    const shown = lines.slice(6).join("").trim();
    const all = Object.entries(tcp.statistics(c)).map(([name, value]) => `${name} ${value}`);
    expect(shown).toBe(all.join(" "));
    host.session.close();
    host.settle();
    // Unread data: it was a reset.
    expect(tcp.format(c, 0)).toBe("CLOSED");
  });
});

describe("a traced segment", () => {
  const meta = new Int32Array(16);

  it("shows ports, numbers, flags and window", () => {
    const [peer] = established({});
    const frame = peer.frame({ flags: "FPUEA", seq: 5, win: 77 });
    const dv = new DataView(frame.buffer, 34, 20);
    const lines = tcpTrace.format(dv, 20, meta).split("\n");
    expect(lines[0]).toMatch(/^TCP: 4000 -> 80 connection /u);
    expect(lines[1]).toBe(
      `  seq 1000005 ack ${(peer.theirIss + 1) >>> 0} flags FIN PSH ACK URG ECE header 20 window 77`,
    );
  });

  it("may be cut short", () => {
    expect(tcpTrace.format(new DataView(new ArrayBuffer(20)), 19, meta)).toBe("TCP: truncated header, 19 bytes");
  });
});
