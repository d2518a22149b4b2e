import type { Host } from "../../../nodes/host.js";
import { RT_BACKENDS, type RtBackendName } from "../../session/rt-backend.js";
import { SESSION_ERRORS } from "../../session/session-errors.js";
import { S_CONNECTION, S_PROTO, SESSION_STATE_NAMES } from "../../session/session-table.js";
import { C_FIB, type SessionIndex } from "../../transport/transport.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";
import type { MethodResult } from "../methods/method-table.js";
import { viewSession } from "../methods/session-methods.js";
import { isListener, sessionField } from "../methods/session-view.js";
import { CliError, type Words } from "../words.js";
import { connectionName } from "./connection-name.js";
import { takeSessionFilter, takeThread } from "./session-filter.js";

function summary({ sessions, capacity, states }: MethodResult<"session.count">): string {
  const rows = states.map((each) => [each.proto, each.state, each.sessions]);
  const head = `${sessions} sessions of ${capacity}`;
  return rows.length === 0 ? head : `${head}\n${columns(["Proto", "State", "Sessions"], rows)}`;
}

function table(sessions: MethodResult<"session.list">): string {
  const rows = sessions.map((each) => {
    const { session, state, transport = "-", rxBytes, txBytes } = each;
    return [session, connectionName(each), state, transport, rxBytes ?? "-", txBytes ?? "-"];
  });
  return columns(["Session", "Connection", "State", "Transport", "Rx-f", "Tx-f"], rows);
}

function details(sessions: MethodResult<"session.list">): string {
  return sessions
    .flatMap((each) => [
      [each.session, connectionName(each), each.state].join("  "),
      ...(each.transport ?? "-").split("\n").map((line) => `  ${line.trim()}`),
    ])
    .join("\n");
}

/** The engine that decides on flows, and what it holds. */
function rtBackend(host: Host, isJson: boolean): string {
  const { rules, sdl, config, rtBackend: backend } = host.sessions;
  const counts = { ...rules.counts(), ...sdl.counts() };
  if (isJson) return JSON.stringify({ backend, ...counts });
  return pairs([
    ["rt-backend", backend],
    ["rules", `${counts.rules} of ${config.maxRules}`],
    ["masks", counts.masks],
    ["rules refused", counts.rulesRefused],
    ["masks refused", counts.masksRefused],
    ["prefixes", `${counts.prefixes} of ${config.maxSdlPrefixes}`],
    ["prefixes refused", counts.prefixesRefused],
    ["prefix bytes", counts.prefixBytes],
  ]);
}

/** The transports, with their connections. */
function transportList(host: Host, isJson: boolean): string {
  const transports = host.transports.flatMap((each) =>
    each === undefined
      ? []
      : [{ proto: each.name, number: each.proto, connections: each.rows.used, limit: each.rows.capacity }],
  );
  if (isJson) return JSON.stringify(transports);
  return columns(
    ["Proto", "Number", "Connections", "Limit"],
    transports.map((each) => [each.proto, each.number, each.connections, each.limit]),
  );
}

/** What waits for session-input and session-queue: VPP's events of a thread. */
function waiting({ sessions }: Host, isJson: boolean): string {
  const counts = { sessions: sessions.pendingCount, transmit: sessions.transmitQueue.length };
  if (isJson) return JSON.stringify(counts);
  return pairs([
    ["sessions with events", counts.sessions],
    ["connections that want to send", counts.transmit],
  ]);
}

const showSession: Command = {
  name: "show session",
  usage:
    "[verbose [1|2]] [THREAD:INDEX] [proto P] [state S] [listeners P] [app INDEX] [thread 0] [index I] [range MIN [MAX]] " +
    "[lcl|rmt|ep ADDRESS[:PORT]] [max N | force-print] [protos] [states] [transport] [events] [rt-backend] [--json]",
  help: "sessions: how many, one a line (verbose), or with all variables (verbose 2)",
  run(words, run) {
    const { listing, isJson, isOne, verbose, max, which } = takeSessionFilter(words, run.host);
    if (listing === "protos") return run.host.transports.flatMap((each) => each?.name ?? []).join("\n");
    if (listing === "states") return SESSION_STATE_NAMES.join("\n");
    if (listing === "transport") return transportList(run.host, isJson);
    if (listing === "events") return waiting(run.host, isJson);
    if (listing === "rt-backend") return rtBackend(run.host, isJson);
    if (isJson) return JSON.stringify(call(run, "session.list", { ...which, max, verbose }));
    const count = call(run, "session.count", which);
    if (verbose === 0 && !isOne) return summary(count);
    const sessions = call(run, "session.list", { ...which, max, verbose: isOne ? 2 : verbose });
    const left = count.sessions - sessions.length;
    const more = left > 0 ? `\n${left} more: max N shows them` : "";
    return `${isOne || verbose === 2 ? details(sessions) : table(sessions)}${more}`;
  },
};

const clearSession: Command = {
  name: "clear session",
  usage: "INDEX | thread 0 session INDEX | all",
  help: "ends a session at once, by a reset; all: every one that is no listener",
  run(words, run) {
    const { sessions } = run.host;
    const isAll = words.accept("all");
    if (!isAll && words.accept("thread")) {
      takeThread(words);
      if (!words.accept("session")) throw new CliError(`unknown argument "${words.next}"`);
    }
    const index = isAll ? -1 : words.integer("session", 0, sessions.table.capacity - 1);
    words.end();
    const chosen = isAll ? [...sessions.table].filter((s) => !isListener(run.host, s)) : [index];
    for (const s of chosen) call(run, "session.clear", { session: String(s) });
    return `${chosen.length} sessions ended`;
  },
};

const showSessionStats: Command = {
  name: "show session stats",
  usage: "[--json]",
  help: "how often each session error was answered",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const counts = call(run, "statistics.sessions", {});
    if (isJson) return JSON.stringify(counts);
    const rows = SESSION_ERRORS.filter(({ name }) => counts[name] !== undefined).map(({ name, text }) => {
      return [counts[name], name, text];
    });
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
  run(words, run) {
    const { host } = run;
    let fib: number | undefined;
    let isJson = false;
    while (words.left > 0) {
      if (words.accept("table")) fib = words.integer("table", 0, 0x7fff_ffff);
      else if (words.accept("--json")) isJson = true;
      else words.end();
    }
    if (fib === undefined) {
      const counts = call(run, "statistics.lookup", {});
      return isJson ? JSON.stringify(counts) : pairs(Object.entries(counts));
    }
    const sessions = [...host.sessions.table].filter((s) => fibOf(host, s) === fib).map((s) => viewSession(host, s));
    if (isJson) return JSON.stringify(sessions);
    return columns(
      ["Session", "Connection"],
      sessions.map((each) => [each.session, connectionName(each)]),
    );
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
    usage: isOn ? "[rt-backend rule-table|sdl|none]" : "",
    help: isOn
      ? "lets applications attach; with an engine that decides on flows, which stays until session disable"
      : "detaches every application, lets none attach, and forgets the session rules and the source deny list",
    run(words, run) {
      const backend = isOn && words.accept("rt-backend") ? takeRtBackend(words) : undefined;
      words.end();
      if (isOn) call(run, "session.enable", { rtBackend: backend });
      else call(run, "session.disable", {});
      return "";
    },
  };
}

const showSegmentManager: Command = {
  name: "show segment-manager",
  usage: "[--json]",
  help: "memory of the session fifos",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const stats = call(run, "statistics.segments", {});
    if (isJson) return JSON.stringify(stats);
    const sums = pairs([
      ["capacity bytes", stats.capacityBytes],
      ["bytes in use", stats.bytesInUse],
      ["high water bytes", stats.highWaterBytes],
      ["chunks in use", stats.chunksInUse],
      ["fifos", `${stats.fifos} of ${stats.maxFifos}`],
      ["fifos refused", stats.fifosRefused],
      ["chunks refused", stats.chunksRefused],
      ["short enqueues", stats.shortEnqueues],
      ["out-of-order intervals", stats.oooIntervals],
      ["out-of-order refused", stats.oooRefused],
      ["free chunks by class", stats.freeChunks.join(" ")],
    ]);
    const rows = stats.managers.flatMap(({ workers, pressure, isShared, segments }) =>
      segments.map(({ segment, capacityBytes, bytesInUse, fifos }) => {
        const kind = workers.length === 2 ? "cut-through" : isShared ? "client" : "stack";
        return [workers.join(", ") || "-", kind, segment, capacityBytes, bytesInUse, fifos, pressure];
      }),
    );
    return `${sums}\n${columns(["App wrk", "Kind", "Segment", "Capacity", "In-use", "Fifos", "Pressure"], rows)}`;
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
