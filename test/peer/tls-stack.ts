import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStack, type CryptoStore, type LiveStack, type Session } from "../../src/index.js";
import { Netns } from "../support/netns.js";
import { KERNEL4, KERNEL6, STACK4, STACK6, tapInterface } from "../support/weft.js";

/** Both families, for clients of port 443, which is `localhost`'s. */
export const TLS_FAMILIES = [
  { family: "IPv4", stack: STACK4, kernel: KERNEL4, connect: `${STACK4}:443`, resolve: `localhost:443:${STACK4}` },
  { family: "IPv6", stack: STACK6, kernel: KERNEL6, connect: `[${STACK6}]:443`, resolve: `localhost:443:[${STACK6}]` },
] as const;

/** What the server of {@link TlsPeerStack} sends to whoever asks. */
export const BODY = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

/** Sends a page of BODY's bytes to whoever has asked for something. */
export function serveBody(session: Session): void {
  let sent = session.data as number | undefined;
  const asked = Buffer.alloc(session.readableBytes);
  session.read(asked);
  if (sent === undefined && !asked.includes("\r\n\r\n")) return;
  if (sent === undefined) {
    session.write(Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n`));
    sent = 0;
  }
  sent += session.write(BODY, sent);
  session.data = sent;
  if (sent === BODY.length) session.close();
}

/** A stack behind a TAP in a namespace of its own, which serves {@link BODY} at port 443 with the test certificate. */
export class TlsPeerStack {
  /** For files, removed in the end. */
  readonly directory: string;
  /** The server's certificate, in PEM. */
  readonly trusted: string;
  /** Where the secrets of handshakes are. */
  readonly keys: string;
  readonly netns: Netns;
  readonly stack: LiveStack;
  readonly store: CryptoStore;

  private constructor(directory: string, keys: string, netns: Netns, stack: LiveStack) {
    if (stack.cryptoStore === undefined) throw new Error("no TLS");
    this.directory = directory;
    this.trusted = join(directory, "stack.pem");
    this.keys = keys;
    this.netns = netns;
    this.stack = stack;
    this.store = stack.cryptoStore;
    writeFileSync(this.trusted, this.store.testPair.certificate);
  }

  static async start(): Promise<TlsPeerStack> {
    const directory = mkdtempSync(join(tmpdir(), "weft-tls-"));
    const keys = join(directory, "stack.keys");
    const netns = await Netns.create();
    const stack = await createStack({
      interfaces: [tapInterface(netns.name)],
      attach: { directory: join(directory, "attach") },
      limits: { appSegmentBytes: 128 << 20 },
      tls: { keylog: keys },
    });
    const made = new TlsPeerStack(directory, keys, netns, stack);
    const server = await stack.attach({ name: "https" }, { accept: () => true, rx: serveBody, tx: serveBody });
    for (const uri of ["tls://0.0.0.0/443", "tls://::/443"]) await server.listen(uri, { tls: { alpn: ["http/1.1"] } });
    return made;
  }

  /** Ends everything. */
  async end(): Promise<void> {
    await this.stack.close();
    await this.netns.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
