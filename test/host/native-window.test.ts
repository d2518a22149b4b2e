import { describe, expect, it } from "vitest";
import { loadAddon } from "../../src/host/addon.js";
import { BOX_COUNT, BOX_FD, BOX_SMALL_BYTES, BOX_SMALL_COUNT, BOX_SMALL_SLOTS } from "../../src/host/mailbox.js";
import { MAILBOX_BYTES, NativeWindow } from "../../src/host/native-window.js";

const EBADF = 9;

describe("NativeWindow", () => {
  it("is a memory window over reserved address space, zero at first", () => {
    const host = new NativeWindow();
    const { window } = host;
    expect(window.u8.length).toBe(2 ** 31);
    expect(host.mailbox % 64).toBe(0);
    expect(window.regions.map(({ name, bytes }) => [name, bytes])).toEqual([["mailbox", MAILBOX_BYTES]]);
    const at = window.reserve("region", 10 << 20);
    window.reserve("empty", 0);
    expect(window.u8.subarray(at, at + (10 << 20)).every((byte) => byte === 0)).toBe(true);
    window.dv.setInt32(at, 0x01020304);
    host.touch();
    expect([...window.u8.subarray(at, at + 4)]).toEqual([1, 2, 3, 4]);
    expect(() => window.reserve("too much", 2 ** 31)).toThrow(RangeError);
    window.close();
    window.close();
    // A view that somebody kept reads zero instead of taking the process down.
    expect(window.u8[at]).toBe(0);
    expect(window.u8[2 ** 31 - 1]).toBe(0);
    expect(host.native.rxBurst()).toBe(-EBADF);
    expect(host.native.txBurst()).toBe(-EBADF);
    expect(() => host.native.commit(0, 1)).toThrow(/closed/);
  });

  it("maps one memfd twice, and only a sealed one", () => {
    const addon = loadAddon();
    const host = new NativeWindow({ bytes: 4 << 20 });
    const { window } = host;
    const fd = addon.createMemfd("weft test", 65536);
    const a = window.reserve("first", 65536, 4096);
    const b = window.reserve("second", 65536, 4096);
    host.native.mapMemfd(fd, a, 65536);
    host.native.mapMemfd(fd, b, 65536);
    window.i32[(a >> 2) + 100] = 0x12345678;
    expect(window.i32[(b >> 2) + 100]).toBe(0x12345678);
    expect(Atomics.add(window.i32, (b >> 2) + 100, 1)).toBe(0x12345678);
    expect(window.i32[(a >> 2) + 100]).toBe(0x12345679);
    host.native.release(a, 65536);
    expect(window.i32[(a >> 2) + 100]).toBe(0);
    expect(window.i32[(b >> 2) + 100]).toBe(0x12345679);
    expect(() => host.native.mapMemfd(fd, a, 131072)).toThrow(/holds 65536 bytes, 131072 wanted/);
    expect(() => host.native.mapMemfd(fd, a + 64, 4096)).toThrow(/page size/);
    expect(() => host.native.mapMemfd(1, a, 4096)).toThrow(expect.objectContaining({ code: "EBADF" }));
    addon.closeFd(fd);
    expect(() => addon.closeFd(fd)).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(window.i32[(b >> 2) + 100]).toBe(0x12345679);
    window.close();
  });

  it("checks what a burst finds in the mailbox before it touches memory", () => {
    const host = new NativeWindow({ bytes: 1 << 20 });
    const { i32 } = host.window;
    const box = host.mailbox >> 2;
    i32[box + BOX_FD] = 0;
    expect(host.native.rxBurst()).toBe(-EBADF);
    i32[box + BOX_FD] = 0x7fffffff;
    expect(host.native.rxBurst()).toBe(-EBADF);
    expect(host.native.txBurst()).toBe(-EBADF);
    i32[box + BOX_COUNT] = -1;
    i32[box + BOX_SMALL_COUNT] = 1;
    i32[box + BOX_SMALL_BYTES] = 2048;
    i32[box + BOX_SMALL_SLOTS] = -2048;
    expect(host.native.rxBurst()).toBe(-EBADF);
    host.window.close();
  });

  it("refuses ranges outside the window with their numbers", () => {
    const { native } = new NativeWindow({ bytes: 1 << 20 });
    expect(() => native.commit(1 << 20, 1)).toThrow(/reach past the window of 1048576 bytes/);
    expect(() => native.commit(0, 0)).toThrow(/bytes: not a whole number from 1/);
    expect(() => native.commit(0.5, 4)).toThrow(/offset/);
    expect(() => native.touch(1 << 19, 4096)).toThrow(/not committed/);
    expect(() => native.setMailbox(1 << 19)).toThrow(/not committed/);
    expect(() => native.release(64, 4096)).toThrow(/page size/);
    expect(() => loadAddon().createWindow(2 ** 31 + 1)).toThrow(/bytes/);
    native.close();
  });
});
