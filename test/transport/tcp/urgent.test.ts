import { describe, expect, it } from "vitest";
import { T_RCV_UP, TF_URGENT } from "../../../src/transport/tcp/connection.js";
import { C_FLAGS } from "../../../src/transport/transport.js";
import { established, FAMILIES, isSame, pattern } from "./scripted-peer.js";

describe.each(FAMILIES)("urgent data over IPv%i", (family) => {
  it("stays in the stream, in order, however long it is (MUST-30, MUST-31)", () => {
    const [peer, host] = established({ family });
    expect(peer.field(C_FLAGS) & TF_URGENT).toBe(0);
    peer.send({ flags: "UA", data: 100, urgent: 60_000 }).expect({ flags: "A", ack: 101 });
    expect(peer.field(C_FLAGS) & TF_URGENT).not.toBe(0);
    expect(peer.field(T_RCV_UP)).toBe((peer.iss + 60_001) | 0);
    for (let i = 0; i < 50; i++) peer.send({ flags: "UPA", data: 1200, urgent: 60_000 - 100 - 1200 * i });
    const bytes = new Uint8Array(60_100);
    expect(host.session.read(bytes)).toBe(60_100);
    expect(isSame(bytes, pattern(0, 60_100))).toBe(true);
  });

  it("the pointer advances and does not go back", () => {
    const [peer] = established({ family }, { iss: 0x7fff_fff0 });
    for (const [seq, urgent, up] of [
      [1, 500, 501],
      [21, 5, 501],
      [41, 1000, 1041],
      [61, 0, 1041],
    ]) {
      peer.send({ flags: "UA", seq, data: 20, urgent });
      expect((peer.field(T_RCV_UP) - peer.iss) | 0).toBe(up);
    }
  });

  it("a pointer without the flag says nothing", () => {
    const [peer] = established({ family });
    peer.send({ flags: "PA", data: 10, urgent: 5 }).expect({ flags: "A", ack: 11 });
    expect(peer.field(C_FLAGS) & TF_URGENT).toBe(0);
  });
});
