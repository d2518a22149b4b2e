import { ConfigError } from "../../host/config-error.js";

/** Done. */
export const EXIT_OK = 0;
/** Failed at run time. */
export const EXIT_FAILED = 1;
/** Bad usage or configuration. */
export const EXIT_USAGE = 2;

/** What is wrong with the command line: exit code 2. */
export class UsageError extends Error {
  /** The argument at fault. */
  readonly where: string;
  readonly what: string;

  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
    this.name = "UsageError";
    this.where = where;
    this.what = what;
  }
}

function isUsage(error: unknown): boolean {
  return error instanceof UsageError || error instanceof ConfigError;
}

/** The one line that tells of an error: `weft: WHERE: WHAT`; `where` when the error does not say. */
export function failureLine(error: unknown, where: string): string {
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0];
  return isUsage(error) ? `weft: ${message}` : `weft: ${where}: ${message}`;
}

/** Prints an error as its one line, with the stack only when WEFT_DEBUG is set. Returns the exit code. */
export function reportFailure(error: unknown, where: string): number {
  process.stderr.write(`${failureLine(error, where)}\n`);
  if ((process.env["WEFT_DEBUG"] ?? "") !== "" && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
    if (error.cause instanceof Error) process.stderr.write(`caused by ${error.cause.stack}\n`);
  }
  return isUsage(error) ? EXIT_USAGE : EXIT_FAILED;
}
