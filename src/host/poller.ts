import type { Device } from "../device/device.js";
import { type AddonPoller, loadAddon } from "./addon.js";

/** A descriptor has input (or, when asked for, room). */
export const READY_FD = 1;
/** The armed time has come. */
export const READY_TIMER = 2;
/** Somebody called wake or signal. */
export const READY_WAKE = 4;
/** A descriptor is in error: its interface went down or away; the device's next burst tells. Comes with READY_FD. */
export const READY_FAILED = 8;

/** Wakes the event loop for devices, a timer and other threads. */
export type Poller = AddonPoller;

/** A device whose frames announce themselves on a descriptor. */
export interface PollableDevice extends Device {
  readonly fd: number;
}

/**
 * Makes a poller on this thread's event loop, which it keeps alive until `unref` or `close`. `onReady` gets READY bits.
 */
export function createPoller(onReady: (bits: number) => void): Poller {
  return loadAddon().createPoller(onReady);
}
