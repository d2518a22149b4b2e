import fc from "fast-check";
import { assert, describe, expect, it } from "vitest";
import { T_LOST, T_SACKED, T_SB_HINT, T_SND_NXT, T_SND_UNA } from "../../../src/transport/tcp/connection.js";
import { R_END, R_START, RANGE_LOST, RANGE_SACKED, R_FLAGS } from "../../../src/transport/tcp/scoreboard.js";
import { Board, Model } from "./scoreboard-model.js";

/** Ten segments of 100 bytes, sent a millisecond apart. */
function ten(capacity = 100): Board {
  const board = new Board(capacity);
  for (let i = 0; i < 10; i++) board.send(100, 1000 * i);
  return board;
}

describe("scoreboard", () => {
  it("keeps apart what was sent at different times, and together what was sent at one [RACK-1]", () => {
    const board = new Board(10);
    board.send(100, 5);
    board.send(50, 5);
    board.send(100, 6);
    expect(board.seen()).toEqual([
      [0, 150, "", 5],
      [150, 250, "", 6],
    ]);
    expect(board.problem()).toBeUndefined();
  });

  it("does not add to a range that became something else", () => {
    const board = new Board(10);
    board.send(100, 5);
    board.sack(0, 100);
    board.send(100, 5);
    board.scoreboard.markLost(board.r, board.at(100));
    board.send(100, 5);
    expect(board.seen()).toEqual([
      [0, 100, "S", 5],
      [100, 200, "L", 5],
      [200, 300, "", 5],
    ]);
  });

  it("forgets what is acknowledged, part of a range too, and tells of what was new", () => {
    const board = ten();
    board.sack(200, 300);
    board.ack(350);
    expect(board.seen()[0]).toEqual([350, 400, "", 3000]);
    expect(board.delivery).toMatchObject({
      bytes: 250,
      sackedBytes: 0,
      hasOriginal: true,
      firstSentUs: 0,
      latestSentUs: 3000,
      latestEnd: 1350,
      highestEnd: 1350,
      lowestOriginalEnd: 1100,
    });
    expect(board.problem()).toBeUndefined();
    board.ack(1000);
    expect(board.scoreboard.used).toBe(0);
    expect(board.problem()).toBeUndefined();
  });

  it("makes one range of what the peer has, however the blocks come", () => {
    const board = ten();
    board.sack(500, 600);
    board.sack(300, 400);
    expect(board.scoreboard.used).toBe(10);
    board.sack(250, 750);
    expect(board.seen().map(([start, end, flags]) => [start, end, flags])).toEqual([
      [0, 100, ""],
      [100, 200, ""],
      [200, 250, ""],
      [250, 750, "S"],
      [750, 800, ""],
      [800, 900, ""],
      [900, 1000, ""],
    ]);
    expect(board.word(T_SACKED)).toBe(500);
    expect(board.problem()).toBeUndefined();
  });

  it("counts nothing twice when blocks repeat", () => {
    const board = ten();
    board.sack(200, 400);
    board.sack(200, 400);
    board.sack(250, 350);
    expect(board.delivery.bytes).toBe(0);
    expect(board.word(T_SACKED)).toBe(200);
    board.ack(400);
    expect(board.delivery.bytes).toBe(200);
    expect(board.word(T_SACKED)).toBe(0);
  });

  it("finds a block below the last one: the hint is one only", () => {
    const board = ten();
    board.sack(800, 900);
    board.sack(100, 200);
    board.sack(900, 1000);
    board.sack(0, 50);
    expect(board.word(T_SACKED)).toBe(350);
    board.ack(1000);
    expect(board.word(T_SB_HINT)).toBe(0);
    board.send(100, 99_000);
    board.sack(1000, 1100);
    expect(board.problem()).toBeUndefined();
  });

  it("what is lost leaves the network, and may arrive after all", () => {
    const board = ten();
    board.scoreboard.markLost(board.r, board.at(200));
    board.scoreboard.markHeadLost(board.r, board.at(400), 30);
    expect(board.scoreboard.lost(board.r)).toBe(130);
    expect(board.scoreboard.pipe(board.r)).toBe(870);
    board.sack(250, 420);
    expect(board.delivery.bytes).toBe(170);
    expect(board.word(T_LOST)).toBe(60);
    expect(board.problem()).toBeUndefined();
    board.ack(430);
    expect(board.word(T_LOST)).toBe(0);
    expect(board.problem()).toBeUndefined();
  });

  it("the head that is lost is all of a range that is no longer", () => {
    const board = ten();
    board.scoreboard.markHeadLost(board.r, board.at(0), 1460);
    expect(board.seen()[0]).toEqual([0, 100, "L", 0]);
    expect(board.problem()).toBeUndefined();
  });

  it("what is sent again joins several lost ranges, and is the newest; its end is cut off", () => {
    const board = ten();
    for (const start of [100, 200, 300]) board.scoreboard.markLost(board.r, board.at(start));
    expect(board.scoreboard.lostEnd(board.at(100))).toBe(1400);
    board.scoreboard.retransmitted(board.r, board.at(100), 250, 77_000);
    expect(board.seen().slice(0, 4)).toEqual([
      [0, 100, "", 0],
      [100, 350, "R", 77_000],
      [350, 400, "L", 3000],
      [400, 500, "", 4000],
    ]);
    expect(board.problem()).toBeUndefined();
    board.sack(100, 350);
    expect(board.delivery).toMatchObject({ hasRetrans: true, hasOriginal: false, latestIsRetrans: true });
  });

  it("sends again what is in flight: a probe", () => {
    const board = ten();
    const tail = board.scoreboard.split(board.r, board.at(900), board.first + 950);
    board.scoreboard.retransmitted(board.r, tail, 50, 88_000);
    expect(board.seen().slice(-2)).toEqual([
      [900, 950, "", 9000],
      [950, 1000, "R", 88_000],
    ]);
    expect(board.scoreboard.pipe(board.r)).toBe(1000);
    expect(board.problem()).toBeUndefined();
  });

  it("takes losses back: what was sent first is the oldest again", () => {
    const board = ten();
    board.scoreboard.markAllLost(board.r);
    board.scoreboard.retransmitted(board.r, board.at(0), 100, 50_000);
    board.scoreboard.clearLost(board.r);
    expect(board.word(T_LOST)).toBe(0);
    expect(board.scoreboard.pipe(board.r)).toBe(1000);
    expect(board.problem()).toBeUndefined();
  });

  it("loses what the peer had and dropped (RFC 2018 8) [SACK-4]", () => {
    const board = ten();
    board.scoreboard.markLost(board.r, board.at(0));
    board.sack(100, 500);
    board.scoreboard.renege(board.r);
    expect(board.word(T_SACKED)).toBe(0);
    expect(board.word(T_LOST)).toBe(500);
    expect(board.seen()[1]).toEqual([100, 500, "LR", 1000]);
    expect(board.problem()).toBeUndefined();
    expect(board.scoreboard.nextLost(board.at(100))).toBe(board.at(100));
    expect(board.scoreboard.nextLost(board.at(500))).toBe(0);
  });

  it("gives everything back when a connection ends", () => {
    const board = ten();
    board.sack(150, 250);
    board.scoreboard.markFirstLost(board.r);
    board.scoreboard.clear(board.r);
    board.window.i32[board.r + T_SND_UNA] = board.word(T_SND_NXT);
    expect(board.scoreboard.used).toBe(0);
    expect(board.problem()).toBeUndefined();
    board.send(10, 0);
    expect(board.problem()).toBeUndefined();
  });

  it("works across the wrap of sequence numbers and of times", () => {
    const board = new Board(100, 1, 0x7fff_ffff - 450);
    for (let i = 0; i < 10; i++) board.send(100, (0x7fff_ffff - 4500 + 1000 * i) | 0);
    board.sack(400, 600);
    board.scoreboard.markLost(board.r, board.at(300));
    board.scoreboard.clearLost(board.r);
    expect(board.problem()).toBeUndefined();
    board.ack(500);
    expect(board.word(T_SACKED)).toBe(100);
    board.ack(1000);
    expect(board.delivery.bytes).toBe(400);
    expect(board.problem()).toBeUndefined();
    expect(board.scoreboard.used).toBe(0);
  });
});

describe("scoreboard without rows", () => {
  it("lets connections that have none begin when those that have some must do with them", () => {
    const board = new Board(16, 3);
    const [greedy, second, third] = board.rows;
    let sent = 0;
    while (board.scoreboard.used < 14) expect(board.send(100, sent++, greedy)).toBe(true);
    // An eighth is left: from now on the newest range takes what comes.
    expect(board.send(100, 99, greedy)).toBe(true);
    expect(board.scoreboard.used).toBe(14);
    // Its time says when the last of it was sent; no round trip may be taken from the rest.
    expect(board.seen().at(-1)).toEqual([1300, 1500, "R", 99]);
    expect(board.send(100, 100, second)).toBe(true);
    expect(board.send(100, 101, third)).toBe(true);
    expect(board.scoreboard.used).toBe(16);
    expect(board.problem()).toBeUndefined();
    board.ack(100);
    expect(board.send(100, 102, second)).toBe(true);
    expect(board.problem()).toBeUndefined();
  });

  it("refuses the first bytes of a connection, and those behind what the peer has or what is lost", () => {
    const board = new Board(8, 2);
    const [r, other] = board.rows;
    for (let i = 0; i < 7; i++) board.send(100, i);
    board.sack(600, 700);
    expect(board.send(100, 50)).toBe(false);
    expect(board.send(100, 50, other)).toBe(true);
    expect(board.word(T_SND_NXT, r) - board.first).toBe(700);
    board.scoreboard.renege(r);
    expect(board.send(100, 51)).toBe(false);
    const third = new Board(1, 2);
    expect(third.send(1, 0)).toBe(true);
    expect(third.send(1, 0, third.rows[1])).toBe(false);
    expect(third.problem()).toBeUndefined();
    expect(board.problem()).toBeUndefined();
  });

  it("does not hear of parts when a quarter is left: the peer will tell again", () => {
    const board = new Board(16);
    for (let i = 0; i < 12; i++) board.send(100, i);
    board.sack(250, 350);
    expect(board.word(T_SACKED)).toBe(0);
    board.sack(200, 400);
    expect(board.word(T_SACKED)).toBe(200);
    expect(board.problem()).toBeUndefined();
    // There is room for one cut now, not for two.
    board.sack(620, 680);
    expect(board.word(T_SACKED)).toBe(200);
    expect(board.problem()).toBeUndefined();
  });

  it("cuts what is sent again as long as a sixteenth is left, so that a long loss goes out piece by piece", () => {
    const board = new Board(64);
    for (let i = 0; i < 56; i++) board.send(1000, i);
    board.scoreboard.markAllLost(board.r);
    board.scoreboard.retransmitted(board.r, board.at(0), 100, 500);
    expect(board.seen().slice(0, 2)).toEqual([
      [0, 100, "R", 500],
      [100, 1000, "L", 0],
    ]);
    expect(board.word(T_LOST)).toBe(55_900);
    expect(board.problem()).toBeUndefined();
  });
});

type Step =
  | { readonly kind: "send"; readonly bytes: number; readonly isLater: boolean }
  | { readonly kind: "ack" | "again"; readonly part: number }
  | { readonly kind: "sack"; readonly from: number; readonly part: number }
  | { readonly kind: "lose" | "loseHead"; readonly which: number; readonly bytes: number }
  | { readonly kind: "loseAll" | "loseFirst" | "clearLost" | "renege" };

const part = fc.nat(100).map((percent) => percent / 100);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      bytes: fc.integer({ min: 1, max: 12 }),
      isLater: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ack" as const), part }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("again" as const), part }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("sack" as const), from: part, part }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("lose" as const, "loseHead" as const),
      which: fc.nat(50),
      bytes: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("loseAll" as const, "loseFirst" as const, "clearLost" as const, "renege" as const),
    }),
  },
);

/** Does a step to a board and, when there is one, to the model of it. */
function apply(board: Board, step: Step, nowUs: number, model: Model | undefined): void {
  const { r, scoreboard, window } = board;
  const { i32 } = window;
  const una = (board.word(T_SND_UNA) - board.first) | 0;
  const nxt = (board.word(T_SND_NXT) - board.first) | 0;
  const relative = (range: number): [number, number] => [
    (i32[range + R_START] - board.first) | 0,
    (i32[range + R_END] - board.first) | 0,
  ];
  const inFlight = board.ranges().filter((range) => (i32[range + R_FLAGS] & (RANGE_SACKED | RANGE_LOST)) === 0);
  const lose = (start: number, end: number): void => {
    for (const each of model?.slice(start, end) ?? []) each.state = "lost";
  };
  switch (step.kind) {
    case "send":
      if (board.send(step.bytes, nowUs)) model?.send(step.bytes, nowUs);
      break;
    case "ack": {
      const ack = una + Math.round(step.part * (nxt - una));
      if (ack === una) break;
      board.ack(ack);
      const news = model?.ack(ack);
      if (news !== undefined) checkNews(board, news);
      break;
    }
    case "sack": {
      if (nxt === una) break;
      const start = una + Math.floor(step.from * (nxt - una - 1));
      const end = Math.min(nxt, start + 1 + Math.floor(step.part * 20));
      board.sack(start, end);
      const news = model?.sack(start, end);
      if (news !== undefined) {
        checkNews(board, news);
        assert.equal(board.delivery.sackedBytes, news.length);
      }
      break;
    }
    case "again": {
      const range = scoreboard.nextLost(board.ranges()[0] ?? 0);
      if (range === 0) break;
      const [start] = relative(range);
      const most = ((scoreboard.lostEnd(range) - board.first) | 0) - start;
      const bytes = Math.max(1, Math.round(step.part * most));
      scoreboard.retransmitted(r, range, bytes, nowUs);
      for (const each of model?.slice(start, start + bytes) ?? []) {
        each.state = "flight";
        each.sentUs = nowUs;
        each.isRetrans = true;
      }
      break;
    }
    case "lose":
    case "loseHead": {
      if (inFlight.length === 0) break;
      const range = inFlight[step.which % inFlight.length];
      const [start, end] = relative(range);
      if (step.kind === "lose") scoreboard.markLost(r, range);
      else scoreboard.markHeadLost(r, range, step.bytes);
      lose(start, step.kind === "lose" ? end : Math.min(end, start + step.bytes));
      break;
    }
    case "loseAll":
      scoreboard.markAllLost(r);
      for (const each of model?.bytes ?? []) if (each.state === "flight") each.state = "lost";
      break;
    case "loseFirst": {
      const first = board.ranges()[0] ?? 0;
      if (first === 0) break;
      const isFlight = inFlight[0] === first;
      scoreboard.markFirstLost(r);
      if (isFlight) lose(...relative(first));
      break;
    }
    case "clearLost":
      scoreboard.clearLost(r);
      for (const each of model?.bytes ?? []) if (each.state === "lost") each.state = "flight";
      break;
    case "renege":
      scoreboard.renege(r);
      for (const each of model?.bytes ?? []) {
        if (each.state !== "sacked") continue;
        each.state = "lost";
        each.isRetrans = true;
      }
  }
}

/** What the board said of an acknowledgement against the bytes of which it was news. */
function checkNews(board: Board, news: readonly { sentUs: number; isRetrans: boolean }[]): void {
  const { delivery } = board;
  assert.equal(delivery.bytes, news.length);
  assert.equal(delivery.hasLatest, news.length > 0);
  assert.equal(
    delivery.hasRetrans,
    news.some(({ isRetrans }) => isRetrans),
  );
  const originals = news.filter(({ isRetrans }) => !isRetrans);
  assert.equal(delivery.hasOriginal, originals.length > 0);
  if (originals.length > 0) assert.equal(delivery.firstSentUs, Math.min(...originals.map(({ sentUs }) => sentUs)));
  // After reneging nobody knows when exactly a byte was sent.
  if (originals.length === news.length && news.length > 0)
    assert.equal(delivery.latestSentUs, Math.max(...news.map(({ sentUs }) => sentUs)));
}

describe("scoreboard, any steps", () => {
  it("says of each byte what a model says, byte by byte", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(1000, 0x7fff_ffd0, -20), (steps, first) => {
        const board = new Board(2000, 1, first);
        const model = new Model();
        let nowUs = 0;
        let hasReneged = false;
        for (const each of steps) {
          if (each.kind !== "send" || each.isLater) nowUs += 10;
          apply(board, each, nowUs, model);
          hasReneged ||= each.kind === "renege";
          assert.isUndefined(board.problem());
          assert.equal(board.word(T_SACKED), model.count("sacked"));
          assert.equal(board.word(T_LOST), model.count("lost"));
          assert.equal(board.scoreboard.pipe(board.r), model.count("flight"));
          for (const [start, end, flags, sentUs] of board.seen()) {
            const state = flags.includes("S") ? "sacked" : flags.includes("L") ? "lost" : "flight";
            for (const byte of model.slice(start, end)) {
              assert.equal(byte.state, state);
              if (state === "sacked") continue;
              assert.equal(byte.isRetrans, flags.includes("R"));
              if (!hasReneged) assert.equal(sentUs, byte.sentUs);
            }
          }
        }
        board.scoreboard.clear(board.r);
        assert.equal(board.scoreboard.used, 0);
      }),
      { numRuns: 300 },
    );
  });

  it("holds together however few rows there are, and never claims more than the peer has", () => {
    const capacities = fc.constantFrom(1, 2, 5, 8, 16, 33);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), capacities, (steps, capacity) => {
        const board = new Board(capacity);
        const has = new Set<number>();
        let nowUs = 0;
        for (const each of steps) {
          nowUs += 10;
          if (each.kind === "renege") has.clear();
          if (each.kind === "sack") {
            const una = (board.word(T_SND_UNA) - board.first) | 0;
            const nxt = (board.word(T_SND_NXT) - board.first) | 0;
            const start = una + Math.floor(each.from * (nxt - una - 1));
            for (let i = start; i < Math.min(nxt, start + 1 + Math.floor(each.part * 20)); i++) has.add(i);
          }
          apply(board, each, nowUs, undefined);
          assert.isUndefined(board.problem());
          assert.isAtMost(board.scoreboard.used, capacity);
          for (const [start, end, flags] of board.seen()) {
            if (!flags.includes("S")) continue;
            for (let i = start; i < end; i++) assert.equal(has.has(i), true);
          }
        }
        const nxt = (board.word(T_SND_NXT) - board.first) | 0;
        if (nxt > 0) board.ack(nxt);
        assert.equal(board.scoreboard.used, 0);
        assert.isUndefined(board.problem());
      }),
      { numRuns: 300 },
    );
  });
});
