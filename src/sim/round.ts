import type { Host } from "../../nodes/host.js";
import type { LocalApp } from "../app/local-app.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { ApplicationOptions, AppScope } from "../session/application.js";
import type { SegmentOptions } from "../session/segment-manager.js";
import type { EndPlan } from "./workload.js";

/** Namespaces that rounds make, change and delete on both hosts. */
export const ROUND_NAMESPACES = ["red", "green", "blue"] as const;

/** Where the application listens that each host has all the time, with both protocols and families. */
export const RESIDENT_PORT = 7;

/** A host on which applications of rounds run: one of the simulator, or a stack with a device. */
export interface RoundHost {
  readonly name: string;
  readonly stack: { readonly host: Host };
  /** As text, without prefix length. */
  readonly addresses: readonly string[];
  /** What callbacks of its applications threw. */
  readonly errors: unknown[];
  readonly hasVanished: boolean;
  /** Attaches an application. Throws SessionError. */
  attach(options: ApplicationOptions, callbacks: AppCallbacks): LocalApp;
}

/** What a namespace sees of its host. */
export interface RoundNamespace {
  readonly id: (typeof ROUND_NAMESPACES)[number];
  readonly secret: string;
  readonly interface?: string;
  readonly table4?: number;
  readonly table6?: number;
}

/** Something odd that an application does from within the `nth` call of one of its callbacks. */
export interface RoundOddity {
  readonly callback: keyof AppCallbacks;
  readonly nth: number;
  readonly act: "throw" | "detach" | "delete-worker" | "unlisten" | "reset" | "close";
}

/** An application of a round. */
export interface RoundAppPlan {
  /** On which of the two hosts. */
  readonly host: 0 | 1;
  /** Made or changed before it attaches; absent: the default one. */
  readonly namespace?: RoundNamespace;
  /** False: it tries a wrong secret, and must be refused. */
  readonly knowsSecret: boolean;
  readonly scope: readonly AppScope[];
  /** Besides the default worker. */
  readonly workers: number;
  readonly rxFifoBytes: number;
  readonly txFifoBytes: number;
  /** Fifo memory of its own. */
  readonly segments?: SegmentOptions;
  readonly oddity?: RoundOddity;
}

/** An address of a host, any, or one on its link that nobody has. */
export type RoundAddress = "any" | "own" | "loopback" | "nobody";

/** A worker listens. */
export interface RoundListen {
  /** Which of the round's applications. */
  readonly app: number;
  readonly worker: number;
  readonly protocol: "tcp" | "udp";
  readonly family: 4 | 6;
  readonly address: RoundAddress;
  readonly port: number;
  readonly backlog: number;
  /** Datagrams: a session for each peer. */
  readonly isConnected: boolean;
  /** On every port, which must be 0 then. */
  readonly isProxy: boolean;
}

/** Datagrams that a client sends, each of which is to come back. */
export interface DatagramPlan {
  readonly count: number;
  /** Of each, besides its number. */
  readonly bytes: number;
  readonly everyUs: number;
}

/** A worker connects. */
export interface RoundConnect {
  readonly app: number;
  readonly worker: number;
  /** Since the round began. */
  readonly atUs: number;
  /** Which host is meant; `address` says by which of its addresses. */
  readonly host: 0 | 1;
  readonly family: 4 | 6;
  readonly address: RoundAddress;
  readonly port: number;
  /** Where from; 0: from a port that is chosen. */
  readonly fromPort: number;
  /** The server refuses it in accept. */
  readonly isRefused: boolean;
  /** Closes it so long after the connect, if it is not open by then; -1: never. */
  readonly abandonAfterUs: number;
  /** Of a stream: what both ends do; else datagrams. */
  readonly ends?: readonly [client: EndPlan, server: EndPlan];
  readonly datagrams?: DatagramPlan;
}

/** Something is broken off. */
export interface RoundBreak {
  /** Since the round began. */
  readonly atUs: number;
  readonly app: number;
  readonly kind: "detach" | "delete-worker" | "delete-namespace" | "unlisten" | "take";
  /** Chooses among workers, listeners or sessions. */
  readonly pick: number;
}

/** A round: applications attach, listen, connect, transfer and detach, and things are broken off in between. */
export interface RoundPlan {
  /** Since its wave began. */
  readonly startUs: number;
  /** When all its applications are detached, if its connects have not ended before; since it began. */
  readonly endUs: number;
  readonly apps: readonly RoundAppPlan[];
  readonly listens: readonly RoundListen[];
  readonly connects: readonly RoundConnect[];
  readonly breaks: readonly RoundBreak[];
}

/** An address of a host as a round means it, as text. */
export function addressText(addresses: readonly string[], family: 4 | 6, address: RoundAddress): string {
  const own = addresses.find((each) => each.includes(":") === (family === 6)) ?? "";
  switch (address) {
    case "any":
      return family === 4 ? "0.0.0.0" : "::";
    case "loopback":
      return family === 4 ? "127.0.0.1" : "::1";
    case "nobody":
      return own.replace(/\d+$/, "99");
    default:
      return own;
  }
}
