import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { KERNEL4, STACK4, STACK6, TapStack } from "../support/weft.js";

const PROBE = join(import.meta.dirname, "raw-probe.mjs");

describe.skipIf(lacks("netns", "tun", "ip", "raw-socket"))(
  "crafted and spoofed IP packets from the kernel's side",
  () => {
    let host: TapStack;
    let results: Record<string, unknown>;
    beforeAll(async () => {
      host = await TapStack.start();
      results = JSON.parse(await host.netns.must(process.execPath, [PROBE, KERNEL4, STACK4, STACK6])) as typeof results;
    });
    afterAll(() => host.end());

    it.each([
      // ICMP echo (RFC 792, RFC 1122 3.2.2.6): identifier and sequence number come back.
      ["echo", [{ icmp: 0, code: 0, word: 0x57570001, quotes: -1 }]],
      ["echoWithOptions", [{ icmp: 0, code: 0, word: 0x57570002, quotes: -1 }]],
      ["echoBadChecksum", []],
      // Destination unreachable, code 2 protocol and 3 port (RFC 1122 3.2.2.1, 4.1.3.1).
      ["unknownProtocol", [{ icmp: 3, code: 2, word: 0, quotes: 253 }]],
      ["closedUdp", [{ icmp: 3, code: 3, word: 0, quotes: 17 }]],
      ["closedUdpNoChecksum", [{ icmp: 3, code: 3, word: 0, quotes: 17 }]],
      ["openUdp", [{ udp: "probe" }]],
      ["udpBadChecksum", []],
      ["udpLyingLength", []],
      // RFC 9293 3.10.7.1: a SYN is acknowledged by the reset, an ACK gives it its number, a reset gets none.
      ["closedSyn", [{ tcp: 0x14, seq: 0, ack: 1001 }]],
      ["closedAck", [{ tcp: 0x04, seq: 77_777, ack: 0 }]],
      ["closedRst", []],
      ["listenAck", [{ tcp: 0x04, seq: 88_888, ack: 0 }]],
      ["synBadChecksum", []],
      // Sources that can be no host's (RFC 1122 3.2.1.3), and no ICMP error for any of them (3.2.2).
      ["fromItself", []],
      ["fromLoopback", []],
      ["fromMulticast", []],
      ["fromBroadcast", []],
      ["firstFragmentOnly", []],
      ["laterFragmentOnly", []],
      ["errorAboutNothing", []],
      ["stillThere", [{ icmp: 0, code: 0, word: 0x57570008, quotes: -1 }]],
      ["echo6", [{ icmp: 129, code: 0, word: 0x57570001 }]],
      ["unknownType6", []],
      // Parameter problem, unrecognized next header; the pointer is that field's offset (RFC 4443 3.4).
      ["unknownProtocol6", [{ icmp: 4, code: 1, word: 6 }]],
      ["solicitationOffLink6", []],
    ])("%s", (name, answers) => {
      expect(results[name]).toEqual(answers);
    });

    it("gets a parameter problem for a bad option, or nothing, but no echo (RFC 1122 3.2.2.5)", () => {
      const answers = results["badOption"] as { icmp: number; word: number }[];
      expect(answers.filter(({ icmp }) => icmp !== 12)).toEqual([]);
      expect(answers.filter(({ word }) => word >>> 24 !== 20 && word >>> 24 !== 21)).toEqual([]);
    });
  },
);
