import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { FAMILIES, TapStack } from "../support/weft.js";

/** Sends datagrams of the given sizes to port 7 and compares what comes back; then sends to a closed port. */
const CLIENT = `
import socket, sys
host, sizes = sys.argv[1], [int(n) for n in sys.argv[2:]]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(3)
for n in sizes:
    data = bytes((i * 7 + n) % 251 for i in range(n))
    s.sendto(data, (host, 7))
    got, source = s.recvfrom(70000)
    assert got == data and source[:2] == (host, 7), (n, len(got), source)
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((host, 7002))
s.send(b"anyone?")
try:
    s.recv(10)
    print("answered")
except ConnectionRefusedError:
    print("refused")
`;

describe.skipIf(lacks("netns", "tun", "ip", "python3"))("UDP", () => {
  let host: TapStack;
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each(FAMILIES)(
    "echoes 8 KB and other sizes as they were, and refuses a closed port, over $family",
    async ({ address }) => {
      const sizes = [8192, 0, 1, 1452, 1453, 1472, 1473, 4000, 30_000, 60_000].map(String);
      expect(await host.netns.must(PYTHON, ["-c", CLIENT, address, ...sizes])).toBe("refused\n");
    },
  );
});
