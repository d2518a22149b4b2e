import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";

/** The system's name of an error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** Removes a socket whose listener is gone. Rejects when somebody answers, or it is no socket. */
export async function removeStale(path: string): Promise<void> {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new Error(`${path}: cannot be made (${codeOf(error)})`, { cause: error });
  }
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`${path}: exists and is no socket`);
  const probe = connect(path);
  const isAlive = await new Promise<boolean>((resolve) => {
    probe.on("connect", () => resolve(true));
    probe.on("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED" && codeOf(error) !== "ENOENT"));
  });
  probe.destroy();
  if (isAlive) throw new Error(`${path}: in use by another stack`);
  unlinkSync(path);
}
