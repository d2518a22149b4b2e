// A client that wants to harm the stack: node fuzz-client.mjs DIRECTORY URI SEED LIVES PYTHON. URI is where an echo server
// listens. Each life is one connection to the attach socket, of a kind that the seed chooses; its name is a line of output.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { MESSAGES } from "../../../dist/src/app/messages/message-table.js";
import { encodeSocketMessage } from "../../../dist/src/app/messages/socket-messages.js";
import { ClientMemory } from "../../../dist/src/client/client-memory.js";
import { attachRequest } from "../../../dist/src/client/client-options.js";
import { ClientWorker } from "../../../dist/src/client/client-worker.js";
import { closeFds, requestWorker } from "../../../dist/src/client/handshake.js";
import { WorkerLink } from "../../../dist/src/client/worker-link.js";
import { SeqpacketSocket } from "../../../dist/src/host/unix-socket.js";
import { patternAt } from "./pattern.mjs";
import { randomOf } from "./random.mjs";

const [directory, uri, seed, lives, python] = process.argv.slice(2);
const path = join(directory, "default");
const random = randomOf(Math.imul(Number(seed), 2654435761));
/** A certificate of Node's own. */
const PEM = new TextEncoder().encode(rootCertificates[0]);
const pick = (list) => list[random(list.length)];
const word = () => pick([0, 1, -1, 2, 0x7fffffff, -0x80000000, random(4096), (random(1 << 30) << 2) | random(4)]);

// It breaks its own memory, so its own library may find anything: what counts is the stack.
process.on("uncaughtException", () => undefined);
process.on("unhandledRejection", () => undefined);

const request = () =>
  attachRequest({
    name: `fuzz${random(3)}`,
    scope: pick([["global"], ["local", "global"]]),
    closesOnDeath: random(2) === 0,
    segmentBytes: 1 << 20,
    addSegmentBytes: 256 << 10,
    maxFifoMemoryBytes: 2 << 20,
    maxSessions: 256,
  });

/** A packet for the socket, spoilt or not. */
function packet() {
  const sizes = {
    segmentBytes: random(1 << 30),
    maxFifoMemoryBytes: random(1 << 30),
    eventQueueBytes: random(1 << 30),
  };
  const handle = { appHandle: random(9), worker: random(9) };
  const pair = { index: 0, cert: new Uint8Array(9), key: new Uint8Array(9) };
  const crypto = { context: random(9), isAdd: random(3) > 0, index: random(3) };
  const pem = () => pick([new Uint8Array(0), new Uint8Array(random(65_536)), PEM, PEM.slice(random(PEM.length))]);
  const profile = { minVersion: pick([0, 0x303, 0x304, 7]), maxVersion: pick([0, 0x303, 0x304, 7]) };
  const lists = { ciphers: pick(["", "ALL", "x".repeat(512)]), suites: pick(["", "\0"]), groups: pick(["", "X25519"]) };
  let bytes = encodeSocketMessage(
    pick([
      request(),
      { ...request(), ...sizes, maxSessions: random(1 << 22), lowWatermark: random(300) },
      { type: "WORKER_ADD_DEL", context: random(9), isAdd: random(2) === 0, ...handle },
      { type: "CERT_KEY_ADD_DEL", context: 1, isAdd: true, ...pair },
      { type: "CERT_KEY_ADD_DEL", ...crypto, cert: pem(), key: pem() },
      { type: "TRUST_ADD_DEL", ...crypto, certificates: pem(), crl: pem() },
      { type: "OCSP_UPDATE", context: 1, index: random(3), response: new Uint8Array(random(16_380)) },
      { type: "CRL_UPDATE", context: 1, index: random(3), crl: pem() },
      { type: "TLS_PROFILE_ADD_DEL", ...crypto, ...profile, ...lists },
    ]),
  );
  const kind = random(6);
  if (kind === 0) bytes = bytes.slice(0, 1 + random(bytes.length - 1));
  else if (kind === 1) bytes = Uint8Array.from([...bytes, ...new Uint8Array(4 * (1 + random(2000)))]);
  else if (kind === 2) for (let i = random(8); i >= 0; i--) bytes[random(bytes.length)] = random(256);
  else if (kind === 3) bytes = Uint8Array.from({ length: 1 + random(65535) }, () => random(256));
  return bytes;
}

/** Packets in no order; the last ones may come after the worker is there. */
async function socketLife() {
  const socket = SeqpacketSocket.connect(path);
  if (random(2) === 0) socket.send(encodeSocketMessage(request()));
  for (let i = random(4); i >= 0; i--) socket.send(packet());
  await sleep(random(10));
  socket.close();
}

/** Descriptors that are no memfds, and too many of them, with a message that is right. */
async function descriptorLife() {
  const script = `
import array, os, socket, sys
r, w = os.pipe()
for fds in ([os.open("/dev/null", 2)], [r, w], [0, 1, 2], [r] * 253):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    try:
        for i in range(2):
            s.sendmsg([bytes.fromhex(sys.argv[2])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    except OSError:
        pass
`;
  spawnSync(python, ["-c", script, path, Buffer.from(encodeSocketMessage(request())).toString("hex")]);
}

/** Gives the stack back the descriptors that came from it: on the same socket, and with the same message on new ones. */
async function replayLife() {
  const attach = encodeSocketMessage(request());
  await requestWorker(path, request(), "fuzz", true, ({ socket, controlFd, segmentFd, waitFd, signalFd }) => {
    const fds = [controlFd, segmentFd, waitFd, signalFd];
    const sockets = [socket, ...Array.from({ length: random(3) }, () => SeqpacketSocket.connect(path))];
    for (const each of sockets) {
      each.onMessage = (_packet, more) => closeFds(more);
      for (let i = random(3); i >= 0; i--) {
        const again = { type: "SEND_FDS", segment: word() >>> 0, segmentBytes: random(1 << 30) };
        each.send(random(2) === 0 ? attach : encodeSocketMessage(again), fds.slice(random(4)));
      }
    }
    closeFds(fds);
    setTimeout(() => sockets.forEach((each) => each.close()), random(20));
  });
  await sleep(20);
}

/** A value of a field's kind, right in form. */
function valueOf({ kind, max = 64 }, handles) {
  switch (kind) {
    case "u32":
      return word() >>> 0;
    case "i32":
      return word() | 0;
    case "flag":
      return random(2) === 0;
    case "handle":
      return handles.length > 0 && random(4) > 0 ? pick(handles) : word() >>> 0;
    case "endpoint":
    case "maybeEndpoint":
      return { family: 4, address: Int32Array.of(word(), 0, 0, 0), port: random(65536) };
    case "text":
      return pick([uri, "tcp://0.0.0.0/0", "udp://198.18.0.2/0", "x".repeat(random(max)), "tcp://::/1"]);
    case "bytes":
      return new Uint8Array(random(max));
    case "attribute":
      return "noDelay";
    default:
      return {};
  }
}

const TO_STACK = Object.entries(MESSAGES).filter(
  ([name, { direction }]) => direction !== "to-app" && name !== "APP_DETACH",
);

/** A record as it cannot be: any number, any length, any words. */
function record({ producer, window }) {
  const bytes = 8 * random(40);
  const at = producer.begin(random(64), word(), bytes);
  if (at === 0) return;
  for (let w = 0; w < bytes / 4; w++) window.i32[(at >> 2) + w] = word();
  producer.end();
}

/** Messages in no order, with handles of others, again and again; in the end records that are none. */
async function queueLife() {
  const memory = new ClientMemory();
  const handles = [];
  let hasEnded = false;
  const listener = {
    received: () => undefined,
    hasRoom: () => undefined,
    told: ({ handle }) => handle > 0 && handles.push(handle),
    ended: () => (hasEnded = true),
  };
  const open = (attached) => new WorkerLink(memory, attached, listener);
  const link = await requestWorker(path, request(), "fuzz", true, open);
  const spoilsFrom = pick([50, 150, Infinity]);
  link.say({ type: "CONNECT_URI", context: 1, uri, from: "", attributes: {}, extConfig: new Uint8Array() });
  await sleep(5);
  for (let i = 0; i < 200 && !hasEnded; i++) {
    const kind = random(12);
    if (kind < 8) {
      const [type, { fields }] = pick(TO_STACK);
      const message = { type, session: random(64), context: random(4) };
      for (const field of fields) message[field.name] = valueOf(field, handles);
      for (let again = random(3); again >= 0; again--) link.say(message);
    } else if (kind < 10) link.event(pick([1, 40]), random(2) === 0 ? word() >>> 0 : random(64));
    else if (i > spoilsFrom) {
      record(link.memory);
      link.event(1, 0);
    }
    if (random(10) === 0) await sleep(1);
  }
  await sleep(random(20));
  link.close();
  memory.close();
}

/** A ClientMemory that knows what it has mapped: the control segment, then fifo segments. */
function watchedMemory() {
  const memory = new ClientMemory();
  const ranges = [];
  const [map, unmap] = [memory.map.bind(memory), memory.unmap.bind(memory)];
  memory.map = (fd, bytes) => {
    const offset = map(fd, bytes);
    ranges.push({ offset, bytes });
    return offset;
  };
  memory.unmap = (offset, bytes) => {
    ranges.splice(0, ranges.length, ...ranges.filter((each) => each.offset !== offset));
    unmap(offset, bytes);
  };
  return { memory, ranges };
}

/** Transfers, while it writes over its own control segment and its own fifo segments. */
async function memoryLife() {
  const { memory, ranges } = watchedMemory();
  const owner = { reportError: () => undefined, lost: () => false, detached: () => undefined };
  const buffer = Buffer.alloc(65536);
  const pump = (session) => {
    for (let i = 0; i < 8 && session.write(patternAt(0, 30_000)) > 0; i++);
  };
  const worker = new ClientWorker(owner, {
    connected: (session) => session && pump(session),
    rx: (session) => void session.read(buffer),
    tx: pump,
  });
  await requestWorker(path, request(), "fuzz", true, (attached) => worker.open(memory, attached));
  for (let i = 0; i < 3; i++) worker.connect(uri).catch(() => undefined);
  await sleep(10);
  const { i32 } = memory.window;
  const isControlOnly = random(3) === 0;
  for (let i = 0; i < 40 && worker.isAttached && ranges.length > 0; i++) {
    const { offset, bytes } = isControlOnly ? ranges[0] : pick(ranges);
    // What steers lies at the front, and in the control segment also at the mirrors, which are at its end.
    const within = pick([bytes, Math.min(bytes, 4096)]);
    for (let n = pick([1, 10, 500]); n > 0; n--) i32[(offset + random(within)) >> 2] = word();
    const mirror = ranges[0].offset + ranges[0].bytes - 128 * (1 + random(512));
    if (random(2) === 0 && mirror > ranges[0].offset) i32[(mirror + 64 + 4 * random(3)) >> 2] = word();
    await sleep(random(3));
  }
  if (random(2) === 0) await Promise.race([worker.delete().catch(() => undefined), sleep(50)]);
  worker.giveUp();
  memory.close();
}

/** Dies in the middle of something. */
async function suddenLife() {
  memoryLife().catch(() => undefined);
  await sleep(10 + random(30));
  process.kill(process.pid, "SIGKILL");
}

const KINDS = { socketLife, descriptorLife, replayLife, queueLife, memoryLife, suddenLife };
/** How often of 60 lives. */
const SHARES = { socketLife: 12, descriptorLife: 1, replayLife: 3, queueLife: 20, memoryLife: 22, suddenLife: 2 };
const DRAW = Object.entries(SHARES).flatMap(([name, share]) => Array.from({ length: share }, () => name));

for (let life = 0; life < Number(lives); life++) {
  const name = pick(DRAW);
  process.stdout.write(`${name}\n`);
  try {
    await Promise.race([KINDS[name](), sleep(2000)]);
  } catch {
    // Refused, or its own memory is not what it was.
  }
}
process.stdout.write("lived\n", () => process.exit(0));
