import { readConfigFile } from "../../host/config.js";
import type { AppConfig, StackConfig } from "../../host/config-types.js";
import { ConfigError } from "../../host/config-error.js";
import { UsageError } from "./failure.js";

/** The options of `weft run`, as commander gives them. */
export interface RunOptions {
  readonly config?: string;
  readonly tap?: string;
  readonly netns?: string;
  readonly address?: readonly string[];
  readonly hostAddress?: readonly string[];
  readonly mtu?: string;
  readonly app?: readonly string[];
  readonly cliSocket?: string;
}

/** Which option gave a key of the configuration, for error lines. */
const ARGUMENTS: readonly (readonly [RegExp, string])[] = [
  [/^interfaces\[0\]\.name/, "--tap"],
  [/^interfaces\[0\]\.netns/, "--netns"],
  [/^interfaces\[0\]\.mtu/, "--mtu"],
  [/^interfaces\[0\]\.addresses/, "--address"],
  [/^interfaces\[0\]\.host\.addresses/, "--host-address"],
  [/^apps/, "--app"],
  [/^cli\.socket/, "--cli-socket"],
];

/** Names the argument instead of the key. */
export function argumentError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const found = ARGUMENTS.find(([pattern]) => pattern.test(error.where));
  return found === undefined ? error : new UsageError(found[1], error.what);
}

/** `http` or `echo=tcp://198.18.0.2/7,udp://198.18.0.2/7`. */
function parseApp(text: string): AppConfig {
  const at = text.indexOf("=");
  // The schema says whether there is such a kind.
  const kind = (at < 0 ? text : text.slice(0, at)) as AppConfig["kind"];
  return at < 0 ? { kind } : { kind, listen: text.slice(at + 1).split(",") };
}

function fromArguments(name: string, options: RunOptions): StackConfig {
  const { netns, address = [], hostAddress = [], mtu, app = [] } = options;
  const size = mtu === undefined ? {} : { mtu: /^\d+$/.test(mtu) ? Number(mtu) : (mtu as never) };
  return {
    interfaces: [
      {
        name,
        kind: "tap",
        ...(netns === undefined ? {} : { netns }),
        ...size,
        addresses: address,
        host: { addresses: hostAddress },
      },
    ],
    apps: app.map(parseApp),
  };
}

/** The configuration that the options of `weft run` ask for. Rejects with ConfigError or UsageError. */
export async function runConfig(options: RunOptions): Promise<{ config: StackConfig; isFromFile: boolean }> {
  const { config: file, tap, cliSocket } = options;
  if (file === undefined) {
    if (tap === undefined) throw new UsageError("run", "neither --config nor --tap");
    const config = fromArguments(tap, options);
    return { config: cliSocket === undefined ? config : { ...config, cli: { socket: cliSocket } }, isFromFile: false };
  }
  const others = Object.entries({
    "--tap": tap,
    "--netns": options.netns,
    "--address": options.address,
    "--host-address": options.hostAddress,
    "--mtu": options.mtu,
    "--app": options.app,
  });
  const other = others.find(([, value]) => value !== undefined);
  if (other !== undefined) throw new UsageError(other[0], "not together with --config");
  const config = await readConfigFile(file);
  return { config: cliSocket === undefined ? config : { ...config, cli: { socket: cliSocket } }, isFromFile: true };
}
