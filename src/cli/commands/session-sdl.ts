import { parseAddress, parsePrefix } from "../../ip/address.js";
import { isTag, MAX_TAG_LENGTH } from "../../session/rule-record.js";
import { MAX_AUTO_SDL_THRESHOLD, MAX_AUTO_SDL_TIMEOUT_S, type SdlAction } from "../../session/sdl-record.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";
import { MAX_SDL_LISTED } from "../methods/method-table.js";
import { CliError, type Words } from "../words.js";

/** Lines that a listing has unless told otherwise. */
const DEFAULT_MAX = 1000;
/** VPP's numbers of actions; its users deny with 0. */
const ACTION_NUMBERS: Readonly<Record<string, SdlAction>> = { 0: "drop", "-2": "drop", "-3": "allow" };

/** What the words of a command about entries say. */
interface EntryWords {
  namespace?: string;
  remote?: string;
  action?: SdlAction;
  tag?: string;
}

function takeRemote(words: Words): string {
  const text = words.take("remote address");
  try {
    parsePrefix(text);
    return text;
  } catch {
    throw new CliError(`remote address: not ADDRESS/LENGTH: "${text}"`);
  }
}

function takeAction(words: Words): SdlAction {
  const text = words.take("action");
  const action = text === "drop" || text === "allow" ? text : ACTION_NUMBERS[text];
  if (action === undefined) throw new CliError(`action: not drop or allow: "${text}"`);
  return action;
}

function takeTag(words: Words): string {
  const tag = words.take("tag");
  if (!isTag(tag)) throw new CliError(`tag: longer than ${MAX_TAG_LENGTH} characters`);
  return tag;
}

function takeEntry(words: Words, hasAction: boolean): EntryWords {
  const entry: EntryWords = {};
  while (words.left > 0) {
    if (words.accept("appns")) entry.namespace = words.take("appns");
    else if (words.next.includes("/")) entry.remote = takeRemote(words);
    else if (hasAction && words.accept("action")) entry.action = takeAction(words);
    else if (words.accept("tag")) entry.tag = takeTag(words);
    else words.end();
  }
  return entry;
}

const addEntry: Command = {
  name: "session sdl add",
  usage: "[appns ID] RMT-IP/LEN [action drop|allow] [tag T]",
  help: "adds peers to the source deny list, of which the longest prefix decides; drop unless told otherwise",
  run(words, run) {
    const { namespace, remote, action, tag } = takeEntry(words, true);
    if (remote === undefined) throw new CliError("remote address is missing");
    call(run, "sdl.add", { namespace, entries: [{ remote, action, tag }] });
    return "";
  },
};

const delEntry: Command = {
  name: "session sdl del",
  usage: "[appns ID] RMT-IP/LEN | tag T",
  help: "deletes an entry of the source deny list by its prefix, or by its tag",
  run(words, run) {
    const { namespace, remote, tag } = takeEntry(words, false);
    if (remote === undefined && tag === undefined) throw new CliError("remote address, or tag, is missing");
    call(run, "sdl.del", { namespace, entries: [{ remote, tag }] });
    return "";
  },
};

/** What the words of a listing say. */
interface ListingWords {
  namespace?: string;
  address?: string;
  max: number;
  isJson: boolean;
  isSummary: boolean;
}

function takeListing(words: Words): ListingWords {
  const asked: ListingWords = { max: DEFAULT_MAX, isJson: false, isSummary: false };
  while (words.left > 0) {
    if (words.accept("appns")) asked.namespace = words.take("appns");
    else if (words.accept("max")) asked.max = words.integer("max", 1, MAX_SDL_LISTED);
    else if (words.accept("--json")) asked.isJson = true;
    else if (words.accept("summary")) asked.isSummary = true;
    else if (isAddress(words.next)) asked.address = words.take("address");
    else words.end();
  }
  return asked;
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}

const showSdl: Command = {
  name: "show session sdl",
  usage: "[appns ID] [RMT-IP] [max N] [--json]",
  help: "the source deny list, or the entry that decides on a peer",
  run(words, run) {
    const { isJson, isSummary, ...asked } = takeListing(words);
    if (isSummary) throw new CliError('unknown argument "summary"');
    const entries = call(run, "sdl.list", asked);
    if (isJson) return JSON.stringify(entries);
    const rows = entries.map(({ table, namespaces, remote, action, tag, automatic }) => [
      table ?? "-",
      namespaces.join(",") || "-",
      remote,
      action,
      tag ?? (automatic ? "(auto-sdl)" : "-"),
    ]);
    const { sdl, namespaces } = run.host.sessions;
    const namespace = asked.namespace === undefined ? undefined : namespaces.find(asked.namespace);
    const more = asked.address === undefined ? sdl.count(namespace) - entries.length : 0;
    const text = columns(["Table", "Namespaces", "Remote", "Action", "Tag"], rows);
    return more > 0 ? `${text}\n${more} more: max N shows them` : text;
  },
};

function switched(isOn: boolean): Command {
  const name = isOn ? "auto-sdl enable" : "auto-sdl disable";
  return {
    name,
    usage: isOn ? "[threshold N] [remove-timeout SECONDS]" : "",
    help: isOn
      ? "denies peers that leave N handshakes incomplete, for so long; who can forge addresses can have others denied"
      : "stops denying peers by itself, and deletes their entries",
    run(words, run) {
      let threshold: number | undefined;
      let removeTimeoutS: number | undefined;
      while (words.left > 0) {
        if (isOn && words.accept("threshold")) threshold = words.integer("threshold", 1, MAX_AUTO_SDL_THRESHOLD);
        else if (isOn && words.accept("remove-timeout")) {
          removeTimeoutS = words.integer("remove-timeout", 1, MAX_AUTO_SDL_TIMEOUT_S);
        } else words.end();
      }
      if (isOn) call(run, "auto-sdl.enable", { threshold, removeTimeoutS });
      else call(run, "auto-sdl.disable", {});
      return "";
    },
  };
}

const showAutoSdl: Command = {
  name: "show auto-sdl",
  usage: "[appns ID] [RMT-IP] [summary] [max N] [--json]",
  help: "peers that left handshakes incomplete, those that are denied first; summary: how many, and the settings",
  run(words, run) {
    const { isJson, isSummary, ...asked } = takeListing(words);
    const { on, threshold, removeTimeoutS, counts } = call(run, "auto-sdl.get", {});
    if (isSummary) {
      if (isJson) return JSON.stringify({ on, threshold, removeTimeoutS, counts });
      return pairs([
        ["auto-sdl", on ? "on" : "off"],
        ["threshold", threshold],
        ["remove timeout", `${removeTimeoutS} s`],
        ["peers denied", counts.peersDenied],
        ["peers counted", counts.peersCounted],
        ["peers evicted", counts.peersEvicted],
        ["peers refused", counts.peersRefused],
      ]);
    }
    const peers = call(run, "auto-sdl.list", asked);
    if (isJson) return JSON.stringify(peers);
    const rows = peers.map(({ table, address, denied, count, ageMs }) => [
      table ?? "-",
      address,
      denied ? "denied" : "counted",
      count,
      (ageMs / 1000).toFixed(1),
    ]);
    return columns(["Table", "Peer", "State", "Count", "Age s"], rows);
  },
};

/** Commands about the source deny list. */
export const SESSION_SDL_COMMANDS: readonly Command[] = [
  addEntry,
  delEntry,
  showSdl,
  switched(true),
  switched(false),
  showAutoSdl,
];
