import type { ListenOptions } from "../app/app-worker.js";
import type { Listener } from "../app/listener.js";
import type { SessionAddress } from "../app/session.js";
import { parseUri } from "../session/uri.js";
import type { ClientSession } from "./client-session.js";

/** Who can end a listener. */
export interface ListenerOwner {
  /** Rejects with a SessionError. */
  unlisten(listener: ClientListener): Promise<void>;
}

/** A listener of an application in its own process. It outlives the stack: attached again, the worker listens again. */
export class ClientListener implements Listener {
  readonly uri: string;
  readonly options: ListenOptions;
  /** Where to listen again: at the port that it has had, when it took any. */
  readonly boundUri: string;
  readonly #owner: ListenerOwner;
  #session: ClientSession;

  /** Made by listen. */
  constructor(owner: ListenerOwner, uri: string, options: ListenOptions, session: ClientSession) {
    this.#owner = owner;
    this.uri = uri;
    this.options = options;
    this.boundUri = boundUri(uri, session.local);
    this.#session = session;
  }

  /** Another one, when it listens again. */
  get session(): ClientSession {
    return this.#session;
  }

  set session(session: ClientSession) {
    this.#session = session;
  }

  get local(): SessionAddress | undefined {
    return this.#session.local;
  }

  close(): Promise<void> {
    return this.#owner.unlisten(this);
  }
}

function boundUri(uri: string, local: SessionAddress | undefined): string {
  const { protocol, endpoint } = parseUri(uri);
  if (local === undefined || endpoint.port !== 0) return uri;
  const address = local.family === 6 ? `[${local.address}]` : local.address;
  return `${protocol}://${address}:${local.port}`;
}
