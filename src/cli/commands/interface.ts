import type { Host } from "../../../nodes/host.js";
import { formatMac } from "../../device/format-mac.js";
import type { Interface } from "../../device/interface.js";
import { formatPrefix } from "../../ip/address.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";

/** Takes an interface by its name. */
export function takeInterface(words: Words, host: Host): Interface {
  const name = words.take("interface");
  const found = host.interfaces.byName(name);
  if (found === undefined) throw new CliError(`no interface "${name}"`);
  return found;
}

const COUNTERS: readonly (readonly [keyof Interface["counters"], string])[] = [
  ["rxPackets", "rx packets"],
  ["rxBytes", "rx bytes"],
  ["txPackets", "tx packets"],
  ["txBytes", "tx bytes"],
  ["txDrops", "tx drops"],
  ["rxNoBuffer", "rx no buffer"],
];

function counterRows(each: Interface): (string | number)[][] {
  const { index, name, up, mtu, device, counters } = each;
  const shown = COUNTERS.filter(([key]) => counters[key] !== 0);
  const first = [name, index, up ? "up" : "down", mtu, device.kind];
  if (shown.length === 0) return [[...first, "", ""]];
  return shown.map(([key, text], i) => [...(i === 0 ? first : ["", "", "", "", ""]), text, counters[key]]);
}

function addressLines(host: Host, each: Interface): string[] {
  const lines = [`${each.name} (${each.up ? "up" : "down"}):`];
  const { mac } = each.device;
  lines.push(`  L2 address ${formatMac(new DataView(mac.buffer, mac.byteOffset, 6), 0)}`);
  for (const family of [4, 6] as const) {
    for (const prefix of host.ip.fib.addresses.of(each.index, family)) lines.push(`  L3 ${formatPrefix(prefix)}`);
  }
  const table = tableOf(host, each);
  if (table !== 0) lines.push(`  table ${table}`);
  return lines;
}

function tableOf(host: Host, each: Interface): number {
  return host.ip.fib.tables().find((table) => host.ip.fib.indexOf(4, table) === each.fib4) ?? 0;
}

const showInterface: Command = {
  name: "show interface",
  usage: "[NAME] [addr]",
  help: "interfaces with their counters, or with their addresses",
  run(words, { host }) {
    let isAddress = words.accept("addr", "address");
    const chosen = words.left > 0 ? [takeInterface(words, host)] : host.interfaces.all();
    isAddress = words.accept("addr", "address") || isAddress;
    words.end();
    if (isAddress) return chosen.flatMap((each) => addressLines(host, each)).join("\n");
    return columns(["Name", "Idx", "State", "MTU", "Kind", "Counter", "Count"], chosen.flatMap(counterRows));
  },
};

const clearInterfaces: Command = {
  name: "clear interfaces",
  usage: "",
  help: "sets the counters of all interfaces to 0",
  run(words, { host }) {
    words.end();
    for (const { counters } of host.interfaces.all()) {
      for (const [key] of COUNTERS) counters[key] = 0;
    }
    return "";
  },
};

const setInterfaceState: Command = {
  name: "set interface state",
  usage: "NAME up|down",
  help: "lets an interface take and send packets, or not",
  run(words, { host }) {
    const each = takeInterface(words, host);
    const up = words.accept("up");
    if (!up && !words.accept("down")) throw new CliError(`neither up nor down: "${words.next}"`);
    words.end();
    each.up = up;
    // What was learned on a link that is down may be wrong when it comes back.
    if (!up) host.neighbours.flush(each.index);
    return "";
  },
};

const setInterfaceMtu: Command = {
  name: "set interface mtu",
  usage: "BYTES NAME",
  help: "changes the largest IP packet that is sent, up to the device's",
  run(words, { host }) {
    const mtu = words.integer("mtu", 0, 65_535);
    const each = takeInterface(words, host);
    words.end();
    host.ip.fib.apply({ kind: "mtu", interface: each.index, mtu });
    return "";
  },
};

const setInterfaceTable: Command = {
  name: "set interface table",
  usage: "NAME TABLE",
  help: "looks packets from an interface without addresses up in another table",
  run(words, { host }) {
    const each = takeInterface(words, host);
    const table = words.integer("table", 0, 0x7fff_ffff);
    words.end();
    host.ip.fib.apply({ kind: "interface-table", interface: each.index, table });
    return "";
  },
};

const setInterfaceAddress: Command = {
  name: "set interface ip address",
  usage: "[del] NAME ADDRESS/LENGTH",
  help: "gives an interface an address, or takes it away",
  run(words, { host }) {
    const add = !words.accept("del");
    const each = takeInterface(words, host);
    const prefix = words.take("address");
    words.end();
    host.ip.fib.apply({ kind: "address", interface: each.index, prefix, add });
    return "";
  },
};

/** Commands about interfaces. */
export const INTERFACE_COMMANDS: readonly Command[] = [
  showInterface,
  clearInterfaces,
  setInterfaceState,
  setInterfaceMtu,
  setInterfaceTable,
  setInterfaceAddress,
];
