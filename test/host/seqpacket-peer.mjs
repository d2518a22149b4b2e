// The other process of unix-socket.test.ts: node seqpacket-peer.mjs ADDON ROLE PATH. Uses the addon itself, as no test's
// helper would: what it does wrong must not be prevented by the classes under test.
import { createRequire } from "node:module";

const [addonPath = "", role, path = ""] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
const text = (/** @type {string} */ words) => new TextEncoder().encode(words);
const PAGE = 4096;

/** @type {Record<string, () => void>} */
const roles = {
  // Listens and is killed: its socket file stays.
  stale() {
    addon.listenSeqpacket(path, 0o600);
    process.kill(process.pid, "SIGKILL");
  },
  // Sends two messages and is killed before it reads any.
  dies() {
    const { fd } = addon.connectSeqpacket(path);
    addon.sendMessage(fd, text("one"));
    addon.sendMessage(fd, text("two"));
    addon.watch(fd, () => process.kill(process.pid, "SIGKILL"));
  },
  // Answers with its ids and goes when the other side does.
  ids() {
    const { fd } = addon.connectSeqpacket(path);
    addon.sendMessage(fd, text(`${process.getuid?.()} ${process.getgid?.()} ${process.pid}`));
    const watch = addon.watch(fd, () => watch.close());
  },
  // Maps the memfd that comes, reads and writes through it, and wakes; the next wake-up lets it go.
  maps() {
    const { fd } = addon.connectSeqpacket(path);
    const bytes = new Uint8Array(100);
    const fds = new Int32Array(8);
    const watch = addon.watch(fd, () => {
      const got = addon.receiveMessage(fd, bytes, fds);
      if (got <= 0) throw new Error(`receiveMessage: ${got}`);
      watch.close();
      const [memory, wait, signal] = fds;
      const window = addon.createWindow(1 << 20);
      window.mapMemfd(memory, 2 * PAGE, PAGE);
      const words = new Int32Array(window.buffer, 2 * PAGE, PAGE / 4);
      const told = new TextDecoder().decode(bytes.subarray(0, got));
      if (told !== "map this" || fds[3] !== -1) throw new Error(`${told} ${fds.join(" ")}`);
      words[1] = words[0] + 1;
      const sleep = addon.watch(wait, () => {
        if (addon.drain(wait) !== 1) throw new Error("not woken once");
        words[3] = words[2] + 1;
        addon.signal(signal);
        sleep.close();
      });
      addon.signal(signal);
    });
  },
};

roles[role]?.();
