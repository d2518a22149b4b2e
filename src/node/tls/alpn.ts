/** Names of application protocols as node:tls takes them: a list, or bytes with a length before each name. */
export type AlpnProtocols = readonly (string | Uint8Array)[] | Uint8Array;

/** The names. Throws ERR_INVALID_ARG_VALUE for bytes whose lengths do not fit. */
export function alpnNames(protocols: AlpnProtocols | undefined): string[] {
  if (protocols === undefined) return [];
  if (!(protocols instanceof Uint8Array)) {
    return protocols.map((name) => (typeof name === "string" ? name : Buffer.from(name).toString("latin1")));
  }
  const bytes = Buffer.from(protocols);
  const names: string[] = [];
  let at = 0;
  for (; at < bytes.length && bytes[at] > 0; at += 1 + bytes[at]) {
    names.push(bytes.toString("latin1", at + 1, at + 1 + bytes[at]));
  }
  if (at === bytes.length) return names;
  throw Object.assign(new TypeError("ALPNProtocols: lengths do not fit"), { code: "ERR_INVALID_ARG_VALUE" });
}
