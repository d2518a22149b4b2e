import { maskPrefix, type Prefix, parsePrefix } from "../ip/address.js";

/** What becomes of packets from peers of a prefix that have no connection: dropped, or on to the listeners. */
export const SDL_ACTIONS = ["drop", "allow"] as const;

/** One of them. */
export type SdlAction = (typeof SDL_ACTIONS)[number];

/** An entry of the source deny list: peers of a prefix, of which the longest that covers a peer decides. */
export interface SdlEntry {
  /** Whose tables it is in, by id; absent: the default one. */
  readonly namespace?: string;
  /** `address/length`, the length from 1 on; bits behind it do not count. */
  readonly remote: string;
  /** Absent: drop. */
  readonly action?: SdlAction;
  /** 1 to 64 characters; one entry of a table has it. */
  readonly tag?: string;
}

/** A change of the source deny list, or of how peers get into it by themselves, that can be kept and applied again. */
export type SdlRecord =
  | ({ readonly kind: "sdl"; readonly add: true } & SdlEntry)
  /** With a tag: the entry that has it; else that of exactly this prefix. */
  | {
      readonly kind: "sdl";
      readonly add: false;
      readonly namespace?: string;
      readonly remote?: string;
      readonly tag?: string;
    }
  | ({ readonly kind: "auto-sdl"; readonly enable: true } & AutoSdlOptions)
  | { readonly kind: "auto-sdl"; readonly enable: false };

/** When peers are denied by themselves; what is absent, as configured. */
export interface AutoSdlOptions {
  /** Handshakes that a peer may leave incomplete, plus one. */
  readonly threshold?: number;
  /** How long a peer is denied, and how long what it left incomplete counts. */
  readonly removeTimeoutS?: number;
}

/** Largest threshold. */
export const MAX_AUTO_SDL_THRESHOLD = 1_000_000;
/** Longest time that an automatic entry stays: a day. */
export const MAX_AUTO_SDL_TIMEOUT_S = 86_400;

/** Whether something that came from outside is an action. */
export function isSdlAction(value: unknown): value is SdlAction {
  return SDL_ACTIONS.some((each) => each === value);
}

/** The prefix of a text that came from outside; undefined when it is none. */
export function sdlPrefix(text: unknown): Prefix | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return maskPrefix(parsePrefix(text));
  } catch {
    return undefined;
  }
}
