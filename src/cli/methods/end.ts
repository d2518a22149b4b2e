import { tryParseAddress } from "../../ip/address.js";
import type { Endpoint } from "../../transport/transport.js";

/** One end of a connection as filters name it: an address, and a port unless any will do. */
export interface EndMatch {
  readonly words: Int32Array;
  readonly family: 4 | 6;
  readonly port: number | undefined;
}

/** Reads `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; undefined when it is none. */
export function parseEnd(text: string): EndMatch | undefined {
  const withPort = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const address = tryParseAddress(withPort === null ? text : (withPort[1] ?? withPort[2]));
  const port = withPort?.[3] === undefined ? undefined : Number(withPort[3]);
  if (address === undefined || (port ?? 0) > 65_535) return undefined;
  return { words: address.words, family: address.family, port };
}

/** Whether one of the ends is the wanted one; true when none is wanted. */
export function matchesEnd(wanted: EndMatch | undefined, ...ends: readonly (Endpoint | undefined)[]): boolean {
  if (wanted === undefined) return true;
  return ends.some(
    (end) =>
      end?.family === wanted.family &&
      (wanted.port === undefined || end.port === wanted.port) &&
      end.address.every((word, i) => word === wanted.words[i]),
  );
}
