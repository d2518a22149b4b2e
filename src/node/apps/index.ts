import { defaultListen } from "../../host/default-listen.js";
import type { AppKind } from "../../host/config-types.js";
import type { TlsOptions } from "../../transport/tls/crypto-config.js";
import type { AppHandle, AppStack } from "./app-host.js";
import { startChargen } from "./chargen.js";
import { startCheck } from "./check.js";
import { startDiscard } from "./discard.js";
import { startEcho } from "./echo.js";
import { startHttp } from "./http.js";
import { startIperf3 } from "./iperf3.js";
import { startProxy } from "./proxy/index.js";

export type { AppHandle, AppStack } from "./app-host.js";

/** Which built-in application to start, and where. */
export interface AppOptions {
  readonly kind: AppKind;
  /** URIs; default: the kind's own port on any address of both families. */
  readonly listen?: readonly string[];
  /** Kind `http`: directory of files to serve. */
  readonly root?: string | undefined;
  /** Kind `http`: certificate and trust of its tls:// listeners. Default: certificate 0. */
  readonly tls?: TlsOptions | undefined;
  /** Kind `proxy`: where to, and what it lets through. */
  readonly to?: string | undefined;
  readonly allow?: readonly string[] | undefined;
}

/**
 * Starts a built-in application; resolves when it listens on every URI, rejects with nothing left running when it cannot.
 */
export function startApp(stack: AppStack, options: AppOptions): Promise<AppHandle> {
  const { kind, root, tls, to, allow, listen = defaultListen(kind, to) } = options;
  switch (kind) {
    case "echo":
      return startEcho(stack, listen);
    case "discard":
      return startDiscard(stack, listen);
    case "chargen":
      return startChargen(stack, listen);
    case "http":
      return startHttp(stack, listen, root, tls);
    case "iperf3":
      return startIperf3(stack, listen);
    case "check":
      return startCheck(stack, listen);
    case "proxy":
      return startProxy(stack, { listen, to, allow });
  }
}
