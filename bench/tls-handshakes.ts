// How many handshakes (TLS 1.3, P-256, X25519) a second, full ones and resumptions, eight at a time and (-one) one at a time,
// between applications of two stacks on a wire in memory, with TCP's opening and end and a byte from the server, beside the
// engine alone between two buffers of the window (/engine)?
import { AppServer } from "../src/app/attach.js";
import type { App } from "../src/app/app.js";
import { SystemClock } from "../src/host/system-clock.js";
import { TLS_1_3 } from "../src/transport/tls/engine.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { TlsEnds } from "./support/tls-ends.js";
import { TLS_SERVER, tlsStacks } from "./support/tls-stacks.js";

const HANDSHAKES = 2000;
const AT_ONCE = 8;
/** Servers have a port each, so that each connection resumes the session of the one before. */
const FIRST_PORT = 443;
const PAIRS = 7;
const PROFILE = { minVersion: TLS_1_3, suites: "TLS_AES_128_GCM_SHA256", groups: "X25519" };
const TICKET_SECONDS = 3600;
const BYTE = Uint8Array.of(1);

protect();
const clock = new SystemClock();

/** A client that comes to a server again and again. */
class Handshakes {
  readonly #stacks: ReturnType<typeof tlsStacks>;
  readonly #profiles: readonly number[];
  readonly #isResumed: boolean;
  readonly #atOnce: number;
  #client: App | undefined;
  #done = 0;

  constructor(isResumed: boolean, atOnce: number) {
    const ticketKeyMs = isResumed ? TICKET_SECONDS * 1000 : 0;
    this.#stacks = tlsStacks(clock, 1 << 18, { fifoBytes: 1 << 16, ticketKeyMs });
    this.#profiles = this.#stacks.map(({ host }) => host.tls?.store.addProfile(PROFILE) ?? 0);
    this.#isResumed = isResumed;
    this.#atOnce = atOnce;
  }

  async start(): Promise<void> {
    const [near, far] = this.#stacks;
    const accept = { accept: (session: { write(bytes: Uint8Array): number }): void => void session.write(BYTE) };
    const server = await new AppServer(far.host.sessions).attach({ name: "server" }, accept);
    for (let i = 0; i < this.#atOnce; i++) {
      await server.listen(`tls://${TLS_SERVER}/${FIRST_PORT + i}`, { tls: { profile: this.#profiles[1] } });
    }
    this.#client = await new AppServer(near.host.sessions).attach(
      { name: "client" },
      {
        // The byte comes after the ticket.
        rx: (session) => {
          this.#done++;
          session.reset();
        },
      },
    );
  }

  /** Measures once: handshakes a second. */
  readonly measure = async (): Promise<number> => {
    const { completed } = this.#stacks[1].host.tls ?? { completed: { full: 0, resumed: 0 } };
    const before = { ...completed };
    const startUs = clock.nowUs();
    const tls = { profile: this.#profiles[0], verify: "none" } as const;
    for (let i = 0; i < HANDSHAKES; i += this.#atOnce) {
      const end = this.#done + this.#atOnce;
      const connecting = Array.from({ length: this.#atOnce }, async (_, port) =>
        this.#client?.connect(`tls://${TLS_SERVER}/${FIRST_PORT + port}`, { tls }),
      );
      for (let turns = 0; turns < 1000 && this.#done < end; turns++) {
        for (const { engine } of this.#stacks) engine.turn();
      }
      await Promise.all(connecting);
    }
    const rate = (HANDSHAKES * 1e6) / (clock.nowUs() - startUs);
    for (let i = 0; i < 100; i++) for (const { engine } of this.#stacks) engine.turn();
    const [full, resumed] = [completed.full - before.full, completed.resumed - before.resumed];
    if ((this.#isResumed ? resumed : full) < HANDSHAKES - this.#atOnce)
      throw new Error(`${full} full, ${resumed} resumed`);
    return rate;
  };
}

for (const [name, isResumed, atOnce] of [
  ["tls-handshakes", false, AT_ONCE],
  ["tls-handshakes-resumed", true, AT_ONCE],
  ["tls-handshakes-one", false, 1],
  ["tls-handshakes-resumed-one", true, 1],
] as const) {
  const handshakes = new Handshakes(isResumed, atOnce);
  await handshakes.start();
  const ends = new TlsEnds(PROFILE, BYTE, isResumed ? TICKET_SECONDS : 0);
  const alone = (): number => {
    const startUs = clock.nowUs();
    for (let i = 0; i < HANDSHAKES; i++) ends.open();
    const rate = (HANDSHAKES * 1e6) / (clock.nowUs() - startUs);
    if (ends.isResumed !== isResumed) throw new Error("the engine resumed, or did not");
    return rate;
  };
  await handshakes.measure();
  alone();
  const { ours, peer, ratio } = await measurePairs(PAIRS, handshakes.measure, alone);
  printValue(name, ours, "/s");
  printValue(`${name}-engine`, peer, "/s");
  printRatio(name, "engine", ratio);
}
process.exit(0);
