import { once } from "node:events";
import type { Socket } from "../../../src/node/net/socket.js";
import type { StackPair } from "../stack-pair.js";

/** Connects from the first host of a pair to a port of the second. */
export async function connect({ a, b }: StackPair, port: number, isIp6 = false): Promise<Socket> {
  const host = isIp6 ? b.address6 : b.address4;
  const socket = a.net.connect({ port, host, allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

/** Everything until the peer ends. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Exactly so many bytes; the socket stays open. */
export async function readBytes(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let got = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    got += (chunk as Buffer).length;
    if (got >= bytes) break;
  }
  const all = Buffer.concat(chunks);
  if (got < bytes) throw new Error(`ended after ${got} of ${bytes} bytes`);
  if (got > bytes) socket.unshift(all.subarray(bytes));
  return all.subarray(0, bytes);
}
