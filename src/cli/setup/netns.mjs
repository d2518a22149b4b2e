// A place where network namespaces and devices can be made: here when we have the privilege, else in a user, mount
// and network namespace of our own.
import { accessSync, constants } from "node:fs";
import { run, say, succeeds } from "./run.mjs";

const TUN = "/dev/net/tun";

// `ip netns` keeps its names in /run/netns, which belongs to the real root: a tmpfs covers it.
const ENTER = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$0" "$@"';
const UNSHARE = ["-Urnm", "sh", "-c", ENTER];

/** @returns {boolean} whether TAP devices can be made; the right to open the file is asked apart from namespaces */
function hasTun() {
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs Node with the given arguments where namespaces can be made. Where the system refuses, says so and runs it with
 * WEFT_NO_NETNS=1, which the programs take as "use an in-memory wire"; likewise WEFT_NO_TUN=1 when there can be no TAP.
 * @param {readonly string[]} args Node's arguments
 * @param {Record<string, string>} [extra] added to the environment
 * @returns {Promise<number>} exit code
 */
export function runWithNamespaces(args, extra = {}) {
  if (!hasTun()) {
    say(`${TUN} cannot be opened: no TAP`);
    extra = { ...extra, WEFT_NO_TUN: "1" };
  }
  if (succeeds("unshare", ["-nm", "true"])) return run(process.execPath, args, extra);
  if (succeeds("unshare", [...UNSHARE, "true"])) {
    say("no privilege: entering a user, mount and network namespace (unshare -Urnm, tmpfs on /run)");
    // The user's runtime directory lies under the /run that is now hidden.
    const hidden = (process.env["XDG_RUNTIME_DIR"] ?? "").startsWith("/run/") ? { XDG_RUNTIME_DIR: undefined } : {};
    return run("unshare", [...UNSHARE, process.execPath, ...args], { ...extra, ...hidden });
  }
  say("no privilege, and unshare -Urnm is refused: no namespace, no TAP; running on an in-memory wire");
  return run(process.execPath, args, { ...extra, WEFT_NO_NETNS: "1" });
}
