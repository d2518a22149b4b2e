// An application in a process of its own: node app.mjs ROLE JSON. One line for everything that a test waits for; SIGUSR2
// makes it write its counters.
//   serve   listens at `uris` and does there what `mode` says: echo, sink (checks what comes), source (sends `bytes`), udp-echo,
//           udp-known (answers, by batches and with DSCP 20, what it knows of each datagram)
//   connect makes `sessions` sessions to `uri` and does what `mode` says: echo (sends and checks what comes back), send, fetch, udp
import { attach, attachWorker, DatagramBatch } from "../../../dist/src/client/index.js";
import { Check, patternAt, Source } from "./pattern.mjs";

const [role, json = "{}"] = process.argv.slice(2);
const { mode = "echo", uris = [], uri = "", sessions = 1, appHandle, ...options } = JSON.parse(json);
const bytes = options.bytes ?? Infinity;
const say = (line) => process.stdout.write(`${line}\n`);
const buffer = Buffer.alloc(1 << 18);
let segments = 0;

function end(line, status) {
  process.stdout.write(`${line}\n`, () => process.exit(status));
}

process.on("uncaughtException", (error) => end(`failed ${error.message}`, 1));

/** Reads all there is, and lets it be checked. */
function check(session) {
  for (let n = session.read(buffer); n > 0; n = session.read(buffer)) session.data.check.take(buffer.subarray(0, n));
}

/** Sends what there is room for. */
function send(session) {
  const { data } = session;
  if (data.isSent) return;
  data.isSent = data.source.pump((piece) => session.write(piece));
  if (!data.isSent) return;
  if (mode === "source") session.close();
  else if (mode === "send") session.halfClose();
}

/** Gives back what came, as far as there is room. */
function echo(session) {
  session.peek((u8, at, length) => session.write(u8.subarray(at, at + length)));
  if (session.data.hasEnded && session.readableBytes === 0) session.close();
}

/** All of a connection has been as it should: the last one ends the program. */
let left = sessions;
function finished(session, got) {
  if (session.data.isFinished) return;
  session.data.isFinished = true;
  session.close();
  say(`done ${got}`);
}

const batch = new DatagramBatch(16, 1500);

function answerWhatIsKnown(session) {
  while (session.readDatagrams(batch) > 0) {
    for (let i = 0; i < batch.count; i++) {
      const { dscp, ecn, ifIndex, length } = batch.infos[i];
      const text = Buffer.from(`${length} bytes, DSCP ${dscp}, ECN ${ecn}, interface ${ifIndex}`);
      batch.bytes.set(text, i * batch.slotBytes);
      batch.lengths[i] = text.length;
      batch.dscps[i] = 20;
    }
    if (session.writeDatagrams(batch) !== batch.count) throw new Error("no room for answers");
  }
}

const common = {
  rpc: (data, from) => say(`rpc ${Buffer.from(data).toString("latin1")} from ${from}`),
  addSegment: () => say(`segment ${++segments}`),
  delSegment: () => say(`segment ${--segments}`),
  lost: () => say("lost"),
  reattached: () => say("reattached"),
  detached: () => say("detached"),
};

const server = {
  ...common,
  accept(session) {
    session.data = { check: new Check(), source: new Source(mode === "source" ? bytes : 0), isSent: false };
    say("accepted");
    if (mode === "source") send(session);
  },
  rx(session) {
    if (mode === "udp-echo") for (let n = 0; (n = session.readDatagram(buffer)) >= 0; ) session.reply(buffer, 0, n);
    else if (mode === "udp-known") answerWhatIsKnown(session);
    else if (mode === "echo") echo(session);
    else check(session);
  },
  tx(session) {
    if (mode === "echo") echo(session);
    else if (mode === "source") send(session);
  },
  disconnect(session) {
    session.data.hasEnded = true;
    if (mode === "echo") echo(session);
    else {
      check(session);
      if (mode === "sink") say(`sunk ${session.data.check.got}`);
      session.close();
    }
  },
  reset: (session, error) => say(`reset ${error.code} after ${session.data.check.got}`),
  unlistened: (listener) => say(`unlistened ${listener.uri}`),
};

const client = {
  ...common,
  connected(session, error) {
    if (error !== undefined) return;
    const isSent = mode === "fetch" || mode === "udp";
    session.data = { check: new Check(), source: new Source(isSent ? 0 : bytes), isSent, at: 0, isFinished: false };
    say(`connected ${session.local?.port}`);
    if (mode === "udp") nextDatagram(session);
    else send(session);
  },
  rx(session) {
    const { data } = session;
    if (data.isFinished) return;
    if (mode === "udp") return datagram(session);
    check(session);
    if (mode === "echo" && session.data.check.got === bytes) finished(session, data.check.got);
  },
  tx(session) {
    if (mode !== "udp") send(session);
  },
  disconnect(session) {
    if (session.data.isFinished) return;
    check(session);
    if (mode === "echo" && session.data.check.got !== bytes) throw new Error(`ended after ${session.data.check.got}`);
    if (mode === "fetch" && session.data.check.got !== bytes) say(`ended after ${session.data.check.got}`);
    finished(session, mode === "send" ? session.data.source.sent : session.data.check.got);
  },
  reset(session, error) {
    say(`reset ${error.code} after ${session.data.check.got}`);
    left--;
    if (left === 0 && !options.stays) end("over", 1);
  },
  cleanup(session, phase) {
    if (phase !== "session" || !session.data.isFinished) return;
    left--;
    if (left === 0 && !options.stays) end("over", 0);
  },
};

/** One after the other, each of another length; `count` of them. */
function datagram(session) {
  const { data } = session;
  let n = 0;
  while ((n = session.readDatagram(buffer)) >= 0) {
    if (n !== data.length || patternAt(data.at, n).compare(buffer, 0, n) !== 0)
      throw new Error(`datagram ${data.at}: ${n}`);
    data.at++;
    if (data.at === options.count) return finished(session, data.at);
    nextDatagram(session);
  }
}

function nextDatagram(session) {
  const { data } = session;
  data.length = (data.at * 97) % 1400;
  if (session.writeDatagram(patternAt(data.at, data.length)) !== data.length) throw new Error("no room for a datagram");
}

function tell(worker) {
  process.on("SIGUSR2", () => say(`counters ${JSON.stringify(worker.counters)}`));
}

async function serve() {
  const app = appHandle === undefined ? await attach({ name: "server", ...options }, server) : undefined;
  const worker = app ?? (await attachWorker({ ...options, appHandle }, server));
  tell(app?.workers[0] ?? worker);
  for (const each of uris) {
    const listener = await worker.listen(each);
    say(`listening ${listener.local?.port}`);
  }
  say(`ready ${app?.appHandle ?? worker.number}`);
  process.on("SIGTERM", () => void (app?.detach() ?? worker.delete()).then(() => end("over", 0)));
}

async function connect() {
  const app = await attach({ name: "client", ...options }, client);
  tell(app.workers[0]);
  await Promise.all(Array.from({ length: sessions }, () => app.connect(uri)));
}

(role === "serve" ? serve() : connect()).catch((error) => end(`refused ${error.code}: ${error.message}`, 2));
