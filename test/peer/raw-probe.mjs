// Sends crafted IP packets by raw sockets and prints what comes back, as JSON: runs in the namespace of a TAP's kernel
// end. Arguments: our IPv4 address, the target's IPv4 address, the target's IPv6 address.
import { createRequire } from "node:module";

const raw = createRequire(import.meta.url)("raw-socket");
const [own, target, target6] = process.argv.slice(2);
const bytesOf = (address) => address.split(".").map(Number);

function sum(bytes, start = 0) {
  let total = start;
  for (let i = 0; i < bytes.length; i++) total += i & 1 ? bytes[i] : bytes[i] << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** An IPv4 packet with the given protocol and payload; `change` edits the header, whose checksum the kernel fills in. */
function packet(protocol, payload, { source = own, options = [], change = () => {} } = {}) {
  const length = 20 + options.length;
  const header = Buffer.alloc(length);
  header[0] = 0x40 | (length / 4);
  header.writeUInt16BE(length + payload.length, 2);
  header.writeUInt16BE(0x1234, 4);
  header[8] = 64;
  header[9] = protocol;
  header.set(bytesOf(source), 12);
  header.set(bytesOf(target), 16);
  header.set(options, 20);
  change(header);
  return Buffer.concat([header, payload]);
}

/** The same with the upper checksum, at offset `at` of the payload, filled in. */
function summed(protocol, payload, at, options = {}) {
  const pseudo = Buffer.from([...bytesOf(options.source ?? own), ...bytesOf(target), 0, protocol, 0, 0]);
  pseudo.writeUInt16BE(payload.length, 10);
  payload.writeUInt16BE(0, at);
  payload.writeUInt16BE(~sum(payload, protocol === 1 ? 0 : sum(pseudo)) & 0xffff || 0xffff, at);
  return packet(protocol, payload, options);
}

const echo = (word) => Buffer.from([8, 0, 0, 0, 0x57, 0x57, word >> 8, word & 255, 1, 2, 3, 4]);

function udp(port, data = Buffer.from("probe")) {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(5757, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return Buffer.concat([header, data]);
}

function tcp(port, flags, { seq = 1000, ack = 0 } = {}) {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(5858, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt32BE(seq, 4);
  header.writeUInt32BE(ack, 8);
  header[12] = 0x50;
  header[13] = flags;
  header.writeUInt16BE(1000, 14);
  return header;
}

const heard = [];
const listeners = [1, 6, 17].map((protocol) => {
  const socket = raw.createSocket({ protocol });
  socket.on("message", (message, source) => {
    if (source !== target) return;
    const body = message.subarray((message[0] & 15) * 4);
    if (protocol === 1)
      heard.push({ icmp: body[0], code: body[1], word: body.readUInt32BE(4), quotes: body[8 + 9] ?? -1 });
    if (protocol === 6 && body.readUInt16BE(2) === 5858) {
      heard.push({ tcp: body[13], seq: body.readUInt32BE(4), ack: body.readUInt32BE(8) });
    }
    if (protocol === 17 && body.readUInt16BE(2) === 5757) heard.push({ udp: body.subarray(8).toString() });
  });
  return socket;
});

const sender = raw.createSocket({ protocol: 255 });
sender.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, 1);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends one packet and gives what the target says within a while. */
async function probe(bytes) {
  heard.length = 0;
  await new Promise((resolve, reject) => {
    sender.send(bytes, 0, bytes.length, target, null, (error) => (error ? reject(error) : resolve()));
  });
  await wait(150);
  return [...heard];
}

const results = {};
results.echo = await probe(summed(1, echo(1), 2));
results.echoWithOptions = await probe(summed(1, echo(2), 2, { options: [1, 1, 1, 0] }));
results.echoBadChecksum = await probe(packet(1, echo(3)));
results.unknownProtocol = await probe(packet(253, Buffer.from("who speaks this?")));
results.badOption = await probe(summed(1, echo(4), 2, { options: [7, 0, 4, 0] }));
results.closedUdp = await probe(summed(17, udp(7002), 6));
results.closedUdpNoChecksum = await probe(packet(17, udp(7002)));
results.openUdp = await probe(summed(17, udp(7), 6));
results.udpBadChecksum = await probe(
  packet(17, Buffer.concat([udp(7).subarray(0, 6), Buffer.from([0xba, 0xad]), Buffer.from("probe")])),
);
const lying = udp(7);
lying.writeUInt16BE(4000, 4);
results.udpLyingLength = await probe(summed(17, lying, 6));
results.closedSyn = await probe(summed(6, tcp(7002, 2), 16));
results.closedAck = await probe(summed(6, tcp(7002, 16, { ack: 77_777 }), 16));
results.closedRst = await probe(summed(6, tcp(7002, 4), 16));
results.listenAck = await probe(summed(6, tcp(7, 16, { ack: 88_888 }), 16));
results.synBadChecksum = await probe(packet(6, tcp(7, 2)));
results.fromItself = await probe(summed(1, echo(5), 2, { source: target }));
results.fromLoopback = await probe(summed(1, echo(6), 2, { source: "127.0.0.1" }));
results.fromMulticast = await probe(summed(1, echo(7), 2, { source: "224.0.0.1" }));
results.fromBroadcast = await probe(summed(17, udp(7002), 6, { source: "255.255.255.255" }));
results.firstFragmentOnly = await probe(
  summed(17, udp(7002), 6, { change: (header) => header.writeUInt16BE(0x2000, 6) }),
);
results.laterFragmentOnly = await probe(
  packet(253, Buffer.alloc(16), { change: (header) => header.writeUInt16BE(0x0010, 6) }),
);
results.errorAboutNothing = await probe(
  summed(1, Buffer.concat([Buffer.from([3, 3, 0, 0, 0, 0, 0, 0]), packet(6, tcp(80, 16))]), 2),
);
results.stillThere = await probe(summed(1, echo(8), 2));

// IPv6: the kernel makes the header, and the checksum of ICMPv6.
const heard6 = [];
const icmp6 = raw.createSocket({ protocol: 58, addressFamily: raw.AddressFamily.IPv6 });
icmp6.on("message", (message, source) => {
  // Neighbour discovery goes on beside.
  if (source === target6 && (message[0] < 128 || message[0] === 129))
    heard6.push({ icmp: message[0], code: message[1], word: message.readUInt32BE(4) });
});
const other6 = raw.createSocket({ protocol: 253, addressFamily: raw.AddressFamily.IPv6 });
async function probe6(socket, bytes) {
  heard6.length = 0;
  await new Promise((resolve, reject) => {
    socket.send(bytes, 0, bytes.length, target6, null, (error) => (error ? reject(error) : resolve()));
  });
  await wait(150);
  return [...heard6];
}
results.echo6 = await probe6(icmp6, Buffer.from([128, 0, 0, 0, 0x57, 0x57, 0, 1, 9, 9]));
results.unknownType6 = await probe6(icmp6, Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]));
results.unknownProtocol6 = await probe6(other6, Buffer.from("who speaks this?"));
results.solicitationOffLink6 = await probe6(
  icmp6,
  Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(16, 1)]),
);

console.log(JSON.stringify(results));
for (const socket of [...listeners, sender, icmp6, other6]) socket.close();
