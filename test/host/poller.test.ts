import { createServer, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import { Worker } from "node:worker_threads";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon } from "../../src/host/addon.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { createPoller, type Poller, READY_FAILED, READY_FD, READY_TIMER, READY_WAKE } from "../../src/host/poller.js";
import { SystemClock } from "../../src/host/system-clock.js";
import { lacks } from "../needs.js";
import { inNetns, netnsName } from "./names.js";

const ADDON = join(process.cwd(), "native/build/Release/weft.node");
const LOAD = `const addon = require(${JSON.stringify(ADDON)});`;

/** Runs a script in a Node process of its own. */
function runScript(script: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["-e", LOAD + script], { encoding: "utf8", timeout: 8000 });
}

/** The preface of a client of HTTP/2, no settings, and a request (RFC 9113 3.4, RFC 7541 appendix A). */
const HTTP2_GET = Buffer.from(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\x04\0\0\0\0\0" + "\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x87\x41\x01x",
  "latin1",
);

describe("poller", () => {
  let poller: Poller;
  let onReady: (bits: number) => void = () => undefined;

  /** The bits of the next call. */
  function next(): Promise<number> {
    return new Promise((resolve) => {
      onReady = (bits) => resolve(bits);
    });
  }

  beforeEach(() => {
    poller = createPoller((bits) => onReady(bits));
  });

  afterEach(() => poller.close());

  it("wakes when the time has come, not before, and for the earliest of several times", async () => {
    const clock = new SystemClock();
    const start = clock.nowUs();
    poller.arm(1e6);
    poller.arm(5000);
    poller.arm(20000);
    expect(await next()).toBe(READY_TIMER);
    const waitedUs = clock.nowUs() - start;
    expect(waitedUs).toBeGreaterThanOrEqual(4990);
    expect(waitedUs).toBeLessThan(900_000);
    poller.arm(0);
    expect(await next()).toBe(READY_TIMER);
  });

  it("runs ticks after the callback, not in the middle of what it calls of Node's", async () => {
    const order: string[] = [];
    const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const server = createServer();
    server.on("stream", (stream: ServerHttp2Stream) => {
      process.nextTick(() => order.push("tick"));
      stream.close();
      order.push("stream");
    });
    server.emit("connection", connection);
    // Its own settings are written first.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await expect.poll(() => connection.readableFlowing).toBe(true);
    const ready = new Promise<void>((resolve) => {
      onReady = () => {
        connection.push(HTTP2_GET);
        order.push("delivered");
        setImmediate(resolve);
      };
    });
    poller.wake();
    await ready;
    expect(order).toEqual(["delivered", "stream", "tick"]);
  });

  it("does not wake after disarm", async () => {
    poller.arm(1000);
    poller.disarm();
    const calls: number[] = [];
    onReady = (bits) => {
      calls.push(bits);
    };
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calls).toEqual([]);
    // A later time can be set after an earlier one was taken back.
    poller.arm(1e9);
    poller.disarm();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(calls).toEqual([]);
  });

  it("wakes for wake and for a signal from another thread, once for many", async () => {
    poller.wake();
    poller.wake();
    expect(await next()).toBe(READY_WAKE);
    expect(poller.poll()).toBe(0);
    const worker = new Worker(`${LOAD} addon.signal(require("node:worker_threads").workerData)`, {
      eval: true,
      workerData: poller.wakeFd,
    });
    expect(await next()).toBe(READY_WAKE);
    await worker.terminate();
  });

  it("answers poll without a turn of the loop", () => {
    expect(poller.poll()).toBe(0);
    poller.wake();
    poller.arm(0);
    let bits = 0;
    while (bits !== (READY_TIMER | READY_WAKE)) bits |= poller.poll();
    expect(poller.poll()).toBe(0);
  });

  it("runs ticks and promise callbacks after the burst", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      onReady = () => {
        void Promise.resolve().then(() => order.push("promise"));
        process.nextTick(() => order.push("tick"));
        setImmediate(() => {
          order.push("immediate");
          resolve();
        });
      };
      poller.wake();
    });
    expect(order).toEqual(["tick", "promise", "immediate"]);
  });

  it("runs them also after the callback that closed it", async () => {
    const closed = new Promise<string>((resolve) => {
      const other = createPoller(() => {
        other.close();
        void Promise.resolve().then(() => resolve("ran"));
      });
      other.wake();
    });
    expect(await closed).toBe("ran");
  });

  it.skipIf(lacks("netns"))("wakes for frames, and once for a device that was removed", async () => {
    const netns = netnsName("poll");
    const addon = loadAddon();
    const host = new NativeWindow({ bytes: 1 << 20 });
    const tap = addon.openTap({ netns, name: "wn0" });
    addon.configureInterface({ netns, name: "wn0", addresses: [{ bytes: Uint8Array.of(198, 18, 0, 1), prefix: 24 }] });
    poller.add(tap.fd);
    poller.add(tap.fd, true);
    expect(await next()).toBe(READY_FD);
    poller.add(tap.fd, false);
    inNetns(netns, "echo x > /dev/udp/198.18.0.2/9");
    expect(await next()).toBe(READY_FD);
    poller.remove(tap.fd);
    poller.remove(tap.fd);
    expect(poller.poll()).toBe(0);
    poller.add(tap.fd);
    addon.deleteLink({ netns, name: "wn0" });
    expect(poller.poll()).toBe(READY_FD | READY_FAILED);
    expect(poller.poll()).toBe(0);
    addon.closeFd(tap.fd);
    addon.deleteNetns(netns);
    host.window.close();
  });

  it("refuses bad arguments and use after close", () => {
    expect(() => poller.add(-1)).toThrow(/fd: not a whole number/);
    expect(() => poller.add(60000)).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(() => poller.arm(Number.NaN)).toThrow(/microseconds/);
    expect(() => poller.arm(-1)).toThrow(/microseconds/);
    expect(() => loadAddon().signal(1)).toThrow(expect.objectContaining({ code: "EBADF" }));
    const closed = createPoller(() => undefined);
    closed.close();
    closed.close();
    expect(() => closed.wake()).toThrow(/closed/);
    expect(() => closed.poll()).toThrow(/closed/);
  });

  it("lets a process end when closed or unref'ed, and keeps it otherwise", () => {
    expect(runScript("const p = addon.createPoller(() => {}); p.close();").status).toBe(0);
    expect(runScript("const p = addon.createPoller(() => {}); p.unref();").status).toBe(0);
    const kept = runScript(
      "const p = addon.createPoller((bits) => { console.log(bits); p.close(); }); p.unref(); p.ref(); p.arm(20000);",
    );
    expect(kept).toMatchObject({ status: 0, stdout: `${READY_TIMER}\n` });
  });

  it("turns what the callback throws into an uncaught exception", () => {
    const crashed = runScript("addon.createPoller(() => { throw new Error('boom'); }).wake();");
    expect(crashed.status).toBe(1);
    expect(crashed.stderr).toContain("Error: boom");
    const caught = runScript(
      "process.on('uncaughtException', (e) => { console.log(e.message); });" +
        "let n = 0; const p = addon.createPoller(() => { if (++n === 2) p.close(); else { p.wake(); throw new Error('boom'); } }); p.wake();",
    );
    expect(caught).toMatchObject({ status: 0, stdout: "boom\n" });
  });

  it("lets a worker that forgot to close it exit cleanly", () => {
    const script = `
      const { Worker } = require("node:worker_threads");
      const code = ${JSON.stringify(`${LOAD} const p = addon.createPoller(() => {}); p.arm(1e9);
        const w = addon.createWindow(1 << 20); w.commit(0, 4096);
        require("node:worker_threads").parentPort.postMessage("up");`)};
      const worker = new Worker(code, { eval: true });
      worker.on("message", async () => { console.log(await worker.terminate()); });`;
    expect(runScript(script)).toMatchObject({ status: 0, stdout: "1\n", stderr: "" });
  });
});
