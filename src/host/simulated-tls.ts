import type { TlsSource } from "../sim/host-options.js";
import { NativeWindow } from "./native-window.js";
import { opensslEngine } from "./openssl-engine.js";

/** What TLS takes of a window beside the rest of a host: rows, and a word for each session. */
const TLS_BYTES = 8 << 20;
/** Seconds since 1970 when virtual time is 0: the first of January 2026. */
const EPOCH_S = 1_767_225_600;

/**
 * TLS for hosts of a simulation, by the OpenSSL inside the Node program: `sim.host("a", { addresses, tls: { source: simulatedTls } })`.
 * Its randomness comes from the simulation's seed, and its time from the host's clock, which shows the first of January 2026
 * at 0: the same program gives the same frames, byte for byte. Throws when the native part is not built.
 */
export const simulatedTls: TlsSource = (windowBytes, random, clock) => {
  const native = new NativeWindow({ bytes: windowBytes + TLS_BYTES, hugePages: false });
  const nowS = (): number => EPOCH_S + clock.nowUs() / 1e6;
  return { window: native.window, engine: opensslEngine(native, { random, nowS }) };
};
