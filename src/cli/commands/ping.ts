import type { Host } from "../../../nodes/host.js";
import { formatAddress, parseAddress } from "../../ip/address.js";
import type { EchoReply } from "../../ip/echo.js";
import { sourceAddressFor } from "../../ip/source-address.js";
import type { Command, CommandRun } from "../command.js";
import { type EchoRequest, MAX_ECHO_BYTES, sendEcho } from "../ping.js";
import { CliError, type Words } from "../words.js";
import { takeInterface } from "./interface.js";

/** How long to wait for the last reply, milliseconds, and how often to look. */
const LINGER_MS = 1000;
const LOOK_MS = 10;

interface PingOptions {
  readonly repeat: number;
  readonly intervalMs: number;
  readonly request: Omit<EchoRequest, "id" | "seq">;
}

function takeOptions(words: Words, host: Host): PingOptions {
  const destination = parseAddress(words.take("address"));
  const { family } = destination;
  let repeat = 5;
  let intervalMs = 1000;
  let bytes = 56;
  let table = 0;
  let ifIndex = -1;
  while (words.left > 0) {
    if (words.accept("repeat")) repeat = words.integer("repeat", 1, 10_000);
    else if (words.accept("interval")) intervalMs = Math.max(1, words.number("interval", 0, 60) * 1000);
    else if (words.accept("size")) bytes = words.integer("size", 0, MAX_ECHO_BYTES);
    else if (words.accept("table")) table = words.integer("table", 0, 0x7fff_ffff);
    else if (words.accept("source")) ifIndex = takeInterface(words, host).index;
    else throw new CliError(`unknown argument "${words.next}"`);
  }
  const fib = host.ip.fib.indexOf(family, table);
  if (fib < 0) throw new CliError(`no table ${table}`);
  const { adjacencies, loadBalances } = host.ip;
  const parts = { fib: host.ip.fib, adjacencies, loadBalances };
  const source = sourceAddressFor(parts, fib, destination, ifIndex);
  if (source === undefined) throw new CliError(`no route to ${formatAddress(destination)}, or no address to send from`);
  return { repeat, intervalMs, request: { source, destination, fib, ifIndex, bytes } };
}

/** One identifier at a time: the first that nobody listens to. */
function listen(host: Host, onReply: (reply: EchoReply) => void): number {
  for (let id = 1; id < 1000; id++) {
    if (host.ip.echo.listen(id, onReply)) return id;
  }
  throw new CliError("too many pings at a time");
}

async function ping(words: Words, run: CommandRun): Promise<string> {
  const { host } = run;
  const { repeat, intervalMs, request } = takeOptions(words, host);
  const lines: string[] = [];
  const sentUs = new Map<number, number>();
  let received = 0;
  const id = listen(host, ({ family, source, seq, dataBytes, hopLimit, nowUs }) => {
    const start = sentUs.get(seq);
    if (start === undefined) return;
    sentUs.delete(seq);
    received++;
    const ms = ((nowUs - start) / 1000).toFixed(4);
    const from = formatAddress({ family, words: source });
    lines.push(`${dataBytes + 8} bytes from ${from}: icmp_seq=${seq} ttl=${hopLimit} time=${ms} ms`);
  });
  let sent = 0;
  try {
    for (let seq = 1; seq <= repeat && !run.signal.aborted; seq++) {
      host.engine.refreshClock();
      if (sendEcho(host, { ...request, id, seq })) {
        sent++;
        sentUs.set(seq, host.engine.nowUs);
        run.wake();
      } else lines.push(`icmp_seq=${seq}: no packet buffer`);
      if (seq < repeat) await run.sleep(intervalMs);
    }
    for (let waited = 0; waited < LINGER_MS && received < sent && !run.signal.aborted; waited += LOOK_MS) {
      await run.sleep(LOOK_MS);
    }
  } finally {
    host.ip.echo.unlisten(id);
  }
  const lost = sent === 0 ? 0 : Math.round(((sent - received) / sent) * 100);
  lines.push("", `Statistics: ${sent} sent, ${received} received, ${lost}% packet loss`);
  return lines.join("\n");
}

/** The ping command. */
export const PING_COMMANDS: readonly Command[] = [
  {
    name: "ping",
    usage: "ADDRESS [repeat N] [interval S] [size B] [table N] [source NAME]",
    help: "sends echo requests and reports the replies",
    run: ping,
  },
];
