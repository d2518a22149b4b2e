import { TLS_VERSION_WORDS } from "../../transport/tls/versions.js";
import { columns } from "../columns.js";
import type { Command, CommandRun } from "../command.js";
import { call } from "../methods/dispatch.js";
import type { MethodParams, MethodResult } from "../methods/method-table.js";
import { CliError, type Words } from "../words.js";
import { tlsOf } from "./tls.js";

type Add = MethodParams<"crypto.add">;
type Kind = Add["kind"];
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const KINDS: readonly Kind[] = ["certificate", "trust", "crl", "ocsp", "tls-profile"];

/** Takes an application by name or index. */
function takeApp(words: Words, { host }: CommandRun): number {
  const text = words.take("app");
  const app = /^\d{1,9}$/.test(text) ? Number(text) : host.sessions.applications.byName(text)?.index;
  if (app === undefined) throw new CliError(`no app "${text}"`);
  return app;
}

function takeKind<K extends Kind>(words: Words, kinds: readonly K[]): K {
  const text = words.take("kind");
  const kind = kinds.find((each) => each === text);
  if (kind === undefined) throw new CliError(`kind: not one of ${kinds.join(", ")}: "${text}"`);
  return kind;
}

/** Takes what follows a word into a parameter. */
type Take = (params: Mutable<Add>, words: Words, what: string) => void;

function takeText(parameter: Exclude<keyof Add, "kind" | "app" | "minVersion" | "maxVersion">): Take {
  return (params, words, what) => {
    params[parameter] = words.take(what);
  };
}

function takeVersion(parameter: "minVersion" | "maxVersion"): Take {
  return (params, words, what) => {
    const text = words.take(what);
    const version = TLS_VERSION_WORDS.find((each) => each === text);
    if (version === undefined) throw new CliError(`${what}: not ${TLS_VERSION_WORDS.join(" or ")}: "${text}"`);
    params[parameter] = version;
  };
}

/** The words of each kind; of profiles VPP's. */
const WORDS: Readonly<Record<Kind, Readonly<Record<string, Take>>>> = {
  certificate: { certificate: takeText("certificate"), key: takeText("key") },
  trust: { certificates: takeText("certificates"), crl: takeText("crl") },
  crl: { trust: takeText("trust"), crl: takeText("crl") },
  ocsp: { pair: takeText("pair"), ocsp: takeText("ocsp") },
  "tls-profile": {
    "cipher-list": takeText("ciphers"),
    ciphersuites: takeText("suites"),
    groups: takeText("groups"),
    "min-version": takeVersion("minVersion"),
    "max-version": takeVersion("maxVersion"),
  },
};

const addCrypto: Command = {
  name: "app crypto add",
  usage:
    "certificate [app A] [name N] certificate FILE key FILE | trust [app A] [name N] certificates FILE [crl FILE] | crl [app A] trust T crl FILE | ocsp [app A] pair P ocsp FILE | tls-profile [app A] [name N] [cipher-list C] [ciphersuites S] [groups G] [min-version V] [max-version V]",
  help: "adds to the crypto store, for an application or for all, and prints the index; crl: other lists for a trust; ocsp: the response that is stapled to a certificate; files as the stack sees them",
  run(words, run) {
    const kind = takeKind(words, KINDS);
    const params: Mutable<Add> = { kind };
    while (words.left > 0) {
      const what = words.next;
      const take = Object.hasOwn(WORDS[kind], what) ? WORDS[kind][what] : undefined;
      if (words.accept("app")) params.app = takeApp(words, run);
      else if (words.accept("name")) params.name = words.take("name");
      else if (take === undefined) words.end();
      else take(params, words, words.take(what));
    }
    const { index } = call(run, "crypto.add", params);
    return kind === "crl" || kind === "ocsp" ? "" : `${kind} ${index}`;
  },
};

const delCrypto: Command = {
  name: "app crypto del",
  usage: "certificate|trust|tls-profile [app A] INDEX|NAME",
  help: "takes something out of the crypto store; listeners and connections keep what they have",
  run(words, run) {
    const kind = takeKind(words, ["certificate", "trust", "tls-profile"]);
    const app = words.accept("app") ? takeApp(words, run) : undefined;
    const which = words.take("index or name");
    words.end();
    call(run, "crypto.del", { kind, which, app });
    return "";
  },
};

/** An application, or the stack, whose things every application may use. */
function ownerName({ host }: CommandRun, app: number | null): string {
  if (app === null) return "stack";
  return `${host.sessions.applications.attached(app)?.name ?? ""}[${app}]`;
}

type Listing = MethodResult<"crypto.list">;

function shows<K extends keyof Listing>(
  what: string,
  help: string,
  kind: K,
  headings: readonly string[],
  row: (each: Listing[K][number]) => readonly (string | number)[],
): Command {
  return {
    name: `show app ${what}`,
    usage: "[app A] [--json]",
    help,
    run(words, run) {
      const isJson = words.remove("--json");
      const app = words.accept("app") ? takeApp(words, run) : undefined;
      words.end();
      tlsOf(run);
      const all: readonly Listing[K][number][] = call(run, "crypto.list", { app })[kind];
      if (isJson) return JSON.stringify(all);
      const rows = all.map((each) => [each.index, ownerName(run, each.app), each.name || "-", ...row(each)]);
      return columns(["Index", "Owner", "Name", ...headings], rows);
    },
  };
}

const showCertificates = shows(
  "certificate",
  "the certificates of the crypto store, by index",
  "certificates",
  ["Subject", "Valid to", "OCSP", "SHA-256"],
  ({ subject, validTo, ocsp, sha256 }) => [subject, validTo, ocsp ? "yes" : "no", sha256],
);

const showTrust = shows(
  "trust",
  "the lists of trusted certificates of the crypto store, by index; 0, not listed, are Node's roots",
  "trust",
  ["Certificates", "CRLs"],
  ({ certificates, crls }) => [certificates, crls],
);

const showProfiles = shows(
  "tls-profile",
  "the TLS profiles of the crypto store, by index; -: the default",
  "profiles",
  ["Min", "Max", "Cipher list", "Ciphersuites", "Groups"],
  ({ minVersion, maxVersion, ciphers, suites, groups }) =>
    [minVersion, maxVersion, ciphers, suites, groups].map((each) => each ?? "-"),
);

/** Commands about the crypto store. */
export const CRYPTO_COMMANDS: readonly Command[] = [addCrypto, delCrypto, showCertificates, showTrust, showProfiles];
