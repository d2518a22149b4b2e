// What attach-client.js does, over a unix socket of Node's: node unix-client.js sink|source|pong|ping PATH CPU
import { connect, createServer, type Socket } from "node:net";
import { protect } from "./protect.js";
import { median } from "./report.js";

const CHUNK = Buffer.alloc(128 * 1024, 1);
const WARM_UP_MS = 300;

function nowNs(): number {
  return Number(process.hrtime.bigint());
}

function send(socket: Socket, ms: number): void {
  const beginNs = nowNs() + WARM_UP_MS * 1e6;
  const endNs = beginNs + ms * 1e6;
  let firstNs = 0;
  let bytes = 0;
  const fill = (): void => {
    for (;;) {
      const now = nowNs();
      if (now >= endNs) {
        process.send?.((bytes * 1e9) / (now - firstNs));
        return;
      }
      const hasRoom = socket.write(CHUNK);
      if (now >= beginNs) {
        if (firstNs === 0) firstNs = now;
        bytes += CHUNK.length;
      }
      if (!hasRoom) {
        socket.once("drain", fill);
        return;
      }
    }
  };
  fill();
}

function ping(socket: Socket, count: number): void {
  const times: number[] = [];
  const byte = CHUNK.subarray(0, 1);
  let sentNs = 0;
  const next = (): void => {
    sentNs = nowNs();
    socket.write(byte);
  };
  socket.on("data", () => {
    times.push(nowNs() - sentNs);
    if (times.length < count) next();
    else {
      socket.removeAllListeners("data");
      process.send?.(median(times));
    }
  });
  next();
}

const [, , mode, path, cpu] = process.argv;
if (cpu !== undefined) {
  protect(Number(cpu));
  if (mode === "sink" || mode === "pong") {
    const server = createServer((socket) => {
      socket.on("data", (data) => mode === "pong" && socket.write(data)).on("error", () => {});
    });
    server.listen(path, () => process.send?.("ready"));
  } else {
    const socket = connect(path, () => process.send?.("ready"));
    process.on("message", (amount) => (mode === "source" ? send : ping)(socket, Number(amount)));
  }
  process.on("disconnect", () => process.exit());
}
