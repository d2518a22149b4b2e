import { X509Certificate } from "node:crypto";
import { TLS_1_2, TLS_1_3 } from "../../transport/tls/engine.js";
import { type CryptoOwner, STACK_OWNER } from "../../transport/tls/crypto-things.js";
import type { TlsTransport } from "../../transport/tls/tls.js";
import { columns, pairs } from "../columns.js";
import type { Command, CommandRun } from "../command.js";
import { CliError } from "../words.js";

function tlsOf({ host }: CommandRun): TlsTransport {
  if (host.tls === undefined) throw new CliError("this stack has no TLS: its interfaces are wires only");
  return host.tls;
}

/** An application, or the stack, whose things every application may use. */
function ownerName({ host }: CommandRun, owner: CryptoOwner): string {
  if (owner === STACK_OWNER) return "stack";
  return `${host.sessions.applications.attached(owner)?.name ?? ""}[${owner}]`;
}

const showTls: Command = {
  name: "show tls",
  usage: "",
  help: "connections and handshakes of TLS, and why handshakes failed and sessions were reset",
  run(words, run) {
    words.end();
    const tls = tlsOf(run);
    const failures = [...tls.failures.all()].map(([reason, count]) => [count, reason] as const);
    const lines = pairs([
      ["engine", tls.engineName],
      ["connections, listeners counted", tls.rows.used],
      ["handshakes under way", tls.handshakes],
    ]);
    return failures.length === 0 ? lines : `${lines}\n\n${columns(["Count", "Failure"], failures)}`;
  },
};

const showAppCertificate: Command = {
  name: "show app certificate",
  usage: "",
  help: "the certificates of the crypto store, by index",
  run(words, run) {
    words.end();
    const rows = tlsOf(run)
      .store.certificates()
      .map(({ index, owner, certificate }) => {
        const { subject, validTo, fingerprint256 } = new X509Certificate(certificate);
        return [
          index,
          ownerName(run, owner),
          subject.replaceAll("\n", ", "),
          validTo,
          fingerprint256.replaceAll(":", "").toLowerCase(),
        ];
      });
    return columns(["Index", "Owner", "Subject", "Valid to", "SHA-256"], rows);
  },
};

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [TLS_1_2, "1.2"],
  [TLS_1_3, "1.3"],
]);

const showAppTlsProfile: Command = {
  name: "show app tls-profile",
  usage: "",
  help: "the TLS profiles of the crypto store, by index; -: the default",
  run(words, run) {
    words.end();
    const rows = tlsOf(run)
      .store.profiles()
      .map(({ index, owner, profile }) => {
        const { minVersion = TLS_1_2, maxVersion = TLS_1_3, ciphers = "-", suites = "-", groups = "-" } = profile;
        const versions = [minVersion, maxVersion].map((version) => VERSIONS.get(version) ?? "-");
        return [index, ownerName(run, owner), ...versions, ciphers, suites, groups];
      });
    return columns(["Index", "Owner", "Min", "Max", "Cipher list", "Ciphersuites", "Groups"], rows);
  },
};

/** Commands about TLS. */
export const TLS_COMMANDS: readonly Command[] = [showTls, showAppCertificate, showAppTlsProfile];
