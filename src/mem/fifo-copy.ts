import type { MemoryWindow } from "./window.js";

// copyWithin costs about the same from 1 to 256 bytes; below these lengths a loop is faster (measured).
const WORDS_BELOW = 80;
const UNALIGNED_WORDS_BELOW = 44;

/** Copies `len` bytes inside the window. The ranges must not overlap and must lie inside it. */
export function copyBytes(window: MemoryWindow, to: number, from: number, len: number): void {
  const u8 = window.u8;
  if (len >= WORDS_BELOW) {
    u8.copyWithin(to, from, from + len);
    return;
  }
  const whole = len & -4;
  if (((to | from) & 3) === 0) {
    const i32 = window.i32;
    const last = (to + whole) >> 2;
    let f = from >> 2;
    for (let t = to >> 2; t < last; t++) i32[t] = i32[f++];
  } else if (len < UNALIGNED_WORDS_BELOW) {
    const dv = window.dv;
    for (let i = 0; i < whole; i += 4) dv.setInt32(to + i, dv.getInt32(from + i));
  } else {
    u8.copyWithin(to, from, from + len);
    return;
  }
  for (let i = whole; i < len; i++) u8[to + i] = u8[from + i];
}

// Below these lengths a byte loop is cheaper than a view and a `set`.
const LOOP_BELOW = 16;

/** Copies `len` bytes of an application's array into the window. The ranges must be valid. */
export function copyIn(window: MemoryWindow, to: number, src: Uint8Array, from: number, len: number): void {
  const u8 = window.u8;
  if (len < LOOP_BELOW) for (let i = 0; i < len; i++) u8[to + i] = src[from + i];
  else if (from === 0 && len === src.length) u8.set(src, to);
  else u8.set(new Uint8Array(src.buffer, src.byteOffset + from, len), to);
}

/** Copies `len` bytes of the window into an application's array. The ranges must be valid. */
export function copyOut(window: MemoryWindow, dst: Uint8Array, at: number, from: number, len: number): void {
  const u8 = window.u8;
  if (len < LOOP_BELOW) for (let i = 0; i < len; i++) dst[at + i] = u8[from + i];
  else dst.set(new Uint8Array(u8.buffer, from, len), at);
}
