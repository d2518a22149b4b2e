import type { Command } from "../command.js";
import { APP_COMMANDS } from "./app.js";
import { CRYPTO_COMMANDS } from "./crypto.js";
import { ENGINE_COMMANDS } from "./engine.js";
import { EVT_COLLECTOR_COMMANDS } from "./evt-collector.js";
import { FLOW_COMMANDS } from "./flow.js";
import { HELP_COMMANDS } from "./help.js";
import { INTERFACE_COMMANDS } from "./interface.js";
import { IP_COMMANDS } from "./ip.js";
import { PING_COMMANDS } from "./ping.js";
import { SESSION_COMMANDS } from "./session.js";
import { SESSION_RULE_COMMANDS } from "./session-rules.js";
import { SESSION_SDL_COMMANDS } from "./session-sdl.js";
import { TCP_COMMANDS } from "./tcp.js";
import { TLS_COMMANDS } from "./tls.js";
import { TRACE_COMMANDS } from "./trace.js";

/** Every command of the debug CLI. */
export const COMMANDS: readonly Command[] = [
  ...INTERFACE_COMMANDS,
  ...ENGINE_COMMANDS,
  ...TRACE_COMMANDS,
  ...IP_COMMANDS,
  ...PING_COMMANDS,
  ...SESSION_COMMANDS,
  ...SESSION_RULE_COMMANDS,
  ...SESSION_SDL_COMMANDS,
  ...FLOW_COMMANDS,
  ...APP_COMMANDS,
  ...EVT_COLLECTOR_COMMANDS,
  ...TCP_COMMANDS,
  ...TLS_COMMANDS,
  ...CRYPTO_COMMANDS,
  ...HELP_COMMANDS,
];
