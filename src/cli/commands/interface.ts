import type { Host } from "../../../nodes/host.js";
import type { Interface } from "../../device/interface.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";
import type { MethodResult } from "../methods/method-table.js";
import { CliError, type Words } from "../words.js";

type InterfaceView = MethodResult<"interface.list">[number];

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

function counterRows({ index, name, state, mtu, kind, counters }: InterfaceView): (string | number)[][] {
  const shown = COUNTERS.filter(([key]) => counters[key] !== 0);
  const first = [name, index, state, mtu, kind];
  if (shown.length === 0) return [[...first, "", ""]];
  return shown.map(([key, text], i) => [...(i === 0 ? first : ["", "", "", "", ""]), text, counters[key]]);
}

function addressLines({ name, state, mac, addresses, table, promiscuous, spoofing }: InterfaceView): string[] {
  const lines = [`${name} (${state}):`, `  L2 address ${mac}`, ...addresses.map((prefix) => `  L3 ${prefix}`)];
  if (table !== 0) lines.push(`  table ${table}`);
  const modes = [...(promiscuous ? ["promiscuous"] : []), ...(spoofing ? ["spoofing"] : [])];
  if (modes.length > 0) lines.push(`  ${modes.join(", ")}`);
  return lines;
}

const showInterface: Command = {
  name: "show interface",
  usage: "[NAME] [addr] [--json]",
  help: "interfaces with their counters, or with their addresses",
  run(words, run) {
    const isJson = words.remove("--json");
    let isAddress = words.accept("addr", "address");
    const chosen = words.left > 0 ? { interface: words.take("interface") } : {};
    const interfaces = call(run, "interface.list", chosen);
    isAddress = words.accept("addr", "address") || isAddress;
    words.end();
    if (isJson) return JSON.stringify(interfaces);
    if (isAddress) return interfaces.flatMap(addressLines).join("\n");
    return columns(["Name", "Idx", "State", "MTU", "Kind", "Counter", "Count"], interfaces.flatMap(counterRows));
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
  run(words, run) {
    const { name } = takeInterface(words, run.host);
    const isUp = words.accept("up");
    if (!isUp && !words.accept("down")) throw new CliError(`neither up nor down: "${words.next}"`);
    words.end();
    call(run, "interface.state", { interface: name, state: isUp ? "up" : "down" });
    return "";
  },
};

const setInterfaceMtu: Command = {
  name: "set interface mtu",
  usage: "BYTES NAME",
  help: "changes the largest IP packet that is sent, up to the device's",
  run(words, run) {
    const mtu = words.integer("mtu", 0, 65_535);
    const name = words.take("interface");
    words.end();
    call(run, "interface.mtu", { interface: name, mtu });
    return "";
  },
};

const setInterfaceTable: Command = {
  name: "set interface table",
  usage: "NAME TABLE",
  help: "looks packets from an interface without addresses up in another table",
  run(words, run) {
    const { name } = takeInterface(words, run.host);
    const table = words.integer("table", 0, 0x7fff_ffff);
    words.end();
    call(run, "interface.table", { interface: name, table });
    return "";
  },
};

const setInterfaceAddress: Command = {
  name: "set interface ip address",
  usage: "[del] NAME ADDRESS/LENGTH",
  help: "gives an interface an address, or takes it away",
  run(words, run) {
    const method = words.accept("del") ? "interface.address.del" : "interface.address.add";
    const { name } = takeInterface(words, run.host);
    const prefix = words.take("address");
    words.end();
    call(run, method, { interface: name, prefix });
    return "";
  },
};

function setInterfaceMode(mode: "promiscuous" | "spoofing", help: string): Command {
  return {
    name: `set interface ${mode}`,
    usage: "on|off NAME",
    help,
    run(words, run) {
      const isOn = words.accept("on");
      if (!isOn && !words.accept("off")) throw new CliError(`neither on nor off: "${words.next}"`);
      const { name } = takeInterface(words, run.host);
      words.end();
      call(run, "interface.mode", { interface: name, [mode]: isOn });
      return "";
    },
  };
}

/** Commands about interfaces. */
export const INTERFACE_COMMANDS: readonly Command[] = [
  showInterface,
  clearInterfaces,
  setInterfaceState,
  setInterfaceMtu,
  setInterfaceTable,
  setInterfaceAddress,
  setInterfaceMode("promiscuous", "lets an interface take frames and packets for any destination, or not"),
  setInterfaceMode("spoofing", "lets sessions listen on, and send from, addresses that no interface has, or not"),
];
