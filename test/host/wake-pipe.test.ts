import { constants } from "node:os";
import { Worker } from "node:worker_threads";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon } from "../../src/host/addon.js";
import { createWakePipe } from "../../src/host/wake-pipe.js";
import { runProgram } from "../support/program.js";
import { fdsAreBack, openFds, until } from "./sockets.js";

const ADDON = join(process.cwd(), "native/build/Release/weft.node");
const addon = loadAddon();
let fdsBefore: number;

beforeEach(() => {
  fdsBefore = openFds();
});

afterEach(() => fdsAreBack(fdsBefore));

describe("wake pipe", () => {
  it("counts the wake-ups until it is full, and none after it was drained", () => {
    const { reader, writer } = createWakePipe();
    expect(reader.drain()).toBe(0);
    writer.signal();
    writer.signal();
    expect(reader.drain()).toBe(2);
    expect(reader.drain()).toBe(0);
    for (let i = 0; i < 1000; i++) writer.signal();
    expect(reader.drain()).toBe(512);
    writer.signal();
    expect(reader.drain()).toBe(1);
    writer.close();
    writer.close();
    writer.signal();
    expect(reader.drain()).toBe(-constants.errno.EPIPE);
    reader.close();
    reader.close();
    expect(reader.drain()).toBe(0);
  });

  it("outlives its reader: a signal then does nothing", () => {
    const { reader, writer } = createWakePipe();
    reader.close();
    expect(() => writer.signal()).not.toThrow();
    writer.close();
  });

  it("wakes the event loop once for many, drained, from another thread too", async () => {
    const { reader, writer } = createWakePipe();
    let wakes = 0;
    reader.watch(() => {
      wakes++;
      expect(reader.drain()).toBe(0);
    });
    for (let i = 0; i < 100; i++) writer.signal();
    await until(() => wakes === 1);
    const code = `const { workerData } = require("node:worker_threads"); require(${JSON.stringify(ADDON)}).signal(workerData);`;
    const worker = new Worker(code, { eval: true, workerData: writer.fd });
    await until(() => wakes === 2);
    await worker.terminate();
    expect(wakes).toBe(2);
    reader.close();
    writer.close();
  });

  it("ends watching when nobody can signal any more", async () => {
    const { reader, writer } = createWakePipe();
    reader.watch(() => {
      throw new Error("woken");
    });
    expect(() => addon.closeFd(reader.fd)).toThrow(expect.objectContaining({ code: "EBUSY" }));
    expect(() => reader.watch(() => undefined)).toThrow(expect.objectContaining({ code: "EBUSY" }));
    writer.close();
    const isWatched = () => {
      try {
        addon.watch(reader.fd, () => undefined).close();
        return false;
      } catch {
        return true;
      }
    };
    await until(() => !isWatched());
    reader.close();
  });

  it("may be closed by its own handler", async () => {
    const { reader, writer } = createWakePipe();
    let wakes = 0;
    reader.watch(() => {
      wakes++;
      reader.close();
    });
    writer.signal();
    await until(() => wakes === 1);
    writer.signal();
    writer.close();
    expect(wakes).toBe(1);
  });

  it("keeps a process alive while it is watched, unless unref'ed", async () => {
    const load = `const addon = require(${JSON.stringify(ADDON)}); const pipe = addon.createWakePipe();`;
    const run = (script: string) => runProgram(process.execPath, ["-e", load + script]);
    expect(await run("addon.watch(pipe.waitFd, () => {}).unref();")).toMatchObject({ status: 0 });
    const kept = "const w = addon.watch(pipe.waitFd, (bits) => { console.log(bits); w.close(); });";
    expect(await run(`${kept} setTimeout(() => addon.signal(pipe.signalFd), 20).unref();`)).toMatchObject({
      status: 0,
      stdout: "1\n",
    });
  });

  it("and all descriptors of a worker are closed when the worker ends", async () => {
    const code = `const addon = require(${JSON.stringify(ADDON)});
      const pipe = addon.createWakePipe();
      addon.createMemfd("left open", 4096);
      addon.watch(pipe.waitFd, () => {});
      const listener = addon.listenSeqpacket("@weft-test-${process.pid}-worker", 0o600);
      addon.watch(listener, () => {});
      addon.watch(addon.connectSeqpacket("@weft-test-${process.pid}-worker").fd, () => {});
      require("node:worker_threads").parentPort.postMessage("up");`;
    const worker = new Worker(code, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    expect(openFds()).toBeGreaterThan(fdsBefore);
    await worker.terminate();
    await until(() => openFds() <= fdsBefore);
  });
});
