import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { FAMILIES } from "../support/weft.js";
import { AttachHost } from "./host.js";

/** Sends a datagram with each traffic class to port 1020, and says what comes back, with the traffic class it has. */
const CLIENT = `
import socket, sys
host, classes = sys.argv[1], [int(n) for n in sys.argv[2:]]
is6 = ":" in host
s = socket.socket(socket.AF_INET6 if is6 else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
level, tos, recv = (socket.IPPROTO_IPV6, 67, 66) if is6 else (socket.IPPROTO_IP, socket.IP_TOS, 13)
s.setsockopt(level, recv, 1)
for i, each in enumerate(classes):
    s.setsockopt(level, tos, each)
    s.sendto(bytes(i), (host, 1020))
    data, control, _, source = s.recvmsg(2000, 100)
    assert source[:2] == (host, 1020), source
    print(data.decode(), "answered with", [d[0] for l, t, d in control if (l, t) == (level, tos)])
`;

describe.skipIf(lacks("netns", "tun", "ip", "python3"))("datagrams of the kernel's to a client", () => {
  let host: AttachHost;
  beforeAll(async () => {
    host = await AttachHost.start();
  });
  afterAll(() => host.end());

  test.each(FAMILIES)(
    "say their DSCP, ECN and interface, and are answered with another, over $family",
    async ({ address }) => {
      const server = await host.serve({ name: "known", mode: "udp-known", uris: [`udp://${address}/1020`] });
      const interfaces = JSON.parse(await host.cli("show interface --json")) as { name: string; index: number }[];
      const index = interfaces.find(({ name }) => name === "tap0")?.index;
      const classes = [0, 46 << 2, (10 << 2) | 2, (63 << 2) | 1];
      const said = await host.netns.must(PYTHON, ["-c", CLIENT, address, ...classes.map(String)]);
      expect(said.trimEnd().split("\n")).toEqual(
        classes.map(
          (each, i) => `${i} bytes, DSCP ${each >> 2}, ECN ${each & 3}, interface ${index} answered with [80]`,
        ),
      );
      await server.stop("SIGTERM");
    },
  );
});
