import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lossHead, lossLine, lossRows } from "../../src/sim/table.js";
import { runTransfer, type Transfer } from "../../src/sim/table-transfer.js";

const LINES = readFileSync(join(import.meta.dirname, "tables.txt"), "utf8").split("\n");

const TRANSFER: Transfer = {
  seed: 1,
  flows: 1,
  rttUs: 1000,
  lossRate: 0,
  reorderRate: 0,
  queue: "tail-drop",
  tcp: {},
  warmUpUs: 250_000,
  untilUs: 500_000,
};

describe("the committed tables", () => {
  it("have the heading and the rows that are made now", () => {
    const made = lossHead();
    expect(LINES.slice(0, made.length)).toEqual(made);
    const rows = LINES.slice(made.length, made.length + lossRows().length);
    expect(rows.every((row) => /^ +[\d.]+ +[\d.]+ +[\d.]+( +\d+)+$/.test(row))).toBe(true);
  });

  // The cheapest rows: what loses much on a long way sends little.
  const rows = lossRows();
  const checked = rows.filter(({ lossPermille, rttUs }) => lossPermille === 30 && rttUs === 100_000);

  it.each(checked)("are what the stack does now: $lossPermille ‰, $rttUs us, $reorderPermille ‰", (row) => {
    expect(LINES).toContain(lossLine(row));
  });
});

describe("what the tables say", () => {
  /** Goodput of a row in kbit/s: newreno, newreno with RACK, cubic, cubic with RACK. */
  const goodputs = LINES.map((row) => row.trim().split(/ +/))
    .filter((cells) => cells.length === 11 && cells.every((cell) => /^[\d.]+$/.test(cell)))
    .map((cells) => ({ row: cells.slice(0, 3).join(" "), kbps: [3, 5, 7, 9].map((i) => Number(cells[i])) }));

  it("RACK is never worse than counting by more than 5 %", () => {
    expect(goodputs).toHaveLength(lossRows().length);
    const worse = goodputs.filter(({ kbps: [reno, renoRack, cubic, cubicRack] }) => {
      return renoRack < 0.95 * reno || cubicRack < 0.95 * cubic;
    });
    expect(worse).toEqual([]);
  });
});

describe("a path of 20 ms", () => {
  const path = { ...TRANSFER, rttUs: 20_000, untilUs: 8_000_000, warmUpUs: 2_000_000, tcp: { rack: true } };

  it("CUBIC fills the link without loss, to 95 % of it with headers", () => {
    expect(runTransfer(path).goodputKbps[0]).toBeGreaterThanOrEqual(95_000);
  });

  it("RACK keeps it full when 5 % of all segments are late, and sends under 1 % again", () => {
    const { goodputKbps, retransmitted } = runTransfer({ ...path, reorderRate: 0.05 });
    expect(goodputKbps[0]).toBeGreaterThanOrEqual(90_000);
    expect(retransmitted).toBeLessThan(100);
  });
});

describe("a path of 10 ms that loses 3 %", () => {
  it.each([1, 2, 3, 4, 5])("does not stall longer than two timeouts, seed %i", (seed) => {
    const path = { ...TRANSFER, seed, rttUs: 10_000, untilUs: 10_000_000, lossRate: 0.03, tcp: { rack: true } };
    // Not below 200 ms each.
    expect(runTransfer(path).longestPauseUs).toBeLessThanOrEqual(400_000);
  });
});

describe("a transfer", () => {
  it("fills the link when nothing is lost", () => {
    const { goodputKbps, queueMaxBytes } = runTransfer(TRANSFER);
    expect(goodputKbps[0]).toBeGreaterThan(90_000);
    expect(queueMaxBytes).toBeLessThanOrEqual(65_536);
  });

  it("counts what is sent again", () => {
    expect(runTransfer({ ...TRANSFER, warmUpUs: 0, untilUs: 5000 }).retransmitted).toBe(0);
    const { retransmitted } = runTransfer({ ...TRANSFER, lossRate: 0.02 });
    expect(retransmitted).toBeGreaterThan(150);
    expect(retransmitted).toBeLessThan(400);
  });

  it("shares the link among flows", () => {
    const { goodputKbps } = runTransfer({ ...TRANSFER, flows: 3, untilUs: 1_000_000 });
    expect(goodputKbps).toHaveLength(3);
    expect(Math.min(...goodputKbps)).toBeGreaterThan(1000);
    expect(goodputKbps.reduce((total, each) => total + each)).toBeLessThan(100_000);
  });
});
