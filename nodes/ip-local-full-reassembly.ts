import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_DATA, M_ERROR, M_L3, M_L4, M_LEN, M_TAIL } from "../src/graph/packet-pool.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { IP4_TRACE, IP6_TRACE } from "../src/ip/ip-trace.js";
import {
  RA_COMPLETE,
  RA_DUPLICATE,
  RA_GIVEN_UP,
  RA_HELD,
  RA_INCONSISTENT,
  RA_NO_BUFFER,
  RA_OVERLAP,
  RA_TOO_LONG,
  RA_TOO_MANY,
} from "../src/ip/reassembly.js";
import { ICMP6_BAD_FIELD, ICMP6_PARAMETER_PROBLEM } from "../src/wire/icmp6.js";
import { ip4FragmentOffset, ip4MoreFragments } from "../src/wire/ip4.js";
import { IP6_HEADER_LEN, IP6_PAYLOAD_LEN } from "../src/wire/ip6.js";
import { IP6_FRAGMENT_LEN, ip6FragmentOffset, ip6MoreFragments } from "../src/wire/ip6-ext.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  reassembled: ["info", "datagrams put together"],
  duplicate: ["info", "duplicate fragments"],
  overlap: ["warn", "overlapping fragments: datagram given up"],
  inconsistent: ["warn", "fragments disagree about the length: datagram given up"],
  given_up: ["info", "fragments of datagrams that were given up"],
  too_many: ["warn", "too many fragments: datagram given up"],
  too_long: ["warn", "datagram > 65535 bytes"],
  no_buffer: ["error", "no buffer, or too many fragments held"],
  bad_length: ["warn", "fragment without data, or not a multiple of 8 bytes"],
});
const E = errors.index;
const NEXT_DROP = 0;
const NEXT_LOCAL = 1;
const NEXT_ICMP_ERROR = 2;
const MAX_IP_BYTES = 65_535;

/** The counter of each RA_ code that drops. */
function errorTable(): Int32Array {
  const table = new Int32Array(16);
  table[RA_DUPLICATE] = E.duplicate;
  table[RA_OVERLAP] = E.overlap;
  table[RA_INCONSISTENT] = E.inconsistent;
  table[RA_GIVEN_UP] = E.given_up;
  table[RA_TOO_MANY] = E.too_many;
  table[RA_TOO_LONG] = E.too_long;
  table[RA_NO_BUFFER] = E.no_buffer;
  return table;
}

/** Turns what reassembly said about the fragment at `i` into a next index. */
function makeOutcome(host: Host) {
  const { i32 } = host.window;
  const { meta } = host.pool;
  const { reassembly } = host.ip;
  const errorOf = errorTable();
  return (frame: Frame, i: number, code: number, node: NodeRuntime): void => {
    if (code === RA_HELD) {
      frame.next[i] = CONSUMED;
      return;
    }
    frame.buffers[i] = reassembly.packet;
    if (code === RA_COMPLETE) {
      node.count(E.reassembled, 1);
      frame.next[i] = NEXT_LOCAL;
    } else {
      i32[meta + (reassembly.packet << 4) + M_ERROR] = node.errorBase + errorOf[code];
      frame.next[i] = NEXT_DROP;
    }
  };
}

/** ip4-local-full-reassembly: fragments for this host; complete datagrams go back to ip4-local. */
export const ip4LocalFullReassembly: NodeForm<Host> = {
  name: "ip4-local-full-reassembly",
  next: ["drop", "ip4-local"],
  errors: errors.list,
  trace: IP4_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { engine } = host;
    const { reassembly } = host.ip;
    const outcome = makeOutcome(host);

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const ip = i32[m + M_DATA];
        const headerLen = (dv.getUint8(ip) & 15) << 2;
        const bytes = i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff) - headerLen;
        const more = ip4MoreFragments(dv, ip);
        const offset = ip4FragmentOffset(dv, ip);
        i32[m + M_L3] = ip;
        i32[m + M_L4] = ip + headerLen;
        // The header that the datagram will have is not known yet: later fragments may come first.
        if (bytes <= 0 || (more && (bytes & 7) !== 0) || offset + bytes + headerLen > MAX_IP_BYTES) {
          i32[m + M_ERROR] = node.errorBase + (offset + bytes + headerLen > MAX_IP_BYTES ? E.too_long : E.bad_length);
          next[i] = NEXT_DROP;
        } else outcome(frame, i, reassembly.accept4(buffers[i], offset, bytes, more, engine.tick), node);
      }
    };
  },
};

/** ip6-local-full-reassembly: the twin, with the parameter problems of RFC 8200 4.5. */
export const ip6LocalFullReassembly: NodeForm<Host> = {
  name: "ip6-local-full-reassembly",
  next: ["drop", "ip6-local", "ip6-icmp-error"],
  errors: errors.list,
  trace: IP6_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { engine } = host;
    const { reassembly } = host.ip;
    const outcome = makeOutcome(host);

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const ip = i32[m + M_DATA];
        const at = i32[m + M_L4] - IP6_FRAGMENT_LEN;
        const bytes = ip + i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff) - i32[m + M_L4];
        const more = ip6MoreFragments(dv, at);
        const offset = ip6FragmentOffset(dv, at);
        const isMisaligned = more && (bytes & 7) !== 0;
        // RFC 8200 4.5: the length counts what the datagram's headers add, up to the fragment header.
        const isTooLong = offset + bytes + (at - ip - IP6_HEADER_LEN) > MAX_IP_BYTES;
        if (isMisaligned || isTooLong) {
          node.count(isMisaligned ? E.bad_length : E.too_long, 1);
          const pointer = isMisaligned ? IP6_PAYLOAD_LEN : at + 2 - ip;
          requestIcmpError(i32, m, ICMP6_PARAMETER_PROBLEM, ICMP6_BAD_FIELD, pointer);
          next[i] = NEXT_ICMP_ERROR;
        } else if (bytes <= 0) {
          i32[m + M_ERROR] = node.errorBase + E.bad_length;
          next[i] = NEXT_DROP;
        } else outcome(frame, i, reassembly.accept6(buffers[i], offset, bytes, more, engine.tick), node);
      }
    };
  },
};
