// An application that serves TLS with certificates of its own: node crypto.mjs DIRECTORY URI CERTIFICATE KEY COUNT.
import { readFileSync } from "node:fs";
import { attach } from "../../../dist/src/client/index.js";

const [directory, uri, certificateFile, keyFile, count] = process.argv.slice(2);
const [certificate, key] = [certificateFile, keyFile].map((path) => Uint8Array.from(readFileSync(path)));
const app = await attach({ name: "secure", directory }, { accept: () => true });
const pairs = [];
for (let i = 0; i < Number(count); i++) {
  pairs.push(await app.addCertificate({ certificate, key }));
  await app.addTrust(certificate);
  await app.addTlsProfile({});
}
await app.listen(uri, { tls: { pair: pairs.at(-1) } });
process.stdout.write("ready\n");
