import { rootCertificates } from "node:tls";
import { TLS_AREA_BYTES, type TlsEngine } from "../transport/tls/engine.js";
import type { NativeWindow } from "./native-window.js";

/** TLS by the OpenSSL inside the Node program, for the stack of a window. Throws RangeError when the window is full. */
export function opensslEngine({ window, native }: NativeWindow): TlsEngine {
  const area = window.reserve("tls steps", TLS_AREA_BYTES);
  const engine = native.createTlsEngine(area);
  let roots = -1;
  return {
    ...engine,
    name: "openssl",
    area: area >> 2,
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
