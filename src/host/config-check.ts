import { addressEqual, formatAddress, type IpAddress, parseAddress, parsePrefix } from "../ip/address.js";
import { ConfigError, quoteValue } from "./config-error.js";
import type { AppConfig, InterfaceConfig, StackConfig } from "./config-types.js";
import { defaultListen } from "./default-listen.js";
import { leads } from "./proxy-config.js";
import { isAnyAddress, parseUri } from "../session/uri.js";

// Checks of what must fit together; single values are right already.

const MAX_ADDRESSES = 64;
const MAX_HOST_ADDRESSES = 32;
const MAX_HOST_ROUTES = 64;
/** Least MTU with IPv6 (RFC 8200 5). */
const MIN_MTU6 = 1280;

/** Where a configuration comes from: a program can pass devices, a file cannot, and replay has one of its own. */
export type ConfigSource = "program" | "file" | "replay";

/** Throws {@link ConfigError} at the first thing that does not fit. */
export function checkConfig(config: StackConfig, source: ConfigSource): void {
  const { interfaces, routes = [], apps = [] } = config;
  for (const [i, each] of interfaces.entries()) checkInterface(each, `interfaces[${i}]`, source);
  checkNames(interfaces);
  checkAddresses(interfaces);
  for (const [i, { prefix, via, interface: name }] of routes.entries()) {
    const where = `routes[${i}]`;
    if (via === undefined && name === undefined) throw new ConfigError(where, "neither via nor interface");
    if (via !== undefined && parseAddress(via).family !== parsePrefix(prefix).address.family) {
      throw new ConfigError(`${where}.via`, `not of the family of ${prefix}: ${quoteValue(via)}`);
    }
    if (name !== undefined && !interfaces.some((each) => each.name === name)) {
      throw new ConfigError(`${where}.interface`, `no such interface: ${quoteValue(name)}`);
    }
  }
  checkNamespaces(config);
  checkRules(config);
  checkSdl(config);
  for (const [i, { kind, listen, root }] of apps.entries()) {
    if (root !== undefined && kind !== "http") throw new ConfigError(`apps[${i}].root`, `kind ${kind} has no files`);
    if (listen?.length === 0) throw new ConfigError(`apps[${i}].listen`, "empty");
  }
  checkTls(config);
  for (const [i, app] of apps.entries()) checkProxy(app, `apps[${i}]`, config);
  const { minSrcPort = 1024, maxSrcPort = 65_535 } = config.session ?? {};
  if (minSrcPort > maxSrcPort) {
    throw new ConfigError("session.minSrcPort", `more than maxSrcPort: ${minSrcPort} > ${maxSrcPort}`);
  }
  const { rtoMinMs = 200, rtoMaxMs = 60_000 } = config.tcp ?? {};
  if (rtoMinMs > rtoMaxMs) throw new ConfigError("tcp.rtoMinMs", `more than rtoMaxMs: ${rtoMinMs} > ${rtoMaxMs}`);
}

function checkProxy({ kind, namespace, listen, to, allow }: AppConfig, where: string, config: StackConfig): void {
  if (kind !== "proxy") {
    if (to !== undefined) throw new ConfigError(`${where}.to`, `kind ${kind} leads nowhere`);
    if (allow !== undefined) throw new ConfigError(`${where}.allow`, `kind ${kind} leads nowhere`);
    return;
  }
  if (to === undefined) throw new ConfigError(`${where}.to`, "is missing");
  const hasInterface = config.namespaces?.some(({ id, interface: name }) => id === namespace && name !== undefined);
  const mayTakeAll = config.session?.anyProxy === true || hasInterface === true;
  for (const [j, uri] of (listen ?? defaultListen(kind, to)).entries()) {
    const { protocol, endpoint } = parseUri(uri);
    const at = listen === undefined ? where : `${where}.listen[${j}]`;
    if (!leads(to, protocol)) throw new ConfigError(at, `${protocol} does not go on to there: ${quoteValue(uri)}`);
    if (endpoint.port === 0 && isAnyAddress(endpoint) && !mayTakeAll) {
      throw new ConfigError(at, `needs session.anyProxy, or a namespace with an interface: ${quoteValue(uri)}`);
    }
  }
}

function checkTls({ tls = {}, apps = [] }: StackConfig): void {
  const { certificates = [], trust = [], profiles = [] } = tls;
  const names = Object.entries({ certificates, trust, profiles }).map(([key, list]) => {
    const all = list.map(({ name }) => name);
    const second = all.findIndex((name, i) => all.indexOf(name) < i);
    if (second < 0) return all;
    const first = all.indexOf(all[second]);
    const text = `the name of tls.${key}[${first}] already: ${quoteValue(all[second])}`;
    throw new ConfigError(`tls.${key}[${second}].name`, text);
  });
  for (const [i, { kind, listen = [], tls: own }] of apps.entries()) {
    if (own === undefined) continue;
    const where = `apps[${i}].tls`;
    if (kind !== "http") throw new ConfigError(where, `kind ${kind} has no TLS of its own`);
    if (!listen.some((uri) => parseUri(uri).protocol === "tls")) {
      throw new ConfigError(where, "it listens on no tls URI");
    }
    for (const [j, key] of (["certificate", "trust", "profile"] as const).entries()) {
      const name = own[key];
      if (name !== undefined && !names[j].includes(name)) {
        throw new ConfigError(`${where}.${key}`, `no such ${key}: ${quoteValue(name)}`);
      }
    }
  }
}

function checkNamespaces({ interfaces, namespaces = [], apps = [] }: StackConfig): void {
  const ids = namespaces.map(({ id }) => id);
  const tables = new Set([0, ...interfaces.map(({ table = 0 }) => table)]);
  for (const [i, { id, interface: name, table4 = 0, table6 = 0 }] of namespaces.entries()) {
    const where = `namespaces[${i}]`;
    const first = ids.indexOf(id);
    if (id === "default") throw new ConfigError(`${where}.id`, 'always there; its secret is session.secret: "default"');
    if (first < i) throw new ConfigError(`${where}.id`, `the id of namespaces[${first}] already: ${quoteValue(id)}`);
    if (name !== undefined && !interfaces.some((each) => each.name === name)) {
      throw new ConfigError(`${where}.interface`, `no such interface: ${quoteValue(name)}`);
    }
    if (!tables.has(table4)) throw new ConfigError(`${where}.table4`, `no interface has this table: ${table4}`);
    if (!tables.has(table6)) throw new ConfigError(`${where}.table6`, `no interface has this table: ${table6}`);
  }
  for (const [i, { namespace = "default" }] of apps.entries()) {
    if (namespace !== "default" && !ids.includes(namespace)) {
      throw new ConfigError(`apps[${i}].namespace`, `no such namespace: ${quoteValue(namespace)}`);
    }
  }
}

function checkRules({ rules = [], namespaces = [], session }: StackConfig): void {
  if (rules.length > 0 && session?.rtBackend !== "rule-table") {
    throw new ConfigError("rules", 'need session.rtBackend: "rule-table"');
  }
  for (const [i, rule] of rules.entries()) {
    const { namespace = "default", local, remote } = rule;
    const where = `rules[${i}]`;
    if (namespace !== "default" && !namespaces.some(({ id }) => id === namespace)) {
      throw new ConfigError(`${where}.namespace`, `no such namespace: ${quoteValue(namespace)}`);
    }
    const families = [local, remote].flatMap((text) => (text === undefined ? [] : parsePrefix(text).address.family));
    if (families.length === 0) throw new ConfigError(where, "neither local nor remote");
    if (families[0] !== families.at(-1)) {
      throw new ConfigError(`${where}.remote`, `not of the family of ${local}: ${quoteValue(remote)}`);
    }
  }
}

function checkSdl({ sdl = [], namespaces = [], session }: StackConfig): void {
  const isOn = session?.rtBackend === "sdl";
  if (sdl.length > 0 && !isOn) throw new ConfigError("sdl", 'needs session.rtBackend: "sdl"');
  if (session?.autoSdl === true && !isOn) throw new ConfigError("session.autoSdl", 'needs session.rtBackend: "sdl"');
  for (const [i, { namespace = "default", remote }] of sdl.entries()) {
    if (namespace !== "default" && !namespaces.some(({ id }) => id === namespace)) {
      throw new ConfigError(`sdl[${i}].namespace`, `no such namespace: ${quoteValue(namespace)}`);
    }
    if (parsePrefix(remote).length === 0)
      throw new ConfigError(`sdl[${i}].remote`, `everything: ${quoteValue(remote)}`);
  }
}

function checkInterface(each: InterfaceConfig, where: string, source: ConfigSource): void {
  const { kind = "tap", device, host, netns, mtu, addresses = [] } = each;
  if (kind === "wire") {
    if (source === "file") throw new ConfigError(`${where}.kind`, 'only for programs, which pass a device: "wire"');
    if (device === undefined && source === "program") throw new ConfigError(`${where}.device`, "is missing");
    if (netns !== undefined) throw new ConfigError(`${where}.netns`, "a wire is in no network namespace");
  } else if (device !== undefined) throw new ConfigError(`${where}.device`, `not for kind ${kind}`);
  if (kind !== "tap" && host !== undefined) throw new ConfigError(`${where}.host`, `kind ${kind} has no kernel end`);
  const hasIp6 = addresses.some((text) => parsePrefix(text).address.family === 6);
  if (hasIp6 && mtu !== undefined && mtu < MIN_MTU6) {
    throw new ConfigError(`${where}.mtu`, `IPv6 needs ${MIN_MTU6} or more: ${mtu}`);
  }
  if (addresses.length > MAX_ADDRESSES) throw new ConfigError(`${where}.addresses`, `more than ${MAX_ADDRESSES}`);
  if ((host?.addresses?.length ?? 0) > MAX_HOST_ADDRESSES) {
    throw new ConfigError(`${where}.host.addresses`, `more than ${MAX_HOST_ADDRESSES}`);
  }
  if ((host?.routes?.length ?? 0) > MAX_HOST_ROUTES) {
    throw new ConfigError(`${where}.host.routes`, `more than ${MAX_HOST_ROUTES}`);
  }
}

function checkNames(interfaces: readonly InterfaceConfig[]): void {
  const names = interfaces.map(({ name }) => name);
  for (const [i, name] of names.entries()) {
    const first = names.indexOf(name);
    if (first < i) {
      throw new ConfigError(`interfaces[${i}].name`, `the name of interfaces[${first}] already: ${quoteValue(name)}`);
    }
  }
}

function checkAddresses(interfaces: readonly InterfaceConfig[]): void {
  const seen: { address: IpAddress; table: number; where: string }[] = [];
  for (const [i, { addresses = [], host, table = 0 }] of interfaces.entries()) {
    for (const [j, text] of addresses.entries()) {
      const where = `interfaces[${i}].addresses[${j}]`;
      const { address, length } = parsePrefix(text);
      checkHostPart(text, where);
      if (length === 0) throw new ConfigError(where, `a subnet of everything: ${quoteValue(text)}`);
      const other = seen.find((each) => each.table === table && addressEqual(each.address, address));
      if (other !== undefined) throw new ConfigError(where, `the same as ${other.where}: ${formatAddress(address)}`);
      seen.push({ address, table, where });
    }
    for (const [j, text] of (host?.addresses ?? []).entries()) {
      const where = `interfaces[${i}].host.addresses[${j}]`;
      checkHostPart(text, where);
      const { address } = parsePrefix(text);
      const ours = addresses.findIndex((mine) => addressEqual(parsePrefix(mine).address, address));
      if (ours >= 0) {
        throw new ConfigError(where, `the same as interfaces[${i}].addresses[${ours}]: ${formatAddress(address)}`);
      }
    }
  }
}

/** The first and last address of an IPv4 subnet name the subnet and its broadcast (RFC 1122 3.2.1.3). */
function checkHostPart(text: string, where: string): void {
  const { address, length } = parsePrefix(text);
  if (address.family !== 4 || length > 30) return;
  const mask = length === 0 ? -1 : -1 >>> length;
  const host = address.words[0] & mask;
  if (host === 0 || host === mask) throw new ConfigError(where, `a subnet, not a host's address: ${quoteValue(text)}`);
}
