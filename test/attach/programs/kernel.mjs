// The other end of a connection, through the kernel's sockets: node kernel.mjs ROLE PORT HOST MODE [BYTES [COUNT]].
//   serve   listens and does what MODE says: echo, sink, source
//   connect makes COUNT connections, one after the other, and does what MODE says: echo, send, fetch (`slow`: a little at a time)
import { connect, createServer } from "node:net";
import { Check, patternAt } from "./pattern.mjs";

const [role, port, host, mode, bytesText, countText = "1"] = process.argv.slice(2);
const bytes = bytesText === undefined ? Infinity : Number(bytesText);
const say = (line) => process.stdout.write(`${line}\n`);

/** Sends the pattern as fast as the socket takes it, then ends. */
function send(socket, done) {
  let sent = 0;
  const more = () => {
    while (sent < bytes) {
      const piece = patternAt(sent, bytes - sent);
      sent += piece.length;
      if (!socket.write(piece)) return;
    }
    socket.off("drain", more);
    done();
  };
  socket.on("drain", more);
  more();
}

function run(socket, isServer) {
  const check = new Check();
  socket.on("data", (data) => {
    if (isServer && mode === "echo") {
      if (!socket.write(data)) socket.pause();
    } else check.take(data);
    if (mode === "slow") {
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    }
    if (!isServer && mode === "echo" && check.got === bytes) socket.end();
  });
  socket.on("drain", () => socket.resume());
  if (mode === "source" || mode === "send") send(socket, () => socket.end());
  else if (mode === "echo" && !isServer) send(socket, () => undefined);
  return check;
}

if (role === "serve") {
  const server = createServer((socket) => {
    const check = run(socket, true);
    socket.on("error", (error) => say(`error ${error.code} after ${check.got}`));
    socket.on("end", () => say(`ended after ${check.got}`));
  });
  server.listen(Number(port), host, () => say("ready"));
} else {
  for (let i = 0; i < Number(countText); i++) {
    await new Promise((resolve) => {
      const socket = connect(Number(port), host);
      const check = run(socket, false);
      socket.on("connect", () => say(`connected from ${socket.localPort}`));
      socket.on("error", (error) => say(`error ${error.code} after ${check.got}`));
      socket.on("end", () => say(`ended after ${check.got}`));
      socket.on("close", resolve);
    });
  }
}
