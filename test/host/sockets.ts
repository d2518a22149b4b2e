import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SeqpacketListener } from "../../src/host/seqpacket-listener.js";
import type { SeqpacketSocket } from "../../src/host/unix-socket.js";
import { PYTHON } from "../needs.js";
import { Program } from "../support/program.js";

const ADDON = join(process.cwd(), "native/build/Release/weft.node");

/** Text as bytes. */
export function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

/** Descriptors that this process has open. */
export function openFds(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Lets the event loop turn until the condition holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Waits until as many descriptors are open as before: libuv closes a child's pipes in a later turn. */
export async function fdsAreBack(before: number): Promise<void> {
  await until(() => openFds() <= before);
  if (openFds() < before) throw new Error(`${before - openFds()} descriptors of somebody else were closed`);
}

/** The first of a list that has one. */
export function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new Error("an empty list");
  return one;
}

/** What a socket has told so far. */
export interface Heard {
  readonly socket: SeqpacketSocket;
  readonly messages: string[];
  readonly fds: number[];
  readonly closes: string[];
}

/** Sets handlers that note everything. */
export function hear(socket: SeqpacketSocket): Heard {
  const heard: Heard = { socket, messages: [], fds: [], closes: [] };
  socket.onMessage = (bytes, fds) => {
    heard.messages.push(new TextDecoder().decode(bytes));
    heard.fds.push(...fds);
  };
  socket.onClose = (reason) => heard.closes.push(reason);
  return heard;
}

/** A listener whose connections are heard. */
export function listen(path: string, mode?: number): { readonly listener: SeqpacketListener; readonly heard: Heard[] } {
  const heard: Heard[] = [];
  const onConnection = (socket: SeqpacketSocket) => void heard.push(hear(socket));
  const listener = new SeqpacketListener(mode === undefined ? { path, onConnection } : { path, mode, onConnection });
  return { listener, heard };
}

/** A process in a role of seqpacket-peer.mjs. */
export function startPeer(role: string, path: string): Program {
  return new Program(process.execPath, [join(import.meta.dirname, "seqpacket-peer.mjs"), ADDON, role, path]);
}

/** A process that keeps to no rule of ours: a Python script that begins as below. */
export function startHostile(path: string, script: string): Program {
  const head = `
import array, fcntl, os, socket, sys
path = sys.argv[1]
sockaddr = "\\0" + path[1:] if path[0] == "@" else path
def rights(fds): return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
def connected():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sockaddr)
    return s
def listening():
    l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    l.bind(sockaddr)
    l.listen(1)
    print("listening", flush=True)
    return l
def ended(s):
    try: s.recv(1)
    except OSError: pass
`;
  return new Program(PYTHON, ["-c", head + script, path]);
}
