import type { Host } from "../../../nodes/host.js";
import { parseAddress } from "../../ip/address.js";
import type { Application } from "../../session/application.js";
import type { AppNamespace } from "../../session/app-namespace.js";
import { formatHandle } from "../../session/session-handle.js";
import { S_LISTENER } from "../../session/session-table.js";
import type { SessionIndex } from "../../transport/transport.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";
import { checkResult, formatConnectionName, isListener, ownerOf, sessionField, sessionRecord } from "./session-view.js";

function scopeOf({ hasGlobalScope, hasLocalScope }: Application): string {
  return [hasGlobalScope ? "global" : "", hasLocalScope ? "local" : ""].filter((each) => each !== "").join(" ");
}

function isClient(host: Host, s: SessionIndex): boolean {
  return !isListener(host, s) && sessionField(host, s, S_LISTENER) < 0;
}

function appRecord(host: Host, app: Application): Readonly<Record<string, unknown>> {
  return {
    index: app.index,
    name: app.name,
    namespace: app.namespace.id,
    scope: scopeOf(app).split(" "),
    isAttached: app.isAttached,
    workers: app.workers.flatMap((worker) => (worker === undefined ? [] : [worker.number])),
    rxFifoBytes: app.rxFifoBytes,
    txFifoBytes: app.txFifoBytes,
    sessions: host.sessions.applications.sessionsOf(app).map((s) => sessionRecord(host, s)),
  };
}

/** What VPP's `show app server` and `client` list: connections with application and worker. */
function listing(host: Host, sessions: readonly SessionIndex[], isVerbose: boolean): string {
  const headings = ["Connection", "App", "Wrk", ...(isVerbose ? ["Session", "Workers"] : [])];
  const rows = sessions.map((s) => {
    const { app, worker } = ownerOf(host, s);
    const workers =
      host.sessions.listeners.of(s)?.sessions.flatMap((each, number) => (each >= 0 ? [number] : [])) ?? [];
    const more = isVerbose ? [formatHandle(host.sessions.table.handle(s)), workers.join(" ") || "-"] : [];
    return [formatConnectionName(host, s), app?.name ?? "-", worker, ...more];
  });
  return columns(headings, rows);
}

function details(host: Host, app: Application): string {
  const sessions = host.sessions.applications.sessionsOf(app);
  const listeners = sessions.filter((s) => isListener(host, s));
  const lines = [
    pairs([
      ["name", app.name],
      ["namespace", app.namespace.id],
      ["scope", scopeOf(app)],
      ["workers", app.workers.flatMap((worker) => (worker === undefined ? [] : [worker.number])).join(" ")],
      ["rx fifo bytes", app.rxFifoBytes],
      ["tx fifo bytes", app.txFifoBytes],
      ["sessions", sessions.length - listeners.length],
    ]),
    ...listeners.map((s) => `  listener ${s} ${formatConnectionName(host, s)}`),
  ];
  return lines.join("\n");
}

const showApp: Command = {
  name: "show app",
  usage: "[INDEX] [server|listeners|client] [verbose] [--json]",
  help: "attached applications, one of them, or their listeners or active sessions",
  run(words, { host }) {
    const { applications } = host.sessions;
    let chosen = applications.all();
    let isOne = false;
    if (/^\d+$/.test(words.next)) {
      const index = words.integer("app", 0, 0x7fff_ffff);
      const app = applications.at(index);
      if (app === undefined) throw new CliError(`no app ${index}`);
      chosen = [app];
      isOne = true;
    }
    let only: ((host: Host, s: SessionIndex) => boolean) | undefined;
    let isVerbose = false;
    let isJson = false;
    while (words.left > 0) {
      if (words.accept("server", "listeners")) only = isListener;
      else if (words.accept("client")) only = isClient;
      else if (words.accept("verbose")) isVerbose = true;
      else if (words.accept("--json")) isJson = true;
      else if (["mq", "transports"].includes(words.next)) throw new CliError(`not supported: "${words.next}"`);
      else words.end();
    }
    const sessions = chosen.flatMap((app) => applications.sessionsOf(app));
    const listed = sessions.filter((s) => only?.(host, s) ?? false);
    if (isJson) {
      const records =
        only === undefined ? chosen.map((app) => appRecord(host, app)) : listed.map((s) => sessionRecord(host, s));
      return JSON.stringify(records);
    }
    if (only !== undefined) return listing(host, listed, isVerbose);
    if (isOne || isVerbose) return chosen.map((app) => details(host, app)).join("\n");
    const rows = chosen.map((app) => [
      app.index,
      app.name,
      app.namespace.id,
      app.sessionCount,
      app.isAttached ? "attached" : "detached",
    ]);
    return columns(["Index", "Name", "Namespace", "Sessions", "State"], rows);
  },
};

/** The number of the table with this FIB index; `-` for a family that is missing. */
function tableOf(host: Host, family: 4 | 6, fib: number): number | string {
  return host.ip.fib.tables().find((table) => host.ip.fib.indexOf(family, table) === fib) ?? "-";
}

function namespaceRow(host: Host, each: AppNamespace): readonly (string | number)[] {
  const { index, id, secret, ifIndex, fib4, fib6 } = each;
  const apps = host.sessions.applications.all().filter((app) => app.isAttached && app.namespace === each).length;
  const name = host.interfaces.at(ifIndex)?.name ?? "-";
  return [index, secret === "" ? "no" : "yes", name, tableOf(host, 4, fib4), tableOf(host, 6, fib6), apps, id];
}

const NS_HEADINGS = ["Index", "Secret", "Interface", "Ip4-table", "Ip6-table", "Apps", "Id"];

const showAppNs: Command = {
  name: "show app ns",
  usage: "[id ID] [--json]",
  help: "application namespaces; of a secret, whether there is one",
  run(words, { host }) {
    let chosen = host.sessions.namespaces.all();
    let isJson = false;
    while (words.left > 0) {
      if (words.accept("id")) {
        const id = words.take("id");
        chosen = chosen.filter((each) => each.id === id);
        if (chosen.length === 0) throw new CliError(`no namespace "${id}"`);
      } else if (words.accept("--json")) isJson = true;
      else if (words.next === "api-clients") throw new CliError('not supported: "api-clients"');
      else words.end();
    }
    const rows = chosen.map((each) => namespaceRow(host, each));
    if (!isJson) return columns(NS_HEADINGS, rows);
    const keys = NS_HEADINGS.map((heading) => heading.toLowerCase());
    return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((cell, i) => [keys[i], cell]))));
  },
};

const addAppNs: Command = {
  name: "app ns add",
  usage: "id ID [secret SECRET] [if INTERFACE | sw_if_index I] [ip4-fib-id TABLE] [ip6-fib-id TABLE]",
  help: "adds an application namespace, or changes it for who comes later",
  run(words, { host }) {
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
    checkResult(host.sessions.apply({ kind: "namespace", add: true, id, ...record }));
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
    checkResult(run.host.sessions.apply({ kind: "namespace", add: false, id }));
    run.wake();
    return "";
  },
};

function takeAddress(words: Words): { family: 4 | 6; words: number[] } {
  const { family, words: address } = parseAddress(words.take("address"));
  return { family, words: [...address] };
}

const tcpSrcAddress: Command = {
  name: "tcp src-address",
  usage: "ADDRESS [- ADDRESS] [fib-table TABLE] [del]",
  help: "addresses that active opens come from in turn, when they name none",
  run(words, { host }) {
    const first = takeAddress(words);
    const last = words.accept("-") ? takeAddress(words) : first;
    let table = 0;
    let add = true;
    while (words.left > 0) {
      if (words.accept("fib-table")) table = words.integer("fib-table", 0, 0x7fff_ffff);
      else if (words.accept("del")) add = false;
      else words.end();
    }
    if (last.family !== first.family) throw new CliError("the two addresses are of different families");
    const { family } = first;
    const record = { kind: "source-addresses", add, family, first: first.words, last: last.words, table } as const;
    checkResult(host.sessions.apply(record));
    return "";
  },
};

/** Commands about applications and their namespaces. */
export const APP_COMMANDS: readonly Command[] = [showApp, showAppNs, addAppNs, delAppNs, tcpSrcAddress];
