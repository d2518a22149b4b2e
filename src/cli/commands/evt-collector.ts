import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";
import { CliError, type Words } from "../words.js";

const MAX_INDEX = 0x7fff_ffff;

const appEvtCollector: Command = {
  name: "app evt-collector",
  usage: "[add|del] app INDEX [listener INDEX]",
  help: "event collectors are told of the sessions of an application, or of those of one of its listeners; del: no more",
  run(words, run) {
    const isDel = words.accept("del");
    if (!isDel) words.accept("add");
    if (["enable", "uri", "segment-size", "fifo-size"].includes(words.next)) {
      throw new CliError(`not supported: "${words.next}": a collector is an application that attaches as one`);
    }
    if (!words.accept("app"))
      throw new CliError(words.left === 0 ? "app is missing" : `unknown argument "${words.next}"`);
    const app = words.integer("app", 0, MAX_INDEX);
    const listener = words.accept("listener") ? words.integer("listener", 0, MAX_INDEX) : undefined;
    words.end();
    call(run, isDel ? "collector.del" : "collector.add", { app, listener });
    return "";
  },
};

function takeApp(words: Words): number | undefined {
  let app: number | undefined;
  while (words.left > 0) {
    if (words.accept("app")) app = words.integer("app", 0, MAX_INDEX);
    else if (!words.accept("listeners-filter")) words.end();
  }
  return app;
}

const showAppEvtCollector: Command = {
  name: "show app evt-collector",
  usage: "[app INDEX] [listeners-filter] [--json]",
  help: "event collectors with what they were told, and the applications that they are told of",
  run(words, run) {
    const isJson = words.remove("--json");
    const app = takeApp(words);
    const all = call(run, "collector.list", {});
    const apps = app === undefined ? all.apps : all.apps.filter((each) => each.app === app);
    if (isJson) return JSON.stringify({ ...all, apps });
    const chosen = columns(
      ["App", "Name", "Listeners"],
      apps.map((each) => [each.app, each.name, each.listeners.join(" ") || "all"]),
    );
    if (app !== undefined) return chosen;
    const collectors = columns(
      ["Collector", "Name", "Collected", "Dropped", "Queued"],
      all.collectors.map((each) => [each.app, each.name, each.collected, each.dropped, each.queued]),
    );
    return [collectors, "", chosen, ...(all.collectAll ? ["and all others: collectAll"] : [])].join("\n");
  },
};

/** Commands about event collectors. */
export const EVT_COLLECTOR_COMMANDS: readonly Command[] = [appEvtCollector, showAppEvtCollector];
