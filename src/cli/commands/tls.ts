import type { TlsTransport } from "../../transport/tls/tls.js";
import { columns, pairs } from "../columns.js";
import type { Command, CommandRun } from "../command.js";
import { CliError } from "../words.js";

/** The TLS of the stack. Throws CliError when it has none. */
export function tlsOf({ host }: CommandRun): TlsTransport {
  if (host.tls === undefined) throw new CliError("this stack has no TLS: its interfaces are wires only");
  return host.tls;
}

const showTls: Command = {
  name: "show tls",
  usage: "",
  help: "connections and handshakes of TLS and DTLS, and why handshakes failed and sessions were reset",
  run(words, run) {
    words.end();
    const tls = tlsOf(run);
    const { dtls } = run.host;
    const all = [...tls.failures.all(), ...(dtls?.failures.all() ?? [])];
    const failures = all.map(([reason, count]) => [count, reason] as const);
    const lines = pairs([
      ["engine", tls.engineName],
      ["connections, listeners counted", tls.rows.used],
      ["handshakes under way", tls.handshakes],
      ["handshakes completed", tls.completed.full],
      ["sessions resumed", tls.completed.resumed],
      ["DTLS connections, listeners counted", dtls?.rows.used ?? 0],
      ["DTLS handshakes under way", dtls?.handshakes ?? 0],
      ["DTLS datagrams without room", dtls?.lost ?? 0],
    ]);
    return failures.length === 0 ? lines : `${lines}\n\n${columns(["Count", "Failure"], failures)}`;
  },
};

/** Commands about TLS. */
export const TLS_COMMANDS: readonly Command[] = [showTls];
