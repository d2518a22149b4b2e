// HTTP from a process of its own, by node:http on the stack's node:net: node attach-http.mjs DIRECTORY NAMESPACE SECRET PORT BYTES
import { createServer } from "node:http";
import { remoteStack } from "../../dist/src/client/index.js";

const [directory, namespace, secret, port, bytes] = process.argv.slice(2);
const big = Buffer.alloc(Number(bytes), "0123456789abcdef weft ");
const web = createServer((request, response) => response.end(request.url === "/big" ? big : `pid ${process.pid}\n`));
remoteStack({ directory, namespace, secret })
  .net.createServer({ allowHalfOpen: true }, (socket) => web.emit("connection", socket))
  .on("error", (error) => {
    console.log(`error ${error.code} ${error.message}`);
    process.exit(1);
  })
  .listen(Number(port), "0.0.0.0", () => console.log("listening"));
