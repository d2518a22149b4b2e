import type { App } from "../app/app.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { ApplicationOptions } from "../session/application.js";

/** What the Node-shaped faces and the demo applications need of a stack. */
export interface AttachPoint {
  /** Attaches an application; rejects with a SessionError. */
  attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<App>;
}
