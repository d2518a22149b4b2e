// Attempts to attach: node attempts.mjs SOCKET SECRET CONNECTIONS ATTEMPTS VERSION. On each connection, one after the other,
// so many attempts at once; each answer is a line, and "closed" when the stack ends the connection before all are there.
import { encodeSocketMessage, parseSocketMessage } from "../../../dist/src/app/messages/socket-messages.js";
import { attachRequest } from "../../../dist/src/client/client-options.js";
import { closeFds } from "../../../dist/src/client/handshake.js";
import { SeqpacketSocket } from "../../../dist/src/host/unix-socket.js";

const [path, secret, connections, attempts, version] = process.argv.slice(2);
const request = encodeSocketMessage(attachRequest({ name: `attempts${process.pid}`, secret }));
if (version !== undefined) new DataView(request.buffer).setUint16(4, Number(version), true);

for (let i = 0; i < Number(connections); i++) {
  let socket;
  try {
    socket = SeqpacketSocket.connect(path);
  } catch (error) {
    console.log(error.code);
    continue;
  }
  await new Promise((resolve) => {
    let answers = 0;
    socket.onClose = () => {
      console.log("closed");
      resolve();
    };
    socket.onMessage = (packet, fds) => {
      closeFds(fds);
      const { text, retval } = parseSocketMessage(packet);
      console.log(`answer ${retval} ${text}`);
      if (++answers === Number(attempts)) resolve();
    };
    for (let n = 0; n < Number(attempts); n++) socket.send(request);
  });
  socket.onClose = () => undefined;
  socket.close();
}
