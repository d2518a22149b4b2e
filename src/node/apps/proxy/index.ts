import type { App } from "../../../app/app.js";
import type { InboundFlow } from "../../../app/flow-hook.js";
import type { Listener } from "../../../app/listener.js";
import type { Session } from "../../../app/session.js";
import { parseProxyTo, type ProxyTo } from "../../../host/proxy-config.js";
import { isAssignable, tryParseAddress } from "../../../ip/address.js";
import type { CleanupPhase } from "../../../session/application.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import { type AppHandle, type AppStack, attachAs, listenAs } from "../app-host.js";
import { DatagramFlows } from "./datagram-flows.js";
import { type OpenOutlet, UdpOutlet } from "./datagram-outlet.js";
import type { Exit, Log } from "./exit.js";
import { FlowGate } from "./flow-gate.js";
import type { FlowEnds } from "./flow-key.js";
import { KernelDatagrams } from "./kernel-datagrams.js";
import { KernelExit } from "./kernel-exit.js";
import { KernelSocket } from "./kernel-socket.js";
import { OwnFlows } from "./own-flows.js";
import { ProxyPolicy } from "./policy.js";
import { RELAY_CALLBACKS, Untied } from "./relay.js";
import { type Connect, SessionExit } from "./session-exit.js";
import { SessionDatagrams } from "./session-datagrams.js";
import { dialThrough } from "./socks-handshake.js";
import { outletsThrough } from "./socks-outlet.js";

/** Bytes of a fifo: what is under way in a direction. */
const FIFO_BYTES = 1 << 20;

/** Why a flow is refused that comes from the proxy. */
const OWN = "it is the proxy's own";

/** What a proxy does. */
export interface ProxyOptions {
  readonly listen: readonly string[];
  /** As `to` in the configuration. */
  readonly to: string | undefined;
  /** As `allow` in the configuration. */
  readonly allow: readonly string[] | undefined;
}

/** The ways out by protocol. */
interface Exits {
  readonly tcp: Exit;
  readonly udp: Exit;
}

/**
 * Takes the sessions of its listeners, where port 0 is every port, on to another place: a URI through the stack, where they
 * wanted to go by sockets of the kernel, or there through a SOCKS5 server. Rejects when `to` or `allow` say nothing sensible,
 * when it cannot listen, and with OWNER when the namespace has another flow hook.
 */
export async function startProxy(
  stack: AppStack,
  { listen, to = "", allow }: ProxyOptions,
  log: Log = (line) => console.error(`weft: ${line}`),
): Promise<AppHandle> {
  const target = parseProxyTo(to);
  if (target === undefined) throw new RangeError(`proxy to nowhere: ${JSON.stringify(to)}`);
  const policy = new ProxyPolicy(allow, log);
  const gate = FlowGate.of(stack);
  const own = new OwnFlows();
  const decide = (flow: InboundFlow): FlowDecision | "later" => {
    const why = whyRefused(flow);
    if (why !== undefined) {
      policy.refused(flow.proto, flow, why);
      return "reset";
    }
    return exits[flow.proto].decide(flow);
  };
  const whyRefused = (flow: FlowEnds): string | undefined => {
    const { local } = flow;
    if (own.has(flow)) return OWN;
    if (local === undefined || (target.kind !== "session" && !isHost(local.address)))
      return "not the address of a host";
    return policy.allows(local) ? undefined : "not allowed";
  };
  const callbacks = {
    ...RELAY_CALLBACKS,
    accept(session: Session, { uri }: Listener): boolean {
      const proto = uri.startsWith("udp") ? "udp" : "tcp";
      // Of a flow within the stack the hook could not know that it is our own; others it may not have been asked about.
      const why = whyRefused(session);
      if (why !== undefined) {
        policy.refused(proto, session, why);
        return false;
      }
      return exits[proto].accept(session);
    },
    connected(session: Session | undefined): void {
      if (session === undefined) return;
      session.data = new Untied();
      own.add(session, session);
    },
    cleanup(session: Session, phase: CleanupPhase): void {
      if (phase === "session") own.delete(session);
      RELAY_CALLBACKS.cleanup?.(session, phase);
    },
    // Of its sessions it hears no more, and what is outside the stack would stay.
    detached: () => stop(),
  };
  const app: App = await attachAs(stack, "proxy", callbacks, { rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES });
  const connect: Connect = (uri, options) => app.connect(uri, options);
  const exits = exitsOf(target, connect, own, gate);
  const { name } = app;
  const stop = (): void => {
    void gate.remove(name);
    exits.tcp.close();
    exits.udp.close();
  };
  try {
    await gate.add(name, decide);
  } catch (error) {
    stop();
    await app.detach();
    throw error;
  }
  return listenAs(app, "proxy", listen, stop, (uri) => ({
    proxy: /[/:]0$/.test(uri),
    connected: uri.startsWith("udp"),
  }));
}

function exitsOf(target: ProxyTo, connect: Connect, own: OwnFlows, gate: FlowGate): Exits {
  const flows = new DatagramFlows();
  if (target.kind === "session") {
    return {
      tcp: new SessionExit(target.uri, connect),
      udp: new SessionDatagrams(target.uri, connect, flows),
    };
  }
  const isDirect = target.kind === "direct";
  const dial = isDirect ? dialDirect(own) : dialThrough(target, own);
  const open = isDirect ? outletsDirect(own) : outletsThrough(target, own);
  return {
    tcp: new KernelExit(dial, (token, decision) => gate.answer(token, decision)),
    udp: new KernelDatagrams(open, flows),
  };
}

function dialDirect(own: OwnFlows): ConstructorParameters<typeof KernelExit>[0] {
  return ({ address, port }, events) => new KernelSocket(address, port, events, own);
}

function outletsDirect(own: OwnFlows): OpenOutlet {
  return ({ address, port, family }, events) => new UdpOutlet(address, port, family, events, own);
}

/** Whether an address may be one of another host: not loopback, a group, or an IPv4 address in disguise. */
function isHost(text: string): boolean {
  const address = tryParseAddress(text);
  return address !== undefined && isAssignable(address);
}
