import { beforeEach, describe, expect, test } from "vitest";
import { AppServer } from "../../../src/app/attach.js";
import { wire } from "../../../src/device/wire-device.js";
import {
  DGRAM_DATA_LENGTH,
  DGRAM_DATA_OFFSET,
  DGRAM_GSO_SIZE,
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_IS_IP4,
  DGRAM_LOCAL_IP,
  DGRAM_LOCAL_PORT,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
  DGRAM_TRAFFIC_CLASS,
} from "../../../src/mem/fifo-datagram.js";
import type { ApplicationOptions } from "../../../src/session/application.js";
import { ExternalStack, type FakeClient } from "./fake-client.js";

// What a client writes before its datagrams in shared memory is whatever it likes.

const PEER = [10, 0, 0, 2];
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A stack with a client, 10.0.0.1 and 10.0.1.1, and a peer at 10.0.0.2 that notes what comes to its port 53. */
class World {
  readonly ends = wire();
  readonly host = new ExternalStack(this.ends[0], "10.0.0.1");
  readonly far = new ExternalStack(this.ends[1], "10.0.0.2");
  readonly seen: string[] = [];
  readonly second = this.host.stack.addInterface("wire1", wire()[0], { addresses: ["10.0.1.1/24"] });

  async listen(): Promise<void> {
    const app = await new AppServer(this.far.stack.host.sessions).attach(
      { name: "peer" },
      {
        rx: (session) => {
          const into = Buffer.alloc(2000);
          for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into)) {
            const { remote, remotePort, dscp, ecn } = session.datagram;
            const from = [24, 16, 8, 0].map((shift) => (remote[0] >>> shift) & 0xff).join(".");
            this.seen.push(`${from}:${remotePort} ${dscp}/${ecn} ${into.toString("latin1", 0, n)}`);
          }
        },
      },
    );
    await app.listen("udp://0.0.0.0:53");
  }

  settle(client: FakeClient): void {
    for (let i = 0; i < 6; i++) {
      client.run();
      this.far.settle();
    }
  }
}

let world: World;
beforeEach(async () => {
  world = new World();
  await world.listen();
});

/** A client's datagram to the peer's port 53, as it should be, for {@link write} to be spoilt first. */
class Crafted {
  readonly bytes: Uint8Array;
  readonly dv: DataView;

  constructor(data: string) {
    this.bytes = new Uint8Array(DGRAM_HEADER_BYTES + data.length);
    this.bytes.set(text(data), DGRAM_HEADER_BYTES);
    this.dv = new DataView(this.bytes.buffer);
    this.length(data.length);
    this.remote(PEER, 53);
    this.dv.setUint8(DGRAM_IS_IP4, 1);
  }

  length(bytes: number, offset = 0): this {
    this.dv.setInt32(DGRAM_DATA_LENGTH, bytes, true);
    this.dv.setInt32(DGRAM_DATA_OFFSET, offset, true);
    return this;
  }

  remote(address: readonly number[], port: number): this {
    this.bytes.set(address, DGRAM_REMOTE_IP + 12);
    this.dv.setUint16(DGRAM_REMOTE_PORT, port);
    return this;
  }

  local(address: readonly number[], port = 0): this {
    this.bytes.set(address, DGRAM_LOCAL_IP + 12);
    this.dv.setUint16(DGRAM_LOCAL_PORT, port);
    return this;
  }

  byte(at: number, value: number): this {
    this.dv.setUint8(at, value);
    return this;
  }
}

function listener(uri: string, options: Partial<ApplicationOptions> = {}) {
  const client = world.host.attach({ name: "client", ...options });
  const handle = client.listen(uri);
  const send = (...all: Crafted[]): string[] => {
    world.seen.length = 0;
    for (const { bytes } of all) expect(client.write(handle, bytes)).toBe(bytes.length);
    world.settle(client);
    return [...world.seen];
  };
  return { client, send };
}

describe("the source address in the header of a listener's datagram", () => {
  const STRANGE = [
    ["another host's", [10, 0, 0, 77]],
    ["the peer's own", PEER],
    ["loopback", [127, 0, 0, 1]],
    ["a group", [224, 0, 0, 1]],
    ["broadcast", [255, 255, 255, 255]],
    ["that of the network", [10, 0, 0, 0]],
  ] as const;

  test.each(STRANGE)("%s: it is the stack's choice", (_what, address) => {
    const { send } = listener("udp://0.0.0.0:100");
    expect(send(new Crafted("x").local(address, 7))).toEqual(["10.0.0.1:100 0/0 x"]);
  });

  test.each(STRANGE)("%s, and the listener has an address: it is that", (_what, address) => {
    const { send } = listener("udp://10.0.0.1:100");
    expect(send(new Crafted("x").local(address, 7))).toEqual(["10.0.0.1:100 0/0 x"]);
  });

  test("another one of this host's, in the same table: it may be", () => {
    const { send } = listener("udp://0.0.0.0:100");
    expect(send(new Crafted("x").local([10, 0, 1, 1]))).toEqual(["10.0.1.1:100 0/0 x"]);
  });

  test("another one of this host's, but not the namespace's interface's: it is not", () => {
    const { sessions } = world.host.stack.host;
    expect(sessions.apply({ kind: "namespace", add: true, id: "one", secret: "s", interface: "wire0" })).toBe(1);
    const { send } = listener("udp://0.0.0.0:100", { namespace: "one", secret: "s" });
    for (const address of [[10, 0, 1, 1], ...STRANGE.map(([, each]) => each)]) {
      expect(send(new Crafted("x").local(address))).toEqual(["10.0.0.1:100 0/0 x"]);
    }
  });

  test("what was right once is looked at again when the address has gone", () => {
    const { send } = listener("udp://0.0.0.0:100");
    const crafted = new Crafted("x").local([10, 0, 1, 1]);
    expect(send(crafted)).toEqual(["10.0.1.1:100 0/0 x"]);
    const { index } = world.second;
    world.host.stack.apply({ kind: "address", interface: index, prefix: "10.0.1.1/24", add: false });
    expect(send(crafted)).toEqual(["10.0.0.1:100 0/0 x"]);
  });
});

describe("what else is in the header", () => {
  test("a traffic class loses its ECN bits, and counts whatever says that it is one", () => {
    const { send } = listener("udp://0.0.0.0:100");
    for (const has of [1, 2, 255]) {
      const crafted = new Crafted("x").byte(DGRAM_TRAFFIC_CLASS, 0xff).byte(DGRAM_HAS_TRAFFIC_CLASS, has);
      expect(send(crafted)).toEqual(["10.0.0.1:100 63/0 x"]);
    }
    expect(send(new Crafted("x").byte(DGRAM_TRAFFIC_CLASS, 0xff))).toEqual(["10.0.0.1:100 0/0 x"]);
  });

  test("family and segment size are not the client's to say", () => {
    const { send } = listener("udp://0.0.0.0:100");
    const crafted = new Crafted("four").byte(DGRAM_IS_IP4, 0).byte(DGRAM_GSO_SIZE + 1, 1);
    crafted.bytes.fill(0xff, DGRAM_REMOTE_IP, DGRAM_REMOTE_IP + 12);
    expect(send(crafted)).toEqual(["10.0.0.1:100 0/0 four"]);
  });

  test("without a destination nothing is sent, and the next one is", () => {
    const { send } = listener("udp://0.0.0.0:100");
    send(new Crafted("first"));
    const before = world.ends[0].counters.frames;
    const none = [new Crafted("a").remote(PEER, 0), new Crafted("b").remote([0, 0, 0, 0], 53)];
    expect(send(...none)).toEqual([]);
    expect(world.ends[0].counters.frames).toBe(before);
    expect(send(...none, new Crafted("c"))).toEqual(["10.0.0.1:100 0/0 c"]);
  });

  test("to loopback it does not leave the host", () => {
    const { send } = listener("udp://0.0.0.0:100");
    send(new Crafted("first"));
    const before = world.ends[0].counters.frames;
    expect(send(new Crafted("x").remote([127, 0, 0, 1], 53))).toEqual([]);
    expect(world.ends[0].counters.frames).toBe(before);
  });

  test.each([
    [2, 0],
    [-1, 0],
    [0x7fff_ffff, 0],
    [-0x8000_0000, 0],
    [0x7fff_ffff, 0x7fff_fffe],
    [1, 2],
    [1, -1],
    [1, -0x8000_0000],
  ])("length %i, offset %i: nothing is sent of what there is, and then it goes on", (length, offset) => {
    const { client, send } = listener("udp://0.0.0.0:100");
    const before = world.ends[0].counters.frames;
    expect(send(new Crafted("x").length(length, offset))).toEqual([]);
    expect(world.ends[0].counters.frames).toBe(before);
    expect(send(new Crafted("y"))).toEqual(["10.0.0.1:100 0/0 y"]);
    expect([client.endReason, world.host.errors]).toEqual([undefined, []]);
  });

  test("an offset within: the rest of it is sent", () => {
    const { send } = listener("udp://0.0.0.0:100");
    expect(send(new Crafted("abcd").length(4, 3), new Crafted("e").length(1, 1))).toEqual([
      "10.0.0.1:100 0/0 d",
      "10.0.0.1:100 0/0 ",
    ]);
  });

  test("less than a header is nothing", () => {
    const { client, send } = listener("udp://0.0.0.0:100");
    const [handle] = client.sessions.keys();
    expect(client.write(handle, new Uint8Array(DGRAM_HEADER_BYTES - 1))).toBe(DGRAM_HEADER_BYTES - 1);
    world.settle(client);
    expect(send(new Crafted("y"))).toEqual(["10.0.0.1:100 0/0 y"]);
  });
});

test("a connected session's addresses and ports are its connection's", () => {
  const client = world.host.attach({ name: "client" });
  client.connect("udp://10.0.0.2:53");
  const { handle, local } = client.last("CONNECTED");
  const crafted = new Crafted("x").remote([10, 0, 0, 9], 99).local([10, 0, 0, 77], 7);
  crafted.byte(DGRAM_TRAFFIC_CLASS, 0xbb).byte(DGRAM_HAS_TRAFFIC_CLASS, 1);
  client.write(handle, crafted.bytes);
  world.settle(client);
  expect(world.seen).toEqual([`10.0.0.1:${local?.port} 46/0 x`]);
});
