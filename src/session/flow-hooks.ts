import type { BufferIndex } from "../graph/packet-pool.js";
import { M_DATA, M_FIB, M_L3, M_RX_IF } from "../graph/packet-pool.js";
import { type Endpoint, TRANSPORT_TCP, TRANSPORT_UDP } from "../transport/transport.js";
import { IP4_DST, IP4_SRC } from "../wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../wire/ip6.js";
import { TCP_SEQ } from "../wire/tcp.js";
import type { AppListeners } from "./app-listeners.js";
import type { AppNamespace } from "./app-namespace.js";
import type { FlowPackets } from "./flow-packets.js";
import { type Flow, FLOW_VERDICTS, type FlowDecision, type FlowHook, isFlowDecision } from "./flow-record.js";
import {
  FL_BUFFER,
  FL_FIB,
  FL_HOOK,
  FL_LCL,
  FL_NAME,
  FL_PORTS,
  FL_RMT,
  FL_RX_IF,
  FL_SEQ,
  FL_STATE,
  FL_TARGET,
  FL_TICK,
  FL_VERDICT,
  FLOW_ASKED,
  FLOW_DECIDED,
  FLOW_NEW,
  FLOW_RESUMED,
  type FlowIndex,
  FlowTable,
  VERDICT_ACCEPT,
  VERDICT_APPLICATION,
  VERDICT_DROP,
  VERDICT_RESET,
} from "./flow-table.js";
import { FLOW_DROP, FLOW_NOBODY, FLOW_PASS } from "./rt-backend.js";
import { RuleTargets } from "./rule-targets.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOSESSION,
  SESSION_E_OWNER,
  SessionError,
  type SessionErrorValue,
} from "./session-errors.js";

/** The packet is kept until the hook has decided: it is not its node's any more. */
export const FLOW_KEPT = -4;
/** The flow waits for a decision, and the packet is one too many: dropped. */
export const FLOW_WAITS = -5;

/** Not an answer to nodes: a flow like one that is over. */
const FLOW_NEW_AGAIN = -6;

/**
 * Datagrams of an undecided flow that are kept: many programs send more than one before they have heard anything, as a
 * resolver its questions for both families.
 */
const MAX_KEPT_DATAGRAMS = 4;
/** Flows that hooks are asked about in one turn; the others wait for the next. */
const MAX_ASKED_PER_TURN = 1024;
/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;
/** How long a decision is remembered after the flow's last packet: 30 s, as long as a listener of datagrams is silent. */
const IDLE_TICKS = 300_000;

/** What became of the flows of a hook. */
export interface FlowCounters {
  /** The hook was asked. */
  asked: number;
  accepted: number;
  reset: number;
  dropped: number;
  /** An application took it. */
  redirected: number;
  /** Decided by default: the answer did not come in time, or the hook threw, said nothing sensible, or went. */
  timedOut: number;
  failed: number;
  /** Decided by default without being asked about: as many as may be were undecided. */
  overLimit: number;
}

/** A hook that is set. */
export interface ActiveFlowHook {
  readonly namespace: AppNamespace;
  readonly decide: FlowHook;
  readonly counters: FlowCounters;
  /** It threw before: that is reported once. */
  hasFailed: boolean;
}

/**
 * Hooks that decide on new flows, one a namespace at most. The first packet of a flow stays here until the hook, called
 * from session-input, has decided; then it goes on from its transport's input node, where the decision is found.
 */
export class FlowHooks {
  /** Whether nodes have to ask {@link judge}. */
  isOn = false;
  readonly #core: SessionCore;
  readonly #listeners: AppListeners;
  readonly #packets: FlowPackets;
  readonly #table: FlowTable;
  readonly #targets: RuleTargets;
  readonly #key = new Int32Array(FL_RMT + 4);
  readonly #local = this.#key.subarray(FL_LCL, FL_LCL + 4);
  /** By index of their namespace. */
  readonly #hooks: (ActiveFlowHook | undefined)[] = [];
  /** Those that are set, in that order. */
  #active: readonly ActiveFlowHook[] = [];
  /** First flow that nobody was asked about; the others follow in the list of undecided ones. */
  #firstNew: FlowIndex = -1;
  #tick = 0;

  constructor(core: SessionCore, listeners: AppListeners, packets: FlowPackets) {
    this.#core = core;
    this.#listeners = listeners;
    this.#packets = packets;
    const { maxUndecidedFlows, maxDecidedFlows, maxApplications } = core.config;
    this.#table = new FlowTable(core.window, Math.min(maxUndecidedFlows, packets.limit), maxDecidedFlows);
    this.#targets = new RuleTargets(core.applications, listeners, maxApplications);
  }

  /** Flows that wait for a decision. */
  get undecided(): number {
    return this.#table.undecided;
  }

  /** Flows whose decision is remembered. */
  get decided(): number {
    return this.#table.decided;
  }

  /** The hooks that are set. */
  get all(): readonly ActiveFlowHook[] {
    return this.#active;
  }

  // ---- Hooks ----

  /** Sets the hook of a namespace. Returns it, or INVALID_NS (the namespace is gone), OWNER (it has one), ALLOC. */
  add(namespace: AppNamespace, decide: FlowHook): ActiveFlowHook | SessionErrorValue {
    if (this.#core.namespaces.at(namespace.index) !== namespace) return SESSION_E_INVALID_NS;
    if (this.#hooks[namespace.index] !== undefined) return SESSION_E_OWNER;
    try {
      this.#table.open();
    } catch {
      return SESSION_E_ALLOC;
    }
    const counters = {
      asked: 0,
      accepted: 0,
      reset: 0,
      dropped: 0,
      redirected: 0,
      timedOut: 0,
      failed: 0,
      overLimit: 0,
    };
    const hook = { namespace, decide, counters, hasFailed: false };
    this.#hooks[namespace.index] = hook;
    this.#active = [...this.#active, hook];
    this.isOn = true;
    return hook;
  }

  /** Takes a hook away, if it is still there: what it has not decided is decided by default. */
  remove(hook: ActiveFlowHook): void {
    const { index } = hook.namespace;
    if (this.#hooks[index] !== hook) return;
    for (const flow of this.#flowsOf(index, this.#table.oldestUndecided)) {
      hook.counters.failed++;
      this.#byDefault(flow, hook);
    }
    this.#hooks[index] = undefined;
    this.#active = this.#active.filter((each) => each !== hook);
    // A decision on its way to the node is still to be found there.
    for (const flow of this.#flowsOf(index, this.#table.oldestDecided)) {
      if (this.#core.i32[this.#table.row(flow) + FL_STATE] === FLOW_DECIDED) this.#forget(flow);
    }
    this.#update();
  }

  /** A namespace goes, and its hook with it. */
  namespaceRemoved({ index }: AppNamespace): void {
    const hook = this.#hooks[index];
    if (hook !== undefined) this.remove(hook);
  }

  #flowsOf(index: number, first: FlowIndex): FlowIndex[] {
    const found: FlowIndex[] = [];
    for (let flow = first; flow >= 0; flow = this.#table.next(flow)) {
      if (this.#core.i32[this.#table.row(flow) + FL_HOOK] === index) found.push(flow);
    }
    return found;
  }

  #update(): void {
    this.isOn = this.#active.length > 0 || this.#table.decided > 0;
  }

  // ---- Packets ----

  /**
   * What becomes of packet `b`, the first of a flow: of TCP a SYN. FLOW_PASS: on to the listeners; FLOW_DROP; FLOW_NOBODY;
   * FLOW_KEPT; FLOW_WAITS; or the listening session that takes it. `hash` is the keyed one of the flow's tuple.
   */
  judge(b: BufferIndex, m: number, isIp4: boolean, proto: number, hash: number): number {
    const { i32, window } = this.#core;
    const key = this.#readKey(m, isIp4, proto);
    const seq = proto === TRANSPORT_TCP ? window.dv.getInt32(i32[m + M_DATA] + TCP_SEQ) : 0;
    const known = this.#table.find(key, hash);
    if (known >= 0) {
      const verdict = this.#known(known, b, seq);
      if (verdict !== FLOW_NEW_AGAIN) return verdict;
    }
    const hook = this.#hookFor(key, isIp4, i32[m + M_RX_IF]);
    if (hook === undefined) return FLOW_PASS;
    if (!this.#table.hasRoom) {
      hook.counters.overLimit++;
      return this.#defaultVerdict();
    }
    const flow = this.#table.add(key, hash, this.#tick);
    const r = this.#table.row(flow);
    i32[r + FL_HOOK] = hook.namespace.index;
    i32[r + FL_RX_IF] = i32[m + M_RX_IF];
    i32[r + FL_SEQ] = seq;
    if (this.#firstNew < 0) this.#firstNew = flow;
    this.#core.wake();
    return this.#keep(r, b);
  }

  #readKey(m: number, isIp4: boolean, proto: number): Int32Array {
    const { i32, window } = this.#core;
    const { dv } = window;
    const key = this.#key;
    const ip = i32[m + M_L3];
    const at = i32[m + M_DATA];
    const words = isIp4 ? 1 : 4;
    key[FL_NAME] = (proto << 1) | (isIp4 ? 0 : 1);
    key[FL_FIB] = i32[m + M_FIB];
    key[FL_PORTS] = (dv.getUint16(at + 2) << 16) | dv.getUint16(at);
    for (let i = 0; i < 4; i++) {
      key[FL_LCL + i] = i < words ? dv.getInt32(ip + (isIp4 ? IP4_DST : IP6_DST) + (i << 2)) : 0;
      key[FL_RMT + i] = i < words ? dv.getInt32(ip + (isIp4 ? IP4_SRC : IP6_SRC) + (i << 2)) : 0;
    }
    return key;
  }

  /** Keeps the packet for the flow of row `r`, in place of what it has; one that cannot be kept is one too many. */
  #keep(r: number, b: BufferIndex): number {
    const { i32 } = this.#core;
    const kept = this.#packets.keep(b);
    if (kept < 0) return FLOW_WAITS;
    if (i32[r + FL_BUFFER] >= 0) this.#packets.free(i32[r + FL_BUFFER]);
    i32[r + FL_BUFFER] = kept;
    return FLOW_KEPT;
  }

  /** Keeps a further datagram of a flow. */
  #keepAnother(r: number, b: BufferIndex): number {
    const first = this.#core.i32[r + FL_BUFFER];
    if (first < 0) return this.#keep(r, b);
    if (!this.#packets.hasRoom || this.#packets.count(first) >= MAX_KEPT_DATAGRAMS) return FLOW_WAITS;
    const kept = this.#packets.keep(b);
    if (kept < 0) return FLOW_WAITS;
    this.#packets.append(first, kept);
    return FLOW_KEPT;
  }

  /** A packet of a flow that is known. */
  #known(flow: FlowIndex, b: BufferIndex, seq: number): number {
    const { i32 } = this.#core;
    const r = this.#table.row(flow);
    const isTcp = i32[r + FL_NAME] >> 1 === TRANSPORT_TCP;
    const state = i32[r + FL_STATE];
    if (state === FLOW_NEW || state === FLOW_ASKED) {
      if (!isTcp) return this.#keepAnother(r, b);
      // The last SYN is the one to be answered: the peer may have begun anew.
      if (this.#keep(r, b) === FLOW_WAITS) return FLOW_WAITS;
      i32[r + FL_SEQ] = seq;
      return FLOW_KEPT;
    }
    const verdict = this.#verdictOf(r);
    if (isTcp && state === FLOW_RESUMED && !(i32[r + FL_VERDICT] === VERDICT_APPLICATION && verdict >= 0)) {
      // From now on the connection is known, or refused.
      this.#forget(flow);
      return verdict;
    }
    const isOver = isTcp ? i32[r + FL_SEQ] !== seq : state === FLOW_DECIDED && this.#isIdle(r);
    if (isOver) {
      this.#forget(flow);
      return FLOW_NEW_AGAIN;
    }
    i32[r + FL_STATE] = FLOW_DECIDED;
    if (this.#hooks[i32[r + FL_HOOK]] === undefined) this.#forget(flow);
    else this.#table.touch(flow, this.#tick);
    return verdict;
  }

  /**
   * The listening session to which the SYN of ACK `m` was led, if it was: of a handshake with a SYN cookie there is no
   * connection before. FLOW_PASS: nothing is known of it.
   */
  ledTo(m: number, isIp4: boolean, hash: number): number {
    const { i32, window } = this.#core;
    const flow = this.#table.find(this.#readKey(m, isIp4, TRANSPORT_TCP), hash);
    if (flow < 0) return FLOW_PASS;
    const r = this.#table.row(flow);
    const follows = ((i32[r + FL_SEQ] + 1) | 0) === window.dv.getInt32(i32[m + M_DATA] + TCP_SEQ);
    const isLed = i32[r + FL_STATE] === FLOW_DECIDED && i32[r + FL_VERDICT] === VERDICT_APPLICATION;
    return isLed && follows ? this.#verdictOf(r) : FLOW_PASS;
  }

  #isIdle(r: number): boolean {
    return ((this.#tick - this.#core.i32[r + FL_TICK]) | 0) >= IDLE_TICKS;
  }

  #verdictOf(r: number): number {
    const { i32 } = this.#core;
    const name = i32[r + FL_NAME];
    switch (i32[r + FL_VERDICT]) {
      case VERDICT_ACCEPT:
        return FLOW_PASS;
      case VERDICT_DROP:
        return FLOW_DROP;
      case VERDICT_APPLICATION:
        return this.#targets.listenerOf(i32[r + FL_TARGET], i32[r + FL_FIB], name >> 1, name & 1);
      default:
        return FLOW_NOBODY;
    }
  }

  #defaultVerdict(): number {
    const { flowDefault } = this.#core.config;
    if (flowDefault === "accept") return FLOW_PASS;
    return flowDefault === "drop" ? FLOW_DROP : FLOW_NOBODY;
  }

  /** Whose hook decides: of the namespace whose interface has the destination, else the interface it came in on, else of the table. */
  #hookFor(key: Int32Array, isIp4: boolean, rxIf: number): ActiveFlowHook | undefined {
    const { addresses } = this.#core;
    const family = isIp4 ? 4 : 6;
    const hooks = this.#active;
    let ofInterface: ActiveFlowHook | undefined;
    let ofTable: ActiveFlowHook | undefined;
    for (let i = 0; i < hooks.length; i++) {
      const hook = hooks[i];
      const { ifIndex, fib4, fib6 } = hook.namespace;
      if ((isIp4 ? fib4 : fib6) !== key[FL_FIB]) continue;
      if (ifIndex < 0) ofTable ??= hook;
      else if (addresses.hasAddress(ifIndex, family, this.#local)) return hook;
      else if (ifIndex === rxIf) ofInterface ??= hook;
    }
    return ofInterface ?? ofTable;
  }

  /** A flow of datagrams has become a session: the next one that is like it is new. */
  becameSession(m: number, isIp4: boolean, hash: number): void {
    const flow = this.#table.find(this.#readKey(m, isIp4, TRANSPORT_UDP), hash);
    if (flow >= 0) this.#forget(flow);
  }

  #hashOf(r: number): number {
    const { i32, lookup } = this.#core;
    const l = r + FL_LCL;
    const p = r + FL_RMT;
    const ports = i32[r + FL_PORTS];
    return (i32[r + FL_NAME] & 1) === 0
      ? lookup.hash4(i32[l], i32[p], ports)
      : lookup.hash6(i32[l], i32[l + 1], i32[l + 2], i32[l + 3], i32[p], i32[p + 1], i32[p + 2], i32[p + 3], ports);
  }

  #forget(flow: FlowIndex): void {
    const { i32 } = this.#core;
    const r = this.#table.row(flow);
    if (i32[r + FL_BUFFER] >= 0) this.#packets.free(i32[r + FL_BUFFER]);
    if (i32[r + FL_TARGET] >= 0) this.#targets.release(i32[r + FL_TARGET]);
    this.#table.remove(flow, this.#hashOf(r));
    this.#update();
  }

  // ---- Decisions ----

  /** Asks the hooks about flows that came in this turn. Returns how many. Called from session-input. */
  ask(): number {
    const { i32 } = this.#core;
    let count = 0;
    while (this.#firstNew >= 0 && count < MAX_ASKED_PER_TURN) {
      const flow = this.#firstNew;
      this.#firstNew = this.#table.next(flow);
      const r = this.#table.row(flow);
      i32[r + FL_STATE] = FLOW_ASKED;
      const hook = this.#hooks[i32[r + FL_HOOK]];
      if (hook !== undefined) this.#ask(flow, r, hook);
      count++;
    }
    return count;
  }

  #ask(flow: FlowIndex, r: number, hook: ActiveFlowHook): void {
    const token = this.#table.token(flow);
    hook.counters.asked++;
    let decision: ReturnType<FlowHook>;
    try {
      decision = hook.decide(this.#flow(r, token, hook));
      if (decision === "later") return;
      const error = this.answer(hook, token, decision);
      if (error === SESSION_E_INVALID) throw new SessionError(error, "flow hook", "no decision");
    } catch (error) {
      hook.counters.failed++;
      if (!hook.hasFailed) this.#core.reportError(error, -1);
      hook.hasFailed = true;
      // It may have answered before it threw.
      if (this.#table.ofToken(token) >= 0 && this.#core.i32[r + FL_STATE] === FLOW_ASKED) this.#byDefault(flow, hook);
    }
  }

  #flow(r: number, token: number, { namespace }: ActiveFlowHook): Flow {
    const { i32, addresses } = this.#core;
    const rxIf = i32[r + FL_RX_IF];
    const s = this.#listenerOf(r);
    return {
      token,
      proto: i32[r + FL_NAME] >> 1 === TRANSPORT_TCP ? "tcp" : "udp",
      local: this.#end(r, true),
      remote: this.#end(r, false),
      interface: rxIf < 0 ? undefined : addresses.interfaceName(rxIf),
      namespace: namespace.id,
      application: s < 0 ? undefined : this.#listeners.of(s)?.app.name,
    };
  }

  #listenerOf(r: number): number {
    const { i32, lookup } = this.#core;
    const l = r + FL_LCL;
    const name = i32[r + FL_NAME];
    const port = i32[r + FL_PORTS] >>> 16;
    const fib = i32[r + FL_FIB];
    return (name & 1) === 0
      ? lookup.listener4(fib, name >> 1, i32[l], port)
      : lookup.listener6(fib, name >> 1, i32[l], i32[l + 1], i32[l + 2], i32[l + 3], port);
  }

  #end(r: number, isLocal: boolean): Endpoint {
    const { i32 } = this.#core;
    const at = r + (isLocal ? FL_LCL : FL_RMT);
    const ports = i32[r + FL_PORTS];
    return {
      family: (i32[r + FL_NAME] & 1) === 0 ? 4 : 6,
      address: i32.slice(at, at + 4),
      port: isLocal ? ports >>> 16 : ports & 0xffff,
    };
  }

  /**
   * A hook's decision on a flow that it was asked about, or that it leaves it to the default, by the flow's token. 0;
   * NOSESSION: the flow is decided already, or gone; OWNER: it is another hook's; INVALID: no decision.
   */
  answer(hook: ActiveFlowHook, token: number, decision: FlowDecision | "default"): SessionErrorValue {
    const { i32 } = this.#core;
    const flow = this.#table.ofToken(token);
    if (flow < 0) return SESSION_E_NOSESSION;
    const r = this.#table.row(flow);
    if (this.#hooks[i32[r + FL_HOOK]] !== hook) return SESSION_E_OWNER;
    if (i32[r + FL_STATE] !== FLOW_ASKED) return SESSION_E_NOSESSION;
    if (decision === "default") {
      hook.counters.failed++;
      this.#byDefault(flow, hook);
      return 0;
    }
    if (!isFlowDecision(decision)) return SESSION_E_INVALID;
    if (typeof decision === "string") {
      this.#count(hook, decision);
      this.#decide(flow, FLOW_VERDICTS.indexOf(decision), true);
      return 0;
    }
    hook.counters.redirected++;
    const target = this.#targets.acquire(decision.application, 1);
    // As many are named as there can be applications, so one that does not fit is not there.
    if (target >= 0) i32[r + FL_TARGET] = target;
    this.#decide(flow, target < 0 ? VERDICT_RESET : VERDICT_APPLICATION, true);
    return 0;
  }

  #count({ counters }: ActiveFlowHook, verdict: (typeof FLOW_VERDICTS)[number]): void {
    if (verdict === "accept") counters.accepted++;
    else if (verdict === "reset") counters.reset++;
    else counters.dropped++;
  }

  #byDefault(flow: FlowIndex, hook: ActiveFlowHook): void {
    const { flowDefault } = this.#core.config;
    this.#count(hook, flowDefault);
    this.#decide(flow, FLOW_VERDICTS.indexOf(flowDefault), false);
  }

  /** The decision on a flow: its packet goes on, or is dropped. `isRemembered`: also for a SYN that is dropped. */
  #decide(flow: FlowIndex, verdict: number, isRemembered: boolean): void {
    const { i32 } = this.#core;
    const r = this.#table.row(flow);
    const name = i32[r + FL_NAME];
    const isTcp = name >> 1 === TRANSPORT_TCP;
    const b = i32[r + FL_BUFFER];
    if (this.#firstNew === flow) this.#firstNew = this.#table.next(flow);
    i32[r + FL_VERDICT] = verdict;
    i32[r + FL_BUFFER] = -1;
    const goes = this.#table.decide(flow, this.#tick);
    if (goes >= 0) this.#forget(goes);
    if (verdict !== VERDICT_DROP) {
      if (b >= 0) this.#packets.resume(`${isTcp ? "tcp" : "udp"}${(name & 1) === 0 ? 4 : 6}-input`, b);
      this.#core.wake();
      return;
    }
    if (b >= 0) this.#packets.free(b);
    i32[r + FL_STATE] = FLOW_DECIDED;
    if (isTcp && !isRemembered) this.#forget(flow);
  }

  // ---- Time ----

  /** The time of a turn. */
  setNow(tick: number): void {
    this.#tick = tick;
  }

  /** Decides by default what has waited too long, and forgets what was decided long ago. */
  expire(): void {
    const { i32 } = this.#core;
    const table = this.#table;
    for (let flow = table.oldestUndecided; flow >= 0 && this.#ticksLeft(flow) <= 0; flow = table.oldestUndecided) {
      const hook = this.#hooks[i32[table.row(flow) + FL_HOOK]];
      if (hook === undefined) break;
      hook.counters.timedOut++;
      this.#byDefault(flow, hook);
    }
    for (let flow = table.oldestDecided; flow >= 0 && this.#isIdle(table.row(flow)); flow = table.oldestDecided) {
      this.#forget(flow);
    }
  }

  #ticksLeft(flow: FlowIndex): number {
    const { i32, config } = this.#core;
    return config.flowDecisionMs * TICKS_PER_MS - ((this.#tick - i32[this.#table.row(flow) + FL_TICK]) | 0);
  }

  /** Ticks until something is to be decided: 0 now, -1 never. What is remembered too long harms nobody. */
  nextExpiry(): number {
    if (this.#firstNew >= 0) return 0;
    const flow = this.#table.oldestUndecided;
    return flow < 0 ? -1 : Math.max(0, this.#ticksLeft(flow));
  }
}
