import type { Endpoint } from "../transport.js";
import type { TlsPeer } from "./engine.js";

/** Whom an active open is to: the name, or the address, that its certificate has to be for; and whose sessions it resumes. */
export function clientPeer(hostname: string, remote: Endpoint): TlsPeer {
  const address = addressBytes(remote);
  const peer = `${hostname} ${address.join(".")} ${remote.port}`;
  return hostname === "" ? { address, peer } : { hostname, peer };
}

/** An address as a certificate has it. */
function addressBytes({ family, address }: Endpoint): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < bytes.length; i += 4) view.setInt32(i, address[i >> 2]);
  return bytes;
}
