import { TLS_1_2, TLS_1_3 } from "./engine.js";

/** Versions by the words of operators. */
export const TLS_VERSIONS = { "1.2": TLS_1_2, "1.3": TLS_1_3 } as const;

/** Those words. */
export const TLS_VERSION_WORDS = ["1.2", "1.3"] as const satisfies readonly (keyof typeof TLS_VERSIONS)[];

/** The word of a version; null: the default. */
export function tlsVersionName(version: number | undefined): (typeof TLS_VERSION_WORDS)[number] | null {
  return TLS_VERSION_WORDS.find((word) => TLS_VERSIONS[word] === version) ?? null;
}
