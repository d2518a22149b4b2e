// The programs that tests use as peers: found, installed where that is allowed, or named in one line.
import { filesUnder, inCi, onPath, run, say, succeeds, textOf } from "./run.mjs";

/** Program a test asks for, and the Debian package that has it. */
const PEERS = [
  { program: "ip", package: "iproute2" },
  { program: "ping", package: "iputils-ping" },
  { program: "curl", package: "curl" },
  { program: "iperf3", package: "iperf3" },
  { program: "tcpdump", package: "tcpdump" },
  { program: "tshark", package: "tshark" },
  { program: "openssl", package: "openssl" },
  { program: "gnutls-cli", package: "gnutls-bin" },
  { program: "nmap", package: "nmap" },
  { program: "ethtool", package: "ethtool" },
  { program: "python3", package: "python3" },
  { program: "scapy", package: "python3-scapy" },
];

/** A Python that can import scapy: a second one early on the path often lacks Debian's modules. */
function scapyPython() {
  return ["python3", "/usr/bin/python3"].find((python) => succeeds(python, ["-c", "import scapy"]));
}

function missingPeers() {
  return PEERS.filter(({ program }) => (program === "scapy" ? scapyPython() === undefined : !onPath(program)));
}

/** @param {readonly string[]} programs @returns {string[]} test files that ask for one of them by `lacks("program")` */
function waiting(programs) {
  return filesUnder("test", /\.test\.ts$/).filter((file) =>
    [...textOf(file).matchAll(/\blacks\(([^)]*)\)/g)].some((call) =>
      programs.some((program) => (call[1] ?? "").includes(`"${program}"`)),
    ),
  );
}

/**
 * Makes sure of the peer programs.
 * @returns {Promise<Record<string, string>>} environment for the tests: WEFT_MISSING lists what is not there, comma
 *   separated; WEFT_PYTHON is a Python with scapy, or plain python3
 */
export async function preparePeers() {
  let missing = missingPeers();
  const isAllowed = process.getuid?.() === 0 && (inCi() || process.env["WEFT_INSTALL"] === "1");
  if (missing.length > 0 && isAllowed && onPath("apt-get")) {
    const packages = missing.map((peer) => peer.package);
    say(`apt-get install ${packages.join(" ")}`);
    const extra = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["-qq", "update"], extra);
    await run("apt-get", ["-qq", "-y", "--no-install-recommends", "install", ...packages], extra);
    missing = missingPeers();
  }
  const programs = missing.map((peer) => peer.program);
  if (programs.length > 0) {
    const packages = missing.map((peer) => peer.package).join(" ");
    say(`apt-get install ${packages}: tests that wait for it: ${waiting(programs).join(" ") || "none"}`);
  }
  return { WEFT_MISSING: programs.join(","), WEFT_PYTHON: scapyPython() ?? "python3" };
}
