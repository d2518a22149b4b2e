// Drives every function of the addon, rightly and wrongly. Started by asan.test.ts in a process of its own with an
// instrumented build: node exercise.mjs ADDON NETNS. Prints "done"; any finding of the sanitizers ends the process.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { exerciseTls } from "./exercise-tls.mjs";

const [path = "", netns = ""] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(path);
const absent = `${netns}-none`;
const PAGE = 4096;
const BLOCK = 1032192;
const RING_AT = 16 << 20;
const SLOTS_AT = 4 << 20;
const LARGE_AT = 8 << 20;

/** @param {string} code @param {() => unknown} action */
function refused(code, action) {
  assert.throws(action, (/** @type {{ code?: string, message: string }} */ error) => {
    assert.equal(error.code, code, error.message);
    return error.message.length > 0;
  });
}

/** Arguments that nobody should pass, to every function. */
function feedNonsense(target) {
  const strange = [
    undefined,
    null,
    -1,
    2 ** 53,
    0.5,
    Number.NaN,
    "",
    "x".repeat(5000),
    "a\0b",
    "../x",
    {},
    [],
    Symbol("s"),
    7n,
  ];
  strange.push({ name: "x".repeat(300) }, { name: "wn0", netns: "x".repeat(300) }, { name: "wn0", netns: 5 }, () => 1);
  strange.push(
    { name: "wn0", netns: absent, mtu: -5, addresses: [1] },
    { name: "wn0", netns: absent, mac: new Uint8Array(7) },
  );
  strange.push({ name: "wn0", netns: absent, addresses: [{ bytes: new Uint8Array(5), prefix: 3 }] });
  strange.push({
    name: "lo",
    netns: absent,
    routes: Array.from({ length: 65 }, () => ({ bytes: new Uint8Array(4), prefix: 0 })),
  });
  strange.push(
    { name: "lo", netns: absent, addresses: { length: 2 ** 31 } },
    new Proxy(
      {},
      {
        get() {
          throw new Error("trap");
        },
      },
    ),
  );
  strange.push({ key: "../../etc/passwd", value: "x" }, { key: "x".repeat(198), value: "y", netns: absent });
  for (const [name, method] of Object.entries(target)) {
    if (
      typeof method !== "function" ||
      ["close", "createPoller", "rxBurst", "txBurst", "wake", "unref", "ref", "poll", "disarm"].includes(name)
    )
      continue;
    for (const one of strange) {
      for (const two of [undefined, -1, 2 ** 31, "x"]) {
        try {
          const made = method.call(target, one, two, two);
          if (typeof made?.close === "function") made.close();
          if (made?.createdNetns === true) {
            addon.closeFd(made.fd);
            addon.deleteNetns(absent);
          }
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }
    }
  }
}

function exerciseWindow() {
  refused("EINVAL", () => addon.createWindow(0));
  const window = addon.createWindow(10 * PAGE + 100);
  for (let i = 9; i >= 0; i -= 2) window.commit(i * PAGE, 1, i % 3 === 0);
  for (let i = 0; i < 10; i += 2) window.commit(i * PAGE + 50, 8);
  window.touch(0, 10 * PAGE);
  refused("EFAULT", () => window.touch(0, 10 * PAGE + 100));
  window.commit(10 * PAGE, 100);
  new Uint8Array(window.buffer).fill(7);
  refused("EFAULT", () => window.setMailbox(0));
  const fd = addon.createMemfd("exercise", 4 * PAGE);
  window.mapMemfd(fd, PAGE, 4 * PAGE);
  refused("ERANGE", () => window.mapMemfd(fd, PAGE, 5 * PAGE));
  addon.closeFd(fd);
  new Uint8Array(window.buffer).fill(8);
  window.release(0, 10 * PAGE);
  window.close();
  assert.equal(new Uint8Array(window.buffer)[10 * PAGE + 99], 0);
  // More separate ranges than the table holds are refused, not written past its end.
  const sparse = addon.createWindow(2000 * PAGE);
  let error;
  for (let i = 0; i < 300 && error === undefined; i++) {
    try {
      sparse.commit(i * 2 * PAGE, 1);
    } catch (caught) {
      error = caught;
    }
  }
  assert.equal(error?.code, "ENOSPC");
  sparse.close();
}

/** @param {number} count */
function makeWindow(count) {
  const window = addon.createWindow(64 << 20);
  window.commit(0, RING_AT);
  window.setMailbox(64);
  const words = new Int32Array(window.buffer, 64, 16384);
  const offer = (fd, small, large) => {
    words.set([fd, count, small, 2048, large, 66000]);
    for (let i = 0; i < 256; i++) words[16 + i] = SLOTS_AT + i * 2048;
    for (let i = 0; i < 64; i++) words[272 + i] = LARGE_AT + i * 66048;
  };
  const send = (fd, spans, header = [0, 0, 0, 0, 0, 0]) => {
    words.set([fd, 1]);
    words.set(header, 4096);
    words.fill(0, 4102, 4112);
    spans.forEach(([offset, bytes], i) => words.set([offset, bytes], 4102 + 2 * i));
    return window.txBurst();
  };
  return { window, words, offer, send };
}

function exerciseDevices() {
  const { window, words, offer, send } = makeWindow(256);
  const u8 = new Uint8Array(window.buffer);
  refused("ENOENT", () => addon.interfaceInfo({ netns, name: "wn0" }));
  const tap = addon.openTap({ netns, name: "wn0", queues: 2 });
  assert.equal(tap.createdNetns, true);
  assert.equal(tap.fds.length, 2);
  refused("EBUSY", () => addon.openTap({ netns, name: "wn0" }));
  addon.closeFd(tap.fds[1]);
  addon.configureInterface({
    netns,
    name: "wn0",
    mtu: 9000,
    mac: Uint8Array.of(2, 0, 0, 0, 0, 9),
    addresses: [
      { bytes: Uint8Array.of(198, 18, 0, 1), prefix: 24 },
      { bytes: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), prefix: 64 },
    ],
    routes: [{ bytes: Uint8Array.of(198, 19, 0, 0), prefix: 16, via: Uint8Array.of(198, 18, 0, 2) }],
  });
  addon.writeSysctl({ netns, key: "ipv4/ip_forward", value: "1" });
  refused("ENOENT", () => addon.writeSysctl({ netns, key: "ipv4/nonsense", value: "1" }));
  assert.equal(addon.interfaceInfo({ netns, name: "wn0" }).mtu, 9000);

  const ring = window.openPacketRing({ netns, name: "wn0", offset: RING_AT, bytes: BLOCK });
  refused("EBUSY", () => window.openPacketRing({ netns, name: "wn0", offset: RING_AT + PAGE, bytes: BLOCK }));
  refused("EBUSY", () => window.release(RING_AT, BLOCK));
  refused("ENODEV", () => window.openPacketRing({ netns, name: "none", offset: RING_AT + BLOCK, bytes: BLOCK }));
  assert.equal(u8[RING_AT + BLOCK], 0);

  // Socket to TAP: frames of every kind of size, spans up to five, slots of either kind or none.
  u8.fill(0xff, 1 << 20, (1 << 20) + 14);
  for (const bytes of [14, 60, 2048, 2049, 8000]) {
    for (const [small, large] of [
      [256, 4],
      [0, 4],
      [256, 0],
      [1, 1],
      [0, 0],
    ]) {
      assert.equal(
        send(
          ring.fd,
          [
            [1 << 20, 14],
            [2 << 20, bytes - 14],
            [0, 0],
          ].filter(([, size]) => size > 0),
        ),
        1,
      );
      offer(tap.fd, small, large);
      const got = window.rxBurst();
      assert.ok(got >= 0, String(got));
    }
  }
  offer(tap.fd, 256, 4);
  while (window.rxBurst() > 0);
  const piece = [2 << 20, 1000];
  assert.equal(send(tap.fd, [[1 << 20, 14], piece, piece, piece, piece]), 1);
  assert.equal(words[8], 0);
  // What the kernel or the checks refuse is counted and skipped.
  for (const spans of [
    [],
    [[1 << 20, -14]],
    [[-64, 60]],
    [[64 << 20, 60]],
    [[RING_AT + 3 * BLOCK, 60]],
    [[0x7fffffff, 0x7fffffff]],
  ]) {
    assert.equal(send(tap.fd, spans), 1);
    assert.equal(words[8], 1);
    assert.ok(words[9] > 0);
  }
  for (const header of [
    [1, 0, 0, 0, 60000, 60000],
    [1, 77, 1, 1, 14, 0],
    [255, 255, 65535, 65535, 65535, 65535],
  ]) {
    assert.equal(send(tap.fd, [[1 << 20, 60]], header), 1);
  }
  for (const bad of [-1, 257, 0x7fffffff]) {
    for (const at of [1, 2, 4]) {
      offer(tap.fd, 4, 4);
      words[at] = bad;
      assert.equal(window.rxBurst(), -22);
    }
  }
  for (const [at, value] of [
    [16, -1],
    [272, (64 << 20) - 100],
    [3, 0x7fffffff],
    [5, 0x7fffffff],
  ]) {
    offer(tap.fd, 4, 4);
    words[at] = value;
    assert.equal(window.rxBurst(), -14);
  }
  // Longer than the slot: cut off by readv, skipped, the byte behind the slot untouched.
  offer(tap.fd, 0, 1);
  words[5] = 100;
  u8[LARGE_AT + 100] = 0x5a;
  assert.equal(send(ring.fd, [[1 << 20, 200]]), 1);
  offer(tap.fd, 0, 1);
  words[5] = 100;
  for (let i = 0; i < 5; i++) window.rxBurst();
  assert.equal(u8[LARGE_AT + 100], 0x5a);

  window.closePacketRing(ring.fd);
  refused("EBADF", () => window.closePacketRing(ring.fd));
  assert.equal(u8[RING_AT], 0);
  const again = window.openPacketRing({ netns, name: "wn0", offset: RING_AT, bytes: BLOCK });
  window.close();
  assert.equal(send(again.fd, [[1 << 20, 60]]), -9);
  refused("EBADF", () => addon.closeFd(again.fd));
  addon.closeFd(tap.fd);
  refused("ENODEV", () => addon.deleteLink({ netns, name: "wn0" }));
  addon.createVethPair({ netns, name: "wa", peerNetns: netns, peerName: "wb" });
  refused("EBUSY", () => addon.createVethPair({ netns, name: "wa", peerName: "wc" }));
  addon.deleteLink({ netns, name: "wa" });
  assert.equal(addon.ensureNetns(netns), false);
  addon.deleteNetns(netns);
  refused("ENOENT", () => addon.deleteNetns(netns));
}

async function exercisePoller() {
  const { promise, resolve } = (() => {
    /** @type {(value: number) => void} */
    let settle = () => undefined;
    return { promise: new Promise((done) => (settle = done)), resolve: (value) => settle(value) };
  })();
  let calls = 0;
  const poller = addon.createPoller((bits) => {
    if (++calls === 1) {
      poller.wake();
      return;
    }
    poller.close(); // inside its own callback
    resolve(bits);
  });
  feedNonsense(Object.fromEntries(["add", "remove", "arm"].map((name) => [name, poller[name]])));
  poller.disarm();
  poller.wake();
  assert.equal(await promise, 4);
  refused("EBADF", () => poller.arm(1));
  refused("EINVAL", () => addon.createPoller(5));
  for (let i = 0; i < 20; i++) addon.createPoller(() => undefined).close();
  await sleep(5);
}

async function exerciseSockets() {
  const name = `@weft-exercise-${process.pid}`;
  refused("EINVAL", () => addon.listenSeqpacket("", 0o600));
  refused("EINVAL", () => addon.listenSeqpacket(name, 0o1000));
  refused("ENAMETOOLONG", () => addon.connectSeqpacket("x".repeat(108)));
  refused("ECONNREFUSED", () => addon.connectSeqpacket(name));
  const listener = addon.listenSeqpacket(name, 0o600);
  refused("EADDRINUSE", () => addon.listenSeqpacket(name, 0o600));
  assert.equal(addon.acceptSeqpacket(listener), -11);
  const { fd: client } = addon.connectSeqpacket(name);
  const { fd: server, pid } = addon.acceptSeqpacket(listener);
  assert.equal(pid, process.pid);
  const bytes = new Uint8Array(100);
  const fds = new Int32Array(8);
  const { waitFd, signalFd } = addon.createWakePipe();
  const memory = addon.createMemfd("passed", PAGE);
  for (const wrong of [null, {}, new Array(9).fill(memory), [client], [1], [-1], [undefined]]) {
    assert.throws(() => addon.sendMessage(server, bytes, wrong));
  }
  for (const wrong of [undefined, "text", new Uint8Array(0), new Int32Array(4), new DataView(new ArrayBuffer(8))]) {
    refused("EINVAL", () => addon.sendMessage(server, wrong));
    refused("EINVAL", () => addon.receiveMessage(client, wrong, fds));
  }
  refused("EINVAL", () => addon.receiveMessage(client, bytes, new Int32Array(7)));
  // A getter in the list takes the bytes away before they are sent.
  const taken = new Uint8Array(64);
  const trap = [memory];
  Object.defineProperty(trap, 0, {
    get() {
      structuredClone(taken.buffer, { transfer: [taken.buffer] });
      return memory;
    },
  });
  refused("EINVAL", () => addon.sendMessage(server, taken, trap));
  assert.equal(addon.receiveMessage(client, bytes, fds), -11);
  const passed = [memory, waitFd, signalFd, memory, waitFd, signalFd, memory, waitFd];
  for (let i = 0; i < 20; i++) {
    assert.equal(addon.sendMessage(server, bytes, passed.slice(0, i % 9)), 100);
    assert.equal(addon.receiveMessage(client, bytes, fds), 100);
    assert.equal(fds.filter((fd) => fd >= 0).length, i % 9);
    for (const fd of fds) if (fd >= 0) addon.closeFd(fd);
  }
  assert.equal(addon.sendMessage(server, bytes, passed), 100);
  assert.equal(addon.receiveMessage(client, bytes), -74);
  assert.equal(addon.sendMessage(server, bytes, passed), 100);
  assert.equal(addon.receiveMessage(client, bytes.subarray(0, 99), fds), -74);
  const copy = addon.duplicateFd(memory);
  addon.closeFd(copy);
  refused("EBADF", () => addon.duplicateFd(copy));
  refused("EBADF", () => addon.duplicateFd(server));
  await exerciseWatch(client, server);
  for (let i = 0; i < 600; i++) addon.signal(signalFd);
  assert.equal(addon.drain(waitFd), 512);
  addon.closeFd(signalFd);
  assert.equal(addon.drain(waitFd), -32);
  for (const fd of [listener, client, waitFd, memory]) addon.closeFd(fd);
}

async function exerciseWatch(client, server) {
  refused("EINVAL", () => addon.watch(client, 5));
  refused("EBADF", () => addon.watch(0, () => undefined));
  const seen = [];
  const watch = addon.watch(client, (bits) => {
    seen.push(bits);
    if (bits === 2) return watch.events(0);
    watch.close(); // inside its own callback
  });
  refused("EBUSY", () => addon.watch(client, () => undefined));
  refused("EBUSY", () => addon.closeFd(client));
  feedNonsense({ events: watch.events });
  watch.events(2);
  while (seen.length < 1) await sleep(1);
  // The other side goes with a message unread: an error of the socket, at which libuv stops.
  assert.equal(addon.sendMessage(client, Uint8Array.of(1)), 1);
  addon.closeFd(server);
  watch.events(1);
  while (seen.length < 2) await sleep(1);
  assert.deepEqual(seen, [2, 1]);
  refused("EBADF", () => watch.events(1));
  watch.close();
  assert.equal(addon.receiveMessage(client, new Uint8Array(1)), -104);
  assert.equal(addon.receiveMessage(client, new Uint8Array(1)), 0);
  assert.equal(addon.sendMessage(client, Uint8Array.of(1)), -32);
  for (let i = 0; i < 20; i++) addon.watch(client, () => undefined).close();
  await sleep(5);
}

async function exerciseWorker() {
  const code = `const addon = require(${JSON.stringify(path)});
    const poller = addon.createPoller(() => {}); poller.arm(10);
    const window = addon.createWindow(1 << 24); window.commit(0, 1 << 20);
    const pipe = addon.createWakePipe(); addon.watch(pipe.waitFd, () => {});
    addon.createMemfd("left open", 4096); addon.duplicateFd(pipe.signalFd);
    require("node:worker_threads").parentPort.postMessage("up");`;
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(code, { eval: true });
    await once(worker, "message");
    await worker.terminate();
  }
}

async function collect() {
  for (let i = 0; i < 50; i++) {
    const window = addon.createWindow(1 << 26);
    window.commit(0, PAGE);
    if (i % 2 === 0) window.close();
  }
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(5);
  }
}

process.on("exit", () => {
  for (const name of [netns, absent]) {
    try {
      addon.deleteNetns(name);
    } catch {
      // Not there, as it should be.
    }
  }
});
exerciseWindow();
feedNonsense(addon);
const nonsense = addon.createWindow(1 << 20);
feedNonsense(nonsense);
nonsense.close();
feedNonsense(nonsense);
exerciseTls(addon, refused, feedNonsense);
if (netns !== "") exerciseDevices();
await exercisePoller();
await exerciseSockets();
await exerciseWorker();
await collect();
console.log("done");
