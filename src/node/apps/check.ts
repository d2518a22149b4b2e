import { crc32 } from "node:zlib";
import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type AppHandle, MAX_CONNECTIONS, startNative } from "./app-host.js";
import { dropReadable, moveBytes } from "./move-bytes.js";
import { PATTERN_PERIOD_BYTES, patternBytes } from "./pattern.js";

/** Longest command line, its newline aside. */
const MAX_LINE_BYTES = 64;
/** Time a peer has for its command line. */
const LINE_TIMEOUT_MS = 60_000;
/** Largest N of `send N`: a terabyte. */
const MAX_SEND_BYTES = 2 ** 40;
/** Largest MS of `hold MS`. */
const MAX_HOLD_MS = 600_000;
const OFFER_BYTES = 64 * 1024;

const LF = 10;
const CR = 13;

/** What a connection is doing: reading its command, or one of the commands. */
type Phase = "line" | "echo" | "send" | "sent" | "hold" | "count" | "closed";

class Conversation {
  phase: Phase = "line";
  ended = false;
  line = "";
  /** Of send: bytes still to go, and where in the period the next one is. */
  left = 0;
  at = 0;
  /** Of hold: bytes received, and their CRC. */
  count = 0;
  crc = 0;
  timer: NodeJS.Timeout | undefined = undefined;
}

/**
 * The line service that TCP checks run against. A connection sends one line, then:
 *
 *     echo       sends back every byte it receives; closes after EOF
 *     send N     sends N pattern bytes (byte i is i % 251), waits for EOF or one byte, closes
 *     hold MS    reads nothing for MS milliseconds, then reads to EOF, sends "<count> <crc32>\n", closes
 *     close      closes at once
 *
 * Anything else, a line longer than 64 bytes, or none in a minute: closed.
 */
export function startCheck(stack: AttachPoint, listen: readonly string[]): Promise<AppHandle> {
  const pattern = patternBytes(PATTERN_PERIOD_BYTES + OFFER_BYTES);
  const open = new Set<Conversation>();

  const close = (session: Session, it: Conversation): void => {
    it.phase = "closed";
    clearTimeout(it.timer);
    session.close();
  };

  /** Takes the line off the front; true when it is complete. */
  const readLine = (session: Session, it: Conversation): boolean => {
    let isComplete = false;
    session.peek((u8, offset, length) => {
      if (isComplete) return 0;
      let i = 0;
      while (i < length && it.line.length <= MAX_LINE_BYTES) {
        const byte = u8[offset + i++];
        if (byte === LF) {
          isComplete = true;
          break;
        }
        it.line += String.fromCharCode(byte);
      }
      return i;
    });
    return isComplete;
  };

  const obey = (session: Session, it: Conversation): void => {
    const line = it.line.charCodeAt(it.line.length - 1) === CR ? it.line.slice(0, -1) : it.line;
    const [, command = "", digits = "0"] = /^(echo|close|send|hold)(?: +(\d{1,16}))? *$/.exec(line) ?? [];
    const argument = Number(digits);
    clearTimeout(it.timer);
    if (command === "echo") it.phase = "echo";
    else if (command === "send" && argument <= MAX_SEND_BYTES) {
      it.phase = "send";
      it.left = argument;
    } else if (command === "hold" && argument <= MAX_HOLD_MS) {
      it.phase = "hold";
      it.timer = setTimeout(() => {
        it.phase = "count";
        advance(session, it);
      }, argument).unref();
    } else close(session, it);
  };

  const send = (session: Session, it: Conversation): void => {
    while (it.left > 0) {
      const offered = it.left < OFFER_BYTES ? it.left : OFFER_BYTES;
      const n = session.write(pattern, it.at, offered);
      if (n <= 0) return;
      it.left -= n;
      it.at = (it.at + n) % PATTERN_PERIOD_BYTES;
      if (n < offered) return;
    }
    it.phase = "sent";
  };

  const count = (session: Session, it: Conversation): void => {
    session.peek((u8, offset, length) => {
      it.count += length;
      it.crc = crc32(u8.subarray(offset, offset + length), it.crc);
      return length;
    });
    if (!it.ended || session.readableBytes > 0) return;
    session.write(Buffer.from(`${it.count} ${it.crc}\n`, "latin1"));
    close(session, it);
  };

  /** Goes as far as it can, whatever happened. */
  const advance = (session: Session, it: Conversation): void => {
    if (it.phase === "line") {
      if (readLine(session, it)) obey(session, it);
      else if (it.ended || it.line.length > MAX_LINE_BYTES) {
        dropReadable(session);
        close(session, it);
      }
    }
    if (it.phase === "send") send(session, it);
    if (it.phase === "echo" && moveBytes(session, session) && it.ended) close(session, it);
    else if (it.phase === "sent" && (dropReadable(session) > 0 || it.ended)) close(session, it);
    else if (it.phase === "count") count(session, it);
  };

  const event = (session: Session): void => {
    if (session.data instanceof Conversation) advance(session, session.data);
  };

  return startNative(
    stack,
    "check",
    listen,
    {
      accept(session) {
        if (open.size >= MAX_CONNECTIONS) return false;
        const it = new Conversation();
        session.data = it;
        open.add(it);
        it.timer = setTimeout(() => {
          dropReadable(session);
          close(session, it);
        }, LINE_TIMEOUT_MS).unref();
        return true;
      },
      rx: event,
      tx: event,
      disconnect(session) {
        if (session.data instanceof Conversation) session.data.ended = true;
        event(session);
      },
      cleanup(session, phase) {
        if (phase !== "session" || !(session.data instanceof Conversation)) return;
        clearTimeout(session.data.timer);
        open.delete(session.data);
      },
    },
    {},
    () => {
      for (const it of open) clearTimeout(it.timer);
    },
  );
}
