// Servers of the kernel behind a proxy: node proxy-servers.mjs ADDRESS... On each address HTTP (80: GET /bytes/N, whose byte i is
// i % 251; POST / says how many bytes it got, and their SHA-256; GET /reset is reset), and DNS (53: says who asked, as TXT).
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { isIPv6 } from "node:net";

const PERIOD = 251;
const piece = Buffer.alloc(PERIOD * 1024);
for (let i = 0; i < piece.length; i++) piece[i] = i % PERIOD;

async function answer(request, response) {
  if (request.url === "/reset") {
    request.socket.resetAndDestroy();
    return;
  }
  if (request.method === "POST") {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const part of request) {
      hash.update(part);
      bytes += part.length;
    }
    response.end(`${bytes} ${hash.digest("hex")}\n`);
    return;
  }
  let left = Number(request.url.split("/").at(-1));
  response.writeHead(200, { "content-length": left });
  while (left > 0 && !response.destroyed) {
    const part = piece.subarray(0, Math.min(left, piece.length));
    left -= part.length;
    if (!response.write(part) && !response.destroyed)
      await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

/** The question, and a TXT record with a text (RFC 1035 4.1). */
function dnsAnswer(query, text) {
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 6);
  header.fill(0, 8);
  let end = 12;
  while (query[end] !== 0) end += query[end] + 1;
  const record = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, text.length + 1, text.length]);
  return Buffer.concat([header, query.subarray(12, end + 5), record, Buffer.from(text)]);
}

for (const address of process.argv.slice(2)) {
  const http = createServer((request, response) => void answer(request, response)).listen(80, address);
  await once(http, "listening");
  const dns = createSocket(isIPv6(address) ? "udp6" : "udp4");
  dns.on("message", (query, from) =>
    dns.send(dnsAnswer(query, `${from.address} asked ${address}`), from.port, from.address),
  );
  dns.bind(53, address);
  await once(dns, "listening");
}
console.log("ready");
