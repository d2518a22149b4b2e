import { createHash } from "node:crypto";
import type { App } from "../../app/app.js";
import type { TlsOptions } from "../../transport/tls/crypto-config.js";
import type { SecureContext } from "./secure-context.js";
import { contextError } from "./tls-error.js";

/** Things without a user that are kept, of each kind, for who comes with the same again. */
const MAX_IDLE = 16;

interface Shared {
  readonly index: Promise<number>;
  users: number;
}

/** Things of the crypto store of one kind, by their contents. */
class SharedThings {
  readonly #byContent = new Map<string, Shared>();
  readonly #remove: (index: number) => Promise<void>;

  constructor(remove: (index: number) => Promise<void>) {
    this.#remove = remove;
  }

  /** Index of what has those contents, made when there is none; to be left. */
  async use(key: string, make: () => Promise<number>): Promise<number> {
    let shared = this.#byContent.get(key);
    if (shared === undefined) {
      shared = { index: make(), users: 0 };
      this.#byContent.set(key, shared);
    }
    shared.users++;
    try {
      return await shared.index;
    } catch (error) {
      this.#byContent.delete(key);
      throw error;
    }
  }

  leave(key: string): void {
    const shared = this.#byContent.get(key);
    if (shared === undefined || --shared.users > 0) return;
    // The last that was left is the last to go.
    this.#byContent.delete(key);
    this.#byContent.set(key, shared);
    const idle = [...this.#byContent].filter(([, { users }]) => users === 0);
    for (const [other, { index }] of idle.slice(0, Math.max(idle.length - MAX_IDLE, 0))) {
      this.#byContent.delete(other);
      // It rejects when the application has gone, and its things with it.
      index.then(this.#remove).catch(() => undefined);
    }
  }
}

/** A secure context's things in the crypto store, by index, for as long as they are needed. */
export interface Lease {
  readonly options: Pick<TlsOptions, "pair" | "trust" | "profile">;
  /** Listeners and connections that were made with them keep what they have. */
  readonly release: () => void;
}

/**
 * What secure contexts are made of, as things of the crypto store which are an application's own. Equal ones are shared; they
 * are needed only while something is made with them.
 */
export class Credentials {
  readonly #app: App;
  readonly #pairs: SharedThings;
  readonly #trust: SharedThings;
  readonly #profiles: SharedThings;

  constructor(app: App) {
    this.#app = app;
    this.#pairs = new SharedThings((index) => app.delCertificate(index));
    this.#trust = new SharedThings((index) => app.delTrust(index));
    this.#profiles = new SharedThings((index) => app.delTlsProfile(index));
  }

  /** Rejects with ERR_INVALID_ARG_VALUE, and what is wrong with a text. */
  async lease({ pair, trust, profile }: SecureContext): Promise<Lease> {
    const app = this.#app;
    const taken: (() => void)[] = [];
    const take = async (things: SharedThings, key: string, make: () => Promise<number>): Promise<number> => {
      const index = await things.use(key, make);
      taken.push(() => things.leave(key));
      return index;
    };
    const release = (): void => {
      for (const leave of taken.splice(0)) leave();
    };
    try {
      const options = {
        ...(pair && {
          pair: await take(this.#pairs, digest(pair.certificate, pair.key), () => app.addCertificate(pair)),
        }),
        ...(trust && {
          trust: await take(this.#trust, digest(trust.certificates, trust.crl), () =>
            app.addTrust(trust.certificates, trust.crl),
          ),
        }),
        ...(profile && {
          profile: await take(this.#profiles, JSON.stringify(profile), () => app.addTlsProfile(profile)),
        }),
      };
      return { options, release };
    } catch (error) {
      release();
      throw contextError(error);
    }
  }
}

/** Keys are not kept in names. */
function digest(...texts: readonly Uint8Array[]): string {
  return texts.map((text) => createHash("sha256").update(text).digest("hex")).join(" ");
}
