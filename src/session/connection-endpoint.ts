import { C_FLAGS, C_LCL, C_PORTS, C_RMT, CF_IP6, type Endpoint } from "../transport/transport.js";

/** One end of the connection whose row starts at word `row`: a copy. */
export function connectionEndpoint(i32: Int32Array, row: number, isLocal: boolean): Endpoint {
  const family = (i32[row + C_FLAGS] & CF_IP6) !== 0 ? 6 : 4;
  const from = row + (isLocal ? C_LCL : C_RMT);
  const address = new Int32Array(4);
  for (let i = 0; i < (family === 6 ? 4 : 1); i++) address[i] = i32[from + i];
  const ports = i32[row + C_PORTS];
  return { family, address, port: isLocal ? ports >>> 16 : ports & 0xffff };
}
