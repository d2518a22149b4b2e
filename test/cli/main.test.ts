import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cli } from "../../src/cli/cli.js";
import { main } from "../../src/cli/program/main.js";
import { CliSocket } from "../../src/cli/socket-server.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { CaptureWriter } from "../../src/device/pcap-write.js";
import { PCAPS } from "../support/captures.js";
import { Pair } from "./pair.js";

const HOST_B = join(import.meta.dirname, "..", "replay", "host-b.yaml");

let directory: string;
let out: string;
let err: string;

async function weft(...args: readonly string[]): Promise<number> {
  out = err = "";
  const streams = [
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      out += String(text);
      return true;
    }),
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      err += String(text);
      return true;
    }),
  ];
  try {
    return await main(args);
  } finally {
    for (const stream of streams) stream.mockRestore();
  }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-main-"));
  vi.stubEnv("XDG_RUNTIME_DIR", directory);
  vi.stubEnv("WEFT_DEBUG", "");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

const WRONG: readonly (readonly [args: string, line: string])[] = [
  ["", "weft: command is missing (weft --help lists them)"],
  ["frob", "frob: unknown command (weft --help lists them)"],
  ["--frob", "--frob: unknown option"],
  ["run", "run: neither --config nor --tap"],
  ["run --frob", "--frob: unknown option"],
  ["run --tap", "--tap: argument is missing"],
  ["run --tap a/b", '--tap: not an interface name of 1 to 15 characters: "a/b"'],
  ["run --tap tap0 --netns ../x", '--netns: not a network namespace name: "../x"'],
  ["run --tap tap0 --mtu big", '--mtu: not a whole number from 68 to 65521: "big"'],
  ["run --tap tap0 --address 198.18.0.2/24 10.0.0.300/8", '--address: not an address prefix: "10.0.0.300/8"'],
  ["run --tap tap0 --host-address 198.18.0.1", '--host-address: not an address prefix: "198.18.0.1"'],
  ["run --tap tap0 --app ftp", '--app: not one of echo, discard, chargen, http, iperf3, check, proxy: "ftp"'],
  ["run --tap tap0 --app echo=tcp://x", expect.stringMatching(/^--app: not a URI: "tcp:\/\/x": not an address/)],
  ["run --tap tap0 --config x.yaml", "--tap: not together with --config"],
  ["run --config /nowhere.yaml", "/nowhere.yaml: cannot be read (ENOENT)"],
  ["replay", "replay: capture is missing"],
  ["run --tap tap0 --cli-socket=", '--cli-socket: not a path: ""'],
  ["cli --socket", "--socket: argument is missing"],
];

describe("bad usage", () => {
  it.each(WRONG)("weft %s", async (args, line) => {
    expect(await weft(...args.split(" ").filter(Boolean))).toBe(2);
    expect(out).toBe("");
    expect(err.endsWith("\n")).toBe(true);
    expect(err.slice(0, 6)).toBe("weft: ");
    expect(err.slice(6, -1)).toEqual(line);
  });

  it("names the key of a configuration file", async () => {
    const file = join(directory, "weft.yaml");
    const text = 'interfaces: [{ name: tap0, addresses: ["10.0.0.2/8", "10.0.0.300/8"] }]';
    writeFileSync(file, text);
    expect(await weft("run", "--config", file)).toBe(2);
    expect(err).toBe('weft: interfaces[0].addresses[1]: not an address prefix: "10.0.0.300/8"\n');
    writeFileSync(file, "");
    expect(await weft("run", "--config", file)).toBe(2);
    expect(err).toBe("weft: configuration: empty\n");
  });

  it("shows the stack when asked to", async () => {
    vi.stubEnv("WEFT_DEBUG", "1");
    expect(await weft("run")).toBe(2);
    expect(err).toMatch(/^weft: run: neither --config nor --tap\nUsageError: .*\n {4}at /);
  });
});

describe("--help and --version", () => {
  it("answer on standard output", async () => {
    expect(await weft("--version")).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await weft("--help")).toBe(0);
    for (const name of ["run", "cli", "replay", "demo"]) expect(out).toMatch(new RegExp(`^ {2}${name} `, "m"));
    expect(await weft("run", "--help")).toBe(0);
    expect(out).toMatch(/--host-address <cidr...>/);
  });
});

describe("weft cli", () => {
  it("sends a command and takes its failure as its own", async () => {
    expect(await weft("cli", "show", "interface")).toBe(1);
    expect(err).toBe(`weft: cli: ${directory}/weft/cli.sock: no stack listens there\n`);
    const cli: Cli = new Pair().cli;
    const socket = await CliSocket.open(join(directory, "weft", "cli.sock"));
    socket.answer = (line, signal) => cli.run(line, signal);
    try {
      expect(await weft("cli", "show", "interface", "addr")).toBe(0);
      expect(out).toContain("L3 198.18.0.2/24\n");
      expect(await weft("cli", "show", "nothing")).toBe(1);
      expect(out).toBe("");
      expect(err).toMatch(/^weft: unknown command: "show nothing"/);
      expect(await weft("cli", "clear", "errors")).toBe(0);
      expect(out).toBe("");
    } finally {
      await socket.close();
    }
  });
});

describe("weft replay", () => {
  it("says the same each time, as text and as JSON, and writes what the stack sent", async () => {
    const ping = join(PCAPS, "ping4.pcap");
    const sent = join(directory, "sent.pcap");
    expect(await weft("replay", ping, "--config", HOST_B, "--json", "--out", sent)).toBe(0);
    const first = out;
    const frames = readFileSync(sent);
    expect(JSON.parse(first)).toMatchObject({ frames: { captured: 26, fed: 13, recorded: 13, held: 0, forced: 0 } });
    expect(readCapture(frames).frames.length).toBe((JSON.parse(first) as { frames: { sent: number } }).frames.sent);
    expect(await weft("replay", ping, "--config", HOST_B, "--json", "--out", sent)).toBe(0);
    expect(out).toBe(first);
    expect(readFileSync(sent).equals(frames)).toBe(true);
    expect(await weft("replay", ping, "--config", HOST_B)).toBe(0);
    expect(out).toMatch(/^frames captured +26$/m);
    expect(out).toMatch(/^ +13 +ip4-icmp-echo-request$/m);
  });

  it("finds out whose part to play", async () => {
    expect(await weft("replay", join(PCAPS, "udp.pcap"))).toBe(0);
    expect(out).toMatch(/^frames recorded +31$/m);
    expect(out).toMatch(/^ +2 +udp4-input +no_listener$/m);
  });

  it("refuses what is no capture, and what cannot be replayed", async () => {
    expect(await weft("replay", join(directory, "none.pcap"))).toBe(1);
    expect(err).toMatch(/^weft: replay: .*none\.pcap/);
    const file = join(directory, "x.pcap");
    writeFileSync(file, "this is no capture, only text that goes on");
    expect(await weft("replay", file)).toBe(1);
    expect(err).toMatch(/^weft: replay: .*x\.pcap: .* \(at byte \d+\)\n$/);
    writeFileSync(file, new CaptureWriter({ format: "pcap" }).header());
    expect(await weft("replay", file)).toBe(1);
    expect(err).toBe(`weft: replay: ${file}: no frame in it\n`);
    const writer = new CaptureWriter({ format: "pcap" });
    const frame = writer.frame({ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(60).fill(255) });
    writeFileSync(file, Buffer.concat([writer.header(), frame]));
    expect(await weft("replay", file)).toBe(2);
    expect(err).toBe("weft: --config: is missing, and no unicast IP packet tells whose part to play\n");
    const config = join(directory, "weft.yaml");
    writeFileSync(config, "interfaces: [{ name: w0, kind: wire, addresses: [192.0.2.1/24] }]");
    expect(await weft("replay", join(PCAPS, "ping4.pcap"), "--config", config)).toBe(2);
    expect(err).toBe("weft: interfaces[0].mac: is missing, and no frame goes to its addresses\n");
    writeFileSync(config, "interfaces: [{ name: w0, kind: wire }, { name: w1, kind: wire }]");
    expect(await weft("replay", join(PCAPS, "ping4.pcap"), "--config", config)).toBe(2);
    expect(err).toBe("weft: interfaces[1]: a capture is that of one interface\n");
    writeFileSync(config, "interfaces: [{ name: w0, kind: wire }]\napps: [{ kind: http }]");
    expect(await weft("replay", join(PCAPS, "ping4.pcap"), "--config", config)).toBe(2);
    expect(err).toBe('weft: apps[0].kind: not in a replay, it does not run on virtual time: "http"\n');
  });
});
