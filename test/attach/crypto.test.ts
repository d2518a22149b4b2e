import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MethodResult } from "../../src/client/index.js";
import { lacks } from "../needs.js";
import { STACK4 } from "../support/weft.js";
import { Authority } from "../transport/tls/authority.js";
import { AttachHost, until } from "./host.js";

describe.skipIf(lacks("netns", "tun", "ip", "openssl"))("the crypto store of applications in other processes", () => {
  let host: AttachHost;
  let authority: Authority;
  beforeAll(async () => {
    host = await AttachHost.start();
    authority = await new Authority().open();
    await authority.issue("secure.test");
  });
  afterAll(async () => {
    await host.endPrograms();
    await host.end();
    authority.close();
  });

  /** How many there are of each kind, those of no application not counted. */
  async function counts(): Promise<number[]> {
    const listings = await Promise.all(
      ["certificate", "trust", "tls-profile"].map((kind) => host.cli(`show app ${kind} --json`)),
    );
    return listings.map((text) => {
      const all = JSON.parse(text) as MethodResult<"crypto.list">["trust"];
      return all.filter(({ app }) => app !== null).length;
    });
  }

  test("what a killed process had goes with it", async () => {
    const before = await host.census();
    for (let round = 0; round < 3; round++) {
      const files = ["secure.test.crt", "secure.test.key"].map((name) => authority.path(name));
      const directory = `${host.directory}/attach`;
      const program = host.client("crypto.mjs", directory, `tls://${STACK4}/443`, ...files, "20");
      await program.waitFor(/^ready/m);
      expect(await counts()).toEqual([20, 20, 20]);
      const trust = ["-CAfile", authority.path("ca.crt"), "-verify_return_error", "-verify_hostname", "secure.test"];
      const { stdout } = await host.netns.run("openssl", ["s_client", "-connect", `${STACK4}:443`, ...trust]);
      expect(stdout).toContain("Verification: OK");
      await program.stop("SIGKILL");
      await until("its things are gone", async () => (await counts()).every((count) => count === 0));
    }
    // The application of TLS itself stays, once it was wanted.
    await until("all else is back", async () => (await host.census()).sessions === before.sessions);
    expect((await host.census()).fds).toBe(before.fds);
  });
});
