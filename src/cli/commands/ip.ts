import type { Host } from "../../../nodes/host.js";
import { formatMac } from "../../device/format-mac.js";
import {
  type Family,
  formatAddress,
  parseAddress,
  parsePrefix,
  prefixCovers,
  tryParseAddress,
} from "../../ip/address.js";
import type { RoutePath, RouteView, RouteVerdict } from "../../ip/fib.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";
import { takeInterface } from "./interface.js";

const MAX_TABLE = 0x7fff_ffff;
const VERDICTS: readonly RouteVerdict[] = ["drop", "unreachable", "local", "punt"];

function routeRows(routes: readonly RouteView[]): string {
  const rows = routes.flatMap(({ prefix, source, paths }) =>
    paths.map((path, i) => (i === 0 ? [prefix, source, path] : ["", "", path])),
  );
  return columns(["Prefix", "Source", "Path"], rows);
}

/** The routes whose prefix covers an address, the longest alone. */
function longest(routes: readonly RouteView[], text: string): RouteView[] {
  const address = parseAddress(text);
  const matches = routes.filter(({ prefix }) => prefixCovers(parsePrefix(prefix), address));
  matches.sort((a, b) => parsePrefix(b.prefix).length - parsePrefix(a.prefix).length);
  return matches.slice(0, 1);
}

function showFib(family: Family, words: Words, host: Host): string {
  const { fib } = host.ip;
  let tables = fib.tables();
  let address: string | undefined;
  while (words.left > 0) {
    if (words.accept("table")) {
      const table = words.integer("table", 0, MAX_TABLE);
      if (!tables.includes(table)) throw new CliError(`no table ${table}`);
      tables = [table];
      continue;
    }
    address = words.take("address");
    if (tryParseAddress(address)?.family !== family) throw new CliError(`not an IPv${family} address: "${address}"`);
  }
  const parts = tables.map((table) => {
    const routes = fib.routes(family, table);
    const shown = address === undefined ? routes : longest(routes, address);
    return `ipv${family}-table ${table}, ${routes.length} routes\n${routeRows(shown)}`;
  });
  const links = family === 6 && address === undefined ? fib.routes(6, -1) : [];
  if (links.length > 0) parts.push(`link scope\n${routeRows(links)}`);
  return parts.join("\n\n");
}

const showIpFib: Command = {
  name: "show ip fib",
  usage: "[table N] [ADDRESS]",
  help: "IPv4 routes, or the one that an address takes",
  run: (words, { host }) => showFib(4, words, host),
};

const showIp6Fib: Command = {
  name: "show ip6 fib",
  usage: "[table N] [ADDRESS]",
  help: "IPv6 routes, or the one that an address takes",
  run: (words, { host }) => showFib(6, words, host),
};

function showNeighbors(words: Words, host: Host, families: readonly Family[]): string {
  const wanted = words.left > 0 ? takeInterface(words, host).index : -1;
  words.end();
  const rows = host.neighbours
    .list()
    .filter(({ ifIndex, address }) => families.includes(address.family) && (wanted < 0 || ifIndex === wanted))
    .map(({ ifIndex, address, mac, state, isRouter, ageMs, queued }) => [
      (ageMs / 1000).toFixed(1),
      formatAddress(address),
      mac.every((byte) => byte === 0) ? "-" : formatMac(new DataView(mac.buffer, mac.byteOffset, 6), 0),
      host.interfaces.at(ifIndex)?.name ?? "?",
      state,
      isRouter ? "router" : "",
      queued,
    ]);
  return columns(["Age", "IP", "Ethernet", "Interface", "State", "Flags", "Queued"], rows);
}

const showIpNeighbors: Command = {
  name: "show ip neighbors",
  usage: "[NAME]",
  help: "neighbours of both families, by ARP and neighbor discovery",
  run: (words, { host }) => showNeighbors(words, host, [4, 6]),
};

const showIp6Neighbors: Command = {
  name: "show ip6 neighbors",
  usage: "[NAME]",
  help: "IPv6 neighbours",
  run: (words, { host }) => showNeighbors(words, host, [6]),
};

const setIpNeighbor: Command = {
  name: "set ip neighbor",
  usage: "[del] NAME ADDRESS [MAC]",
  help: "configures a neighbour, or forgets one",
  run(words, { host }) {
    const del = words.accept("del");
    const { index } = takeInterface(words, host);
    const address = parseAddress(words.take("address"));
    if (del) {
      words.end();
      if (!host.neighbours.delete(index, address)) throw new CliError(`no neighbour ${formatAddress(address)}`);
      return "";
    }
    const text = words.take("hardware address");
    words.end();
    if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new CliError(`not a hardware address: "${text}"`);
    const mac = Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
    host.neighbours.setStatic(index, address, mac);
    return "";
  },
};

/** The paths behind `ip route add PREFIX`: a verdict, or next hops and interfaces. */
function takePaths(words: Words, host: Host): RoutePath[] | RouteVerdict {
  const verdict = VERDICTS.find((each) => words.accept(each));
  if (verdict !== undefined) return verdict;
  const paths: RoutePath[] = [];
  while (words.left > 0 && words.next !== "table") {
    const isVia = words.accept("via");
    const via = tryParseAddress(words.next) === undefined ? {} : { via: words.take("next hop") };
    const isNamed = words.left > 0 && !["via", "table", "weight"].includes(words.next);
    if (isVia && isNamed && via.via === undefined && host.interfaces.byName(words.next) === undefined) {
      throw new CliError(`neither an address nor an interface: "${words.next}"`);
    }
    const out = isNamed ? { interface: takeInterface(words, host).index } : {};
    const weight = words.accept("weight") ? { weight: words.integer("weight", 1, 255) } : {};
    const path: RoutePath = { ...via, ...out, ...weight };
    if (path.via === undefined && path.interface === undefined) throw new CliError("next hop is missing");
    paths.push(path);
  }
  return paths;
}

function takeTable(words: Words): number {
  const table = words.accept("table") ? words.integer("table", 0, MAX_TABLE) : 0;
  words.end();
  return table;
}

const ipRouteAdd: Command = {
  name: "ip route add",
  usage: "PREFIX via ADDRESS [NAME] [weight N] [via ...] | drop|unreachable|local|punt [table N]",
  help: "adds or replaces a route, with one or more paths",
  run(words, { host }) {
    const prefix = words.take("prefix");
    const paths = takePaths(words, host);
    const table = takeTable(words);
    if (paths.length === 0) throw new CliError("next hop is missing");
    host.ip.fib.apply({ kind: "route", table, prefix, add: true, paths });
    return "";
  },
};

const ipRouteDel: Command = {
  name: "ip route del",
  usage: "PREFIX [table N]",
  help: "removes a route",
  run(words, { host }) {
    const prefix = words.take("prefix");
    const table = takeTable(words);
    host.ip.fib.apply({ kind: "route", table, prefix, add: false });
    return "";
  },
};

const ipTable: readonly Command[] = (["add", "del"] as const).map((verb) => ({
  name: `ip table ${verb}`,
  usage: "N",
  help: verb === "add" ? "makes a table, for both families" : "removes a table that no interface uses",
  run(words, { host }) {
    const table = words.integer("table", 1, MAX_TABLE);
    words.end();
    host.ip.fib.apply({ kind: "table", table, add: verb === "add" });
    return "";
  },
}));

/** Commands about routes and neighbours. */
export const IP_COMMANDS: readonly Command[] = [
  showIpFib,
  showIp6Fib,
  showIpNeighbors,
  showIp6Neighbors,
  setIpNeighbor,
  ipRouteAdd,
  ipRouteDel,
  ...ipTable,
];
