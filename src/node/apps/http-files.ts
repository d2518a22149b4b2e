import { constants } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import type { HttpRequest, HttpResponse } from "./http-versions.js";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".gif": "image/gif",
  ".htm": "text/html; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
};

/** Serves the files of one directory. */
export interface StaticFiles {
  /** Answers if the path names a file below the root, or a directory with an index.html; false when there is none. */
  serve(request: HttpRequest, response: HttpResponse, path: string): Promise<boolean>;
}

/** Opens a directory for serving. Rejects when it is none. */
export async function openRoot(directory: string): Promise<StaticFiles> {
  const root = await realpath(directory);
  if (!(await stat(root)).isDirectory()) {
    throw Object.assign(new Error(`http root ${JSON.stringify(directory)} is not a directory`), { code: "ENOTDIR" });
  }
  return { serve: (request, response, path) => serveFile(root, request, response, path) };
}

/** The segments of a URL path; undefined when one of them could lead out of the root or names nothing a file may be. */
function segmentsOf(path: string): string[] | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  const segments = decoded.split("/").filter((segment) => segment !== "" && segment !== ".");
  const isBad = (segment: string): boolean =>
    segment === ".." || segment.includes("\0") || segment.includes("\\") || segment.includes(sep);
  return segments.some(isBad) ? undefined : segments;
}

async function serveFile(root: string, request: HttpRequest, response: HttpResponse, path: string): Promise<boolean> {
  const segments = segmentsOf(path);
  if (segments === undefined) return false;
  const handle = await openBelow(root, join(root, ...segments));
  if (handle === undefined) return false;
  try {
    const { size } = await handle.stat();
    const file = segments.length === 0 || path.endsWith("/") ? "index.html" : (segments.at(-1) ?? "");
    const type = TYPES[extname(file).toLowerCase()] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": size });
    if (request.method === "HEAD" || size === 0) response.end();
    // The length was promised: a file that grows meanwhile is cut there.
    else await pipeline(handle.createReadStream({ autoClose: false, end: size - 1 }), response);
  } finally {
    await handle.close();
  }
  return true;
}

/** Opens a file, or the index of a directory, if it really lies below the root: a symbolic link may not lead out. */
async function openBelow(root: string, wanted: string): Promise<FileHandle | undefined> {
  try {
    let real = await realpath(wanted);
    if ((await stat(real)).isDirectory()) real = await realpath(join(real, "index.html"));
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
    // O_NONBLOCK: a named pipe must not hold the thread that opens it.
    const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return undefined;
  } catch {
    return undefined;
  }
}
