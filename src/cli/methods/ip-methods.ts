import type { Host } from "../../../nodes/host.js";
import { formatMac } from "../../device/format-mac.js";
import type { Interface } from "../../device/interface.js";
import { macLeaf } from "../../host/config-leaf.js";
import { type Family, formatAddress, formatPrefix, parseAddress, parsePrefix, prefixCovers } from "../../ip/address.js";
import type { RoutePath, RouteView, RouteVerdict } from "../../ip/fib.js";
import { SESSION_E_ADDR_NOT_IN_USE, SESSION_E_INVALID } from "../../session/session-errors.js";
import { applyRecord } from "../../stack.js";
import { type HandlersOf, interfaceNamed, type MethodRun, tableOfFib, wantTable } from "./handler.js";
import { blame, MethodError } from "./method-error.js";
import type { MethodParams, MethodResult } from "./method-table.js";

const FAMILIES: readonly Family[] = [4, 6];

function macText(mac: Uint8Array): string {
  return formatMac(new DataView(mac.buffer, mac.byteOffset, 6), 0);
}

function viewInterface(host: Host, each: Interface): MethodResult<"interface.list">[number] {
  const { name, index, up, mtu, device, counters, fib4, promiscuous, spoofing } = each;
  return {
    name,
    index,
    state: up ? "up" : "down",
    mtu,
    kind: device.kind,
    mac: macText(device.mac),
    addresses: FAMILIES.flatMap((family) => host.ip.fib.addresses.of(index, family).map(formatPrefix)),
    table: tableOfFib(host, 4, fib4) ?? 0,
    promiscuous,
    spoofing,
    counters: { ...counters },
  };
}

function setAddress(
  { host }: MethodRun,
  { interface: name, prefix }: MethodParams<"interface.address.add">,
  add: boolean,
): null {
  const { index } = interfaceNamed(host, name);
  blame("prefix", () => applyRecord(host, { kind: "address", interface: index, prefix, add }));
  return null;
}

/** Methods about interfaces. */
export const INTERFACE_HANDLERS: HandlersOf<"interface"> = {
  "interface.list": ({ host }, { interface: name }) =>
    (name === undefined ? host.interfaces.all() : [interfaceNamed(host, name)]).map((each) =>
      viewInterface(host, each),
    ),
  "interface.state"({ host }, { interface: name, state }) {
    const each = interfaceNamed(host, name);
    each.up = state === "up";
    // What was learned on a link that is down may be wrong when it comes back.
    if (!each.up) host.neighbours.flush(each.index);
    return null;
  },
  "interface.mtu"({ host }, { interface: name, mtu }) {
    const { index } = interfaceNamed(host, name);
    blame("mtu", () => applyRecord(host, { kind: "mtu", interface: index, mtu }));
    return null;
  },
  "interface.table"({ host }, { interface: name, table }) {
    const { index } = interfaceNamed(host, name);
    const argument = host.ip.fib.tables().includes(table) ? "interface" : "table";
    blame(argument, () => applyRecord(host, { kind: "interface-table", interface: index, table }));
    return null;
  },
  "interface.mode"({ host }, { interface: name, promiscuous, spoofing }) {
    const each = interfaceNamed(host, name);
    if (promiscuous !== undefined) each.promiscuous = promiscuous;
    if (spoofing !== undefined) each.spoofing = spoofing;
    return null;
  },
  "interface.address.add": (run, params) => setAddress(run, params, true),
  "interface.address.del": (run, params) => setAddress(run, params, false),
};

function setTable({ host }: MethodRun, table: number, add: boolean): null {
  blame("table", () => applyRecord(host, { kind: "table", table, add }));
  return null;
}

/** Methods about tables. */
export const TABLE_HANDLERS: HandlersOf<"table"> = {
  "table.list": ({ host: { ip } }) =>
    ip.fib.tables().map((table) => ({
      table,
      routes4: ip.fib.routes(4, table).length,
      routes6: ip.fib.routes(6, table).length,
    })),
  "table.add": (run, { table }) => setTable(run, table, true),
  "table.del": (run, { table }) => setTable(run, table, false),
};

/** The routes whose prefix covers an address, the longest alone. */
function longest(routes: readonly RouteView[], text: string): RouteView[] {
  const address = parseAddress(text);
  const matches = routes.filter(({ prefix }) => prefixCovers(parsePrefix(prefix), address));
  matches.sort((a, b) => parsePrefix(b.prefix).length - parsePrefix(a.prefix).length);
  return matches.slice(0, 1);
}

function listRoutes(
  { host }: MethodRun,
  { family, table, address }: MethodParams<"route.list">,
): MethodResult<"route.list"> {
  const { fib } = host.ip;
  if (table !== undefined) wantTable(host, table);
  const tables = table === undefined ? fib.tables() : [table];
  const families = FAMILIES.filter((each) => family === undefined || each === family);
  const routes = families.flatMap((each) =>
    tables.flatMap((number) => {
      const all = fib.routes(each, number);
      return (address === undefined ? all : longest(all, address)).map((route) => ({ table: number, ...route }));
    }),
  );
  if (table !== undefined || address !== undefined || family === 4) return routes;
  return [...routes, ...fib.routes(6, -1).map((route) => ({ table: null, ...route }))];
}

function pathsOf(host: Host, { paths, verdict }: MethodParams<"route.add">): readonly RoutePath[] | RouteVerdict {
  if (verdict !== undefined) {
    if (paths !== undefined) throw new MethodError(SESSION_E_INVALID, "verdict", "not together with paths");
    return verdict;
  }
  if (paths === undefined || paths.length === 0) throw new MethodError(SESSION_E_INVALID, "paths", "is missing");
  return paths.map(({ via, interface: name, weight }, i) => {
    if (via === undefined && name === undefined) {
      throw new MethodError(SESSION_E_INVALID, `paths[${i}]`, "neither via nor interface");
    }
    return {
      ...(via === undefined ? {} : { via }),
      ...(name === undefined ? {} : { interface: interfaceNamed(host, name, `paths[${i}].interface`).index }),
      ...(weight === undefined ? {} : { weight }),
    };
  });
}

/** Which argument the FIB's refusal of a new route is about: with table and interfaces right, it is about paths. */
function faultOfRoute(host: Host, table: number, prefix: string): string {
  if (!host.ip.fib.tables().includes(table)) return "table";
  return isPrefix(prefix) ? "paths" : "prefix";
}

function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch {
    return false;
  }
}

/** Methods about routes. */
export const ROUTE_HANDLERS: HandlersOf<"route"> = {
  "route.list": listRoutes,
  "route.add"({ host }, params) {
    const { prefix, table = 0 } = params;
    const paths = pathsOf(host, params);
    blame(faultOfRoute(host, table, prefix), () =>
      applyRecord(host, { kind: "route", table, prefix, add: true, paths }),
    );
    return null;
  },
  "route.del"({ host }, { prefix, table = 0 }) {
    const argument = host.ip.fib.tables().includes(table) ? "prefix" : "table";
    blame(argument, () => applyRecord(host, { kind: "route", table, prefix, add: false }));
    return null;
  },
};

/** Methods about neighbours. */
export const NEIGHBOUR_HANDLERS: HandlersOf<"neighbour"> = {
  "neighbour.list"({ host }, { family, interface: name }) {
    const only = name === undefined ? -1 : interfaceNamed(host, name).index;
    return host.neighbours
      .list()
      .filter(
        ({ ifIndex, address }) => (family === undefined || address.family === family) && (only < 0 || ifIndex === only),
      )
      .map(({ ifIndex, address, mac, state, isRouter, ageMs, queued }) => ({
        address: formatAddress(address),
        mac: mac.every((byte) => byte === 0) ? null : macText(mac),
        interface: host.interfaces.at(ifIndex)?.name ?? "?",
        state,
        isRouter,
        ageMs,
        queued,
      }));
  },
  "neighbour.set"({ host }, { interface: name, address: text, mac }) {
    const { index } = interfaceNamed(host, name);
    const address = blame("address", () => parseAddress(text));
    if (macLeaf(mac) !== undefined) {
      throw new MethodError(SESSION_E_INVALID, "mac", `not a hardware address: ${JSON.stringify(mac)}`);
    }
    const bytes = Uint8Array.from(mac.split(":"), (byte) => Number.parseInt(byte, 16));
    blame("address", () => host.neighbours.setStatic(index, address, bytes));
    return null;
  },
  "neighbour.del"({ host }, { interface: name, address: text }) {
    const { index } = interfaceNamed(host, name);
    const address = blame("address", () => parseAddress(text));
    if (!host.neighbours.delete(index, address)) {
      throw new MethodError(SESSION_E_ADDR_NOT_IN_USE, "address", `no neighbour ${formatAddress(address)}`);
    }
    return null;
  },
};
