import { packet } from "./frames.js";
import type { FuzzHost } from "./fuzz-host.js";
import { answer } from "./peer-bot.js";
import { repairChecksums } from "./repair.js";

const PEER = [0xc6120109 | 0];
const HOST = [0xc6120102 | 0];

/** Lets the host and its neighbours work undisturbed for a while; returns what the host sent by its first link. */
function exchange(host: FuzzHost, frame?: Uint8Array): Uint8Array[] {
  const sent: Uint8Array[] = [];
  if (frame !== undefined) {
    repairChecksums(frame);
    host.first.queue.push({ frame });
  }
  for (let round = 0; round < 5; round++) {
    host.settle();
    host.clock.advanceUs(1000);
    for (const heard of host.heard[0].splice(0)) {
      sent.push(heard);
      const reply = heard[13] === 6 ? answer(host, heard) : undefined;
      if (reply !== undefined) host.first.queue.push({ frame: reply });
    }
  }
  return sent;
}

/** A ping, and a line to the echo service over a new connection. */
export function stillServes(host: FuzzHost): { ping: boolean; stream: string } {
  host.heard.forEach((frames) => (frames.length = 0));
  // Old connections run out, and neighbours that were reachable grow stale and give way.
  host.pass(60_000);
  host.heard.forEach((frames) => (frames.length = 0));
  const [ping, at] = packet(false, PEER, HOST, 1, 64);
  ping.set([8, 0, 0, 0, 0x12, 0x34, 0, 7], at);
  const pongs = exchange(host, ping);
  return { ping: pongs.some((frame) => frame[23] === 1 && frame[34] === 0 && frame[39] === 0x34), stream: line(host) };
}

function line(host: FuzzHost): string {
  const segment = (flags: number, seq: number, ack: number, text = ""): Uint8Array => {
    const [frame, at] = packet(false, PEER, HOST, 6, 20 + text.length);
    const dv = new DataView(frame.buffer);
    dv.setInt32(at, (61_234 << 16) | 7);
    dv.setInt32(at + 4, seq);
    dv.setInt32(at + 8, ack);
    dv.setUint16(at + 12, (5 << 12) | flags);
    dv.setUint16(at + 14, 65535);
    for (let i = 0; i < text.length; i++) frame[at + 20 + i] = text.charCodeAt(i);
    return frame;
  };
  const isMine = (frame: Uint8Array): boolean => frame[23] === 6 && ((frame[36] << 8) | frame[37]) === 61_234;
  for (let tries = 0; tries < 5; tries++) {
    const start = 5000 + tries * 100_000;
    const [synAck] = exchange(host, segment(2, start, 0)).filter(isMine);
    if (synAck === undefined || synAck[47] !== 0x12) continue;
    const ack = (new DataView(synAck.buffer, synAck.byteOffset).getInt32(38) + 1) | 0;
    const echoed = exchange(host, segment(0x18, start + 1, ack, "hello")).filter(isMine);
    const text = echoed.map((frame) => String.fromCharCode(...frame.subarray(34 + (frame[46] >> 4) * 4))).join("");
    exchange(host, segment(4, start + 6, ack));
    return text;
  }
  return "";
}
