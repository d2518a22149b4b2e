// HTTP from a process of its own, by node:http on the stack's node:net:
// node attach-http.mjs DIRECTORY NAMESPACE SECRET PORT BYTES: /big has BYTES; /huge/N has 1 GiB, and when N of them have been
// sent that is said; all else is the process's number.
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { remoteStack } from "../../dist/src/client/index.js";

const HUGE_BYTES = 1 << 30;
const [directory, namespace, secret, port, bytes] = process.argv.slice(2);
const big = Buffer.alloc(Number(bytes), "0123456789abcdef weft ");
const part = big.subarray(0, 1 << 20);

function sendHuge(response, saidBytes) {
  response.writeHead(200, { "content-length": HUGE_BYTES });
  Readable.from(
    (function* () {
      for (let sent = 0; sent < HUGE_BYTES; sent += part.length) {
        if (sent <= saidBytes && saidBytes < sent + part.length) console.log("under way");
        yield part;
      }
    })(),
  )
    .pipe(response)
    .on("error", () => undefined);
}

const web = createServer((request, response) => {
  const huge = /^\/huge\/(\d+)$/.exec(request.url);
  if (huge !== null) sendHuge(response, Number(huge[1]));
  else response.end(request.url === "/big" ? big : `pid ${process.pid}\n`);
});
remoteStack({ directory, namespace, secret })
  .net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", (error) => console.log(`lost ${error.code}`));
    web.emit("connection", socket);
  })
  .on("error", (error) => {
    console.log(`error ${error.code} ${error.message}`);
    process.exit(1);
  })
  .listen(Number(port), "0.0.0.0", () => console.log("listening"));
