import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** A namespace name that no other test process uses. */
export function netnsName(suffix: string): string {
  return `wn-${process.pid}-${suffix}`;
}

/** Whether a named namespace is there. */
export function hasNetns(name: string): boolean {
  return existsSync(`/run/netns/${name}`);
}

/** Runs a shell command with the network of a named namespace; its output, which is empty when it fails. */
export function inNetns(name: string, command: string): string {
  const done = spawnSync("nsenter", [`--net=/run/netns/${name}`, "bash", "-c", command], { encoding: "utf8" });
  return done.stdout;
}

/** The bytes of a dotted IPv4 address. */
export function ip4(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}
