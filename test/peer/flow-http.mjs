// A sandbox's outside in a process of its own: node flow-http.mjs DIRECTORY. A proxy answers HTTP for every address and port,
// saying as whom; a hook decides by the last part of the address: 2 reset, 3 drop, 4 later, 5 never, others accept.
import { attach, remoteStack } from "../../dist/src/client/index.js";

const [directory] = process.argv.slice(2);
const LATER_MS = 300;
const bytes = new Uint8Array(4096);

const app = await attach(
  { name: "outside", directory },
  {
    accept: (session) => console.log(`accepted ${session.local.address} ${session.local.port}`),
    rx(session) {
      session.read(bytes);
      const { address, port } = session.local;
      const body = `${address} ${port}\n`;
      session.write(
        Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`),
      );
      session.close();
    },
  },
);
for (const any of ["0.0.0.0", "[::]"]) await app.listen(`tcp://${any}:0`, { proxy: true });
const hook = await remoteStack({ directory }).onFlow(({ token, proto, local, application }) => {
  console.log(`asked ${proto} ${local.address} ${local.port} ${application}`);
  const last = local.address.at(-1);
  if (proto === "udp" || last === "2") return "reset";
  if (last === "3") return "drop";
  if (last === "4") setTimeout(() => hook.answer(token, "accept"), LATER_MS);
  return last === "4" || last === "5" ? "later" : "accept";
});
console.log("ready");
