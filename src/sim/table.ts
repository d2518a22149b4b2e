import type { TcpConfig } from "../transport/tcp/config.js";
import { runTransfer, type Transfer, type TransferResult } from "./table-transfer.js";

const LOSS_PERMILLE = [0, 1, 10, 30];
const RTT_US = [100, 10_000, 100_000];
const REORDER_PERMILLE = [0, 10, 50];
const SEEDS = [1, 2, 3, 4, 5];
const FLOWS = [2, 8];
const FAIRNESS_RTT_US = 10_000;
const FAIRNESS_US = 8_000_000;
const QUEUE_RTT_US = [10_000, 100_000];

/** Ways of TCP that are compared, by name. */
const VARIANTS: readonly (readonly [name: string, tcp: Partial<TcpConfig>])[] = [
  ["newreno", { congestionControl: "newreno", rack: false }],
  ["newreno, rack", { congestionControl: "newreno", rack: true }],
  ["cubic", { congestionControl: "cubic", rack: false }],
  ["cubic, rack", { congestionControl: "cubic", rack: true }],
];

/** One line of the table of goodput. */
export interface LossRow {
  readonly lossPermille: number;
  readonly rttUs: number;
  readonly reorderPermille: number;
}

/**
 * How long a transfer runs: some hundred round trips at least, and the long ones long enough for slow recovery, and for some
 * hundred losses where they leave little to send.
 */
function durationUs(rttUs: number, lossPermille = 0): number {
  if (rttUs >= 100_000) return lossPermille >= 10 ? 60_000_000 : 15_000_000;
  return rttUs >= 10_000 ? 5_000_000 : 2_000_000;
}

/** The rows of the table of goodput, in its order. */
export function lossRows(): LossRow[] {
  return LOSS_PERMILLE.flatMap((lossPermille) =>
    RTT_US.flatMap((rttUs) => REORDER_PERMILLE.map((reorderPermille) => ({ lossPermille, rttUs, reorderPermille }))),
  );
}

/** The line of a row: for each variant the medians of goodput and retransmitted share. Runs its transfers. */
export function lossLine({ lossPermille, rttUs, reorderPermille }: LossRow): string {
  const cells = VARIANTS.flatMap(([, tcp]) => {
    const results = SEEDS.map((seed) =>
      runTransfer({
        ...transfer(seed, tcp, rttUs, durationUs(rttUs, lossPermille)),
        lossRate: lossPermille / 1000,
        reorderRate: reorderPermille / 1000,
      }),
    );
    return [
      median(results, ({ goodputKbps }) => goodputKbps[0]),
      median(results, ({ retransmitted }) => retransmitted),
    ];
  });
  return line([tenths(lossPermille), millis(rttUs), tenths(reorderPermille)], cells);
}

/** The line of so many flows of one variant: Jain's index in thousandths, all their goodput, the retransmitted share. */
function fairnessLine(flows: number): string {
  const cells = VARIANTS.flatMap(([, tcp]) => {
    const results = SEEDS.map((seed) =>
      runTransfer({ ...transfer(seed, tcp, FAIRNESS_RTT_US, FAIRNESS_US), flows, warmUpUs: FAIRNESS_US >> 1 }),
    );
    return [
      median(results, ({ goodputKbps }) => jain(goodputKbps)),
      median(results, ({ goodputKbps }) => sum(goodputKbps)),
      median(results, ({ retransmitted }) => retransmitted),
    ];
  });
  return line([String(flows)], cells);
}

/** The line of a queue: mean and most of its bytes, and the goodput. */
function queueLine(queue: Transfer["queue"], rttUs: number): string {
  const cells = VARIANTS.flatMap(([, tcp]) => {
    const results = SEEDS.map((seed) => runTransfer({ ...transfer(seed, tcp, rttUs, durationUs(rttUs)), queue }));
    return [
      median(results, ({ queueMeanBytes }) => queueMeanBytes),
      median(results, ({ queueMaxBytes }) => queueMaxBytes),
      median(results, ({ goodputKbps }) => goodputKbps[0]),
    ];
  });
  return line([queue, millis(rttUs)], cells);
}

function transfer(seed: number, tcp: Partial<TcpConfig>, rttUs: number, untilUs: number): Transfer {
  const shared = { flows: 1, lossRate: 0, reorderRate: 0, queue: "tail-drop" as const };
  return { ...shared, seed, tcp, rttUs, untilUs, warmUpUs: untilUs >> 2 };
}

/** What stands above the rows of the table of goodput. */
export function lossHead(): string[] {
  return [
    "# TCP over a bottleneck of 100 Mbit/s: a sender that always has data, one direction, 1500-byte packets.",
    "# Each figure is the median of 5 seeds. Loss and reordering strike both directions; a reordered frame takes up to",
    "# half a round trip longer. The queue is one product of rate and round trip, at least 64 KiB, tail drop.",
    "# A transfer takes 2 s at 0.1 ms, 5 s at 10 ms, 15 s (with 1 % loss and more 60 s) at 100 ms. The first quarter does not count.",
    "# Made by: weft sim --table > test/sim/tables.txt",
    "",
    "# Goodput (kbit/s) and bytes sent again (1/10000 of those sent)",
    heading(["loss %", "rtt ms", "reorder %"], ["kbit/s", "again"]),
  ];
}

/** The whole of the tables, line by line as each is done: some minutes of work. */
export function* tableLines(): Generator<string> {
  yield* lossHead();
  for (const row of lossRows()) yield lossLine(row);
  yield "";
  yield "# Fairness: flows that begin about 0.1 s apart, rtt 10 ms, 8 s of which the second half counts; Jain's index in 1/1000";
  yield heading(["flows"], ["jain", "kbit/s", "again"]);
  for (const flows of FLOWS) yield fairnessLine(flows);
  yield "";
  yield "# Occupancy of the bottleneck's queue: mean and most, bytes; one flow";
  yield heading(["queue", "rtt ms"], ["mean", "most", "kbit/s"]);
  for (const queue of ["tail-drop", "codel"] as const) for (const rttUs of QUEUE_RTT_US) yield queueLine(queue, rttUs);
}

/** The names of the columns: those of each variant bear its name. */
function heading(keys: readonly string[], columns: readonly string[]): string {
  const named = VARIANTS.flatMap(([name]) => columns.map((column, i) => (i === 0 ? `${name}: ${column}` : column)));
  return [...keys.map((key) => key.padStart(9)), ...named.map((column, i) => column.padStart(width(i, columns.length)))]
    .join(" ")
    .trimEnd();
}

function line(keys: readonly string[], cells: readonly number[]): string {
  const columns = cells.length / VARIANTS.length;
  const padded = cells.map((cell, i) => String(cell).padStart(width(i, columns)));
  return [...keys.map((key) => key.padStart(9)), ...padded].join(" ");
}

/** The first column of a variant has room for its name. */
function width(column: number, columns: number): number {
  return column % columns === 0 ? 23 : 7;
}

function tenths(permille: number): string {
  return `${Math.floor(permille / 10)}.${permille % 10}`;
}

function millis(us: number): string {
  return `${Math.floor(us / 1000)}.${Math.floor((us % 1000) / 100)}`;
}

function median(results: readonly TransferResult[], of: (result: TransferResult) => number): number {
  const values = results.map(of).sort((a, b) => a - b);
  return values[values.length >> 1];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Jain's index of fairness, 1000 when all have the same (RFC 5166 2.3): whole thousandths, rounded down. */
function jain(values: readonly number[]): number {
  const total = sum(values);
  const squares = sum(values.map((value) => value * value));
  return squares === 0 ? 0 : Math.floor((total * total * 1000) / (values.length * squares));
}
