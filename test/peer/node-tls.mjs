// Node's own tls on the kernel's sockets. Options are JSON; key, cert and ca name files.
//   node node-tls.mjs client OPTIONS   connects, sends BYTES bytes and its end, and prints a line of JSON: what it knows, and what was said
//   node node-tls.mjs server OPTIONS   prints "listening", then a line of JSON for each client, that failed or was accepted
// A server answers the end of what it got with the number of bytes and their SHA-256. `greets`: it says hello first;
// `dies`: it is gone after the first byte.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import tls from "node:tls";

const [role, json] = process.argv.slice(2);
const { port, host, bytes = 0, dies = false, greets = false, ...options } = JSON.parse(json);
for (const name of ["key", "cert", "ca"]) if (name in options) options[name] = readFileSync(options[name]);

const print = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const known = (socket) => ({
  authorized: socket.authorized,
  authorizationError: socket.authorizationError,
  alpn: socket.alpnProtocol,
  servername: socket.servername,
  protocol: socket.getProtocol(),
  cipher: socket.getCipher(),
  subject: socket.getPeerCertificate().subject?.CN,
});

if (role === "client") {
  const socket = tls.connect({ host, port, allowHalfOpen: true, ...options });
  const facts = { said: "" };
  socket.on("secureConnect", () => {
    Object.assign(facts, known(socket));
    socket.end(Buffer.alloc(bytes, "weft"));
  });
  socket.on("data", (data) => (facts.said += data));
  socket.on("error", ({ code }) => (facts.code = code));
  socket.on("close", () => print(facts));
} else {
  const server = tls.createServer({ allowHalfOpen: true, ...options }, (socket) => {
    const facts = { ...known(socket), reused: socket.isSessionReused() };
    const hash = createHash("sha256");
    let got = 0;
    if (greets) socket.write("hello");
    socket.on("data", (data) => {
      got += data.length;
      hash.update(data);
      if (dies) socket.destroy();
    });
    socket.on("end", () => socket.end(`${got} ${hash.digest("hex")}`));
    socket.on("error", ({ code }) => (facts.code = code));
    socket.on("close", () => print({ ...facts, got }));
  });
  server.on("tlsClientError", ({ code }) => print({ code }));
  server.listen(port, () => process.stdout.write("listening\n"));
}
