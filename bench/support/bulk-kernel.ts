// The kernel's end of a bulk transfer: bulk-kernel.js listen|connect send|receive ADDRESS PORT BYTES
// Says "ready" when it listens or is connected; a receiver then says what it found: bytes, SHA-256,
// milliseconds.
import { createConnection, createServer, type Socket } from "node:net";
import { BulkSink, BulkSource } from "./bulk-bytes.js";

const [role = "", direction = "", host = "", port = "", bytes = ""] = process.argv.slice(2);

function send(socket: Socket): void {
  const source = new BulkSource(Number(bytes));
  const more = (): void => {
    const part = source.next();
    // The source's block changes when it is taken: only when the kernel has copied it.
    socket.write(part, () => {
      source.take(part.length);
      if (source.left > 0) more();
      else socket.end();
    });
  };
  more();
  socket.resume();
}

function receive(socket: Socket): void {
  const sink = new BulkSink();
  socket.on("data", (part: Buffer) => sink.add(part));
  socket.once("end", () => {
    const found = sink.end();
    console.log(`${found.bytes} ${found.sha256} ${found.ms}`);
  });
}

const run = direction === "send" ? send : receive;
// The program that started this one has gone.
process.stdin
  .resume()
  .once("end", () => process.exit(1))
  .unref();
if (role === "listen") {
  const server = createServer((socket) => {
    server.close();
    run(socket);
  });
  server.listen(Number(port), host, () => console.log("ready"));
} else {
  const socket = createConnection(Number(port), host, () => {
    console.log("ready");
    run(socket);
  });
}
