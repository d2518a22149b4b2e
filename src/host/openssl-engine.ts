import { rootCertificates } from "node:tls";
import { randomFill, type Random } from "../random/random.js";
import { TLS_AREA_BYTES, type TlsEngine } from "../transport/tls/engine.js";
import type { NativeWindow } from "./native-window.js";

/** Bytes of a seed of the engine. */
const SEED_BYTES = 32;

/** Where an engine has randomness and time from, if not from the system. */
export interface EngineSources {
  readonly random: Random;
  /** Seconds since 1970. */
  readonly nowS: () => number;
}

/**
 * TLS by the OpenSSL inside the Node program, for the stack of a window. With `sources` all that is random comes from there,
 * by one seed, and so does the time of certificates; the same calls give the same bytes then. Throws RangeError when the
 * window is full.
 */
export function opensslEngine({ window, native }: NativeWindow, sources?: EngineSources): TlsEngine {
  const area = window.reserve("tls steps", TLS_AREA_BYTES);
  const seed = new Uint8Array(SEED_BYTES);
  if (sources !== undefined) randomFill(sources.random, seed);
  const engine = native.createTlsEngine(area, sources === undefined ? {} : { seed });
  const setTime = (): void => {
    if (sources !== undefined) engine.setTime(Math.floor(sources.nowS()));
  };
  let roots = -1;
  return {
    ...engine,
    name: "openssl",
    area: area >> 2,
    makePair(name) {
      setTime();
      return engine.makePair(name);
    },
    open(context, peer) {
      setTime();
      return engine.open(context, peer);
    },
    setOcsp(pair, response) {
      setTime();
      return engine.setOcsp(pair, response);
    },
    // Node's own list, read when it is wanted first.
    roots() {
      if (roots >= 0) return roots;
      const store = engine.addStore(new TextEncoder().encode(rootCertificates.join("\n")), new Uint8Array(0));
      if (typeof store === "string") throw new Error(`Node's root certificates: ${store}`);
      roots = store;
      return roots;
    },
  };
}
