import { describe, expect, it } from "vitest";
import {
  connecting,
  established,
  FAMILIES,
  listening,
  type ScriptedPeer,
  type ScriptedStack,
} from "./scripted-peer.js";

type Step = (peer: ScriptedPeer, host: ScriptedStack) => void;

/** The application closes both directions. */
const close: Step = (_peer, host) => {
  host.session.close();
  host.settle();
};
/** The application ends its writing direction. */
const halfClose: Step = (_peer, host) => {
  host.session.halfClose();
  host.settle();
};
const fin: Step = (peer) => {
  peer.send({ flags: "FA", ack: 1 });
};
const finWithAck: Step = (peer) => {
  peer.send({ flags: "FA" });
};
const ack: Step = (peer) => {
  peer.send({ flags: "A" });
};
const later =
  (ms: number): Step =>
  (_peer, host) =>
    host.pass(ms);

/** RFC 9293 figure 5 behind ESTABLISHED: step by step, and the state after each. */
const PATHS: readonly (readonly [name: string, steps: readonly (readonly [Step, string])[]])[] = [
  [
    "we close first",
    [
      [close, "FIN_WAIT_1"],
      [ack, "FIN_WAIT_2"],
      [finWithAck, "TIME_WAIT"],
      [later(9_900), "TIME_WAIT"],
      [later(200), "CLOSED"],
    ],
  ],
  [
    "we half-close first",
    [
      [halfClose, "FIN_WAIT_1"],
      [ack, "FIN_WAIT_2"],
      [later(3_600_000), "FIN_WAIT_2"],
      [finWithAck, "TIME_WAIT"],
      [close, "TIME_WAIT"],
      [later(10_100), "CLOSED"],
    ],
  ],
  [
    "the peer answers FIN by FIN and ACK in one",
    [
      [close, "FIN_WAIT_1"],
      [finWithAck, "TIME_WAIT"],
      [later(10_100), "CLOSED"],
    ],
  ],
  [
    "simultaneous close",
    [
      [close, "FIN_WAIT_1"],
      [fin, "CLOSING"],
      [ack, "TIME_WAIT"],
      [later(10_100), "CLOSED"],
    ],
  ],
  [
    "the peer closes first",
    [
      [fin, "CLOSE_WAIT"],
      [later(3_600_000), "CLOSE_WAIT"],
      [close, "LAST_ACK"],
      [ack, "CLOSED"],
    ],
  ],
  [
    "the peer closes first, and we half-close",
    [
      [fin, "CLOSE_WAIT"],
      [halfClose, "LAST_ACK"],
      [ack, "CLOSED"],
    ],
  ],
  [
    "half-close, then close, and the peer never sends FIN",
    [
      [halfClose, "FIN_WAIT_1"],
      [ack, "FIN_WAIT_2"],
      [close, "FIN_WAIT_2"],
      [later(29_900), "FIN_WAIT_2"],
      [later(200), "CLOSED"],
    ],
  ],
  [
    "close, and the peer never sends FIN",
    [
      [close, "FIN_WAIT_1"],
      [ack, "FIN_WAIT_2"],
      [later(29_900), "FIN_WAIT_2"],
      [later(200), "CLOSED"],
    ],
  ],
  [
    "close, and the peer never answers",
    [
      [close, "FIN_WAIT_1"],
      [later(119_000), "FIN_WAIT_1"],
      [later(70_000), "CLOSED"],
    ],
  ],
];

describe.each(FAMILIES)("states over IPv%i", (family) => {
  it.each(PATHS)("%s [SEGARR-FIN]", (_name, steps) => {
    const [peer, host] = established({ family });
    const states = steps.map(([step]) => {
      step(peer, host);
      return peer.state;
    });
    expect(states).toEqual(steps.map(([, state]) => state));
  });

  it.each([
    ["ESTABLISHED", []],
    ["FIN_WAIT_1", [close]],
    ["FIN_WAIT_2", [close, ack]],
    ["CLOSING", [close, fin]],
    ["TIME_WAIT", [close, finWithAck]],
    ["CLOSE_WAIT", [fin]],
    ["LAST_ACK", [fin, close]],
  ] as const)(
    "a reset at RCV.NXT ends %s, one elsewhere in the window or outside does not [SEGARR-RST, R5961-1, R5961-2, R5961-3]",
    (state, steps) => {
      const [peer, host] = established({ family });
      for (const step of steps) step(peer, host);
      peer.takeAll();
      expect(peer.state).toBe(state);
      peer.send({ flags: "R", seq: peer.nxt - 1 }).expectNothing();
      peer.send({ flags: "R", seq: peer.nxt + 300_000 }).expectNothing();
      expect(peer.state).toBe(state);
      peer.send({ flags: "R", seq: peer.nxt + 1 }).expect({ flags: "A", seq: peer.rcv, ack: peer.nxt, len: 0 });
      expect(peer.state).toBe(state);
      peer.send({ flags: "R" }).expectNothing();
      expect(peer.state).toBe("CLOSED");
      const node = state === "ESTABLISHED" ? "established" : "rcv-process";
      const { rst_challenged, segment_invalid, rst_rcvd } = host.errors(node);
      expect({ rst_challenged, segment_invalid, rst_rcvd }).toEqual({
        rst_challenged: 1,
        segment_invalid: 2,
        rst_rcvd: 1,
      });
    },
  );

  it.each([
    ["ESTABLISHED", []],
    ["FIN_WAIT_1", [close]],
    ["FIN_WAIT_2", [close, ack]],
    ["CLOSING", [close, fin]],
    ["CLOSE_WAIT", [fin]],
    ["LAST_ACK", [fin, close]],
  ] as const)("a SYN in %s is answered by a challenge ACK wherever it lies [SEGARR-SYN, R5961-4]", (state, steps) => {
    for (const send of [
      { flags: "S", ahead: -1000 },
      { flags: "S", ahead: 0 },
      { flags: "S", ahead: 1000 },
      { flags: "S", ahead: 500_000 },
      { flags: "SA", ahead: 0 },
    ]) {
      const [peer, host] = established({ family });
      for (const step of steps) step(peer, host);
      peer.takeAll();
      const expected = { flags: "A", seq: peer.rcv, ack: peer.nxt, len: 0 };
      peer.send({ flags: send.flags, seq: peer.nxt + send.ahead, ack: 0, data: 10 }).expect(expected);
      peer.expectNothing();
      expect(peer.state).toBe(state);
    }
  });

  it.each([
    ["ESTABLISHED", []],
    ["FIN_WAIT_1", [close]],
    ["FIN_WAIT_2", [close, ack]],
    ["CLOSING", [close, fin]],
    ["CLOSE_WAIT", [fin]],
    ["LAST_ACK", [fin, close]],
  ] as const)(
    "%s drops what has no ACK, answers what lies outside the window or acknowledges the future [SEGARR-WINDOW, SEGARR-NOACK, SEGARR-ACK-OLD-NEW]",
    (state, steps) => {
      const [peer, host] = established({ family });
      for (const step of steps) step(peer, host);
      peer.takeAll();
      const answer = { flags: "A", seq: peer.rcv, ack: peer.nxt, len: 0 };
      const { nxt } = peer;
      peer.send({ flags: "P", seq: nxt, data: 5 }).expectNothing();
      peer.send({ flags: "A", seq: nxt - 100, data: 100 }).expect(answer);
      peer.send({ flags: "A", seq: nxt - 1 }).expect(answer);
      peer.send({ flags: "A", seq: nxt + 400_000, data: 5 }).expect(answer);
      peer.send({ flags: "A", seq: nxt, ack: peer.rcv + 1 }).expect(answer);
      peer.nxt = nxt;
      expect(peer.state).toBe(state);
      const { no_ack, segment_old, segment_invalid, ack_future } = host.errors(
        state === "ESTABLISHED" ? "established" : "rcv-process",
      );
      expect({ no_ack, segment_old, segment_invalid, ack_future }).toEqual({
        no_ack: 1,
        segment_old: 1,
        segment_invalid: 2,
        ack_future: 1,
      });
    },
  );
});

describe.each(FAMILIES)("repeated FINs over IPv%i", (family) => {
  it("are acknowledged in CLOSE_WAIT, CLOSING and LAST_ACK [SEGARR-FIN]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FA", ack: 1 }).expect({ flags: "A", ack: 2 });
    peer.send({ flags: "FA", seq: 1, ack: 1 }).expect({ flags: "A", ack: 2 });
    close(peer, host);
    peer.expect({ flags: "FA", seq: 1, ack: 2 });
    peer.send({ flags: "FA", seq: 1, ack: 1 }).expect({ flags: "A", seq: 2, ack: 2 });
    expect(peer.state).toBe("LAST_ACK");
    expect(host.log.filter((what) => what === "disconnect")).toEqual(["disconnect"]);
  });

  it("start the 2 MSL of TIME_WAIT again [MUST-13, SEGARR-FIN]", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    close(peer, host);
    finWithAck(peer, host);
    peer.takeAll();
    for (let i = 0; i < 3; i++) {
      host.pass(8000);
      expect(peer.state).toBe("TIME_WAIT");
      peer.send({ flags: "FA", seq: 1 }).expect({ flags: "A", seq: 2, ack: 2 });
    }
    host.pass(9900);
    expect(peer.state).toBe("TIME_WAIT");
    host.pass(200);
    expect(peer.state).toBe("CLOSED");
    peer.send({ flags: "FA", seq: 1 }).expect({ flags: "R", seq: 2 });
  });

  it("keep TIME_WAIT no longer when they are old data", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 10 });
    host.session.drop(10);
    close(peer, host);
    finWithAck(peer, host);
    host.pass(8000);
    peer.takeAll();
    peer.send({ flags: "PA", seq: 1, data: 10 }).expect({ flags: "A", ack: 12 });
    host.pass(2100);
    expect(peer.state).toBe("CLOSED");
  });
});

describe.each(FAMILIES)("opening states over IPv%i", (family) => {
  it("passive: LISTEN, SYN_RCVD, ESTABLISHED, and CLOSE_WAIT by a FIN that ends the handshake", () => {
    const [peer] = listening({ family });
    expect(peer.state).toBe("CLOSED");
    peer.send({ flags: "S" });
    expect(peer.state).toBe("SYN_RCVD");
    peer.takeAll();
    peer.send({ flags: "FA" });
    expect(peer.state).toBe("CLOSE_WAIT");
  });

  it("active: SYN_SENT, ESTABLISHED; SYN_SENT, SYN_RCVD, ESTABLISHED", () => {
    for (const flags of ["SA", "S"]) {
      const [peer] = connecting({ family });
      peer.expect({ flags: "S" });
      expect(peer.state).toBe("SYN_SENT");
      peer.send({ flags });
      expect(peer.state).toBe(flags === "S" ? "SYN_RCVD" : "ESTABLISHED");
      peer.send({ flags: "A", ack: 1 });
      expect(peer.state).toBe("ESTABLISHED");
    }
  });
});
