import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { weft } from "../support/weft.js";

const directory = mkdtempSync(join(tmpdir(), "weft-config-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a stack with a configuration file of that text. */
function withConfig(text: string) {
  const file = join(directory, `${randomUUID()}.yaml`);
  writeFileSync(file, text);
  return weft("run", "--config", file);
}

describe.concurrent("a wrong configuration", () => {
  it("gets exit status 2 and one line that names the key at fault", async () => {
    const { status, stdout, stderr } = await withConfig(
      `interfaces: [ { name: tap0, kind: tap, addresses: [ 198.18.0.2/24, 10.0.0.300/8 ] } ]`,
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: "",
      stderr: 'weft: interfaces[0].addresses[1]: not an address prefix: "10.0.0.300/8"\n',
    });
  });

  it.each([
    ["nothing", ""],
    ["an empty object", "{}"],
    ["no interface", "interfaces: []"],
    ["no YAML", "interfaces: [ {"],
    ["a list", "- interfaces"],
    ["an unknown key", "interfaces: [ { name: tap0, kind: tap } ]\nunknown: 1"],
    ["an unknown key inside", "interfaces: [ { name: tap0, kind: tap, adresses: [] } ]"],
    ["an unknown kind", "interfaces: [ { name: tap0, kind: tapp } ]"],
    ["a name that is too long", "interfaces: [ { name: a-name-of-16-char, kind: tap } ]"],
    ["an MTU that is none", "interfaces: [ { name: tap0, kind: tap, mtu: 12 } ]"],
    ["an address in octal", "interfaces: [ { name: tap0, kind: tap, addresses: [ 010.0.0.1/8 ] } ]"],
    ["a prefix that is too long", "interfaces: [ { name: tap0, kind: tap, addresses: [ 10.0.0.1/33 ] } ]"],
    ["a bad URI", "interfaces: [ { name: tap0, kind: tap } ]\napps: [ { kind: http, listen: [ 'tcp:/0.0.0.0/80' ] } ]"],
    [
      "a port that is none",
      "interfaces: [ { name: tap0, kind: tap } ]\napps: [ { kind: http, listen: [ tcp://0.0.0.0/99999 ] } ]",
    ],
    ["an unknown application", "interfaces: [ { name: tap0, kind: tap } ]\napps: [ { kind: gopher } ]"],
    ["a route to nowhere", "interfaces: [ { name: tap0, kind: tap } ]\nroutes: [ { prefix: 0.0.0.0/0, via: nobody } ]"],
  ])("%s: exit status 2, one line, no stack trace", async (_, text) => {
    const { status, stdout, stderr } = await withConfig(text);
    expect({ status, stdout, line: stderr }).toEqual({
      status: 2,
      stdout: "",
      line: expect.stringMatching(/^weft: [^\n]+: [^\n]+\n$/),
    });
  });
});

describe.concurrent("a wrong file of TLS", () => {
  const key = join(directory, "secret.key");
  writeFileSync(key, "-----BEGIN PRIVATE KEY-----\nMIIsecretkey\n-----END PRIVATE KEY-----\n");
  const config = (tls: string): string =>
    `interfaces: [ { name: weftcfg0, kind: tap } ]\ncli: { socket: ${join(directory, randomUUID())} }\ntls: { ${tls} }`;

  it.each([
    [
      "that is not there",
      `certificates: [ { name: a, certificate: /none.crt, key: ${key} } ]`,
      'tls.certificates[0].certificate: "/none.crt": cannot be read (ENOENT)',
    ],
    [
      "that is no certificate",
      `certificates: [ { name: a, certificate: ${key}, key: ${key} } ]`,
      "tls.certificates[0].certificate: no start line",
    ],
    [
      "that is none",
      `trust: [ { name: a, certificates: ${directory} } ]`,
      `tls.trust[0].certificates: "${directory}": not a file`,
    ],
    ["of suites", "profiles: [ { name: a, ciphers: NONSENSE } ]", "tls.profiles[0].ciphers: no cipher match"],
  ])("%s: exit status 2 and one line, with nothing of what is in it", async (_, tls, line) => {
    const { status, stdout, stderr } = await withConfig(config(tls));
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: "", stderr: `weft: ${line}\n` });
  });
});

describe.concurrent("wrong arguments", () => {
  it.each([
    [["run", "--config", join(directory, "absent.yaml")]],
    [["run", "--tap", "tap0", "--address", "300.1.1.1/8"]],
    [["run", "--nonsense"]],
    [["nonsense"]],
    [["replay"]],
  ])("weft %j: exit status 2 and one line", async (args) => {
    const { status, stdout, stderr } = await weft(...args);
    expect({ status, stdout, line: stderr }).toEqual({
      status: 2,
      stdout: "",
      line: expect.stringMatching(/^weft: [^\n]+\n$/),
    });
  });
});

describe.concurrent("a capture that cannot be replayed", () => {
  it.each([
    ["absent", join(directory, "absent.pcap"), /no such file/],
    ["no capture", process.execPath, /not a capture/],
    ["a directory", directory, /./],
  ])("%s: exit status 1 and one line", async (_, file, what) => {
    const { status, stdout, stderr } = await weft("replay", file);
    expect({ status, stdout, line: stderr }).toEqual({
      status: 1,
      stdout: "",
      line: expect.stringMatching(/^weft: [^\n]+\n$/),
    });
    expect(stderr).toMatch(what);
  });
});
