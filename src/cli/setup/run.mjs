// What every set-up step uses: the repository's root, running a program, one-line failures.
// Plain JavaScript with nothing but Node's own modules, because it runs before anything is installed or compiled.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root directory. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

/** A step that failed for a reason worth exactly one line. */
export class SetupError extends Error {}

/** @param {string} text one line about what happens now */
export function say(text) {
  console.log(`weft: ${text}`);
}

/** True where nothing may be skipped. */
export function inCi() {
  const ci = process.env["CI"] ?? "";
  return ci !== "" && ci !== "0" && ci !== "false";
}

/**
 * The environment of every program started here: the sbin directories are on the path (ip, ethtool and tcpdump live
 * there, and not every user's path has them), and so are the package's own tools.
 * @returns {Record<string, string | undefined>}
 */
export function environment() {
  const path = [process.env["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin", join(ROOT, "node_modules", ".bin")];
  return { ...process.env, PATH: path.filter(Boolean).join(":") };
}

/** @param {...string} path of a package's script under node_modules @returns {string} */
export function tool(...path) {
  return join(ROOT, "node_modules", ...path);
}

/**
 * Runs a program in the root directory with our standard streams. Signals that would end us are passed on, so that
 * the program can clean up and we wait for it.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Record<string, string | undefined>} [extra] added to the environment
 * @returns {Promise<number>} its exit code; 128 + number when a signal ended it
 */
export function run(program, args, extra = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: "inherit", env: { ...environment(), ...extra } });
    /** @type {Set<NodeJS.Signals>} */
    const passed = new Set();
    /** @param {NodeJS.Signals} signal */
    const pass = (signal) => {
      // Once each: a terminal's Ctrl-C reaches the whole process group, and npm repeats it to us.
      if (!passed.has(signal)) child.kill(signal);
      passed.add(signal);
    };
    /** @type {readonly NodeJS.Signals[]} */
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    const done = () => {
      for (const signal of signals) process.off(signal, pass);
    };
    child.on("error", (error) => {
      done();
      reject(new SetupError(`${program}: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      done();
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
    });
  });
}

/**
 * Runs a program that must succeed.
 * @param {string} what names the step in the failure
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Record<string, string | undefined>} [extra]
 */
export async function must(what, program, args, extra = {}) {
  const code = await run(program, args, extra);
  if (code !== 0) throw new SetupError(`${what} failed (exit ${code})`);
}

/** @param {string} program @param {readonly string[]} args @returns {boolean} whether it ran and succeeded, silently */
export function succeeds(program, args) {
  return spawnSync(program, args, { cwd: ROOT, stdio: "ignore", env: environment() }).status === 0;
}

/** @param {string} program @returns {boolean} whether it is on the path */
export function onPath(program) {
  return (environment()["PATH"] ?? "").split(":").some((directory) => existsSync(join(directory, program)));
}

/**
 * Files below a directory, sorted, as paths from the root; none when the directory is absent.
 * @param {string} directory from the root
 * @param {RegExp} wanted tested against the path
 * @returns {string[]}
 */
export function filesUnder(directory, wanted) {
  const top = join(ROOT, directory);
  if (!existsSync(top)) return [];
  const found = [];
  for (const entry of readdirSync(top, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      if (entry.name !== "node_modules" && entry.name !== "build") found.push(...filesUnder(path, wanted));
    } else if (wanted.test(path)) found.push(path);
  }
  return found.sort();
}

/**
 * One short text that changes when a file's name or contents do. Contents, not times: a checkout sets times anew.
 * @param {readonly string[]} files from the root
 * @returns {string}
 */
export function fingerprint(files) {
  const hash = createHash("sha256").update(process.arch);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  return hash.digest("hex");
}

/** @param {string} file from the root @returns {string} its text, empty when it cannot be read */
export function textOf(file) {
  try {
    return readFileSync(join(ROOT, file), "utf8");
  } catch {
    return "";
  }
}
