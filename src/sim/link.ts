import type { SeededRandom } from "../random/seeded.js";
import { type DirectionCounters, type DropReason, LinkDirection } from "./link-direction.js";
import type { LinkOptions } from "./link-options.js";
import type { Network } from "./network.js";
import type { SimFrame } from "./sim-frame.js";

/** Which way a frame goes. */
export type Direction = "a-to-b" | "b-to-a";

/** What stands at the end of a link: a host or a switch. */
export interface LinkEnd {
  readonly name: string;
  /** A frame has come by this end's link `port`, as {@link SimLink} numbered it; the end takes it over. */
  receive(port: number, frame: SimFrame): void;
}

/** A frame that came to a link, and what becomes of it. It and its bytes hold during the call only. */
export interface FrameEvent {
  readonly link: SimLink;
  /** 0: a to b, 1: b to a. */
  readonly direction: 0 | 1;
  /** When it was offered. With CoDel its fate is told when it leaves the queue. */
  readonly timeUs: number;
  /** The frame as it leaves: rewritten, marked, corrupted. */
  readonly bytes: Uint8Array;
  /** Undefined: it arrives at {@link deliverUs}. */
  readonly dropReason: DropReason | undefined;
  /** -1 when it is lost. */
  readonly deliverUs: number;
  /** What happened on the way: `duplicate`, `reordered`, `corrupt`, `CE`, `rewritten`, `router`, with commas between. */
  readonly note?: string;
}

/** Who is told of frames. */
export interface FrameObserver {
  onFrame: ((event: FrameEvent) => void) | undefined;
}

/** What a link is made of. */
export interface LinkParts {
  readonly network: Network;
  readonly random: SeededRandom;
  readonly observer: FrameObserver;
  /** Number of the link in its network. */
  readonly index: number;
  readonly ends: readonly [LinkEnd, LinkEnd];
  /** How each end calls this link. */
  readonly ports: readonly [number, number];
}

/** A link between two hosts or switches: each direction with faults, queue and random numbers of its own. */
export class SimLink {
  readonly index: number;
  readonly name: string;
  readonly ends: readonly [LinkEnd, LinkEnd];
  /** From a to b, and from b to a. */
  readonly directions: readonly [LinkDirection, LinkDirection];

  constructor(parts: LinkParts, options: LinkOptions) {
    const { network, random, observer, index, ends, ports } = parts;
    this.index = index;
    this.ends = ends;
    this.name = `${ends[0].name}-${ends[1].name}`;
    const make = (direction: 0 | 1): LinkDirection => {
      const far = direction === 0 ? 1 : 0;
      const to = ends[far];
      const port = ports[far];
      return new LinkDirection(
        {
          network,
          random: random.fork(),
          id: index * 2 + direction,
          to: { arrive: (frame) => to.receive(port, frame) },
          report: (frame, dropReason, deliverUs) => {
            if (observer.onFrame !== undefined) observer.onFrame(this.#event(direction, frame, dropReason, deliverUs));
          },
          answer: (frame) => this.directions[far].offer(frame),
        },
        options,
      );
    };
    this.directions = [make(0), make(1)];
  }

  #event(direction: 0 | 1, frame: SimFrame, dropReason: DropReason | undefined, deliverUs: number): FrameEvent {
    const bytes = frame.bytes.subarray(0, frame.length);
    const event = { link: this, direction, timeUs: frame.offeredUs, bytes, dropReason, deliverUs };
    return frame.note === "" ? event : { ...event, note: frame.note };
  }

  /**
   * Changes options from now on, of one direction or of both; what is not named stays. Frames that were sent already
   * arrive as they would have. Throws RangeError, with nothing changed, when one is out of range.
   */
  set(options: LinkOptions, direction?: Direction): void {
    if (direction !== "b-to-a") this.directions[0].set(options);
    if (direction !== "a-to-b") this.directions[1].set(options);
  }

  /** Cuts the link, or one direction of it: frames offered are lost until {@link heal}. */
  partition(direction?: Direction): void {
    this.#cut(true, direction);
  }

  /** Ends a {@link partition}. */
  heal(direction?: Direction): void {
    this.#cut(false, direction);
  }

  #cut(isCut: boolean, direction: Direction | undefined): void {
    if (direction !== "b-to-a") this.directions[0].isCut = isCut;
    if (direction !== "a-to-b") this.directions[1].isCut = isCut;
  }

  /** Ends the link for good: the host at one of its ends vanished. */
  die(): void {
    for (const direction of this.directions) direction.isDead = true;
  }

  /** Counters, from a to b and from b to a. */
  get counters(): readonly [DirectionCounters, DirectionCounters] {
    return [this.directions[0].counters, this.directions[1].counters];
  }

  /** Bytes that wait or are being sent at this moment. */
  queueBytesNow(direction: Direction): number {
    return this.directions[direction === "a-to-b" ? 0 : 1].queueBytesNow();
  }
}
