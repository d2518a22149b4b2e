import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { FAMILIES, TapStack } from "../support/weft.js";

/** One after the other: connect, echo, close, and see the other side close. */
const SEQUENTIAL = `
import socket, sys
host, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    with socket.create_connection((host, 7), timeout=10) as s:
        data = b"connection %d" % i
        s.sendall(data)
        got = b""
        while len(got) < len(data):
            more = s.recv(100)
            assert more, "closed early"
            got += more
        assert got == data, got
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
print("done")
`;

/** All at once: every connection is open before the first byte is sent, and each carries its own data. */
const PARALLEL = `
import selectors, socket, sys
host, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
chooser, open_count = selectors.DefaultSelector(), 0
class Conn: pass
conns = []
for i in range(count):
    c = Conn()
    c.s = socket.socket(family, socket.SOCK_STREAM)
    c.s.setblocking(False)
    c.s.connect_ex((host, 7))
    c.data = bytes((i + k * 3) % 251 for k in range(size))
    c.sent, c.got, c.up = 0, b"", False
    conns.append(c)
    chooser.register(c.s, selectors.EVENT_WRITE, c)
while open_count < count:
    events = chooser.select(10)
    assert events, "%d of %d connected" % (open_count, count)
    for key, _ in events:
        c = key.data
        error = c.s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == 0, error
        open_count += 1
        chooser.unregister(c.s)
for c in conns:
    chooser.register(c.s, selectors.EVENT_READ | selectors.EVENT_WRITE, c)
left = count
while left:
    events = chooser.select(10)
    assert events, "%d stuck" % left
    for key, mask in events:
        c = key.data
        if mask & selectors.EVENT_WRITE and c.sent < size:
            c.sent += c.s.send(c.data[c.sent:])
            if c.sent == size:
                c.s.shutdown(socket.SHUT_WR)
                chooser.modify(c.s, selectors.EVENT_READ, c)
        if mask & selectors.EVENT_READ:
            more = c.s.recv(65536)
            c.got += more
            if not more:
                assert c.got == c.data, (len(c.got), size)
                chooser.unregister(c.s)
                left -= 1
print("done")
`;

describe.skipIf(lacks("netns", "tun", "ip", "python3"))("connections", () => {
  let host: TapStack;
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each(FAMILIES)("1,000 one after the other over $family", async ({ address }) => {
    expect(await host.netns.must(PYTHON, ["-c", SEQUENTIAL, address, "1000"])).toBe("done\n");
  });

  it.each(FAMILIES)("200 at once over $family", async ({ address }) => {
    expect(await host.netns.must(PYTHON, ["-c", PARALLEL, address, "200", "20000"])).toBe("done\n");
  });
});
