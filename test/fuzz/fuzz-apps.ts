import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { Session } from "../../src/app/session.js";
import type { SeededRandom } from "../../src/random/seeded.js";
import type { SessionLayer } from "../../src/session/session-layer.js";
import { pick } from "./frames.js";

/** Applications throw once in so many callbacks. */
const THROW_ONCE_IN = 300;
const TARGETS = [
  "tcp://198.18.1.9/80",
  "tcp://[2001:db8:1::9]:80",
  "tcp://198.18.2.9/80",
  "tcp://[2001:db8:2::9]:80",
  "tcp://198.19.0.5/80",
  "tcp://198.18.1.2/7",
  "tcp://[2001:db8:1::2]:7",
  "tcp://198.18.1.2/19",
  "tcp://[2001:db8:1::2]:19",
  "udp://198.18.1.9/53",
  "udp://[2001:db8:2::9]:53",
  "udp://198.18.1.2/7",
  "udp://[2001:db8:1::2]:9",
];
/** Where the announcer sends to: groups, broadcast addresses, itself, neighbours, nowhere. */
const GROUPS4 = [
  "224.0.0.251",
  "255.255.255.255",
  "198.18.1.255",
  "198.18.2.255",
  "198.18.1.2",
  "198.18.2.77",
  "8.8.8.8",
];
const GROUPS6 = ["ff02::fb", "ff05::1", "fe80::9", "2001:db8:1::2", "2001:db8:2::77", "2001:db9::1"];

/** Careless applications: they throw, forget to read, write without end, and close when they should not. */
export class FuzzApps {
  /** Errors that callbacks have thrown. */
  thrown = 0;
  readonly #random: SeededRandom;
  readonly #server: AppServer;
  readonly #buffer = new Uint8Array(8192).fill(0x61);
  readonly #announcers: Session[] = [];
  /** Sessions that were accepted or connected; some have gone. */
  readonly #known: Session[] = [];
  #client: App | undefined;

  constructor(sessions: SessionLayer, random: SeededRandom) {
    this.#random = random;
    this.#server = new AppServer(sessions);
  }

  /** Attaches all of them. */
  async start(): Promise<void> {
    await this.#startStreams();
    await this.#startDatagrams();
    this.#client = await this.#server.attach({ name: "client" }, { rx: (session) => this.#echo(session) });
  }

  #echo(session: Session): void {
    if (this.#random.nextBelow(THROW_ONCE_IN) === 0) {
      this.thrown++;
      throw new Error("an application's mistake");
    }
    const n = session.read(this.#buffer);
    if (n > 0) session.write(this.#buffer, 0, n);
    this.#maybeEnd(session, 150);
  }

  #know(session: Session): void {
    if (this.#known.length < 512) this.#known.push(session);
    else session.reset();
  }

  /** Ends some sessions, in one way or the other. */
  tidy(): void {
    const count = 4 + (this.#known.length >> 3);
    for (let i = 0; i < count && this.#known.length > 0; i++) {
      const at = this.#random.nextBelow(this.#known.length);
      const [session] = this.#known.splice(at, 1);
      this.#maybeEnd(session, 3);
    }
  }

  #maybeEnd(session: Session, onceIn: number): void {
    const fate = this.#random.nextBelow(onceIn);
    if (fate === 0) session.close();
    else if (fate === 1) {
      if (session.halfClose() < 0) session.close();
    } else if (fate === 2) session.reset();
  }

  async #startStreams(): Promise<void> {
    const echo = (session: Session): void => this.#echo(session);
    const disconnect = (session: Session): void => void session.close();
    const accept = (session: Session): boolean => {
      this.#know(session);
      return this.#random.nextBelow(50) > 0;
    };
    await this.#listen("echo", { accept, rx: echo, tx: echo, disconnect }, "tcp", [7, 7001]);
    const deaf = (session: Session): void => this.#maybeEnd(session, 60);
    const shut = (session: Session): void => {
      this.#know(session);
      if (this.#random.nextBelow(3) === 0) session.halfClose();
    };
    await this.#listen("deaf", { accept: shut, rx: deaf, disconnect }, "tcp", [21]);
    const talk = (session: Session): void => {
      session.read(this.#buffer);
      session.write(this.#buffer);
      session.write(this.#buffer);
      this.#maybeEnd(session, 100);
    };
    const greet = (session: Session): void => {
      this.#know(session);
      talk(session);
    };
    await this.#listen("talker", { accept: greet, rx: talk, tx: talk, disconnect }, "tcp", [19]);
  }

  async #listen(
    name: string,
    callbacks: Parameters<AppServer["attach"]>[1],
    protocol: string,
    ports: readonly number[],
    options: { readonly connected?: boolean } = {},
  ): Promise<App> {
    const app = await this.#server.attach({ name }, callbacks);
    for (const port of ports) {
      await app.listen(`${protocol}://0.0.0.0/${port}`, options);
      await app.listen(`${protocol}://[::]:${port}`, options);
    }
    return app;
  }

  async #startDatagrams(): Promise<void> {
    const random = this.#random;
    const answer = (session: Session): void => {
      for (let i = 0; i < 16 && session.readDatagram(this.#buffer) >= 0; i++) {
        session.reply(this.#buffer, 0, pick(random, [0, 100, 100, 1300, 4000]));
      }
    };
    await this.#listen("udp echo", { rx: answer }, "udp", [7]);
    await this.#listen("udp deaf", {}, "udp", [5001]);
    // A session per peer: some answer by more datagrams than go at once, and close.
    const chatter = (session: Session): void => {
      while (session.readDatagram(this.#buffer) >= 0);
      const fate = random.nextBelow(4);
      if (fate > 1) session.close();
      if (fate > 0) return;
      for (let i = 0; i < 400 && session.writeDatagram(this.#buffer, 0, 1) > 0; i++);
      session.close();
    };
    const accept = (session: Session): void => {
      this.#know(session);
      if (random.nextBelow(4) === 0) session.close();
    };
    await this.#listen("udp sessions", { accept, rx: chatter }, "udp", [9], { connected: true });
    const announcer = await this.#server.attach({ name: "announcer" }, {});
    const own = ["198.18.1.2/5353", "[2001:db8:1::2]:5353", "0.0.0.0/5354", "[::]:5354"];
    for (const end of own) this.#announcers.push((await announcer.listen(`udp://${end}`)).session);
  }

  /** Datagrams to groups, broadcast addresses and whom nobody knows. */
  announce(): void {
    const random = this.#random;
    const which = random.nextBelow(this.#announcers.length);
    const bytes = this.#buffer.subarray(0, pick(random, [10, 1200, 3000]));
    this.#announcers[which].sendTo(bytes, pick(random, (which & 1) === 0 ? GROUPS4 : GROUPS6), 5353);
  }

  /** Starts a connection of the host to itself, over which much is sent. */
  connectToSelf(): void {
    this.connect(pick(this.#random, ["tcp://198.18.1.2/19", "tcp://[2001:db8:1::2]:19"]));
  }

  /** Starts an active open that may or may not be answered. */
  connect(uri = pick(this.#random, TARGETS)): void {
    const write = uri.startsWith("udp")
      ? (session: Session): void => void session.writeDatagram(this.#buffer, 0, 500)
      : (session: Session): void => void session.write(this.#buffer, 0, 1000);
    const use = (session: Session): void => {
      this.#know(session);
      write(session);
    };
    this.#client?.connect(uri).then(use, () => {});
  }
}
