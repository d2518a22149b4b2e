import { isIP } from "node:net";

/** Where metrics are served: an address and port of the kernel, or a path. */
export type MetricsListen = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `address:port`, IPv6 in brackets, or an absolute path. Undefined for anything else. */
export function parseMetricsListen(text: string): MetricsListen | undefined {
  if (text.startsWith("/")) return { path: text };
  const [, six, four = "", port = ""] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = six ?? four;
  return isIP(host) !== (six === undefined ? 4 : 6) || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}
