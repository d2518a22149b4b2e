import type { AppKind } from "./config-types.js";
import { leads } from "./proxy-config.js";

const APP_PORTS: Readonly<Record<AppKind, readonly [port: number, ...protocols: string[]]>> = {
  echo: [7, "tcp", "udp"],
  discard: [9, "tcp", "udp"],
  chargen: [19, "tcp"],
  http: [80, "tcp"],
  iperf3: [5201, "tcp"],
  check: [7001, "tcp"],
  proxy: [0, "tcp", "udp"],
};

/** Where a built-in application listens when nothing is said: its port on any address of both families. */
export function defaultListen(kind: AppKind, to?: string): string[] {
  const [port, ...all] = APP_PORTS[kind];
  const protocols = to === undefined ? all : all.filter((protocol) => leads(to, protocol));
  return protocols.flatMap((protocol) => [`${protocol}://0.0.0.0/${port}`, `${protocol}://[::]:${port}`]);
}
