import { closeSync, existsSync, lstatSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon } from "../../src/host/addon.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { SeqpacketListener } from "../../src/host/seqpacket-listener.js";
import { MESSAGE_MAX_BYTES, QUEUED_MESSAGES_MAX, SeqpacketSocket } from "../../src/host/unix-socket.js";
import { createWakePipe } from "../../src/host/wake-pipe.js";
import { lacks } from "../needs.js";
import { fdsAreBack, first, hear, listen, openFds, startHostile, startPeer, text, until } from "./sockets.js";

const addon = loadAddon();
let directory: string;
let path: string;
let fdsBefore: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-seqpacket-"));
  path = join(directory, "socket");
  fdsBefore = openFds();
});

afterEach(async () => {
  rmSync(directory, { recursive: true, force: true });
  await fdsAreBack(fdsBefore);
});

/** Both ends of a connection in this process. */
async function connectedPair(at = path) {
  const { listener, heard } = listen(at);
  const client = hear(SeqpacketSocket.connect(at));
  await until(() => heard.length === 1);
  const server = first(heard);
  return { listener, client, server };
}

describe("messages", () => {
  it("come in order, whole, both ways", async () => {
    const { listener, client, server } = await connectedPair();
    for (const words of ["one", "two", "three"]) expect(client.socket.send(text(words))).toBe(true);
    expect(server.socket.send(new Uint8Array(MESSAGE_MAX_BYTES).fill(0x61))).toBe(true);
    await until(() => server.messages.length === 3 && client.messages.length === 1);
    expect(server.messages).toEqual(["one", "two", "three"]);
    expect(client.messages).toEqual(["a".repeat(MESSAGE_MAX_BYTES)]);
    client.socket.close();
    client.socket.close();
    await until(() => server.closes.length > 0);
    expect([client.closes, server.closes]).toEqual([["closed"], ["end"]]);
    expect(server.socket.send(text("late"))).toBe(false);
    listener.close();
    listener.close();
  });

  it("wait for room in a bounded queue and keep their order and descriptors", async () => {
    const { listener, client, server } = await connectedPair();
    client.socket.onMessage = () => undefined;
    const fd = addon.createMemfd("queued", 4096);
    let sent = 0;
    const bytes = new Uint8Array(MESSAGE_MAX_BYTES);
    for (;;) {
      bytes.fill(0x30 + (sent % 64));
      if (!server.socket.send(bytes, [fd])) break;
      sent++;
    }
    expect(server.socket.queued).toBe(QUEUED_MESSAGES_MAX);
    // The queue has its own copies: neither the bytes nor the descriptor are needed any more.
    bytes.fill(0);
    addon.closeFd(fd);
    const firsts: number[] = [];
    client.socket.onMessage = (got, fds) => {
      expect(got.every((byte) => byte === got[0])).toBe(true);
      firsts.push(got[0] ?? 0);
      expect(fds.length).toBe(1);
      for (const one of fds) addon.closeFd(one);
    };
    await until(() => firsts.length === sent);
    expect(firsts).toEqual(Array.from({ length: sent }, (_, i) => 0x30 + (i % 64)));
    expect(server.socket.queued).toBe(0);
    server.socket.close();
    client.socket.close();
    listener.close();
  });

  it("that are queued when it closes go, and nobody's handler leaves descriptors open", async () => {
    const { listener, heard } = listen(path);
    const client = SeqpacketSocket.connect(path);
    const closes: string[] = [];
    client.onClose = (reason) => closes.push(reason);
    await until(() => heard.length === 1);
    const server = first(heard).socket;
    const fd = addon.createMemfd("queued", 4096);
    while (server.send(new Uint8Array(MESSAGE_MAX_BYTES), [fd]));
    addon.closeFd(fd);
    server.close();
    await until(() => closes.length > 0);
    expect([closes, server.queued]).toEqual([["end"], 0]);
    listener.close();
  });

  it("sent before the other side closed are read, even when it left ours unread", async () => {
    const { listener, client, server } = await connectedPair();
    client.socket.send(text("never read"));
    expect(server.socket.send(text("last words"))).toBe(true);
    server.socket.close();
    expect(client.socket.send(text("too late"))).toBe(false);
    expect(client.closes).toEqual([]);
    await until(() => client.closes.length > 0);
    expect(client.messages).toEqual(["last words"]);
    listener.close();
  });

  it("of no bytes or too many are the caller's mistake", async () => {
    const { listener, client } = await connectedPair();
    expect(() => client.socket.send(new Uint8Array(0))).toThrow(RangeError);
    expect(() => client.socket.send(new Uint8Array(MESSAGE_MAX_BYTES + 1))).toThrow(RangeError);
    expect(() => client.socket.send(text("x"), [1])).toThrow(expect.objectContaining({ code: "EBADF" }));
    client.socket.close();
    listener.close();
  });

  it("may close the socket that tells of them", async () => {
    const { listener, client, server } = await connectedPair();
    server.socket.onMessage = (bytes) => {
      server.messages.push(new TextDecoder().decode(bytes));
      server.socket.close();
    };
    client.socket.send(text("one"));
    client.socket.send(text("two"));
    await until(() => client.closes.length > 0);
    expect(server.messages).toEqual(["one"]);
    expect(server.closes).toEqual(["closed"]);
    listener.close();
  });
});

describe("another process", () => {
  it("is known by its credentials", async () => {
    const { listener, heard } = listen(path);
    const peer = startPeer("ids", path);
    await until(() => heard[0]?.messages.length === 1);
    const { uid, gid, pid } = first(heard).socket.peer;
    expect(heard[0]?.messages).toEqual([`${uid} ${gid} ${pid}`]);
    expect(pid).toBe(peer.pid);
    const mine = SeqpacketSocket.connect(path);
    expect(mine.peer).toEqual({ uid: process.getuid?.(), gid: process.getgid?.(), pid: process.pid });
    mine.close();
    heard[0]?.socket.close();
    expect(await peer.finished).toMatchObject({ status: 0, stderr: "" });
    await until(() => heard[1]?.closes.length === 1);
    listener.close();
  });

  it("shares a memfd's memory and is woken through pipes", async () => {
    const { listener, heard } = listen(path);
    const host = new NativeWindow({ bytes: 1 << 20 });
    const at = host.window.reserve("shared", 4096, 4096);
    const memory = addon.createMemfd("shared", 4096);
    host.native.mapMemfd(memory, at, 4096);
    const words = host.window.i32.subarray(at >> 2);
    words[0] = 0x12345678;
    const toPeer = createWakePipe();
    const toUs = createWakePipe();
    let wakes = 0;
    toUs.reader.watch(() => void wakes++);
    const peer = startPeer("maps", path);
    await until(() => heard.length === 1);
    expect(heard[0]?.socket.send(text("map this"), [memory, toPeer.reader.fd, toUs.writer.fd])).toBe(true);
    toPeer.reader.close();
    toUs.writer.close();
    addon.closeFd(memory);
    await until(() => wakes === 1);
    expect(words[1]).toBe(0x12345679);
    words[2] = 7;
    toPeer.writer.signal();
    await until(() => wakes === 2);
    expect(words[3]).toBe(8);
    heard[0]?.socket.close();
    expect(await peer.finished).toMatchObject({ status: 0, stderr: "" });
    toPeer.writer.close();
    toUs.reader.close();
    listener.close();
    host.window.close();
  });

  it("that dies in the middle is the end, after what it had sent", async () => {
    const { listener, heard } = listen(path);
    const peer = startPeer("dies", path);
    await until(() => heard[0]?.messages.length === 2);
    const server = first(heard);
    expect(server.socket.send(text("unread"))).toBe(true);
    expect((await peer.finished).signal).toBe("SIGKILL");
    await until(() => server.closes.length > 0);
    expect(server.messages).toEqual(["one", "two"]);
    // Its end of the socket held a message that nobody had read.
    expect(server.closes).toEqual(["ECONNRESET"]);
    listener.close();
  });
});

describe("a listener", () => {
  it("gives its file the mode that was asked for, whatever the umask", () => {
    const umask = process.umask(0o077);
    try {
      const open = listen(path, 0o666);
      expect(lstatSync(path).mode & 0o777).toBe(0o666);
      open.listener.close();
      expect(existsSync(path)).toBe(false);
      process.umask(0);
      const closed = listen(path);
      expect(lstatSync(path).mode & 0o777).toBe(0o600);
      closed.listener.close();
    } finally {
      process.umask(umask);
    }
  });

  it("does not take a path or name in use", () => {
    for (const at of [path, `@weft-test-${process.pid}-use`]) {
      const { listener } = listen(at);
      expect(() => listen(at)).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
      listener.close();
      listen(at).listener.close();
    }
  });

  it("takes the place of one whose process was killed", async () => {
    expect((await startPeer("stale", path).finished).signal).toBe("SIGKILL");
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(() => SeqpacketSocket.connect(path)).toThrow(expect.objectContaining({ code: "ECONNREFUSED" }));
    const { listener, client, server } = await connectedPair();
    client.socket.close();
    server.socket.close();
    listener.close();
  });

  it("replaces nothing but a socket, and removes only its own", () => {
    writeFileSync(path, "precious");
    expect(() => listen(path)).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
    const link = join(directory, "link");
    symlinkSync(path, link);
    expect(() => listen(link)).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
    rmSync(path);
    const first = listen(path);
    rmSync(path);
    const second = listen(path);
    first.listener.close();
    expect(lstatSync(path).isSocket()).toBe(true);
    second.listener.close();
    expect(() => listen(join(directory, "none", "socket"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => listen(`/${"x".repeat(107)}`)).toThrow(expect.objectContaining({ code: "ENAMETOOLONG" }));
    expect(() => listen("@")).toThrow(/path: empty/);
  });

  it("has abstract names too, of up to 106 bytes after the @", async () => {
    const name = `@weft-test-${process.pid}-`.padEnd(107, "x");
    const { listener, client, server } = await connectedPair(name);
    client.socket.send(text("hello"));
    await until(() => server.messages.length === 1);
    client.socket.close();
    server.socket.close();
    listener.close();
    expect(() => SeqpacketSocket.connect(name)).toThrow(expect.objectContaining({ code: "ECONNREFUSED" }));
    expect(() => SeqpacketSocket.connect(path)).toThrow(expect.objectContaining({ code: "ENOENT" }));
  });

  it("rests when descriptors have run out, and takes who waited when there are some again", async () => {
    const { listener, heard } = listen(path);
    const client = hear(SeqpacketSocket.connect(path));
    const held: number[] = [];
    const openAll = () => {
      // Past 65536 the addon's table ends, should the system allow more.
      while (held.length < 66_000) held.push(openSync("/dev/null", "r"));
      throw Object.assign(new Error("enough"), { code: "EMFILE" });
    };
    expect(openAll).toThrow(expect.objectContaining({ code: "EMFILE" }));
    await until(() => listener.failures > 0);
    expect(heard).toEqual([]);
    for (const fd of held) closeSync(fd);
    await until(() => heard.length === 1 || client.closes.length === 1);
    client.socket.close();
    await until(() => heard.every(({ closes }) => closes.length === 1));
    listener.close();
  });

  it("may be closed by the handler of a connection", async () => {
    let accepted = 0;
    const listener = new SeqpacketListener({
      path,
      onConnection: (socket) => {
        accepted++;
        socket.close();
        listener.close();
      },
    });
    const first = hear(SeqpacketSocket.connect(path));
    const second = hear(SeqpacketSocket.connect(path));
    await until(() => first.closes.length + second.closes.length === 2);
    expect(accepted).toBe(1);
  });
});

describe.skipIf(lacks("python3"))("a process that keeps to no rule", () => {
  /** We connect to a process, `connections` times; it runs the script for each, and ends it when we have closed. */
  async function hearFrom(script: string, takesFds = true, connections = 1) {
    const at = `@weft-test-${process.pid}-hostile`;
    const block = script.trim().replaceAll("\n", "\n  ");
    const peer = startHostile(
      at,
      `l = listening()\nfor i in range(${connections}):\n  s = l.accept()[0]\n  ${block}\n  ended(s)`,
    );
    await peer.waitFor(/listening/);
    const all = { messages: new Array<string>(), fds: new Array<number>(), closes: new Array<string>() };
    for (let i = 0; i < connections; i++) {
      const one = hear(new SeqpacketSocket(addon.connectSeqpacket(at), takesFds));
      await until(() => one.closes.length > 0);
      for (const key of ["messages", "closes"] as const) all[key].push(...one[key]);
      all.fds.push(...one.fds);
    }
    expect(await peer.finished).toMatchObject({ status: 0, stderr: "" });
    return all;
  }

  it("sends a message that is too long: it is closed and told", async () => {
    const { messages, closes } = await hearFrom(`s.send(b'ok')\ns.send(bytes(${MESSAGE_MAX_BYTES + 1}))`);
    expect([messages, closes]).toEqual([["ok"], ["EBADMSG"]]);
  });

  it("sends more descriptors than a message may have: none of them stays", async () => {
    const { messages, fds, closes } = await hearFrom("s.sendmsg([b'many'], rights(os.pipe() * 5))");
    expect([messages, fds, closes]).toEqual([[], [], ["EBADMSG"]]);
  });

  it("sends descriptors to a socket that takes none: the message is bad", async () => {
    const { messages, fds, closes } = await hearFrom("s.sendmsg([b'two'], rights(os.pipe()))", false);
    expect([messages, fds, closes]).toEqual([[], [], ["EBADMSG"]]);
  });

  it("sends what is neither a sealed memfd nor an end of a pipe: nothing of the message stays", async () => {
    const strange = [
      "[os.open('/dev/null', os.O_RDWR)]",
      "[0]",
      "[s.fileno()]",
      "[os.eventfd(0)]",
      "[os.memfd_create('unsealed')]",
      "[os.pipe()[0], os.open('/proc/self/status', os.O_RDONLY)]",
      "[os.open('/', os.O_PATH)]",
    ];
    const script = `s.sendmsg([b'strange'], rights([${strange.join(", ")}][i]))`;
    const { messages, fds, closes } = await hearFrom(script, true, strange.length);
    expect([messages, fds]).toEqual([[], []]);
    expect(closes).toEqual(strange.map(() => "EBADMSG"));
  });

  it("sends descriptors with a message of no bytes: not taken for the end", async () => {
    const { fds, closes } = await hearFrom("s.sendmsg([b''], rights(os.pipe()))");
    expect([fds, closes]).toEqual([[], ["EBADMSG"]]);
  });

  it("sends up to eight good ones: they come, each as what it is", async () => {
    const { messages, fds } = await hearFrom(`
m = os.memfd_create('sealed', os.MFD_ALLOW_SEALING)
os.ftruncate(m, 4096)
fcntl.fcntl(m, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
r, w = os.pipe()
s.sendmsg([b'eight'], rights([m, r, w, m, r, w, m, r]))
s.close()`);
    expect(messages).toEqual(["eight"]);
    expect(fds.length).toBe(8);
    const [memory = -1, wait = -1, signal = -1] = fds;
    addon.signal(signal);
    expect(addon.drain(wait)).toBe(1);
    expect(() => addon.signal(wait)).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(() => addon.drain(signal)).toThrow(expect.objectContaining({ code: "EBADF" }));
    const window = addon.createWindow(1 << 20);
    window.mapMemfd(memory, 0, 4096);
    window.close();
    for (const fd of fds) addon.closeFd(fd);
  });

  it("cannot pass descriptors to a listener's socket", async () => {
    const { listener, heard } = listen(path);
    const peer = startHostile(
      path,
      `
s = connected()
try: s.sendmsg([b'take this'], rights(os.pipe()))
except PermissionError: s.send(bytes(${MESSAGE_MAX_BYTES + 1}))
ended(s)`,
    );
    await until(() => heard[0]?.closes.length === 1);
    // Either the kernel has refused it there (Linux 6.16), or it was dropped here.
    expect(heard[0]?.closes).toEqual(["EBADMSG"]);
    expect(heard[0]?.messages).toEqual([]);
    expect(await peer.finished).toMatchObject({ stderr: "" });
    listener.close();
  });

  it("cannot make us wait by what it does to its end of a wake pipe", async () => {
    const { listener, heard } = listen(path);
    const toPeer = createWakePipe();
    const toUs = createWakePipe();
    const peer = startHostile(
      path,
      `
s = connected()
_, fds, _, _ = socket.recv_fds(s, 100, 8)
for fd in fds: fcntl.fcntl(fd, fcntl.F_SETFL, 0)
s.send(b'done')
ended(s)`,
    );
    await until(() => heard.length === 1);
    heard[0]?.socket.send(text("yours"), [toPeer.reader.fd, toUs.writer.fd]);
    toPeer.reader.close();
    toUs.writer.close();
    await until(() => heard[0]?.messages.length === 1);
    // More than the pipe holds, and nothing to read: with an eventfd one of these would not come back.
    for (let i = 0; i < 10_000; i++) toPeer.writer.signal();
    expect(toUs.reader.drain()).toBe(0);
    heard[0]?.socket.close();
    expect(await peer.finished).toMatchObject({ status: 0, stderr: "" });
    expect(toUs.reader.drain()).toBeLessThan(0);
    toPeer.writer.close();
    toUs.reader.close();
    listener.close();
  });
});
