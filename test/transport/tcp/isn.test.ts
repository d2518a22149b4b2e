import { describe, expect, it } from "vitest";
import { connecting, FAMILIES, listening, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

/** The initial sequence number that a new stack answers a SYN with. */
function isn(family: 4 | 6, { seed = 7, startUs = 5_000_000, port = 4000, address = "" } = {}): number {
  const host = new ScriptedStack({ family, seed, startUs });
  host.listen();
  const peer = new ScriptedPeer(host, { port, ...(address === "" ? {} : { address }) });
  peer.send({ flags: "S" }).expect({ flags: "SA" });
  return peer.theirIss;
}

describe.each(FAMILIES)("initial sequence numbers over IPv%i (RFC 6528)", (family) => {
  it("grow by 250 a millisecond for one tuple [MUST-8, SHLD-1]", () => {
    const at = (ms: number): number => isn(family, { startUs: 5_000_000 + ms * 1000 });
    expect((at(1) - at(0)) | 0).toBe(250);
    expect((at(4000) - at(0)) | 0).toBe(1_000_000);
    // The whole space in 4.77 hours; nothing breaks there.
    expect((at(17_179_869) - at(0)) | 0).toBe(-46);
  });

  it("have nothing to do with each other for other ports, addresses and secrets [MUST-9, SHLD-1]", () => {
    const far = family === 4 ? "198.18.0.10" : "2001:db8::10";
    const others = [
      isn(family),
      isn(family, { port: 4001 }),
      isn(family, { port: 4002 }),
      isn(family, { address: far }),
      isn(family, { seed: 8 }),
      isn(family, { seed: 9 }),
    ];
    for (const [i, a] of others.entries()) {
      for (const b of others.slice(i + 1)) expect(Math.abs((a - b) | 0)).toBeGreaterThan(100_000);
    }
    // No fixed distance between neighbouring ports, whatever the secret.
    const distance = (seed: number): number => (isn(family, { seed, port: 4001 }) - isn(family, { seed })) | 0;
    expect(new Set([1, 2, 3, 4, 5].map(distance)).size).toBe(5);
  });

  it("use all the bits", () => {
    let ones = 0;
    let zeros = 0;
    const host = new ScriptedStack({ family, session: { backlog: 64 } });
    host.listen();
    for (let port = 4000; port < 4040; port++) {
      const peer = new ScriptedPeer(host, { port });
      peer.send({ flags: "S" }).expect({ flags: "SA" });
      ones |= peer.theirIss;
      zeros |= ~peer.theirIss;
    }
    expect([ones, zeros]).toEqual([-1, -1]);
  });

  it("come from the same rule for the side that opens", () => {
    const [active] = connecting({ family });
    active.expect({ flags: "S" });
    const [again] = connecting({ family });
    again.expect({ flags: "S" });
    expect(active.theirIss).toBe(again.theirIss);
    const [later] = connecting({ family, startUs: 5_004_000 });
    later.expect({ flags: "S" });
    expect((later.theirIss - active.theirIss) | 0).toBe(1000);
    const [passive] = listening({ family });
    passive.send({ flags: "S" }).expect({ flags: "SA" });
    expect(passive.theirIss).not.toBe(active.theirIss);
  });
});
