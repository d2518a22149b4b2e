import type { ApplicationOptions } from "../session/application.js";
import type { SessionLayer } from "../session/session-layer.js";
import type { AppCallbacks } from "./callbacks.js";
import type { AppContext } from "./context.js";
import { LocalApp } from "./local-app.js";
import { SessionObjects } from "./session-objects.js";

/** Attaches applications of this process to a stack (VPP: builtin applications), and knows their session objects. */
export class AppServer {
  readonly objects: SessionObjects;

  /** Reserves what the applications share. Throws RangeError when the window is full. */
  constructor(sessions: SessionLayer) {
    this.objects = new SessionObjects(sessions);
  }

  /** What all session objects share. */
  get context(): AppContext {
    return this.objects.context;
  }

  /** Attaches an application. Rejects with INVALID, INVALID_NS, WRONG_NS_SECRET, APP_ATTACHED, NOSUPPORT (disabled), ALLOC. */
  async attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<LocalApp> {
    return new LocalApp(this.objects, options, callbacks);
  }
}
