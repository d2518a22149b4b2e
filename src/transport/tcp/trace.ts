import type { TraceForm } from "../../graph/node.js";
import { M_CONN } from "../../graph/packet-pool.js";
import {
  TCP_HEADER_LEN,
  tcpAck,
  tcpDstPort,
  tcpFlags,
  tcpHeaderLen,
  tcpSeq,
  tcpSrcPort,
  tcpWindow,
} from "../../wire/tcp.js";

const FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

/** How the TCP nodes print a traced segment, whose header is at M_DATA. */
export const tcpTrace: TraceForm = {
  bytes: TCP_HEADER_LEN,
  format: (dv, length, meta) => {
    if (length < TCP_HEADER_LEN) return `TCP: truncated header, ${length} bytes`;
    const bits = tcpFlags(dv, 0);
    const flags = FLAG_NAMES.filter((_, i) => (bits & (1 << i)) !== 0).join(" ");
    return [
      `TCP: ${tcpSrcPort(dv, 0)} -> ${tcpDstPort(dv, 0)} connection ${meta[M_CONN]}`,
      `  seq ${tcpSeq(dv, 0) >>> 0} ack ${tcpAck(dv, 0) >>> 0} flags ${flags} header ${tcpHeaderLen(dv, 0)} window ${tcpWindow(dv, 0)}`,
    ].join("\n");
  },
};
