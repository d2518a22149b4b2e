import type { Host } from "../../../nodes/host.js";
import { type Family, tryParseAddress } from "../../ip/address.js";
import { columns } from "../columns.js";
import type { Command, CommandRun } from "../command.js";
import { call } from "../methods/dispatch.js";
import { type MethodParams, type MethodResult, VERDICTS } from "../methods/method-table.js";
import { CliError, type Words } from "../words.js";
import { takeInterface } from "./interface.js";

const MAX_TABLE = 0x7fff_ffff;

type Routes = MethodResult<"route.list">;

function pathText({ type, via, interface: name, weight }: Routes[number]["paths"][number]): string {
  const parts = [type];
  if (via !== null) parts.push(`via ${via}`);
  if (name !== null) parts.push(name);
  if (weight !== 1) parts.push(`weight ${weight}`);
  return parts.join(" ");
}

function routeRows(routes: Routes): string {
  const rows = routes.flatMap(({ prefix, source, paths }) =>
    paths.map((path, i) => [...(i === 0 ? [prefix, source] : ["", ""]), pathText(path)]),
  );
  return columns(["Prefix", "Source", "Path"], rows);
}

function showFib(family: Family, words: Words, run: CommandRun): string {
  const isJson = words.remove("--json");
  let table: number | undefined;
  let address: string | undefined;
  while (words.left > 0) {
    if (words.accept("table")) table = words.integer("table", 0, MAX_TABLE);
    else {
      address = words.take("address");
      if (tryParseAddress(address)?.family !== family) throw new CliError(`not an IPv${family} address: "${address}"`);
    }
  }
  const routes = call(run, "route.list", { family, table, address });
  if (isJson) return JSON.stringify(routes);
  const tables = call(run, "table.list", {}).filter((each) => table === undefined || each.table === table);
  const parts = tables.map(({ table: number, routes4, routes6 }) => {
    const shown = routes.filter((route) => route.table === number);
    return `ipv${family}-table ${number}, ${family === 4 ? routes4 : routes6} routes\n${routeRows(shown)}`;
  });
  const links = routes.filter((route) => route.table === null);
  if (links.length > 0) parts.push(`link scope\n${routeRows(links)}`);
  return parts.join("\n\n");
}

const showIpFib: Command = {
  name: "show ip fib",
  usage: "[table N] [ADDRESS] [--json]",
  help: "IPv4 routes, or the one that an address takes",
  run: (words, run) => showFib(4, words, run),
};

const showIp6Fib: Command = {
  name: "show ip6 fib",
  usage: "[table N] [ADDRESS] [--json]",
  help: "IPv6 routes, or the one that an address takes",
  run: (words, run) => showFib(6, words, run),
};

function showNeighbors(words: Words, run: CommandRun, family?: Family): string {
  const isJson = words.remove("--json");
  const only = words.left > 0 ? words.take("interface") : undefined;
  words.end();
  const neighbours = call(run, "neighbour.list", { family, interface: only });
  if (isJson) return JSON.stringify(neighbours);
  const rows = neighbours.map(({ address, mac, interface: name, state, isRouter, ageMs, queued }) => {
    return [(ageMs / 1000).toFixed(1), address, mac ?? "-", name, state, isRouter ? "router" : "", queued];
  });
  return columns(["Age", "IP", "Ethernet", "Interface", "State", "Flags", "Queued"], rows);
}

const showIpNeighbors: Command = {
  name: "show ip neighbors",
  usage: "[NAME] [--json]",
  help: "neighbours of both families, by ARP and neighbor discovery",
  run: (words, run) => showNeighbors(words, run),
};

const showIp6Neighbors: Command = {
  name: "show ip6 neighbors",
  usage: "[NAME] [--json]",
  help: "IPv6 neighbours",
  run: (words, run) => showNeighbors(words, run, 6),
};

const setIpNeighbor: Command = {
  name: "set ip neighbor",
  usage: "[del] NAME ADDRESS [MAC]",
  help: "configures a neighbour, or forgets one",
  run(words, run) {
    const isDel = words.accept("del");
    const { name } = takeInterface(words, run.host);
    const address = words.take("address");
    const mac = isDel ? "" : words.take("hardware address");
    words.end();
    if (isDel) call(run, "neighbour.del", { interface: name, address });
    else call(run, "neighbour.set", { interface: name, address, mac });
    return "";
  },
};

/** The paths behind `ip route add PREFIX`: a verdict, or next hops and interfaces. */
function takePaths(words: Words, host: Host): Pick<MethodParams<"route.add">, "paths" | "verdict"> {
  const verdict = VERDICTS.find((each) => words.accept(each));
  if (verdict !== undefined) return { verdict };
  const paths: NonNullable<MethodParams<"route.add">["paths"]>[number][] = [];
  while (words.left > 0 && words.next !== "table") {
    const isVia = words.accept("via");
    const via = tryParseAddress(words.next) === undefined ? {} : { via: words.take("next hop") };
    const isNamed = words.left > 0 && !["via", "table", "weight"].includes(words.next);
    if (isVia && isNamed && via.via === undefined && host.interfaces.byName(words.next) === undefined) {
      throw new CliError(`neither an address nor an interface: "${words.next}"`);
    }
    const out = isNamed ? { interface: takeInterface(words, host).name } : {};
    const weight = words.accept("weight") ? { weight: words.integer("weight", 1, 255) } : {};
    const path = { ...via, ...out, ...weight };
    if (!("via" in path) && !("interface" in path)) throw new CliError("next hop is missing");
    paths.push(path);
  }
  return { paths };
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
  run(words, run) {
    const prefix = words.take("prefix");
    const paths = takePaths(words, run.host);
    const table = takeTable(words);
    if (paths.paths?.length === 0) throw new CliError("next hop is missing");
    call(run, "route.add", { prefix, table, ...paths });
    return "";
  },
};

const ipRouteDel: Command = {
  name: "ip route del",
  usage: "PREFIX [table N]",
  help: "removes a route",
  run(words, run) {
    const prefix = words.take("prefix");
    const table = takeTable(words);
    call(run, "route.del", { prefix, table });
    return "";
  },
};

const ipTable: readonly Command[] = (["add", "del"] as const).map((verb) => ({
  name: `ip table ${verb}`,
  usage: "N",
  help: verb === "add" ? "makes a table, for both families" : "removes a table that no interface uses",
  run(words, run) {
    const table = words.integer("table", 1, MAX_TABLE);
    words.end();
    call(run, `table.${verb}`, { table });
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
