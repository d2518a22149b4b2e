// How many TCP sessions per second does an application in another process accept and close? They come from a second stack in
// this process, over a wire in memory, and are closed by it. On one processor and on two.
import { createStack, wire } from "../src/index.js";
import { AttachStack } from "./support/attach-stack.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { median, printValue } from "./support/report.js";

const SERVER = "198.18.0.2";
/** Sessions of one measurement. */
const SESSIONS = 5000;
/** Sessions that are being opened or closed at a time. */
const UNDER_WAY = 128;
const WARM_UP = 2;
const ROUNDS = 5;
/** Short enough for the range of ports to do. */
const TCP = { timeWaitMs: 50 } as const;

protect();
const [near, far] = wire();
const host = await AttachStack.open({
  interfaces: [{ name: "wire0", kind: "wire", device: far, addresses: [`${SERVER}/24`] }],
  tcp: TCP,
});
const peer = await createStack({
  interfaces: [{ name: "wire0", kind: "wire", device: near, addresses: ["198.18.0.1/24"] }],
  tcp: TCP,
});

/** Sessions per second. */
function measure(uri: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let opened = 0;
    let gone = 0;
    const start = process.hrtime.bigint();
    const connecting = peer.attach(
      { name: "connects" },
      {
        connected: (session) => session?.close(),
        cleanup: (_session, phase) => {
          if (phase !== "session") return;
          gone++;
          if (gone === SESSIONS) void end();
          else if (opened < SESSIONS) open();
        },
      },
    );
    const end = async (): Promise<void> => {
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      await (await connecting).detach();
      resolve(SESSIONS / seconds);
    };
    let app: Awaited<typeof connecting> | undefined;
    const open = (): void => {
      opened++;
      app?.connect(uri).catch(reject);
    };
    connecting
      .then((attached) => {
        app = attached;
        for (let i = 0; i < UNDER_WAY; i++) open();
      })
      .catch(reject);
  });
}

try {
  for (const [name, cpu, port] of [
    ["attach-accepts-1cpu", OUR_CPU, 7001],
    ["attach-accepts-2cpu", PEER_CPU, 7002],
  ] as const) {
    const uri = `tcp://${SERVER}/${port}`;
    const client = await host.client("accept", uri, cpu);
    const rates: number[] = [];
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      const rate = await measure(uri);
      if (round >= WARM_UP) rates.push(rate);
    }
    const accepted = await client.measure(0);
    if (accepted !== (WARM_UP + ROUNDS) * SESSIONS) throw new Error(`${accepted} were accepted`);
    await host.checkCounters();
    printValue(name, Math.round(median(rates)), "sessions/s");
    await host.endClients();
  }
} finally {
  await peer.close();
  await host.close();
}
