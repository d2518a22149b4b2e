#!/usr/bin/python3
"""The kernel's side of the rounds in tap-rounds.ts: its sockets connect, accept, send, half-close, reset and vanish.

  rounds-peer.py
Says `ready`, takes one control connection on port 4000, and does what its lines of JSON say, until that ends:
  {"noise": HEX}                                     the bytes that streams are made of (src/sim/pattern.ts); first
  {"accept": PORT, "number": N, ...}                 what to do with the connection that comes from PORT to port 7
  {"connect": [HOST, PORT], "from": PORT, "number": N, ...}
each with "send" and "receive" (keys of the two streams), "bytes" and "ending": close, await, early, reset or vanish.
Each but the first is answered by {"number": N, "received": BYTES, "how": HOW}. Every byte that comes is verified: the first that is
another ends the program. UDP port 7 answers datagrams (src/sim/datagram-flow.ts).
"""
import asyncio, collections, json, os, random, socket, struct, sys

CONTROL_PORT, PORT = 4000, 7
BLOCK = 4096
TCP_REPAIR = 19
TIMEOUT, CONNECT_TIMEOUT = 30, 3
noise = b""
tally = collections.Counter()
waiting = {}        # by port: what to do, or who waits to hear of it


def mix(x):
    """The finalizer of MurmurHash3."""
    x = (x ^ (x >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    x = (x ^ (x >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ (x >> 16)


def stream(key, offset, length):
    """Bytes [offset, offset + length) of a stream."""
    pieces, end = [], offset + length
    while offset < end:
        within = offset % BLOCK
        at = (mix((key + offset // BLOCK) & 0xFFFFFFFF) % BLOCK) + within
        n = min(BLOCK - within, end - offset)
        pieces.append(noise[at:at + n])
        offset += n
    return b"".join(pieces)


def wrong(what):
    print(what, file=sys.stderr, flush=True)
    os._exit(1)


class Connection:
    def __init__(self, reader, writer, plan):
        self.reader, self.writer, self.plan = reader, writer, plan
        self.received, self.how = 0, "open"

    async def read(self):
        try:
            while data := await self.reader.read(65536):
                if data != stream(self.plan["receive"], self.received, len(data)):
                    wrong(f"connection {self.plan['number']}: other bytes behind {self.received}")
                self.received += len(data)
            self.how = "eof"
        except OSError:
            self.how = "reset"

    async def send(self, length):
        sent = 0
        while sent < length:
            n = min(length - sent, 16384)
            self.writer.write(stream(self.plan["send"], sent, n))
            await self.writer.drain()
            sent += n
            tally["sent"] += n

    async def play(self):
        ending, length = self.plan["ending"], self.plan["bytes"]
        sock = self.writer.get_extra_info("socket")
        reading = asyncio.ensure_future(self.read())
        try:
            if ending == "await":
                await reading
            await self.send(random.randint(0, length) if ending in ("reset", "vanish") else length)
            if ending == "close":
                self.writer.write_eof()
                await reading
        except OSError:
            self.how = "reset"
        # It has its own ending, and what the stack says later does not matter.
        reading.cancel()
        try:
            if ending == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif ending == "vanish":
                sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            else:
                return self.writer.close()
        except OSError:
            pass        # the stack was first, and nothing is left to end
        self.writer.transport.abort()


async def play(reader, writer, plan, control):
    connection = Connection(reader, writer, plan)
    try:
        await asyncio.wait_for(connection.play(), TIMEOUT)
    except asyncio.TimeoutError:
        connection.how = "timeout"
        writer.transport.abort()
    tally["connections"] += 1
    tally["received"] += connection.received
    report(control, plan, connection.received, connection.how)


def report(control, plan, received, how):
    tally[f"{plan['ending']}: {how}"] += 1
    control.write(json.dumps({"number": plan["number"], "received": received, "how": how}).encode() + b"\n")


async def connect(plan, control):
    host, port = plan["connect"]
    own = ("::" if ":" in host else "0.0.0.0", plan["from"])
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, local_addr=own), CONNECT_TIMEOUT)
    except (OSError, asyncio.TimeoutError):
        return report(control, plan, 0, "failed")
    await play(reader, writer, plan, control)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if len(data) > 8 and data[8] == 0:
            self.transport.sendto(data[:8] + b"\1" + data[9:], address)


async def main():
    global noise
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    tasks, lines = set(), {}

    def done(task):
        tasks.discard(task)
        if task.exception() is not None:
            wrong(repr(task.exception()))

    def start(work):
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(done)

    async def accepted(reader, writer):
        port = writer.get_extra_info("peername")[1]
        if port not in waiting:
            waiting[port] = loop.create_future()
        plan = waiting[port]
        if isinstance(plan, asyncio.Future):
            plan = await plan
        waiting.pop(port, None)
        await play(reader, writer, plan, lines["control"])

    async def controlled(reader, writer):
        global noise
        lines["control"] = writer
        while line := await reader.readline():
            plan = json.loads(line)
            if "noise" in plan:
                noise = bytes.fromhex(plan["noise"]) * 2
                writer.write(b'{"number": -1}\n')
            elif "connect" in plan:
                start(connect(plan, writer))
            elif isinstance(waiting.get(plan["accept"]), asyncio.Future):
                waiting[plan["accept"]].set_result(plan)
            else:
                waiting[plan["accept"]] = plan
        over.set_result(None)

    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        await asyncio.start_server(accepted, any_address, PORT, family=family, backlog=1024)
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((any_address, PORT))
        await loop.create_datagram_endpoint(Echo, sock=sock)
    await asyncio.start_server(controlled, "0.0.0.0", CONTROL_PORT, limit=1 << 20)
    print("ready", flush=True)
    await over
    print(json.dumps(tally), flush=True)


asyncio.run(main())
