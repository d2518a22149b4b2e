import type { Host } from "../../../nodes/host.js";
import type { Application } from "../../session/application.js";
import { SESSION_E_ALLOC, SESSION_E_NOAPP, SESSION_E_NOLISTEN } from "../../session/session-errors.js";
import type { SessionIndex } from "../../transport/transport.js";
import type { HandlersOf } from "./handler.js";
import { MethodError } from "./method-error.js";

function appOf(host: Host, index: number): Application {
  const app = host.sessions.applications.attached(index);
  if (app === undefined) throw new MethodError(SESSION_E_NOAPP, "app", `no app ${index}`);
  return app;
}

/** The listening sessions by which the application's workers know one of its listeners. */
function listenersOf(host: Host, app: Application, index: number): SessionIndex[] {
  const listener = host.sessions.listeners.of(index);
  if (listener === undefined || listener.app !== app) {
    throw new MethodError(SESSION_E_NOLISTEN, "listener", `no listener ${index} of app ${app.index}`);
  }
  return [...new Set([index, listener.session, ...listener.sessions])].filter((each) => each >= 0);
}

/** Methods about event collectors. */
export const COLLECTOR_HANDLERS: HandlersOf<"collector"> = {
  "collector.list"({ host: { sessions } }) {
    const { collectors, applications, config } = sessions;
    return {
      collectAll: config.collectAll,
      collectors: collectors.all.map(({ worker, collected, dropped, queue }) => {
        return { app: worker.app.index, name: worker.app.name, collected, dropped, queued: queue.length };
      }),
      apps: applications.all().flatMap(({ index, name, collected }) => {
        return collected === undefined ? [] : [{ app: index, name, listeners: [...collected] }];
      }),
    };
  },
  "collector.add"({ host }, { app: index, listener }) {
    const app = appOf(host, index);
    const listeners = listener === undefined ? [] : listenersOf(host, app, listener);
    if (!host.sessions.collectors.collect(app, listeners)) {
      throw new MethodError(SESSION_E_ALLOC, "listener", "too many listeners in the filter");
    }
    return null;
  },
  "collector.del"({ host }, { app: index, listener }) {
    const app = appOf(host, index);
    const { collectors } = host.sessions;
    if (listener === undefined) collectors.collectNot(app);
    else if (app.collected?.has(listener) === true) {
      // A listener that has gone is one session in the filter; one that is there may be several.
      const isThere = host.sessions.listeners.of(listener)?.app === app;
      collectors.collectNot(app, isThere ? listenersOf(host, app, listener) : [listener]);
      // An empty filter would mean: all.
      if (app.collected.size === 0) collectors.collectNot(app);
    } else throw new MethodError(SESSION_E_NOLISTEN, "listener", `the filter does not have listener ${listener}`);
    return null;
  },
};
