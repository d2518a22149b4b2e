import type { Host } from "../../../nodes/host.js";
import { RT_BACKENDS, type RtBackendName } from "../../session/rt-backend.js";
import { SESSION_E_NOSUPPORT, SESSION_ERRORS } from "../../session/session-errors.js";
import { formatHandle } from "../../session/session-handle.js";
import { S_CONNECTION, S_PROTO, S_RX_FIFO, S_TX_FIFO, SESSION_STATE_NAMES } from "../../session/session-table.js";
import { C_FIB, type SessionIndex } from "../../transport/transport.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";
import { matchingSessions, takeSessionFilter, takeThread } from "./session-filter.js";
import {
  checkResult,
  fifoBytes,
  formatConnectionName,
  isListener,
  protoName,
  sessionField,
  sessionRecord,
  stateName,
  transportText,
} from "./session-view.js";

function summary(host: Host, sessions: readonly SessionIndex[]): string {
  const counts = new Map<string, number>();
  for (const s of sessions) {
    const key = `${protoName(host, s)} ${stateName(host, s)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => [...key.split(" "), count]);
  const head = `${sessions.length} sessions of ${host.sessions.table.capacity}`;
  return rows.length === 0 ? head : `${head}\n${columns(["Proto", "State", "Sessions"], rows)}`;
}

function table(host: Host, sessions: readonly SessionIndex[], verbose: number): string {
  const rows = sessions.map((s) => [
    formatHandle(host.sessions.table.handle(s)),
    formatConnectionName(host, s),
    stateName(host, s),
    transportText(host, s, 1).split("\n")[0],
    fifoBytes(host, s, S_RX_FIFO) ?? "-",
    fifoBytes(host, s, S_TX_FIFO) ?? "-",
  ]);
  if (verbose < 2) return columns(["Session", "Connection", "State", "Transport", "Rx-f", "Tx-f"], rows);
  return sessions
    .flatMap((s, i) => [
      rows[i].slice(0, 3).join("  "),
      ...transportText(host, s, 2)
        .split("\n")
        .map((line) => `  ${line.trim()}`),
    ])
    .join("\n");
}

/** The engine that decides on flows, and what it holds. */
function rtBackend(host: Host, isJson: boolean): string {
  const { rules, config } = host.sessions;
  const { backend } = rules;
  const counts = rules.counts();
  if (isJson) return JSON.stringify({ backend, ...counts });
  return pairs([
    ["rt-backend", backend],
    ["rules", `${counts.rules} of ${config.maxRules}`],
    ["masks", counts.masks],
    ["rules refused", counts.rulesRefused],
    ["masks refused", counts.masksRefused],
  ]);
}

const showSession: Command = {
  name: "show session",
  usage:
    "[verbose [1|2]] [THREAD:INDEX] [proto P] [state S] [listeners P] [app INDEX] [thread 0] [index I] [range MIN [MAX]] " +
    "[lcl|rmt|ep ADDRESS[:PORT]] [max N] [protos] [states] [rt-backend] [--json]",
  help: "sessions: how many, one a line (verbose), or with all variables (verbose 2)",
  run(words, { host }) {
    const filter = takeSessionFilter(words, host);
    if (filter.listing === "protos") return host.transports.flatMap((each) => each?.name ?? []).join("\n");
    if (filter.listing === "states") return SESSION_STATE_NAMES.join("\n");
    if (filter.listing === "rt-backend") return rtBackend(host, filter.isJson);
    const sessions = matchingSessions(host, filter);
    const shown = sessions.slice(0, filter.max);
    if (filter.isJson) return JSON.stringify(shown.map((s) => sessionRecord(host, s)));
    if (filter.verbose === 0 && filter.index === undefined) return summary(host, sessions);
    const more = sessions.length > shown.length ? `\n${sessions.length - shown.length} more: max N shows them` : "";
    return `${table(host, shown, filter.index === undefined ? filter.verbose : 2)}${more}`;
  },
};

const clearSession: Command = {
  name: "clear session",
  usage: "INDEX | thread 0 session INDEX | all",
  help: "ends a session at once, by a reset; all: every one that is no listener",
  run(words, { host }) {
    const { sessions } = host;
    const isAll = words.accept("all");
    if (!isAll && words.accept("thread")) {
      takeThread(words);
      if (!words.accept("session")) throw new CliError(`unknown argument "${words.next}"`);
    }
    const index = isAll ? -1 : words.integer("session", 0, sessions.table.capacity - 1);
    words.end();
    if (!isAll && !sessions.table.isUsed(index)) throw new CliError(`no session ${index}`);
    const chosen = isAll ? [...sessions.table].filter((s) => !isListener(host, s)) : [index];
    for (const s of chosen) sessions.terminate(s);
    return `${chosen.length} sessions ended`;
  },
};

const showSessionStats: Command = {
  name: "show session stats",
  usage: "[--json]",
  help: "how often each session error was answered",
  run(words, { host }) {
    const isJson = words.accept("--json");
    words.end();
    const { errorCounts } = host.sessions;
    const rows = SESSION_ERRORS.map(({ name, text }, i) => [errorCounts[i], name, text]).filter(
      ([count]) => count !== 0,
    );
    if (isJson) return JSON.stringify(Object.fromEntries(rows.map(([count, name]) => [name, count])));
    return columns(["Count", "Error", "Reason"], rows);
  },
};

const clearSessionStats: Command = {
  name: "clear session stats",
  usage: "",
  help: "sets the counts of session errors to 0",
  run(words, { host }) {
    words.end();
    host.sessions.errorCounts.fill(0);
    return "";
  },
};

/** FIB of a session's connection, -1 without one. */
function fibOf(host: Host, s: SessionIndex): number {
  const c = sessionField(host, s, S_CONNECTION);
  const rows = host.transports[sessionField(host, s, S_PROTO)]?.rows;
  return c < 0 || rows === undefined ? -1 : host.window.i32[rows.base + c * rows.stride + C_FIB];
}

const showSessionLookup: Command = {
  name: "show session lookup",
  usage: "[table FIB-INDEX] [--json]",
  help: "entries of the lookup tables, or the sessions of one FIB",
  run(words, { host }) {
    let fib: number | undefined;
    let isJson = false;
    while (words.left > 0) {
      if (words.accept("table")) fib = words.integer("table", 0, 0x7fff_ffff);
      else if (words.accept("--json")) isJson = true;
      else words.end();
    }
    if (fib === undefined) {
      const counts = { ...host.lookup.counts() };
      return isJson ? JSON.stringify(counts) : pairs(Object.entries(counts));
    }
    const sessions = [...host.sessions.table].filter((s) => fibOf(host, s) === fib);
    if (isJson) return JSON.stringify(sessions.map((s) => sessionRecord(host, s)));
    const rows = sessions.map((s) => [formatHandle(host.sessions.table.handle(s)), formatConnectionName(host, s)]);
    return columns(["Session", "Connection"], rows);
  },
};

function takeRtBackend(words: Words): RtBackendName {
  const text = words.take("rt-backend");
  const name = RT_BACKENDS.find((each) => each === text);
  if (name === undefined) throw new CliError(`rt-backend: not one of ${RT_BACKENDS.join(", ")}: "${text}"`);
  return name;
}

function switched(isOn: boolean): Command {
  const name = isOn ? "session enable" : "session disable";
  return {
    name,
    usage: isOn ? "[rt-backend rule-table|none]" : "",
    help: isOn
      ? "lets applications attach; with an engine that decides on flows, which stays until session disable"
      : "detaches every application, lets none attach, and forgets the session rules",
    run(words, run) {
      const backend = isOn && words.accept("rt-backend") ? takeRtBackend(words) : undefined;
      words.end();
      const { sessions } = run.host;
      const error = sessions.setEnabled(isOn, backend);
      if (error === SESSION_E_NOSUPPORT) throw new CliError(`rt-backend ${sessions.rules.backend} is on`);
      checkResult(error);
      run.wake();
      return "";
    },
  };
}

const showSegmentManager: Command = {
  name: "show segment-manager",
  usage: "",
  help: "memory of the session fifos",
  run(words, { host }) {
    words.end();
    const stats = host.fifos.stats();
    return pairs([
      ["capacity bytes", stats.capacityBytes],
      ["bytes in use", stats.bytesInUse],
      ["high water bytes", stats.highWaterBytes],
      ["chunks in use", stats.chunksInUse],
      ["fifos", `${stats.activeFifos} of ${stats.maxFifos}`],
      ["fifos refused", stats.fifoFailures],
      ["chunks refused", stats.failures],
      ["short enqueues", stats.shortEnqueues],
      ["out-of-order intervals", stats.oooIntervals],
      ["out-of-order refused", stats.oooRefused],
      ["free chunks by class", stats.freeChunks.join(" ")],
    ]);
  },
};

/** Commands about sessions. */
export const SESSION_COMMANDS: readonly Command[] = [
  showSession,
  clearSession,
  showSessionStats,
  clearSessionStats,
  showSessionLookup,
  switched(true),
  switched(false),
  showSegmentManager,
];
