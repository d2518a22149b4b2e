import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TlsEngine } from "../transport/tls/engine.js";

/** An address with its prefix length, as bytes in network order: 4 (IPv4) or 16 (IPv6). */
export interface AddressBytes {
  readonly bytes: Uint8Array;
  /** 0 to 32 or 0 to 128. */
  readonly prefix: number;
}

/** A route of the kernel through the interface being configured; on link without `via`. */
export interface KernelRoute extends AddressBytes {
  readonly via?: Uint8Array;
}

/** A kernel interface: where it lives and its name. Without `netns` it is in the namespace of this process. */
export interface InterfaceName {
  readonly netns?: string;
  readonly name: string;
}

/** What {@link Addon.configureInterface} sets; what is absent stays as it is. */
export interface InterfaceSettings extends InterfaceName {
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  /** At most 32. */
  readonly addresses?: readonly AddressBytes[];
  /** At most 64. */
  readonly routes?: readonly KernelRoute[];
  /** Default true. */
  readonly up?: boolean;
  /** No router advertisements, solicitations and duplicate address detection there. Default true. */
  readonly quiet?: boolean;
}

/** What {@link Addon.interfaceInfo} tells. */
export interface InterfaceState {
  readonly index: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  readonly up: boolean;
}

/** What {@link Addon.openTap} wants. The namespace is made when missing. */
export interface TapOptions extends InterfaceName {
  /** Queues, each a descriptor, 1 to 16. Default 1. */
  readonly queues?: number;
  /** Take part in a device that exists (made with multi_queue and vnet_hdr) instead of making one. Default false. */
  readonly attach?: boolean;
  /** Let the kernel leave checksums to us. Default true. */
  readonly checksum?: boolean;
  /** Let the kernel send superframes (needs `checksum`). Default true. */
  readonly segmentation?: boolean;
}

/** An open TAP device. */
export interface Tap {
  /** The first queue. */
  readonly fd: number;
  readonly fds: readonly number[];
  readonly index: number;
  /** Hardware address of the kernel's end. */
  readonly mac: Uint8Array;
  /** TUN_F_ bits that the kernel accepted. */
  readonly offloads: number;
  readonly vnetHeaderBytes: number;
  /** Whether the namespace was made by this call. */
  readonly createdNetns: boolean;
}

/** TUN_F_ bits of {@link Tap.offloads} (linux/if_tun.h). */
export const TUN_F = { checksum: 0x01, tso4: 0x02, tso6: 0x04, tsoEcn: 0x08, uso4: 0x20, uso6: 0x40 } as const;

/** What {@link AddonWindow.openPacketRing} wants. The interface must exist. */
export interface PacketRingOptions extends InterfaceName {
  /** Where in the window, bytes; a multiple of the page size. */
  readonly offset: number;
  /** A multiple of `blockBytes`. */
  readonly bytes: number;
  /** A multiple of the page size. Default 1032192 = 14 frames. */
  readonly blockBytes?: number;
  /** A multiple of 16. Default 73728: room for a superframe. */
  readonly frameBytes?: number;
  /** Default true. */
  readonly promiscuous?: boolean;
}

/** An open packet socket with its receive ring: frame `i` starts at offset + block * blockBytes + rest * frameBytes. */
export interface PacketRing {
  readonly fd: number;
  readonly index: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  readonly offset: number;
  readonly frames: number;
  readonly frameBytes: number;
  readonly framesPerBlock: number;
  readonly blockBytes: number;
  /** Where an Ethernet frame lies in its ring frame, bytes (tp_mac). */
  readonly macOffset: number;
}

/** The native half of the TLS engine: see TlsEngine for what its methods do. Wrong arguments throw. */
export interface AddonTlsEngine extends Omit<TlsEngine, "name" | "area" | "roots"> {
  /** Seconds since 1970 at which certificates are made and verified from now on; 0: the system's time. */
  setTime(seconds: number): void;
}

/** The window's native half. Ranges are checked; a refused one throws. After `close` its memory reads as zero. */
export interface AddonWindow {
  /** The whole address range; only committed parts may be touched. */
  readonly buffer: ArrayBuffer;
  commit(offset: number, bytes: number, hugePages?: boolean): void;
  /** Faults all pages of a committed range in. */
  touch(offset: number, bytes: number): void;
  /** Maps the start of a memfd there, shared. Whole pages. */
  mapMemfd(fd: number, offset: number, bytes: number): void;
  /** Gives memory back to the system; the range reads as zero and stays usable. Whole pages. */
  release(offset: number, bytes: number): void;
  /** 64 KiB, aligned to 64, for the parameters of bursts. */
  setMailbox(offset: number): void;
  openPacketRing(options: PacketRingOptions): PacketRing;
  closePacketRing(fd: number): void;
  /** Frames read into the slots named in the mailbox, or a negative errno. Never throws. */
  rxBurst(): number;
  /** Packets of the mailbox that are done with, or a negative errno. Never throws. */
  txBurst(): number;
  /** Steps have their parameters and results in 1024 bytes there. A seed, 32 bytes, determines all that is random. */
  createTlsEngine(offset: number, options: { readonly seed?: Uint8Array }): AddonTlsEngine;
  close(): void;
}

/** Wakes the event loop for descriptors, a timer, and other threads. */
export interface AddonPoller {
  /** Watches `fd` for input, and with `writable` for room to write; again to change that. */
  add(fd: number, writable?: boolean): void;
  remove(fd: number): void;
  /** A wake-up in `us` microseconds at the latest; costs a system call only when it is earlier than the one set. */
  arm(us: number): void;
  disarm(): void;
  /** Wakes the loop; other threads use {@link Addon.signal} with `wakeFd`. */
  wake(): void;
  readonly wakeFd: number;
  /** READY bits of what is ready now, without waiting; takes timer and wake-up. */
  poll(): number;
  ref(): void;
  unref(): void;
  close(): void;
}

/** The process at the other end of a unix socket when it connected or began to listen (SO_PEERCRED). */
export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
  /** 0 when the process lives in another pid namespace. */
  readonly pid: number;
}

/** A connected SOCK_SEQPACKET socket. */
export interface ConnectedFd extends PeerCredentials {
  readonly fd: number;
}

/** The ends of a wake pipe: who sleeps watches and drains `waitFd`, who wakes signals `signalFd`. */
export interface WakePipeFds {
  readonly waitFd: number;
  readonly signalFd: number;
}

/** Bit of {@link Addon.watch}: there is something to read, accept or drain, or the other side has gone. */
export const WATCH_READABLE = 1;
/** Bit of {@link Addon.watch}: there is room to send. */
export const WATCH_WRITABLE = 2;

/** One descriptor on the event loop. */
export interface AddonWatch {
  /** WATCH bits that are told from now on; 0 = none. At first {@link WATCH_READABLE}. */
  events(bits: number): void;
  ref(): void;
  unref(): void;
  /** Before the descriptor is closed. No call of `onReady` after it. */
  close(): void;
}

/** Descriptors that one message can carry. */
export const PASSED_FDS_MAX = 8;

/**
 * The native addon. Every call checks its arguments; a failure throws an Error with `code` (errno name: EPERM, ENOENT,
 * EBUSY, …), `errno` and a message that says what was refused.
 */
export interface Addon {
  createWindow(bytes: number): AddonWindow;
  /** A memfd sealed against shrinking, bytes long. */
  createMemfd(name: string, bytes: number): number;
  /** Closes a TAP queue, memfd, socket or end of a wake pipe; EBUSY while it is watched. */
  closeFd(fd: number): void;
  /** Makes the namespace when missing (loopback up); true when it did. */
  ensureNetns(name: string): boolean;
  deleteNetns(name: string): void;
  /** `key` is a path below /proc/sys/net. */
  writeSysctl(options: { readonly netns?: string; readonly key: string; readonly value: string }): void;
  configureInterface(settings: InterfaceSettings): void;
  interfaceInfo(name: InterfaceName): InterfaceState;
  deleteLink(name: InterfaceName): void;
  createVethPair(pair: InterfaceName & { readonly peerNetns?: string; readonly peerName: string }): void;
  openTap(options: TapOptions): Tap;
  /**
   * `onReady(bits)` runs on the event loop, process.nextTick and promise callbacks after it. What it throws becomes an uncaught exception.
   */
  createPoller(onReady: (bits: number) => void): AddonPoller;
  /**
   * Watches a listening or connected socket or the reading end of a wake pipe; one watch each. `onReady(bits)` as that of
   * {@link Addon.createPoller}.
   */
  watch(fd: number, onReady: (bits: number) => void): AddonWatch;
  createWakePipe(): WakePipeFds;
  /** Wakes who waits at the other end of `signalFd`, or the poller with that `wakeFd`. Never blocks. */
  signal(fd: number): void;
  /** Wake-ups taken from `waitFd`, 0 when there was none; -EPIPE when all writing ends are closed. */
  drain(waitFd: number): number;
  /**
   * A listening SOCK_SEQPACKET socket at a path, or at "@name" for an abstract name. The socket file of a dead process is
   * replaced; EADDRINUSE when its owner lives. The file has the permissions `mode` whatever the umask.
   */
  listenSeqpacket(path: string, mode: number): number;
  /** Or a negative errno: -EAGAIN when nobody waits. Where the kernel can (Linux 6.16) its peer cannot pass descriptors. */
  acceptSeqpacket(fd: number): ConnectedFd | number;
  connectSeqpacket(path: string): ConnectedFd;
  /** Bytes sent, or a negative errno: -EAGAIN when there is no room now. `fds`: memfds and ends of wake pipes. */
  sendMessage(fd: number, bytes: Uint8Array, fds?: readonly number[]): number;
  /**
   * Bytes of the message, 0 at the end, or a negative errno: -EAGAIN when there is none, -EBADMSG when it was longer than
   * `bytes` or its descriptors are more than {@link PASSED_FDS_MAX} or not all sealed memfds and ends of pipes (all are
   * closed then). `fds`, of that length, gets the descriptors, then -1; without it descriptors make a message bad.
   */
  receiveMessage(fd: number, bytes: Uint8Array, fds?: Int32Array): number;
  /** Another number for a memfd or an end of a wake pipe, or a negative errno. */
  duplicateFd(fd: number): number;
}

/** Where the addon lies: native/build/Release below the package root, seen from src/host and from dist/src/host. */
function addonPath(): string | undefined {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (let i = 0; i < 4; i++) {
    directory = dirname(directory);
    const path = join(directory, "native", "build", "Release", "weft.node");
    if (existsSync(path)) return path;
  }
  return undefined;
}

/** Loads the addon; later calls answer at once. Throws an Error with code ERR_WEFT_NO_ADDON when it is not built. */
export function loadAddon(): Addon {
  const path = addonPath();
  if (path === undefined) {
    throw Object.assign(new Error("native addon not built: run npm run build"), { code: "ERR_WEFT_NO_ADDON" });
  }
  const addon: Addon = createRequire(import.meta.url)(path);
  return addon;
}
