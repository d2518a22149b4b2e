import { type WrittenFrame, writeCapture } from "../device/pcap-write.js";
import type { FrameEvent } from "./link.js";
import { type RunResult, runCase } from "./runner.js";
import type { SimCase } from "./sim-case.js";

/** Frames of a capture at most: the last ones of the run. */
const MAX_FRAMES = 200_000;

/** What tells of a failed run. */
export interface Evidence {
  /** Every frame with its fate as a comment: a pcapng file. */
  readonly capture: Uint8Array;
  /** The case and its failure: a JSON file that `weft sim --case` runs again. */
  readonly script: string;
}

/** What a script holds. */
export interface SimScript {
  readonly command: string;
  readonly hash: string;
  readonly failure: RunResult["failure"];
  readonly case: SimCase;
}

/** Runs a failed case once more and keeps its frames; `command` is the line that repeats it. */
export function evidenceOf(of: SimCase, command: string, run: typeof runCase = runCase): Evidence {
  const frames: WrittenFrame[] = [];
  const { hash, failure } = run(of, {
    onFrame: (event) => {
      frames.push(written(event));
      if (frames.length >= 2 * MAX_FRAMES) frames.splice(0, MAX_FRAMES);
    },
  });
  const comments = [command, failure === undefined ? "no failure" : `${failure.invariant}: ${failure.text}`];
  const script: SimScript = { command, hash, failure, case: of };
  return {
    capture: writeCapture({ format: "pcapng", interfaceName: "sim", comments }, frames.slice(-MAX_FRAMES)),
    script: `${JSON.stringify(script, undefined, 2)}\n`,
  };
}

/** A frame as it left, with where and what happened to it. */
function written({ link, direction, timeUs, bytes, dropReason, deliverUs, note }: FrameEvent): WrittenFrame {
  const [a, b] = link.ends;
  const way = direction === 0 ? `${a.name} > ${b.name}` : `${b.name} > ${a.name}`;
  const fate = dropReason === undefined ? `arrives after ${deliverUs - timeUs} us` : `dropped: ${dropReason}`;
  return {
    seconds: Math.floor(timeUs / 1_000_000),
    nanoseconds: (timeUs % 1_000_000) * 1000,
    bytes: bytes.slice(),
    comments: note === undefined ? [way, fate] : [way, fate, note],
  };
}
