import type { AppConfig } from "../../src/host/config-types.js";
import type { PeerPlace, PeerService } from "./kernel-peer.js";
import { serveFromKernel } from "./kernel-peer.js";
import { PEER_CPU, STACK_CPU } from "./machine.js";
import { makeNetns, makeVeth, removeNetns } from "./networks.js";
import type { Service } from "./processes.js";
import { startStack } from "./stack-process.js";

const OUR_ADDRESS = "198.18.0.2";
const KERNEL_ADDRESS = "198.18.0.1";
const PORTS: Record<PeerService, number> = { echo: 7, discard: 9, chargen: 19 };

/** A server and the place from which a kernel's client reaches it. */
export interface Bed {
  readonly client: PeerPlace;
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Which processors the server and its client run on. */
export interface Processors {
  readonly server: number;
  readonly client: number;
}

/** Server and client apart, if there are two. */
export const TWO_CPUS: Processors = { server: STACK_CPU, client: PEER_CPU };
/** Server and client on one. */
export const ONE_CPU: Processors = { server: STACK_CPU, client: STACK_CPU };

function bed(netns: readonly string[], client: PeerPlace, port: number, server: Service): Bed {
  const stop = async (): Promise<void> => {
    await server.stop();
    for (const name of netns) removeNetns(name);
  };
  return { client, address: OUR_ADDRESS, port, stop };
}

function appOf(service: PeerService): AppConfig {
  return { kind: service, listen: [`tcp://0.0.0.0/${PORTS[service]}`] };
}

/** Our stack on a TAP, its client on the kernel's end. */
export async function tapBed(service: PeerService, { server, client }: Processors = TWO_CPUS): Promise<Bed> {
  const netns = makeNetns("tap");
  const stack = await startStack(
    {
      interfaces: [
        { name: "wbtap0", netns, addresses: [`${OUR_ADDRESS}/24`], host: { addresses: [`${KERNEL_ADDRESS}/24`] } },
      ],
      apps: [appOf(service)],
    },
    server,
  );
  return bed([netns], { netns, cpu: client }, PORTS[service], stack);
}

/** Our stack on one end of a veth pair, its client on the other. */
export async function afpBed(service: PeerService, { server, client }: Processors = TWO_CPUS): Promise<Bed> {
  const ours = makeNetns("afp");
  const theirs = makeNetns("afpk");
  makeVeth({ netns: ours, name: "wbveth0" }, { netns: theirs, name: "wbveth1", address: KERNEL_ADDRESS });
  const stack = await startStack(
    {
      interfaces: [{ name: "wbveth0", kind: "af-packet", netns: ours, addresses: [`${OUR_ADDRESS}/24`] }],
      apps: [appOf(service)],
    },
    server,
  );
  return bed([ours, theirs], { netns: theirs, cpu: client }, PORTS[service], stack);
}

/** The kernel's stack on both ends of a veth pair: what ours is compared with. */
export async function kernelBed(service: PeerService, { server, client }: Processors = TWO_CPUS): Promise<Bed> {
  const ours = makeNetns("ks");
  const theirs = makeNetns("kc");
  makeVeth(
    { netns: ours, name: "wbveth0", address: OUR_ADDRESS },
    { netns: theirs, name: "wbveth1", address: KERNEL_ADDRESS },
  );
  const process = await serveFromKernel({ netns: ours, cpu: server }, OUR_ADDRESS, PORTS[service], service);
  return bed([ours, theirs], { netns: theirs, cpu: client }, PORTS[service], process);
}
