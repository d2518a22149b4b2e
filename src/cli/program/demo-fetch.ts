import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import type { LiveStack } from "../../index.js";

const TIMEOUT_MS = 10_000;

/** A fetched page. */
export interface Fetched {
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  /** The program that fetched it. */
  readonly by: string;
}

/** Where a program lies on the path, or in the sbin directories, which not every user's path has. */
function which(program: string): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.map((directory) => join(directory || ".", program)).find((path) => existsSync(path));
}

/** The command that runs a program in a named network namespace; undefined when the system has none. */
export function inNetns(netns: string): readonly string[] | undefined {
  const ip = which("ip");
  if (ip !== undefined) return [ip, "netns", "exec", netns];
  const nsenter = which("nsenter");
  return nsenter === undefined ? undefined : [nsenter, `--net=/run/netns/${netns}`];
}

const NODE_CLIENT = `
const start = performance.now();
fetch(process.argv[1]).then(async (r) => console.log(r.status, (await r.arrayBuffer()).byteLength, (performance.now() - start) / 1000));
`;

/** The client program and its arguments: each prints status, bytes and seconds. */
function clientFor(url: string): readonly string[] {
  const curl = which("curl");
  if (curl === undefined) return [process.execPath, "-e", NODE_CLIENT, url];
  return [curl, "--silent", "--show-error", "--globoff", "--max-time", "10", "--output", "/dev/null"].concat(
    "--write-out",
    "%{http_code} %{size_download} %{time_total}",
    url,
  );
}

/** Fetches a page by a program of its own in a network namespace. Rejects with what it printed when it fails. */
export async function fetchThroughKernel(prefix: readonly string[], url: string): Promise<Fetched> {
  const client = clientFor(url);
  const by = client[0] === process.execPath ? "node" : "curl";
  const [program, ...args] = [...prefix, ...client];
  // No proxy is in the namespace.
  const env = { ...process.env, NO_PROXY: "*", no_proxy: "*" };
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS, env });
  let out = "";
  let complaint = "";
  child.stdout.on("data", (bytes: Buffer) => {
    out += bytes.toString("latin1");
  });
  child.stderr.on("data", (bytes: Buffer) => {
    complaint += bytes.toString("latin1");
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const match = /^(\d+) (\d+) ([\d.]+)/.exec(out);
  if (code !== 0 || match === null) throw new Error(`${url}: ${by} ended with ${code}: ${complaint.trim() || out}`);
  return { status: Number(match[1]), bytes: Number(match[2]), ms: Number(match[3]) * 1000, by };
}

/** Fetches a page over a stack of this process. */
export async function fetchThroughStack(stack: LiveStack, host: string): Promise<Fetched> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    // Without an agent: one would not call createConnection.
    const request = get(
      { host, port: 80, path: "/", createConnection: () => stack.net.connect(80, host) },
      (response) => {
        let bytes = 0;
        response.on("data", (piece: Buffer) => {
          bytes += piece.length;
        });
        response.on("end", () => {
          const ms = performance.now() - startMs;
          resolve({ status: response.statusCode ?? 0, bytes, ms, by: "node:http on the second stack" });
        });
        response.on("error", reject);
      },
    );
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error(`${host}: no answer`)));
    request.on("error", reject);
  });
}
