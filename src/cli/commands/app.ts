import { columns, pairs } from "../columns.js";
import type { Command, CommandRun } from "../command.js";
import { call } from "../methods/dispatch.js";
import type { MethodResult } from "../methods/method-table.js";
import { CliError } from "../words.js";
import { connectionName } from "./connection-name.js";

type AppView = MethodResult<"app.get">;
type SessionView = MethodResult<"session.get">;

/** Most sessions that a method lists: all. */
const ALL = 1_000_000;

/** What VPP's `show app server` and `client` list: connections with application and worker. */
function listing(sessions: readonly SessionView[], isVerbose: boolean): string {
  const headings = ["Connection", "App", "Wrk", ...(isVerbose ? ["Session", "Workers"] : [])];
  const rows = sessions.map((each) => {
    const { app, worker, session, workers = [] } = each;
    return [connectionName(each), app ?? "-", worker, ...(isVerbose ? [session, workers.join(" ") || "-"] : [])];
  });
  return columns(headings, rows);
}

function clientLines({ clients }: AppView): string[] {
  if (clients.length === 0) return [];
  const rows = clients.map((each) => [
    each.worker,
    each.pid,
    each.uid,
    each.sessions,
    each.readBytes,
    each.writtenBytes,
    `${each.waitingMessages} of ${each.congestedMessages}`,
    each.brokenSessions,
  ]);
  const headings = ["Client", "Pid", "Uid", "Sessions", "Read-bytes", "Written-bytes", "Waiting", "Broken"];
  return [columns(headings, rows)];
}

function details(run: CommandRun, app: AppView): string {
  const listeners = call(run, "session.list", { app: app.index, role: "server", max: ALL });
  const lines = [
    pairs([
      ["name", app.name],
      ["namespace", app.namespace],
      ["scope", app.scope.join(" ")],
      ["workers", app.workers.join(" ")],
      ["rx fifo bytes", app.rxFifoBytes],
      ["tx fifo bytes", app.txFifoBytes],
      ["sessions", app.sessionCount - listeners.length],
    ]),
    ...clientLines(app),
    ...listeners.map((each) => `  listener ${/:(\d+)/.exec(each.session)?.[1]} ${connectionName(each)}`),
  ];
  return lines.join("\n");
}

const showApp: Command = {
  name: "show app",
  usage: "[INDEX] [server|listeners|client] [verbose] [--json]",
  help: "attached applications, one of them, or their listeners or active sessions",
  run(words, run) {
    const isJson = words.remove("--json");
    const index = /^\d+$/.test(words.next) ? words.integer("app", 0, 0x7fff_ffff) : undefined;
    const apps = index === undefined ? call(run, "app.list", {}) : [call(run, "app.get", { app: index })];
    let role: "server" | "client" | undefined;
    let isVerbose = false;
    while (words.left > 0) {
      if (words.accept("server", "listeners")) role = "server";
      else if (words.accept("client")) role = "client";
      else if (words.accept("verbose")) isVerbose = true;
      else if (["mq", "transports"].includes(words.next)) throw new CliError(`not supported: "${words.next}"`);
      else words.end();
    }
    if (role !== undefined) {
      const sessions = call(run, "session.list", { app: index, role, max: ALL, verbose: isVerbose ? 1 : 0 });
      return isJson ? JSON.stringify(sessions) : listing(sessions, isVerbose);
    }
    if (isJson) return JSON.stringify(apps);
    if (index !== undefined || isVerbose) return apps.map((app) => details(run, app)).join("\n");
    const rows = apps.map((app) => [
      app.index,
      app.name,
      app.namespace,
      app.sessionCount,
      app.isAttached ? "attached" : "detached",
    ]);
    return columns(["Index", "Name", "Namespace", "Sessions", "State"], rows);
  },
};

const showAppNs: Command = {
  name: "show app ns",
  usage: "[id ID] [--json]",
  help: "application namespaces; of a secret, whether there is one",
  run(words, run) {
    const isJson = words.remove("--json");
    let id: string | undefined;
    while (words.left > 0) {
      if (words.accept("id")) id = words.take("id");
      else if (words.next === "api-clients") throw new CliError('not supported: "api-clients"');
      else words.end();
    }
    const namespaces = call(run, "namespace.list", { id });
    if (isJson) return JSON.stringify(namespaces);
    const rows = namespaces.map((each) => {
      const { index, secret, interface: name, apps } = each;
      return [index, secret, name ?? "-", each["ip4-table"] ?? "-", each["ip6-table"] ?? "-", apps, each.id];
    });
    return columns(["Index", "Secret", "Interface", "Ip4-table", "Ip6-table", "Apps", "Id"], rows);
  },
};

const addAppNs: Command = {
  name: "app ns add",
  usage: "id ID [secret SECRET] [if INTERFACE | sw_if_index I] [ip4-fib-id TABLE] [ip6-fib-id TABLE]",
  help: "adds an application namespace, or changes it for who comes later",
  run(words, run) {
    const { host } = run;
    let id = "";
    const record: { secret?: string; interface?: string; table4?: number; table6?: number } = {};
    while (words.left > 0) {
      if (words.accept("id")) id = words.take("id");
      else if (words.accept("secret")) record.secret = words.take("secret");
      else if (words.accept("if")) record.interface = words.take("if");
      else if (words.accept("sw_if_index")) {
        const index = words.integer("sw_if_index", 0, 0x7fff_ffff);
        const found = host.interfaces.at(index);
        if (found === undefined) throw new CliError(`no interface ${index}`);
        record.interface = found.name;
      } else if (words.accept("ip4-fib-id")) record.table4 = words.integer("ip4-fib-id", 0, 0x7fff_ffff);
      else if (words.accept("ip6-fib-id")) record.table6 = words.integer("ip6-fib-id", 0, 0x7fff_ffff);
      else words.end();
    }
    if (id === "") throw new CliError("id is missing");
    call(run, "namespace.add", { id, ...record });
    return "";
  },
};

const delAppNs: Command = {
  name: "app ns del",
  usage: "id ID",
  help: "deletes an application namespace: its applications are detached",
  run(words, run) {
    if (!words.accept("id"))
      throw new CliError(words.left === 0 ? "id is missing" : `unknown argument "${words.next}"`);
    const id = words.take("id");
    words.end();
    call(run, "namespace.del", { id });
    return "";
  },
};

const tcpSrcAddress: Command = {
  name: "tcp src-address",
  usage: "ADDRESS [- ADDRESS] [fib-table TABLE] [del]",
  help: "addresses that active opens come from in turn, when they name none",
  run(words, run) {
    const first = words.take("address");
    const last = words.accept("-") ? words.take("address") : undefined;
    let table = 0;
    let isDel = false;
    while (words.left > 0) {
      if (words.accept("fib-table")) table = words.integer("fib-table", 0, 0x7fff_ffff);
      else if (words.accept("del")) isDel = true;
      else words.end();
    }
    call(run, isDel ? "source-address.del" : "source-address.add", { first, last, table });
    return "";
  },
};

/** Commands about applications and their namespaces. */
export const APP_COMMANDS: readonly Command[] = [showApp, showAppNs, addAppNs, delAppNs, tcpSrcAddress];
