import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Session } from "../../../src/app/session.js";
import { type DatagramFlow, DatagramFlows } from "../../../src/node/apps/proxy/datagram-flows.js";
import { KernelDatagrams } from "../../../src/node/apps/proxy/kernel-datagrams.js";
import { MAX_LOGGED, ProxyPolicy } from "../../../src/node/apps/proxy/policy.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Flows by number, and the numbers of those that were ended. */
function flowsOf(count: number): { all: DatagramFlow[]; ended: number[] } {
  const ended: number[] = [];
  const all = Array.from({ length: count }, (_, i) => ({ lastMs: 0, end: () => void ended.push(i) }));
  return { all, ended };
}

test("a flow that is silent for two minutes ends, one that is heard of does not", () => {
  const flows = new DatagramFlows();
  const { all, ended } = flowsOf(3);
  for (const each of all) flows.heard(each);
  vi.advanceTimersByTime(60_000);
  flows.heard(all[1]);
  flows.delete(all[2]);
  vi.advanceTimersByTime(59_000);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(12_000);
  expect(ended).toEqual([0]);
  vi.advanceTimersByTime(60_000);
  expect(ended).toEqual([0, 1]);
  flows.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("of too many flows the one that was silent longest goes", () => {
  const flows = new DatagramFlows();
  const { all, ended } = flowsOf(4098);
  for (const each of all.slice(0, 4096)) flows.heard(each);
  flows.heard(all[0]);
  expect(ended).toEqual([]);
  for (const each of all.slice(4096)) flows.heard(each);
  expect(ended).toEqual([1, 2]);
  flows.close();
  expect(ended).toHaveLength(4098);
});

test("a policy remembers so many refused destinations, and forgets the oldest", () => {
  const log: string[] = [];
  const policy = new ProxyPolicy(["198.18.0.0/24", "[2001:db8::/32]:443"], (line) => log.push(line));
  const at = (address: string, port: number) => ({ address, port, family: address.includes(":") ? 6 : 4 }) as const;
  expect(policy.allows(at("198.18.0.255", 1))).toBe(true);
  expect(policy.allows(at("198.18.1.0", 1))).toBe(false);
  expect(policy.allows(at("2001:db8:1::", 443))).toBe(true);
  expect(policy.allows(at("2001:db8:1::", 80))).toBe(false);
  const refuse = (port: number): void =>
    policy.refused("tcp", { local: at("203.0.113.1", port), remote: undefined }, "no");
  for (let port = 1; port <= MAX_LOGGED; port++) refuse(port);
  for (let port = 1; port <= MAX_LOGGED; port++) refuse(port);
  expect(log).toHaveLength(MAX_LOGGED);
  refuse(MAX_LOGGED + 1);
  refuse(MAX_LOGGED);
  expect(log).toHaveLength(MAX_LOGGED + 1);
  refuse(1);
  expect(log).toHaveLength(MAX_LOGGED + 2);
});

test("a flow to port 0, where no socket can send, is refused", () => {
  const flows = new DatagramFlows();
  const opened: number[] = [];
  const exit = new KernelDatagrams((to) => {
    opened.push(to.port);
    return { send: () => undefined, close: () => undefined };
  }, flows);
  const session = (port: number): Session =>
    Object.assign(Object.create(null) as Session, {
      local: { address: "198.18.0.2", port, family: 4 } as const,
      close: () => 0,
    });
  expect([exit.accept(session(0)), exit.accept(session(53))]).toEqual([false, true]);
  expect(opened).toEqual([53]);
  exit.close();
});
