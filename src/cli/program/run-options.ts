import { readConfigFile, resolveConfig } from "../../host/config.js";
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

/** Names the argument instead of the key, where a key came from one. */
export function argumentError(error: unknown, { config, cliSocket }: RunOptions): unknown {
  if (!(error instanceof ConfigError)) return error;
  const argument = ARGUMENTS.find(([pattern]) => pattern.test(error.where))?.[1];
  const isGiven = argument === "--cli-socket" ? cliSocket !== undefined : config === undefined;
  return argument === undefined || !isGiven ? error : new UsageError(argument, error.what);
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

/** The checked configuration that the options of `weft run` ask for. Rejects with ConfigError or UsageError. */
export async function runConfig(options: RunOptions): Promise<StackConfig> {
  const config = await chosenConfig(options);
  const { cliSocket } = options;
  const whole = cliSocket === undefined ? config : { ...config, cli: { ...config.cli, socket: cliSocket } };
  await resolveConfig(whole, "file");
  return whole;
}

async function chosenConfig(options: RunOptions): Promise<StackConfig> {
  const { config: file, tap } = options;
  if (file === undefined) {
    if (tap === undefined) throw new UsageError("run", "neither --config nor --tap");
    return fromArguments(tap, options);
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
  return readConfigFile(file);
}
