// How many full handshakes (TLS 1.3, ECDSA P-256, X25519) a second, one at a time, between applications of two stacks on a wire
// in memory, TCP's opening and end among them, beside the engine alone between two buffers of the window (/engine)?
import { AppServer } from "../src/app/attach.js";
import { SystemClock } from "../src/host/system-clock.js";
import { TLS_1_3 } from "../src/transport/tls/engine.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { TlsEnds } from "./support/tls-ends.js";
import { TLS_SERVER, tlsStacks } from "./support/tls-stacks.js";

const HANDSHAKES = 2000;
const PAIRS = 7;
const PROFILE = { minVersion: TLS_1_3, suites: "TLS_AES_128_GCM_SHA256", groups: "X25519" };

protect();
const clock = new SystemClock();
const stacks = tlsStacks(clock, 1 << 18, { fifoBytes: 1 << 16 });
const [near, far] = stacks;
const [profile, ownProfile] = stacks.map(({ host }) => host.tls?.store.addProfile(PROFILE) ?? 0);
let accepted = 0;
const listening = await new AppServer(far.host.sessions).attach({ name: "server" }, { accept: () => void accepted++ });
await listening.listen(`tls://${TLS_SERVER}/443`, { tls: { profile: ownProfile } });
let opened = 0;
const connecting = await new AppServer(near.host.sessions).attach(
  { name: "client" },
  {
    connected: (session) => {
      if (session !== undefined) opened++;
      session?.reset();
    },
  },
);
const ends = new TlsEnds(PROFILE, new Uint8Array(16));

/** Handshakes a second. */
async function throughStacks(): Promise<number> {
  const startUs = clock.nowUs();
  const before = [opened, accepted];
  for (let i = 1; i <= HANDSHAKES; i++) {
    const connect = connecting.connect(`tls://${TLS_SERVER}/443`, { tls: { profile, verify: "none" } });
    connect.catch(() => {});
    for (let turns = 0; turns < 1000 && opened < before[0] + i; turns++) for (const { engine } of stacks) engine.turn();
    await connect;
  }
  const rate = (HANDSHAKES * 1e6) / (clock.nowUs() - startUs);
  for (let i = 0; i < 100; i++) for (const { engine } of stacks) engine.turn();
  if (accepted - before[1] !== HANDSHAKES) throw new Error(`${accepted - before[1]} were accepted`);
  return rate;
}

function alone(): number {
  const startUs = clock.nowUs();
  for (let i = 0; i < HANDSHAKES; i++) ends.open();
  return (HANDSHAKES * 1e6) / (clock.nowUs() - startUs);
}

await throughStacks();
alone();
const { ours, peer, ratio } = await measurePairs(PAIRS, throughStacks, alone);
printValue("tls-handshakes", ours, "/s");
printValue("tls-handshakes-engine", peer, "/s");
printRatio("tls-handshakes", "engine", ratio);
for (const stack of stacks) stack.close();
process.exit(0);
