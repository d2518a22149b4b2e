// HTTP from a process of its own, in 20 lines: node http-server.mjs DIRECTORY URI.
import { attach } from "../../../dist/src/client/index.js";

const [directory, uri] = process.argv.slice(2);
const body = "hello from another process\n";
const page = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
const request = Buffer.alloc(4096);

const app = await attach(
  { name: "http", directory },
  {
    accept: () => true,
    rx(session) {
      const n = session.read(request);
      if (!request.toString("latin1", 0, n).includes("\r\n\r\n")) return;
      session.write(page);
      session.close();
    },
  },
);
await app.listen(uri);
console.log("ready");
