import type { Host } from "../../../nodes/host.js";
import { SESSION_ERRORS } from "../../session/session-errors.js";
import { formatHandle } from "../../session/session-handle.js";
import {
  S_CONNECTION,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_TX_FIFO,
  S_WORKER,
  SESSION_LISTENING,
  SESSION_STATE_NAMES,
} from "../../session/session-table.js";
import { formatEndpoint } from "../../session/uri.js";
import type { SessionIndex } from "../../transport/transport.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";

/** Sessions that a listing shows unless told otherwise. */
const DEFAULT_MAX = 1000;

interface Filter {
  proto: string | undefined;
  state: string | undefined;
  app: number | undefined;
  max: number;
}

function field(host: Host, s: SessionIndex, at: number): number {
  return host.window.i32[host.sessions.table.row(s) + at];
}

function protoName(host: Host, s: SessionIndex): string {
  return host.transports[field(host, s, S_PROTO)]?.name ?? "?";
}

function stateName(host: Host, s: SessionIndex): string {
  return SESSION_STATE_NAMES[field(host, s, S_STATE)] ?? "?";
}

/** `[tcp] 198.18.0.2:80->198.18.0.1:40000`, as VPP writes connections. */
export function formatConnectionName(host: Host, s: SessionIndex): string {
  const local = host.sessions.localEndpoint(s);
  const remote = host.sessions.remoteEndpoint(s);
  const name = `[${protoName(host, s)}]`;
  if (local === undefined) return `${name} -`;
  const isListener = field(host, s, S_STATE) === SESSION_LISTENING;
  const to = isListener || remote === undefined ? "*" : formatEndpoint(remote);
  return `${name} ${formatEndpoint(local)}->${to}`;
}

function fifoBytes(host: Host, s: SessionIndex, at: number): number | string {
  const fifo = field(host, s, at);
  return fifo === 0 ? "-" : host.fifos.maxDequeue(fifo);
}

/** The transport's state of a session's connection, several lines with `verbose` 2. */
function transportText(host: Host, s: SessionIndex, verbose: number): string {
  const c = field(host, s, S_CONNECTION);
  return c < 0 ? "-" : (host.transports[field(host, s, S_PROTO)]?.format(c, verbose) ?? "-");
}

function takeFilter(words: Words, host: Host): Filter & { verbose: number } {
  const filter = { proto: undefined, state: undefined, app: undefined, max: DEFAULT_MAX, verbose: 0 } as Filter & {
    verbose: number;
  };
  while (words.left > 0) {
    if (words.accept("verbose")) filter.verbose = /^\d+$/.test(words.next) ? words.integer("verbose", 0, 2) : 1;
    else if (words.accept("proto")) {
      filter.proto = words.take("proto");
      if (host.sessions.transportByName(filter.proto) === undefined) {
        throw new CliError(`no transport "${filter.proto}"`);
      }
    } else if (words.accept("state")) {
      filter.state = words.take("state");
      if (!SESSION_STATE_NAMES.includes(filter.state)) {
        throw new CliError(`no state "${filter.state}" (${SESSION_STATE_NAMES.join(", ")})`);
      }
    } else if (words.accept("app")) filter.app = words.integer("app", 0, 0x7fff_ffff);
    else if (words.accept("max")) filter.max = words.integer("max", 1, 1_000_000);
    else throw new CliError(`unknown argument "${words.next}"`);
  }
  return filter;
}

function matching(host: Host, { proto, state, app }: Filter): SessionIndex[] {
  return [...host.sessions.table].filter(
    (s) =>
      (proto === undefined || protoName(host, s) === proto) &&
      (state === undefined || stateName(host, s) === state) &&
      (app === undefined || host.sessions.applications.workerAt(field(host, s, S_WORKER))?.app.index === app),
  );
}

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

const showSession: Command = {
  name: "show session",
  usage: "[verbose [1|2]] [proto P] [state S] [app INDEX] [max N]",
  help: "sessions: how many, one a line (verbose), or with all variables (verbose 2)",
  run(words, { host }) {
    const filter = takeFilter(words, host);
    const sessions = matching(host, filter);
    if (filter.verbose === 0) return summary(host, sessions);
    const shown = sessions.slice(0, filter.max);
    const rows = shown.map((s) => [
      formatHandle(host.sessions.table.handle(s)),
      formatConnectionName(host, s),
      stateName(host, s),
      transportText(host, s, 1).split("\n")[0],
      fifoBytes(host, s, S_RX_FIFO),
      fifoBytes(host, s, S_TX_FIFO),
    ]);
    const headings = ["Session", "Connection", "State", "Transport", "Rx-f", "Tx-f"];
    const more = sessions.length > shown.length ? `\n${sessions.length - shown.length} more: max N shows them` : "";
    if (filter.verbose === 1) return `${columns(headings, rows)}${more}`;
    const detailed = shown.map((s, i) => {
      const detail = transportText(host, s, 2)
        .split("\n")
        .map((line) => `  ${line.trim()}`);
      return [rows[i].slice(0, 3).join("  "), ...detail].join("\n");
    });
    return `${detailed.join("\n")}${more}`;
  },
};

const clearSession: Command = {
  name: "clear session",
  usage: "INDEX|all",
  help: "ends a session at once, by a reset; all: every one that is no listener",
  run(words, { host }) {
    const { sessions } = host;
    const isAll = words.accept("all");
    const index = isAll ? -1 : words.integer("session", 0, sessions.table.capacity - 1);
    words.end();
    if (!isAll && !sessions.table.isUsed(index)) throw new CliError(`no session ${index}`);
    const chosen = isAll ? [...sessions.table].filter((s) => field(host, s, S_STATE) !== SESSION_LISTENING) : [index];
    for (const s of chosen) sessions.terminate(s);
    return `${chosen.length} sessions ended`;
  },
};

const showSessionStats: Command = {
  name: "show session stats",
  usage: "",
  help: "how often each session error was answered",
  run(words, { host }) {
    words.end();
    const { errorCounts } = host.sessions;
    const rows = SESSION_ERRORS.map(({ name, text }, i) => [errorCounts[i], name, text]).filter(
      ([count]) => count !== 0,
    );
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

const showApp: Command = {
  name: "show app",
  usage: "[INDEX]",
  help: "attached applications, or one with its listeners and sessions",
  run(words, { host }) {
    const { applications } = host.sessions;
    if (words.left === 0) {
      const rows = applications
        .all()
        .map((app) => [
          app.index,
          app.name,
          app.namespace.id,
          app.sessionCount,
          app.isAttached ? "attached" : "detached",
        ]);
      return columns(["Index", "Name", "Namespace", "Sessions", "State"], rows);
    }
    const index = words.integer("app", 0, 0x7fff_ffff);
    words.end();
    const app = applications.at(index);
    if (app === undefined) throw new CliError(`no app ${index}`);
    const sessions = applications.sessionsOf(app);
    const listeners = sessions.filter((s) => field(host, s, S_STATE) === SESSION_LISTENING);
    const lines = [
      pairs([
        ["name", app.name],
        ["namespace", app.namespace.id],
        ["rx fifo bytes", app.rxFifoBytes],
        ["tx fifo bytes", app.txFifoBytes],
        ["sessions", sessions.length - listeners.length],
      ]),
      ...listeners.map((s) => `  listener ${s} ${formatConnectionName(host, s)}`),
    ];
    return lines.join("\n");
  },
};

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

/** Commands about sessions and applications. */
export const SESSION_COMMANDS: readonly Command[] = [
  showSession,
  clearSession,
  showSessionStats,
  clearSessionStats,
  showApp,
  showSegmentManager,
];
