import type { AttachConfig } from "./attach-config.js";
import type { Device } from "../device/device.js";
import type { MetricsListen } from "./metrics/metrics-listen.js";
import type { SessionRule } from "../session/rule-record.js";
import type { SdlEntry } from "../session/sdl-record.js";
import type { SessionConfig } from "../session/session-config.js";
import type { TcpConfig } from "../transport/tcp/config.js";
import type { TlsConfig } from "../transport/tls/config.js";
import type { AppTlsConfig, TlsStoreConfig } from "./tls-config.js";
import type { UdpConfig } from "../transport/udp/config.js";

/** Interface kinds that there are. */
export const INTERFACE_KINDS = ["tap", "af-packet", "wire"] as const;

/** One of them. `wire` is for programs, which pass the device. */
export type InterfaceKind = (typeof INTERFACE_KINDS)[number];

/** Demo applications. */
export const DEMO_KINDS = ["echo", "discard", "chargen", "http", "iperf3", "check"] as const;

/** Built-in applications: those, and the proxy. */
export const APP_KINDS = [...DEMO_KINDS, "proxy"] as const;

/** One of them. */
export type AppKind = (typeof APP_KINDS)[number];

/** A route of the kernel's end of a TAP. */
export interface KernelRouteConfig {
  readonly prefix: string;
  /** Next hop; on link without one. */
  readonly via?: string;
}

/** The kernel's end of a TAP. */
export interface HostEndConfig {
  /** `address/length` each, at most 32. */
  readonly addresses?: readonly string[];
  /** At most 64. */
  readonly routes?: readonly KernelRouteConfig[];
}

/** An interface. */
export interface InterfaceConfig {
  /** 1 to 15 characters; of a TAP also the name of the kernel's end, of an af-packet interface that of the kernel's. */
  readonly name: string;
  /** Default `tap`. */
  readonly kind?: InterfaceKind;
  /** Kind `wire`: the device, an end of `wire()` or a device of your own. */
  readonly device?: Device;
  /** Named network namespace of the kernel's interface; for a TAP it is made when missing. Default: this process's. */
  readonly netns?: string;
  /** Largest IP packet, bytes: 68 (1280 with IPv6 addresses) to 65521. Default: 1500, or the device's. */
  readonly mtu?: number;
  /** Our hardware address, `02:00:00:00:00:01`. Default: random for a TAP, the interface's own for af-packet. */
  readonly mac?: string;
  /** `address/length` each, at most 64. */
  readonly addresses?: readonly string[];
  /** Kind `tap`: what the kernel's end gets. */
  readonly host?: HostEndConfig;
  /** Unfinished checksums and superframes between us and the kernel. Default: both. `gso` needs `checksum`. */
  readonly offloads?: { readonly checksum?: boolean; readonly gso?: boolean };
  /** `promiscuous` accepts any destination. Default `normal`. */
  readonly mode?: "normal" | "promiscuous";
  /** Sessions may listen on, and send from, addresses that no interface has. Default false. */
  readonly spoofing?: boolean;
  /** FIB table of received packets. Default 0. */
  readonly table?: number;
}

/** A route. */
export interface RouteConfig {
  readonly prefix: string;
  /** Next hop; without one destinations are neighbours on `interface`. */
  readonly via?: string;
  /** Interface by name; without one the subnet that covers `via` tells. */
  readonly interface?: string;
  /** Default 0. */
  readonly table?: number;
}

/** An application namespace: what its applications see of the host. */
export interface NamespaceConfig {
  /** 1 to 64 characters, not `default`: that one is always there. */
  readonly id: string;
  /** Asked of who attaches; absent: nothing is. */
  readonly secret?: string | number;
  /** Interface by name: its addresses are the only ones to bind to and to connect from; its table overrides the others. */
  readonly interface?: string;
  /** Tables; only one of them: the other family is missing. Neither: 0 and 0. */
  readonly table4?: number;
  readonly table6?: number;
}

/** A session rule; without `local` or `remote` that end is any. Needs `session.rtBackend: rule-table`. */
export type RuleConfig = SessionRule;

/** An entry of the source deny list. Needs `session.rtBackend: sdl`. */
export type SdlConfig = SdlEntry;

/** A built-in application. */
export interface AppConfig {
  readonly kind: AppKind;
  /** Namespace by id. Default: the default namespace. */
  readonly namespace?: string;
  /** URIs; default: the kind's own port on any address of both families. Kind `proxy`: port 0 is every port. */
  readonly listen?: readonly string[];
  /** Kind `http`: directory of files to serve. Default: a built-in page. */
  readonly root?: string;
  /** Kind `http`: of its tls:// listeners. */
  readonly tls?: AppTlsConfig;
  /**
   * Kind `proxy`, which needs it: the URI that sessions go on to through the stack; `direct`, to where they wanted to go, by
   * sockets of the kernel; or `socks5://[USER:PASSWORD@]HOST:PORT`, through that server.
   */
  readonly to?: string;
  /** Kind `proxy`: destinations that may be reached, as `prefix`, `address` or either with `:port`. Default: all. */
  readonly allow?: readonly string[];
}

/** The IP layer. */
export interface IpConfig {
  /** Forward packets between interfaces. Default false. */
  readonly forward4?: boolean;
  readonly forward6?: boolean;
  /** TTL and hop limit of packets made here, 1 to 255. Default 64. */
  readonly hopLimit?: number;
}

/** How much memory and how many rows the stack may use. */
export interface LimitsConfig {
  /** Packet buffers of 2 KiB. Default 8192. */
  readonly smallPackets?: number;
  /** Packet buffers of 64 KiB, for superframes and reassembly. Default 128. */
  readonly largePackets?: number;
  /** Slots of af-packet rings, for large frames not to be copied. Default 256. */
  readonly ringPackets?: number;
  /** Memory of all session fifos, bytes. Default 256 MiB. */
  readonly fifoBytes?: number;
  /** Address space for segments of applications that have their own. Default 256 MiB. */
  readonly appSegmentBytes?: number;
  /** Overwrite freed packets, to find errors in the stack. Default false. */
  readonly poison?: boolean;
  /** Neighbours per family. Default 1024. */
  readonly neighbors?: number;
  /** Adjacencies. Default 4096. */
  readonly adjacencies?: number;
}

/** The control socket, on which the CLI and `weft/client` manage a stack; only `weft run` opens one. */
export interface CliConfig {
  readonly socket?: string;
  /** Permissions of the socket: who may connect. Default 0o600. */
  readonly mode?: number;
  /** Group of the socket, by number. Default: the process's. */
  readonly group?: number;
}

/** Prometheus' endpoint. */
export interface MetricsConfig {
  /** `address:port` of the kernel, as 127.0.0.1:9464, or the path of a unix socket. */
  readonly listen: string;
}

/** An event collector that writes what is known of each session when it has ended. */
export interface EvtCollectorConfig {
  /** Absolute path of a file to append lines of JSON to, or URI of where to send them through the stack. */
  readonly to: string;
}

/** What a stack is made of: `createStack`'s argument, and the configuration file. Unknown keys are errors. */
export interface StackConfig {
  readonly engine?: { readonly driver?: "inline"; readonly workers?: 0 };
  /** At least one. */
  readonly interfaces: readonly InterfaceConfig[];
  readonly routes?: readonly RouteConfig[];
  readonly namespaces?: readonly NamespaceConfig[];
  readonly rules?: readonly RuleConfig[];
  readonly sdl?: readonly SdlConfig[];
  readonly apps?: readonly AppConfig[];
  readonly cli?: CliConfig;
  /** Lets applications of other processes attach; `weft run` always does. Default directory: beside the CLI's socket. */
  readonly attach?: Partial<AttachConfig>;
  /** Serves the counters of the stack at /metrics. Default: nowhere. */
  readonly metrics?: MetricsConfig;
  /** Of all sessions with `session: { collectAll: true }`, else of applications that ask for it. Default: none. */
  readonly evtCollector?: EvtCollectorConfig;
  readonly tcp?: Partial<TcpConfig>;
  readonly udp?: Partial<UdpConfig>;
  readonly tls?: Partial<TlsConfig> &
    TlsStoreConfig & {
      /** File to which the secrets of all handshakes are added, so that a capture can be decrypted. Default: none. */
      readonly keylog?: string;
    };
  readonly session?: Partial<SessionConfig>;
  readonly ip?: IpConfig;
  readonly limits?: LimitsConfig;
}

/** An interface with its defaults filled in. */
export interface ResolvedInterface {
  readonly name: string;
  readonly kind: InterfaceKind;
  readonly device: Device | undefined;
  readonly netns: string | undefined;
  readonly mtu: number | undefined;
  readonly mac: Uint8Array | undefined;
  readonly addresses: readonly string[];
  readonly host: { readonly addresses: readonly string[]; readonly routes: readonly KernelRouteConfig[] };
  readonly offloads: { readonly checksum: boolean; readonly gso: boolean };
  readonly mode: "normal" | "promiscuous";
  readonly spoofing: boolean;
  readonly table: number;
}

/** A route with its defaults filled in. */
export interface ResolvedRoute {
  readonly prefix: string;
  readonly via: string | undefined;
  readonly interface: string | undefined;
  readonly table: number;
}

/** A built-in application with its defaults filled in. */
export interface ResolvedApp {
  readonly kind: AppKind;
  readonly namespace: string | undefined;
  readonly listen: readonly string[];
  readonly root: string | undefined;
  readonly tls: AppTlsConfig | undefined;
  readonly to: string | undefined;
  readonly allow: readonly string[] | undefined;
}

/** A configuration that was checked, with its defaults filled in. */
export interface ResolvedConfig {
  readonly interfaces: readonly ResolvedInterface[];
  readonly routes: readonly ResolvedRoute[];
  readonly namespaces: readonly NamespaceConfig[];
  readonly rules: readonly RuleConfig[];
  readonly sdl: readonly SdlConfig[];
  readonly apps: readonly ResolvedApp[];
  /** Undefined: the default path. */
  readonly cliSocket: string | undefined;
  /** Undefined: no application of another process may attach. */
  readonly attach: AttachConfig | undefined;
  /** Undefined: nowhere. */
  readonly metrics: MetricsListen | undefined;
  /** Where records of sessions go; undefined: nowhere. */
  readonly evtCollector: string | undefined;
  readonly tcp: TcpConfig;
  readonly udp: UdpConfig;
  readonly tls: TlsConfig & TlsStoreConfig & { readonly keylog?: string };
  readonly session: SessionConfig;
  readonly ip: Required<IpConfig>;
  readonly limits: Required<LimitsConfig>;
}
