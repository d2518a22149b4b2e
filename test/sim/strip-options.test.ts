import { describe, expect, test } from "vitest";
import { DecodedPacket, type DecodedTcp } from "../../src/sim/decoded-packet.js";
import { stripTcpOptions } from "../../src/sim/strip-options.js";
import { TCP_FLAG_SYN } from "../../src/wire/tcp.js";
import {
  TCP_OPTION_MSS,
  TCP_OPTION_SACK_PERMITTED,
  TCP_OPTION_TIMESTAMPS,
  TCP_OPTION_WSCALE,
} from "../../src/wire/tcp-options.js";
import { transfer, twoHosts } from "./two-hosts.js";

describe.each([4, 6] as const)("a middlebox on IPv%i", (family) => {
  test("that strips options is obeyed, and its checksums are right", () => {
    const strip = stripTcpOptions([TCP_OPTION_WSCALE, TCP_OPTION_TIMESTAMPS, TCP_OPTION_SACK_PERMITTED]);
    const { sim, a, b, link } = twoHosts({ link: { delayUs: 1000, rewrite: strip } });
    const seen: DecodedTcp[] = [];
    sim.onFrame = ({ bytes }) => {
      const { tcp } = new DecodedPacket(bytes);
      if (tcp !== undefined) seen.push(tcp);
    };
    const flow = transfer(sim, a, b, 60_000, family);
    expect(sim.runSync({ untilUs: 60_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 60_000, wrongAt: -1 });
    const syns = seen.filter(({ flags }) => (flags & TCP_FLAG_SYN) !== 0);
    expect(syns).toHaveLength(2);
    for (const { options } of syns) {
      expect(options).toMatchObject({ windowScale: undefined, timestamps: undefined, sackPermitted: false });
      expect(options.mss).toBe(family === 4 ? 1460 : 1440);
    }
    expect(seen.every(({ options }) => options.timestamps === undefined)).toBe(true);
    expect(link.counters[0].rewritten).toBeGreaterThan(0);
    // Any checksum that was wrong would have been counted.
    for (const { stack } of [a, b]) expect(stack.engine.errorCount(`ip${family}-local`, "tcp_checksum")).toBe(0);
    sim.close();
  });

  test("that strips nothing that is there changes nothing", () => {
    const { sim, a, b, link } = twoHosts({ link: { delayUs: 1000, rewrite: stripTcpOptions([77]) } });
    const flow = transfer(sim, a, b, 1000, family);
    sim.runSync({ untilUs: 60_000_000, isDone: () => flow.isDone });
    expect([flow.got, link.counters[0].rewritten]).toEqual([1000, 0]);
    sim.close();
  });
});

test("an option at an odd place is stripped with a right checksum", () => {
  // A SYN with NOP, MSS: the option's bytes straddle words.
  const { sim, a, b } = twoHosts({ link: { delayUs: 10 } });
  let checked = 0;
  sim.links[0].set({
    rewrite: (frame, packet) => {
      const { tcp } = packet;
      if (tcp === undefined || (tcp.flags & TCP_FLAG_SYN) === 0) return undefined;
      const at = tcp.at + 20;
      // MSS, then the rest: turned into NOP, MSS, and the byte behind it taken away from a NOP of the others.
      const options = frame.slice(at, tcp.dataAt);
      const nop = options.indexOf(1, 4);
      if (nop < 0) return undefined;
      const moved = Uint8Array.from([1, ...options.slice(0, nop), ...options.slice(nop + 1)]);
      const before = Buffer.from(frame);
      frame.set(moved, at);
      mend(frame, before, tcp.at);
      checked++;
      return stripTcpOptions([TCP_OPTION_MSS])(frame);
    },
  });
  const flow = transfer(sim, a, b, 5000);
  expect(sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone })).toBe(true);
  expect(checked).toBe(2);
  sim.close();
});

/** Changes the checksum of the segment at `at` by what changed in the frame. */
function mend(frame: Uint8Array, before: Uint8Array, at: number): void {
  let sum = ~((frame[at + 16] << 8) | frame[at + 17]) & 0xffff;
  for (let i = at; i + 1 < frame.length; i += 2) {
    sum += (~((before[i] << 8) | before[i + 1]) & 0xffff) + ((frame[i] << 8) | frame[i + 1]);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[at + 16] = (~sum >> 8) & 255;
  frame[at + 17] = ~sum & 255;
}
