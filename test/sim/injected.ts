import { frameView, patchWord, tcpOfFrame } from "../../src/sim/tcp-frame.js";
import type { World } from "../../src/sim/world.js";

/** A middlebox that alters one byte of payload in a segment of at least `least` bytes, the first behind `skip` others, and mends the checksum. */
export function flipsPayload(least = 4, skip = 0): (world: World) => void {
  return (world) => {
    let left = skip;
    world.path.set({
      rewrite: (frame) => {
        const segment = tcpOfFrame(frame);
        if (segment === undefined || segment.dataLen < least || left-- !== 0) return undefined;
        const at = segment.dataAt;
        patchWord(frame, segment, at, frameView(frame).getInt32(at) ^ 0x0100);
        return frame;
      },
    });
  };
}

/** Something done to the network after 700 ms. */
export function later(action: (world: World) => void): (world: World) => void {
  return (world) => world.sim.after(700_000, () => action(world));
}
