import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsPairText } from "../../../src/transport/tls/engine.js";
import { mustRun } from "../../support/program.js";

/** An authority of OpenSSL's that issues certificates and revokes them. Needs the program `openssl`. */
export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), "weft-ca-"));
  readonly #config = join(this.directory, "ca.cnf");

  /** Where its files are. */
  path(name: string): string {
    return join(this.directory, name);
  }

  #read(name: string): Uint8Array {
    return Uint8Array.from(readFileSync(this.path(name)));
  }

  /** Its own certificate. */
  get certificate(): Uint8Array {
    return this.#read("ca.crt");
  }

  async open(): Promise<this> {
    const options =
      "rand_serial=yes\nunique_subject=no\ndefault_md=sha256\ndefault_days=30\npolicy=p\ncopy_extensions=copy\n";
    const files = `new_certs_dir=${this.directory}\ndatabase=${this.path("index")}\n`;
    writeFileSync(this.#config, `[ca]\ndefault_ca=d\n[d]\n${files}${options}[p]\ncommonName=supplied\n`);
    writeFileSync(this.path("index"), "");
    const subject = ["-subj", "/CN=authority", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    const out = ["-keyout", this.path("ca.key"), "-out", this.path("ca.crt")];
    await mustRun("openssl", ["req", "-x509", ...NEW_KEY, ...subject, ...out]);
    return this;
  }

  /** A certificate for a host name, with its key; `isExpired`: of a day that is over. */
  async issue(name: string, isExpired = false): Promise<TlsPairText> {
    const [key, request, certificate] = ["key", "csr", "crt"].map((kind) => `${name}.${kind}`);
    const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
    const out = ["-keyout", this.path(key), "-out", this.path(request)];
    await mustRun("openssl", ["req", ...NEW_KEY, ...subject, ...out]);
    const dates = isExpired ? ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] : [];
    await this.#ca("-batch", "-notext", ...dates, "-in", this.path(request), "-out", this.path(certificate));
    return { certificate: this.#read(certificate), key: this.#read(key) };
  }

  /** A response of OCSP, in DER, about a certificate: until tomorrow. */
  async ocsp(name: string): Promise<Uint8Array> {
    const own = ["-CA", this.path("ca.crt"), "-rsigner", this.path("ca.crt"), "-rkey", this.path("ca.key")];
    const what = ["-issuer", this.path("ca.crt"), "-cert", this.path(`${name}.crt`)];
    const out = ["-ndays", "1", "-noverify", "-respout", this.path(`${name}.ocsp`)];
    await mustRun("openssl", ["ocsp", "-index", this.path("index"), ...own, ...what, ...out]);
    return this.#read(`${name}.ocsp`);
  }

  async revoke(name: string): Promise<void> {
    await this.#ca("-revoke", this.path(`${name}.crt`));
  }

  /** The list of what is revoked by now. */
  async crl(): Promise<Uint8Array> {
    await this.#ca("-gencrl", "-crldays", "30", "-out", this.path("crl"));
    return this.#read("crl");
  }

  async #ca(...args: string[]): Promise<void> {
    const own = ["-config", this.#config, "-keyfile", this.path("ca.key"), "-cert", this.path("ca.crt")];
    await mustRun("openssl", ["ca", ...own, ...args]);
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
