import { beforeEach, describe, expect, it } from "vitest";
import { Pair } from "./pair.js";

let pair: Pair;

beforeEach(() => {
  pair = new Pair();
});

const WRONG: readonly (readonly [line: string, answer: string])[] = [
  ["nonsense", 'unknown command: "nonsense" (try help)'],
  ["show nonsense", expect.stringMatching(/^unknown command: "show nonsense" \(try interface, runtime, .*\)$/)],
  ["show i", 'ambiguous: "show i" (interface, ip, ip6)'],
  ["show", expect.stringMatching(/^unknown command: "show" \(try interface/)],
  ["show interface w9", 'show interface: no interface "w9"'],
  ["show interface w0 addr more", 'show interface: unknown argument "more"'],
  ["show errors now", 'show errors: unknown argument "now"'],
  ["show node nowhere", 'show node: no node "nowhere"'],
  ["trace add", "trace add: node is missing"],
  ["trace add device-input", "trace add: number of packets is missing"],
  ["trace add device-input many", 'trace add: number of packets: not a whole number from 1 to 1000000: "many"'],
  ["trace add ip4-input 5", expect.stringMatching(/^trace add: "ip4-input" is no input node \(device-input, /)],
  ["show trace max 0", 'show trace: max: not a whole number from 1 to 1000000: "0"'],
  ["show ip fib table 7", "show ip fib: no table 7"],
  ["show ip fib 2001:db8::1", 'show ip fib: not an IPv4 address: "2001:db8::1"'],
  ["set interface state w0 sideways", 'set interface state: neither up nor down: "sideways"'],
  ["set interface state", "set interface state: interface is missing"],
  ["set interface mtu 9000 w0", "mtu 9000: not from 1280 to 1500"],
  ["set interface mtu 1000 w0", "mtu 1000: not from 1280 to 1500"],
  ["set interface table w0 3", "no table 3"],
  ["set interface ip address w0 10.0.0.300/8", 'not an IP prefix: "10.0.0.300/8"'],
  ["ip route add", "ip route add: prefix is missing"],
  ["ip route add 10.0.0.0/8", "ip route add: next hop is missing"],
  ["ip route add 10.0.0.0/8 via", "ip route add: next hop is missing"],
  ["ip route add 10.0.0.0/8 via 10.0.0.300", 'ip route add: neither an address nor an interface: "10.0.0.300"'],
  ["ip route add 10.0.0.0/8 via 2001:db8:18::1", "next hop 2001:db8:18::1 is of the other family"],
  ["ip route add 10.0.0.0/40 via 198.18.0.1", 'not an IP prefix: "10.0.0.0/40"'],
  ["ip route add 10.0.0.0/8 via 198.18.0.1 weight 0", 'ip route add: weight: not a whole number from 1 to 255: "0"'],
  ["ip route add 10.0.0.0/8 via 198.18.0.1 table 9", "no table 9"],
  ["ip route del 10.0.0.0/8", "no route to 10.0.0.0/8"],
  ["ip table del 4", "no table 4 that can be removed"],
  ["set ip neighbor w0 198.18.0.9 zz", 'set ip neighbor: not a hardware address: "zz"'],
  ["set ip neighbor del w0 198.18.0.9", "set ip neighbor: no neighbour 198.18.0.9"],
  ["ping", "ping: address is missing"],
  ["ping there", 'not an IP address: "there"'],
  ["ping 192.0.2.1", "ping: no route to 192.0.2.1, or no address to send from"],
  ["ping 198.18.0.1 size 70000", 'ping: size: not a whole number from 0 to 65507: "70000"'],
  ["ping 198.18.0.1 interval x", 'ping: interval: not a number from 0 to 60: "x"'],
  ["ping 198.18.0.1 fast", 'ping: unknown argument "fast"'],
  ["show session proto sctp", 'show session: no transport "sctp"'],
  ["show session state open", expect.stringMatching(/^show session: no state "open" \(created, /)],
  ["clear session 3", "clear session: no session 3"],
  ["show app 5", "show app: no app 5"],
  ["help nonsense", 'help: no command begins with "nonsense"'],
];

describe("a wrong command", () => {
  // All on one stack: none may change anything.
  const shared = new Pair();
  it.each(WRONG)("%s", async (line, answer) => {
    expect(await shared.fails(line)).toEqual(answer);
  });

  it("may be long, or no text at all", async () => {
    expect(await pair.fails("x".repeat(5000))).toBe("more than 4096 characters");
    expect(await pair.fails(7 as never)).toBe("a command is a text");
  });

  it("changes nothing when the stack is closed", async () => {
    pair.cli.close();
    expect(await pair.fails("show interface")).toBe("the stack is closed");
  });
});

describe("a command", () => {
  it("may be empty, a comment, shortened, and spread out", async () => {
    expect(await pair.ok("")).toBe("");
    expect(await pair.ok("  # nothing")).toBe("");
    expect(await pair.ok("  sh   int  ")).toBe(await pair.ok("show interface"));
    expect(await pair.ok("sh ip fib")).toBe(await pair.ok("show ip fib"));
  });

  it("is completed word by word", () => {
    expect(pair.cli.complete("sh")).toEqual(["show"]);
    expect(pair.cli.complete("show r")).toEqual(["runtime"]);
    expect(pair.cli.complete("show ip ")).toEqual(["fib", "neighbors"]);
    expect(pair.cli.complete("clear ")).toEqual(["errors", "interfaces", "runtime", "session", "trace"]);
    expect(pair.cli.complete("nonsense ")).toEqual([]);
  });
});

describe("interfaces", () => {
  it("are shown with their counters and addresses", async () => {
    await pair.ok("ping 198.18.0.1 repeat 1");
    const lines = (await pair.ok("show interface")).split("\n");
    expect(lines[0]).toMatch(/^Name +Idx +State +MTU +Kind +Counter +Count$/);
    expect(lines[1]).toMatch(/^w0 +0 +up +1500 +wire +rx packets +\d+$/);
    expect(lines.some((line) => /^ +tx bytes +\d+$/.test(line))).toBe(true);
    expect(await pair.ok("show interface addr")).toBe(
      [
        "w0 (up):",
        "  L2 address 02:57:00:00:00:01",
        "  L3 198.18.0.2/24",
        "  L3 fe80::57:ff:fe00:1/64",
        "  L3 2001:db8:18::2/64",
      ].join("\n"),
    );
    expect(await pair.ok("show interface w0 addr")).toBe(await pair.ok("show interface addr"));
    await pair.ok("clear interfaces");
    expect((await pair.ok("show interface")).split("\n")).toHaveLength(2);
  });

  it("can be switched off and on", async () => {
    await pair.ok("set interface state w0 down");
    expect(await pair.ok("ping 198.18.0.1 repeat 1")).toMatch(/1 sent, 0 received, 100% packet loss$/);
    await pair.ok("set interface state w0 up");
    expect(await pair.ok("ping 198.18.0.1 repeat 1")).toMatch(/1 sent, 1 received, 0% packet loss$/);
  });

  it("show the modes that are on", async () => {
    expect(await pair.ok("show interface addr")).not.toMatch(/promiscuous|spoofing/);
    await pair.ok("set interface promiscuous on w0");
    await pair.ok("set interface spoofing on w0");
    expect(await pair.ok("show interface addr")).toMatch(/^ {2}promiscuous, spoofing$/m);
    await pair.ok("set interface promiscuous off w0");
    expect(await pair.ok("show interface addr")).toMatch(/^ {2}spoofing$/m);
    expect(await pair.fails("set interface spoofing w0")).toMatch(/neither on nor off: "w0"$/);
  });

  it("get another MTU, table and address", async () => {
    await pair.ok("set interface mtu 1400 w0");
    expect(await pair.ok("show interface")).toMatch(/^w0 +0 +up +1400 /m);
    await pair.ok("set interface ip address del w0 198.18.0.2/24");
    await pair.ok("set interface ip address del w0 2001:db8:18::2/64");
    expect(await pair.ok("show interface addr")).not.toContain("198.18");
    await pair.ok("ip table add 5");
    expect(await pair.fails("ip table add 5")).toBe("table 5 exists");
    await pair.ok("set interface ip address w0 198.18.7.2/24");
    expect(await pair.ok("show ip fib 198.18.7.9")).toMatch(/198\.18\.7\.0\/24 +interface +glean w0/);
  });
});

describe("the engine", () => {
  it("shows its nodes' statistics and forgets them", async () => {
    await pair.ok("ping 198.18.0.1 repeat 2");
    const text = await pair.ok("show runtime");
    expect(text).toMatch(/^Time \d+\.\d s, turns \d+, cut 0\n/);
    expect(text).toMatch(/^ip4-icmp-echo-reply +internal +2 +2 +2 /m);
    expect(text).not.toContain("tcp4-listen");
    expect(await pair.ok("show runtime all")).toContain("tcp4-listen");
    await pair.ok("clear runtime");
    expect(await pair.ok("show runtime")).not.toContain("ip4-icmp-echo-reply");
  });

  it("shows its counters and forgets them", async () => {
    await pair.ok("set interface state w0 down");
    await pair.ok("ping 198.18.0.1 repeat 1");
    const text = await pair.ok("show errors");
    expect(text).toMatch(/^Count +Node +Symbol +Reason +Severity\n/);
    expect(text.split("\n").length).toBeGreaterThan(1);
    await pair.ok("clear errors");
    expect((await pair.ok("show errors")).split("\n")).toHaveLength(1);
  });

  it("shows its buffers and memory", async () => {
    expect(await pair.ok("show buffers")).toMatch(/^small +\d+ +512 +512 +0\nlarge +\d+ +32 +32 +0$/m);
    expect(await pair.ok("show memory")).toMatch(/^sessions +\d+ +\d+$/m);
  });

  it("shows a node with its next nodes and counters", async () => {
    const text = await pair.ok("show node ip4-input");
    expect(text).toMatch(/^node +ip4-input\nindex +\d+\nkind +internal$/m);
    expect(text).toMatch(/^ +\d+ +ip4-lookup$/m);
    expect(text).toMatch(/^Count +Symbol +Reason +Severity$/m);
    expect(await pair.ok("show node")).toMatch(/^ +0 +device-input +input$/m);
  });

  it("traces packets", async () => {
    expect(await pair.ok("show trace")).toBe("No packets in trace buffer");
    expect(await pair.ok("trace add device-input 10")).toBe("");
    await pair.ok("ping 198.18.0.1 repeat 1");
    const text = await pair.ok("show trace");
    expect(text).toMatch(/^Packet 1\n/);
    expect(text).toMatch(/ip4-input -> ip4-lookup$/m);
    expect((await pair.ok("show trace max 1")).match(/^Packet/gm)).toHaveLength(1);
    expect(await pair.ok("trace add device-input 5000")).toMatch(/^room for \d+ of 5000: clear trace makes more$/);
    await pair.ok("clear trace");
    expect(await pair.ok("show trace")).toBe("No packets in trace buffer");
    expect(pair.a.engine.tracer.active).toBe(0);
  });
});

describe("routes and neighbours", () => {
  it("are listed by table", async () => {
    const text = await pair.ok("show ip fib");
    expect(text).toMatch(/^ipv4-table 0, \d+ routes\nPrefix +Source +Path$/m);
    expect(text).toMatch(/^198\.18\.0\.2\/32 +interface +local$/m);
    expect(await pair.ok("show ip6 fib")).toMatch(/^link scope$/m);
    expect(await pair.ok("show ip6 fib 2001:db8:18::77")).toMatch(/^2001:db8:18::\/64 +interface +glean w0$/m);
  });

  it("are added and removed", async () => {
    await pair.ok("ip route add 10.0.0.0/8 via 198.18.0.1 weight 2 via 198.18.0.7 w0");
    expect(await pair.ok("show ip fib 10.1.2.3")).toMatch(
      /^10\.0\.0\.0\/8 +route +arp via 198\.18\.0\.1 w0 weight 2\n +arp via 198\.18\.0\.7 w0$/m,
    );
    await pair.ok("ip route add 10.0.0.0/8 drop");
    expect(await pair.ok("show ip fib 10.1.2.3")).toMatch(/^10\.0\.0\.0\/8 +route +drop$/m);
    await pair.ok("ip route del 10.0.0.0/8");
    expect(await pair.ok("show ip fib 10.1.2.3")).not.toContain("10.0.0.0/8");
    await pair.ok("ip table add 5");
    await pair.ok("ip route add 2001:db8:99::/48 via 2001:db8:18::1 w0 table 5");
    expect(await pair.ok("show ip6 fib table 5")).toContain("2001:db8:99::/48");
    await pair.ok("ip route del 2001:db8:99::/48 table 5");
    await pair.ok("ip table del 5");
    expect(await pair.fails("show ip fib table 5")).toBe("show ip fib: no table 5");
  });

  it("are resolved, configured and forgotten", async () => {
    await pair.ok("ping 198.18.0.1 repeat 1");
    await pair.ok("ping 2001:db8:18::1 repeat 1");
    const text = await pair.ok("show ip neighbors");
    expect(text).toMatch(/^\d+\.\d +198\.18\.0\.1 +02:57:00:00:00:02 +w0 +reachable +0$/m);
    expect(text).toContain("2001:db8:18::1");
    expect(await pair.ok("show ip6 neighbors w0")).not.toContain("198.18.0.1");
    await pair.ok("set ip neighbor w0 198.18.0.9 02:00:00:00:00:09");
    expect(await pair.ok("show ip neighbors")).toMatch(/198\.18\.0\.9 +02:00:00:00:00:09 +w0 +static/);
    await pair.ok("set ip neighbor del w0 198.18.0.9");
    expect(await pair.ok("show ip neighbors")).not.toContain("198.18.0.9");
  });
});

describe("ping", () => {
  it.each(["198.18.0.1", "2001:db8:18::1"])("reports replies of %s", async (address) => {
    const lines = (await pair.ok(`ping ${address} repeat 3 interval 0.2 size 4000`)).split("\n");
    for (const [i, line] of lines.slice(0, 3).entries()) {
      expect(line).toMatch(new RegExp(`^4008 bytes from ${address}: icmp_seq=${i + 1} ttl=64 time=\\d+\\.\\d{4} ms$`));
    }
    expect(lines.slice(3)).toEqual(["", "Statistics: 3 sent, 3 received, 0% packet loss"]);
    expect(pair.a.host.pool.inUse()).toEqual([]);
  });

  it("reaches this host, and link-local neighbours", async () => {
    expect(await pair.ok("ping 198.18.0.2 repeat 1")).toContain("0% packet loss");
    expect(await pair.ok("ping fe80::57:ff:fe00:2 repeat 1 source w0")).toContain("0% packet loss");
  });

  it("counts what does not come back, and listens no more", async () => {
    const text = await pair.ok("ping 198.18.0.99 repeat 2 interval .1");
    expect(text).toBe("\nStatistics: 2 sent, 0 received, 100% packet loss");
    expect(pair.a.host.ip.echo.at(1)).toBeUndefined();
  });

  it("ends when nobody waits for it", async () => {
    const waiting = new AbortController();
    const answer = pair.cli.run("ping 198.18.0.99 repeat 10000 interval 60", waiting.signal);
    waiting.abort();
    expect((await answer).text).toMatch(/Statistics: 1 sent, 0 received/);
  });
});

describe("sessions", () => {
  beforeEach(() => pair.connect());

  it("are counted, listed and shown in detail", async () => {
    expect(await pair.ok("show session")).toMatch(
      /^2 sessions of 256\nProto +State +Sessions\ntcp +listening +1\ntcp +ready +1$/,
    );
    const text = await pair.ok("show session verbose");
    expect(text).toMatch(/^0:0\.1 +\[tcp\] 0\.0\.0\.0:80->\* +listening +LISTEN +- +-$/m);
    expect(text).toMatch(/^0:1\.1 +\[tcp\] 198\.18\.0\.2:80->198\.18\.0\.1:\d+ +ready +ESTABLISHED +1000 +0$/m);
    expect(await pair.ok("show session verbose 2")).toMatch(/snd_una \d+ snd_nxt \d+/);
    expect(await pair.ok("show session verbose 2")).toMatch(/ThruOctetsReceived 1000/);
    expect(await pair.ok("show session verbose max 1")).toMatch(/\n1 more: max N shows them$/);
    expect(await pair.ok("show session verbose state ready proto tcp app 0")).not.toContain("listening");
    expect(await pair.ok("show session proto udp")).toBe("0 sessions of 256");
  });

  it("are ended", async () => {
    expect(await pair.ok("clear session all")).toBe("1 sessions ended");
    pair.run(10_000);
    expect(await pair.ok("show session")).toMatch(/^1 sessions of 256/);
    expect(await pair.ok("show session stats")).toMatch(/^Count +Error +Reason/);
  });

  it("belong to applications", async () => {
    expect(await pair.ok("show app")).toMatch(/^ +0 +web +default +2 +attached$/m);
    expect(await pair.ok("show app 0")).toMatch(/^name +web$/m);
    expect(await pair.ok("show app 0")).toMatch(/listener 0 \[tcp\] 0\.0\.0\.0:80->\*/);
  });

  it("have fifos in a segment", async () => {
    const text = await pair.ok("show segment-manager");
    expect(text).toMatch(/^fifos +2 of 512$/m);
    expect(text).toMatch(/^bytes in use +1024$/m);
  });

  it("stand on TCP", async () => {
    expect(await pair.ok("show tcp config")).toMatch(/^rtoMinMs +200 +ms +least/m);
    expect(await pair.ok("show tcp config")).toMatch(/^keepaliveMs +7200000 +ms +idle time .*RFC 9293/m);
    const stats = await pair.ok("show tcp stats");
    expect(stats).toMatch(/^LISTEN +1\nESTABLISHED +1$/m);
    expect(stats).toMatch(/^OctetsRetrans +0$/m);
  });

  it("have errors that are counted", async () => {
    expect(pair.a.host.sessions.listen(0, 0, { family: 4, address: new Int32Array(4), port: 80 })).toBe(-17);
    expect(await pair.ok("show session stats")).toMatch(/^ +1 +ALREADY_LISTENING +ip port pair/m);
    await pair.ok("clear session stats");
    expect(await pair.ok("show session stats")).not.toContain("ALREADY_LISTENING");
  });
});

describe("help", () => {
  it("lists commands, those that begin with some words, or one", async () => {
    const text = await pair.ok("help");
    for (const name of ["show interface", "trace add", "ping", "ip route add", "show session", "help"]) {
      expect(text).toContain(name);
    }
    expect((await pair.ok("help clear")).split("\n").every((line, i) => i === 0 || line.startsWith("clear "))).toBe(
      true,
    );
    expect(await pair.ok("help ping")).toMatch(/^ping ADDRESS .*\n {2}sends echo requests/);
  });
});
