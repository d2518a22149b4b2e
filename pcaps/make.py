#!/usr/bin/python3
"""Makes the captures of this directory: a peer talks to the Linux kernel, which plays host B.

  make.py [NAME...]     all captures, or the named ones (arp, nd, ping4, ...); needs root, tcpdump, editcap, scapy
  make.py serve         the services of host B (used inside its namespace)

Two fresh network namespaces are joined by a veth pair with offloads off (so that frames are what is on the wire), or
for tcp-loss by two TAPs and test/peer/wire.py. Everything is seen at host B's end. See README.md.
"""
import os, socket, socketserver, struct, subprocess, sys, tempfile, threading, time
HERE = os.path.dirname(os.path.abspath(__file__))
PEER = os.path.join(HERE, "..", "test", "peer")
sys.path.insert(0, PEER)
A, B = f"pcap{os.getpid()}a", f"pcap{os.getpid()}b"
A_MAC, B_MAC, C_MAC, D_MAC = ("02:00:00:00:00:%02x" % i for i in (1, 2, 9, 0x19))
A4, B4, C4 = "198.18.1.1", "198.18.1.2", "198.18.1.9"
A6, B6, C6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::9"
GROUP = "ff02::1:ff00:2"                                                # B's solicited-node group
GROUP_MAC = "33:33:ff:00:00:02"
pattern = lambda n: bytes(i % 251 for i in range(n))

def sh(command, check=True):
    subprocess.run(command, shell=True, check=check)
def inside(ns, command):
    sh(f"ip netns exec {ns} {command}")

# --------------------------------------------------------------------------------------------------- host B
PLAIN = {                                    # TCP as RFC 9293, 5681, 6582, 6298, 7323 have it, and nothing newer
    "net.ipv4.tcp_sack": 0, "net.ipv4.tcp_dsack": 0, "net.ipv4.tcp_recovery": 0, "net.ipv4.tcp_early_retrans": 0,
    "net.ipv4.tcp_frto": 0, "net.ipv4.tcp_ecn": 0, "net.ipv4.tcp_congestion_control": "reno",
    "net.ipv4.tcp_fastopen": 0, "net.ipv4.tcp_syncookies": 0, "net.ipv4.tcp_no_metrics_save": 1,
    "net.ipv4.tcp_timestamps": 1, "net.ipv4.tcp_window_scaling": 1,
    "net.ipv4.ipfrag_time": 60, "net.ipv6.ip6frag_time": 60,            # RFC 1122 3.3.2, RFC 8200 4.5
    "net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0,
    "net.ipv4.ip_no_pmtu_disc": 0, "net.ipv4.conf.all.accept_source_route": 0,
}

def serve():
    """echo on TCP and UDP 7, discard on TCP 9, the check service of harness.py on TCP 7001, both families."""
    import harness
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(65536):
                self.request.sendall(data)
    class Discard(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(65536):
                pass
    class Tcp(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads, request_queue_size = True, True, 128
        handle_error = lambda *_: None
    class Tcp6(Tcp):
        address_family = socket.AF_INET6
    def echo_udp(family):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((B4 if family == socket.AF_INET else B6, 7))
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, 10, 0)                   # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
        while True:
            data, source = sock.recvfrom(65536)
            sock.sendto(data, source)
    for kind, any_address in ((Tcp, B4), (Tcp6, B6)):
        for port, handler in ((7, Echo), (9, Discard), (7001, harness.Service)):
            threading.Thread(target=kind((any_address, port), handler).serve_forever, daemon=True).start()
    for family in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=echo_udp, args=(family,), daemon=True).start()
    print("serving", flush=True)
    threading.Event().wait()

class Bed:
    """The two namespaces with their link, and B's services."""
    def __init__(self, wire=(), neighbors="permanent"):
        self.children, self.wire, self.neighbors = [], wire, neighbors
    def __enter__(self):
        sh(f"ip netns add {A} && ip netns add {B}")
        for ns in (A, B):
            inside(ns, "sysctl -qw net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.accept_dad=0")
        if self.wire:
            self.children.append(subprocess.Popen([sys.executable, f"{PEER}/wire.py", f"{A}:a0", f"{B}:b0", *self.wire]))
            time.sleep(0.7)
        else:
            sh(f"ip -n {A} link add a0 type veth peer name b0 netns {B}")
            for ns, dev in ((A, "a0"), (B, "b0")):
                inside(ns, f"ethtool -K {dev} tx off rx off tso off gso off gro off sg off >/dev/null")
        for ns, dev, mac, ip4, ip6 in ((A, "a0", A_MAC, A4, A6), (B, "b0", B_MAC, B4, B6)):
            sh(f"ip -n {ns} link set lo up; ip -n {ns} link set {dev} address {mac}; ip -n {ns} link set {dev} up;"
               f"ip -n {ns} addr add {ip4}/24 dev {dev}; ip -n {ns} addr add {ip6}/64 dev {dev} nodad")
        for key, value in PLAIN.items():
            inside(B, f"sysctl -qw {key}={value}")
        if self.neighbors == "permanent":
            for ns, dev, known in ((A, "a0", ((B4, B_MAC), (B6, B_MAC))),
                                   (B, "b0", ((A4, A_MAC), (A6, A_MAC), (C4, C_MAC), (C6, C_MAC)))):
                for address, mac in known:
                    sh(f"ip -n {ns} neigh replace {address} lladdr {mac} dev {dev} nud permanent")
        child = subprocess.Popen(["ip", "netns", "exec", B, sys.executable, __file__, "serve"], stdout=subprocess.PIPE)
        self.children.append(child)
        child.stdout.readline()
        time.sleep(2.5)                                                 # multicast reports of the start
        return self
    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
        sh(f"ip netns del {A}; ip netns del {B}", check=False)

class Tcpdump:
    """Records what B's interface sees, but for listener reports and router solicitations, which belong to no test."""
    def __init__(self, path, *options):
        self.words = ["ip", "netns", "exec", B, "tcpdump", "-i", "b0", "-n", "-U", "--immediate-mode", "-s", "0", "-Z", "root",
                      *options, "-w", path, "not ether dst 33:33:00:00:00:16 and not ether dst 33:33:00:00:00:02"]
    def __enter__(self):
        self.child = subprocess.Popen(self.words, stderr=subprocess.PIPE, text=True)
        while "listening on" not in self.child.stderr.readline():
            pass
        time.sleep(0.2)
    def __exit__(self, *_):
        time.sleep(0.5)
        self.child.send_signal(2)
        self.child.wait()

# ------------------------------------------------------------------------------------ the peer's crafted frames
class Craft:
    """A host C on A's end of the link that exists only as frames: its MAC and addresses are no kernel's."""
    def __init__(self):
        import ctypes
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        setns = ctypes.CDLL(None, use_errno=True).setns
        with open(f"/run/netns/{A}") as f:
            setns(f.fileno(), 0x40000000)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind(("a0", 0))
        self.sock.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex("a0"), 1, 0, b""))
        self.sock.setsockopt(263, 23, 1)                                # PACKET_IGNORE_OUTGOING
        setns(home, 0x40000000)
        self.port = 40000
    def raw(self, data, gap=0.3):
        self.sock.send(bytes(data))
        time.sleep(gap)
    def eth(self, payload, gap=0.3, src=C_MAC, dst=B_MAC, **fields):
        self.raw(Ether(src=src, dst=dst, **fields) / payload, gap)
    def ip(self, v6, payload, gap=0.3, **fields):
        layer = IPv6(src=C6, dst=B6) if v6 else IP(src=C4, dst=B4, id=0)
        for key, value in fields.items():
            setattr(layer, key, value)
        self.eth(layer / payload, gap)
    def conn(self, v6, port=7001):
        self.port += 1
        return Conn(self, v6, self.port, port)

class Conn:
    """One TCP connection of C, driven by hand with fixed sequence numbers."""
    def __init__(self, craft, v6, sport, dport):
        self.craft, self.v6, self.sport, self.dport = craft, v6, sport, dport
        self.snd, self.rcv = (sport * 65537) & 0xffffffff, 0
    def tx(self, flags, data=b"", gap=0.3, seq=None, ack=None, window=60000, options=(), **fields):
        while True:
            self.craft.sock.settimeout(0.001)
            try:
                self.craft.sock.recv(65536)
            except OSError:
                break
        segment = TCP(sport=self.sport, dport=self.dport, flags=flags, seq=self.snd if seq is None else seq & 0xffffffff,
                      ack=((self.rcv if ack is None else ack) & 0xffffffff) if "A" in flags else 0, window=window,
                      options=list(options), **fields)
        self.craft.ip(self.v6, segment / Raw(data) if data else segment, 0)
        self.watch(gap)
    def push(self, data, flags="PA", **fields):
        self.tx(flags, data, **fields)
        self.snd = (self.snd + len(data) + ("F" in flags)) & 0xffffffff
    def watch(self, gap):
        """Follows what B sends for a while, so that our ACKs are right."""
        end = time.monotonic() + gap
        while (left := end - time.monotonic()) > 0:
            self.craft.sock.settimeout(left)
            try:
                p = Ether(self.craft.sock.recv(65536))
            except OSError:
                return
            if TCP in p and p.src == B_MAC and p[TCP].dport == self.sport:
                s = p[TCP]
                ip_length = p[IPv6].plen if self.v6 else p[IP].len - p[IP].ihl * 4
                length = ip_length - s.dataofs * 4
                if "S" in s.flags:
                    self.rcv = (s.seq + 1) & 0xffffffff
                elif s.seq == self.rcv and "R" not in s.flags:
                    self.rcv = (s.seq + length + ("F" in s.flags)) & 0xffffffff
    def open(self, options=(("MSS", 1400),)):
        self.tx("S", options=options)
        self.snd = (self.snd + 1) & 0xffffffff
        self.tx("A")
        return self
    def service(self, command):
        self.open()
        self.push(command.encode() + b"\n")
        self.tx("A", gap=0.1)
        return self

# --------------------------------------------------------------------------------------------- the captures
def ping_from_c(c, v6, seq, **fields):
    c.ip(v6, ICMPv6EchoRequest(id=9, seq=seq, data=b"weft" * 4) if v6 else ICMP(id=9, seq=seq) / Raw(b"weft" * 4), **fields)

def arp(bed):
    c, who = Craft(), {"hwsrc": C_MAC, "psrc": C4, "pdst": B4}
    inside(A, f"ping -q -c 2 -i 0.3 {B4}")                              # A asks; B learns A from the request
    c.eth(ARP(op=1, **who), dst="ff:ff:ff:ff:ff:ff")
    c.eth(ARP(op=1, **who))                                             # unicast, as neighbours probe
    c.eth(ARP(op=1, hwsrc=C_MAC, psrc="0.0.0.0", pdst=B4), dst="ff:ff:ff:ff:ff:ff")   # RFC 5227 probe
    c.eth(ARP(op=1, hwsrc=C_MAC, psrc=C4, pdst="198.18.1.77"), dst="ff:ff:ff:ff:ff:ff")   # not B's
    time.sleep(1.5)
    c.eth(ARP(op=2, hwsrc=D_MAC, psrc=C4, hwdst=D_MAC, pdst=C4), src=D_MAC, dst="ff:ff:ff:ff:ff:ff")  # C moves
    c.eth(IP(src=C4, dst=B4) / ICMP(id=9, seq=1) / Raw(b"moved"), src=D_MAC)
    c.eth(ARP(op=2, hwsrc=C_MAC, psrc="198.18.1.10", hwdst=B_MAC, pdst=B4))       # a reply nobody asked for
    c.eth(IP(src="198.18.1.11", dst=B4) / ICMP(id=9, seq=2) / Raw(b"who am I"))     # B has to ask
    c.eth(ARP(op=2, hwsrc=C_MAC, psrc="198.18.1.11", hwdst=B_MAC, pdst=B4))
    for seq in range(3, 8):                                             # B asks three times in vain
        c.eth(IP(src="198.18.1.12", dst=B4) / ICMP(id=9, seq=seq) / Raw(b"nobody"), gap=0)
    time.sleep(4.4)                                                     # and probes A and C after the delay of 5 s
    c.eth(ARP(op=2, hwsrc=D_MAC, psrc=C4, hwdst=B_MAC, pdst=B4), src=D_MAC)
    inside(A, f"ping -q -c 1 {B4}")

def nd(bed):
    c = Craft()
    ns = lambda src, dst, lladdr=C_MAC, tgt=B6, hlim=255: (IPv6(src=src, dst=dst, hlim=hlim) / ICMPv6ND_NS(tgt=tgt) /
         (ICMPv6NDOptSrcLLAddr(lladdr=lladdr) if lladdr else b""))
    na = lambda src, lladdr, **flags: (IPv6(src=src, dst=B6, hlim=255) / ICMPv6ND_NA(tgt=src, **flags) /
                                       ICMPv6NDOptDstLLAddr(lladdr=lladdr))
    inside(A, f"ping -q -c 2 -i 0.3 {B6}")
    c.eth(ns(C6, GROUP), dst=GROUP_MAC)
    c.eth(ns(C6, B6))
    c.eth(ns(C6, B6, lladdr=None))
    c.eth(ns("::", GROUP, lladdr=None), dst=GROUP_MAC)                  # someone wants B's address: RFC 4862 5.4.3
    c.eth(ns(C6, GROUP, hlim=254), dst=GROUP_MAC)                       # from off the link: silence
    c.eth(ns(C6, GROUP, tgt="2001:db8:1::77"), dst=GROUP_MAC)
    c.eth(ns("::", B6), gap=0.3)                                        # unspecified source to a unicast address
    c.eth(ns("::", GROUP), dst=GROUP_MAC)                               # with a source link-layer option
    time.sleep(1.5)
    c.eth(na(C6, D_MAC, R=0, S=0, O=1), src=D_MAC)                      # C moves
    c.eth(IPv6(src=C6, dst=B6) / ICMPv6EchoRequest(id=9, seq=1, data=b"moved"), src=D_MAC)
    c.eth(na("2001:db8:1::10", C_MAC, R=0, S=0, O=1))                   # for a neighbour B does not know
    c.eth(IPv6(src="2001:db8:1::11", dst=B6) / ICMPv6EchoRequest(id=9, seq=2, data=b"who am I"))
    c.eth(na("2001:db8:1::11", C_MAC, R=0, S=1, O=1))
    for seq in range(3, 8):
        c.eth(IPv6(src="2001:db8:1::12", dst=B6) / ICMPv6EchoRequest(id=9, seq=seq, data=b"nobody"), gap=0)
    time.sleep(4.4)
    c.eth(na(C6, D_MAC, R=0, S=1, O=0), src=D_MAC)
    inside(A, f"ping -q -c 1 {B6}")

def ping4(bed):
    for size in (0, 1, 56, 1472):
        inside(A, f"ping -q -c 3 -i 0.2 -s {size} {B4}")
    inside(A, f"ping -q -c 1 -Q 0x20 -t 1 {B4}")                        # type of service; a time to live of 1

def ping6(bed):
    for size in (0, 1, 56, 1452):
        inside(A, f"ping -q -c 3 -i 0.2 -s {size} {B6}")
    inside(A, f"ping -q -c 1 -Q 0x20 -t 1 {B6}")

def from_a(code):
    """Runs Python in A's namespace."""
    subprocess.run(["ip", "netns", "exec", A, sys.executable, "-c", "import socket, time\n"
                    "pattern = lambda n: bytes(i % 251 for i in range(n))\n" + code], check=True)

def udp(bed):
    from_a(f"""
for family, host in ((socket.AF_INET, {B4!r}), (socket.AF_INET6, {B6!r})):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    for size in (0, 1, 2, 17, 1000, 1452, 1472, 8192):
        s.sendto(pattern(size), (host, 7))
        assert s.recv(65536) == pattern(size)
        time.sleep(0.05)
    for port in (9998, 9999):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.connect((host, port))
        s.send(pattern(700 if port == 9999 else 3))
        time.sleep(0.3)
""")

TRANSFER = f"""
def connect(host, command):
    s = socket.create_connection((host, 7001))
    s.sendall(command.encode() + b"\\n")
    return s
def read(s, n):
    data = b""
    while len(data) < n and (more := s.recv(65536)):
        data += more
    return data
def download(host, n):
    s = connect(host, f"send {{n}}")
    assert read(s, n) == pattern(n)
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
def upload(host, n):
    s = socket.create_connection((host, 9))
    s.sendall(pattern(n))
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
def echo(host, sizes):
    s = connect(host, "echo")
    for n in sizes:
        s.sendall(pattern(n))
        assert read(s, n) == pattern(n)
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
"""

def tcp_transfer(bed):
    from_a(TRANSFER + f"""
for host in ({B4!r}, {B6!r}):
    echo(host, (1, 100, 1448, 1449, 5000))
    download(host, 30000)
    upload(host, 30000)
    s = connect(host, "close")
    assert s.recv(1) == b""
    s.close()
    time.sleep(0.3)
""")

def tcp_loss(bed):
    from_a(TRANSFER + f"""
for host in ({B4!r}, {B6!r}):
    upload(host, 60000)
    download(host, 60000)
""")
    time.sleep(1)

def resets(bed):
    c = Craft()
    for v6 in (False, True):
        k = c.conn(v6, 7002)
        k.tx("S", options=[("MSS", 1400)])
        c.conn(v6, 7002).tx("S", b"12345")
        c.conn(v6, 7002).tx("A", ack=0x12345678)
        c.conn(v6, 7002).tx("FPU")
        c.conn(v6, 7002).tx("")                                         # no flags at all
        c.conn(v6, 7002).tx("R")
        c.conn(v6, 7002).tx("RA", ack=0x12345678)
        c.conn(v6, 7002).tx("SA", ack=0x12345678)
        k = c.conn(v6)                                                  # a stranger's ACK at a listener
        k.tx("A", ack=0x23456789)
        k = c.conn(v6)                                                  # half-open, reset, then its ACK comes late
        k.tx("S", options=[("MSS", 1400)])
        k.snd += 1
        k.tx("R")
        k.tx("A")
        k = c.conn(v6)                                                  # SYN-RECEIVED, unacceptable ACK
        k.tx("S", options=[("MSS", 1400)])
        k.snd += 1
        k.tx("A", ack=k.rcv + 100)
        k.tx("R")
        k = c.conn(v6).service("echo")                                  # RFC 5961 3.2 and 4
        k.tx("R", seq=k.snd - 1, gap=0.7)
        k.tx("R", seq=k.snd + 10, gap=0.7)
        k.tx("S", seq=k.snd + 10, gap=0.7)
        k.tx("R", seq=k.snd + 0x10000000, gap=0.7)
        k.push(b"alive")
        k.tx("A")
        k.tx("R")
        k.push(b"gone")
        k = c.conn(v6).service("echo")                                  # data, then RST with ACK
        k.push(b"data")
        k.tx("A")
        k.tx("RA")
        k.tx("A")
        k = c.conn(v6).service("close")                                 # B closed: data can no longer be delivered
        k.tx("PA", b"too late", gap=0.7)
        k.tx("A")

def fragments(bed):
    c = Craft()
    inside(A, f"ping -q -c 2 -i 0.3 -s 4000 {B4}")
    inside(A, f"ping -q -c 2 -i 0.3 -s 4000 {B6}")
    ident = [0x1000]
    def pieces(v6, total, cuts, **more):
        """A UDP echo datagram of `total` payload bytes, cut at the given offsets (multiples of 8)."""
        ident[0] += 1
        base = IPv6(src=C6, dst=B6) if v6 else IP(src=C4, dst=B4)
        whole = bytes((base / UDP(sport=5000 + (ident[0] & 0xff), dport=7) / Raw(pattern(total)))[UDP])
        if not v6:
            whole = bytes(IP(bytes(base / UDP(sport=5000 + (ident[0] & 0xff), dport=7) / Raw(pattern(total))))[UDP])
        edges = [0, *cuts, len(whole)]
        return [piece(v6, ident[0], whole, x, y) for x, y in zip(edges, edges[1:])]
    def piece(v6, ident, whole, x, y, m=None):
        m = (y < len(whole)) if m is None else m
        if v6:
            return Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6) / IPv6ExtHdrFragment(
                nh=17, offset=x // 8, m=int(m), id=ident) / Raw(whole[x:y])
        return Ether(src=C_MAC, dst=B_MAC) / IP(src=C4, dst=B4, id=ident & 0xffff, proto=17, frag=x // 8,
                                                flags="MF" if m else 0) / Raw(whole[x:y])
    def send(frames, gap=0.4):
        for frame in frames:
            c.raw(frame, 0.02)
        time.sleep(gap)
    for v6 in (False, True):
        one, two, three = pieces(v6, 3000, (1000, 2000))
        send([one, two, three])
        one, two, three = pieces(v6, 3000, (1000, 2000))
        send([three, two, one])                                         # backwards
        one, two, three = pieces(v6, 3000, (1000, 2000))
        send([two, three, one])
        one, two = pieces(v6, 20, (8,))                                 # small ones
        send([two, one])
        first, second = pieces(v6, 2000, (1000,)), pieces(v6, 1999, (1008,))
        send([first[0], second[0], second[1], first[1]])                # two datagrams at once
        many = pieces(v6, 2400, range(80, 2400, 80))
        send(many[::2] + many[1::2])
        a, b = pieces(v6, 3000, (1000,))                                # overlap: all of the datagram is discarded
        whole = bytes(a[Raw].load) + bytes(b[Raw].load)
        send([a, piece(v6, ident[0], whole, 800, 1800)])
        too_far = piece(v6, 0x7777, b"x" * 1000, 0, 1000, m=False)      # ends beyond 65535
        if v6:
            too_far[IPv6ExtHdrFragment].offset = 0x1fff
        else:
            too_far[IP].frag, too_far[IP].id = 0x1fff, 0x7777
        send([too_far])
    whole = bytes((IPv6(src=C6, dst=B6) / ICMPv6EchoRequest(id=9, seq=1, data=b"atomic"))[ICMPv6EchoRequest])
    send([Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6) / IPv6ExtHdrFragment(nh=58, id=0x5555) /
          ICMPv6EchoRequest(id=9, seq=1, data=b"atomic")])              # RFC 6946
    send([piece(True, 0x6666, pattern(2000), 0, 1001, m=True)])         # not a multiple of 8: RFC 8200 4.5
    for v6 in (False, True):
        send(pieces(v6, 3000, (1000, 2000))[:1], 0.1)                   # a first fragment alone: time exceeded
        send(pieces(v6, 3000, (1000, 2000))[1:], 0.1)                   # no first fragment: silence
    time.sleep(62.5)
    ping_from_c(c, False, 1)
    ping_from_c(c, True, 1)

def malformed(bed):
    c = Craft()
    ethernet = lambda kind, rest, dst=B_MAC: c.raw(bytes.fromhex((dst + C_MAC).replace(":", "") + kind) + rest)
    echo4 = bytes(IP(src=C4, dst=B4, id=0) / ICMP(id=9, seq=7) / Raw(b"weft" * 4))
    echo6 = bytes(IPv6(src=C6, dst=B6) / ICMPv6EchoRequest(id=9, seq=7, data=b"weft" * 4))
    def changed(data, at, *values):
        data = bytearray(data)
        data[at:at + len(values)] = values
        return bytes(data)
    def fixed4(data):
        """The same with the right IPv4 header checksum."""
        p = IP(data)
        del p.chksum
        return bytes(p)
    def sum4(data, header):
        data = bytearray(data)
        data[10:12] = b"\0\0"
        total = sum(struct.unpack(f">{header // 2}H", data[:header]))
        total = (total & 0xffff) + (total >> 16)
        data[10:12] = struct.pack(">H", ~((total & 0xffff) + (total >> 16)) & 0xffff)
        return bytes(data)
    # Ethernet. (The kernel drops tags that are cut off before tcpdump sees them.)
    ethernet("88b5", b"unknown type")
    ethernet("0010", b"\xaa\xaa\x03" + bytes(13))                      # 802.3
    ethernet("8100", b"\0\5\x08\0")                                     # no packet behind the tag
    ethernet("8100", b"\0\5\x08\0" + echo4)                             # not our VLAN
    ethernet("0800", echo4, "02:00:00:00:00:77")                        # not our MAC
    # ARP
    whole = bytes(ARP(op=1, hwsrc=C_MAC, psrc=C4, pdst=B4))
    for data in (whole[:20], whole[:27], changed(whole, 0, 0, 2), changed(whole, 2, 0x86, 0xdd), changed(whole, 4, 5),
                 changed(whole, 5, 16), changed(whole, 6, 0, 9)):
        c.eth(Raw(data), type=0x806)
    # IPv4
    for data in (b"", echo4[:1], echo4[:19], changed(echo4, 0, 0x65), changed(echo4, 0, 0x44), changed(echo4, 0, 0x4f),
                 sum4(changed(echo4, 2, 0, 19), 20), sum4(changed(echo4, 2, 0xff, 0xff), 20), changed(echo4, 10, 0xde, 0xad)):
        ethernet("0800", data)
    for src in ("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", B4):
        c.eth(IP(src=src, dst=B4, id=0) / ICMP(id=9, seq=8))
    for dst in ("127.0.0.1", "0.0.0.0", "224.0.0.77"):
        c.eth(IP(src=C4, dst=dst, id=0) / ICMP(id=9, seq=9))
    c.eth(IP(src=C4, dst="198.18.1.255", id=0) / UDP(sport=9, dport=9999) / b"x", dst="ff:ff:ff:ff:ff:ff")   # no errors
    c.eth(IP(src=C4, dst=B4, id=0) / UDP(sport=9, dport=9999) / b"x", dst="ff:ff:ff:ff:ff:ff")
    for options in (b"\x07\x00\x04\x00", b"\x07\x01\x04\x00", b"\x44\xff\x05\x00"):     # options that do not end
        c.raw(Ether(src=C_MAC, dst=B_MAC, type=0x800) / Raw(sum4(
            changed(echo4[:20] + options + echo4[20:], 0, 0x46, 0, 0, len(echo4) + 4), 24)))
    c.raw(Ether(src=C_MAC, dst=B_MAC, type=0x800) / Raw(sum4(
        changed(echo4[:20] + b"\x89\x07\x04\xc6\x12\x01\x05\x00" + echo4[20:], 0, 0x47, 0, 0, len(echo4) + 8), 28)))   # source route
    c.eth(IP(src=C4, dst=B4, id=0, proto=253) / Raw(b"unknown protocol"))
    # ICMP
    icmp = echo4[20:]
    for data in (icmp[:4], icmp[:7], changed(icmp, 2, 0xde, 0xad)):
        c.ip(False, Raw(data), proto=1)
    c.ip(False, ICMP(type=200) / b"unknown type")
    c.ip(False, ICMP(type=3, code=3) / Raw(b"\x45\0\0\x1c"))            # an error that quotes nothing
    c.ip(False, ICMP(type=3, code=3) / IP(src=B4, dst=C4) / UDP(sport=7, dport=1))
    # UDP
    for length in (0, 7, 13, 2000):
        c.ip(False, UDP(sport=9, dport=7, len=length) / b"1234")
    c.ip(False, UDP(sport=9, dport=7, chksum=0xdead) / b"1234")
    c.ip(False, UDP(sport=9, dport=7, chksum=0) / b"no checksum")       # IPv4 allows it
    c.ip(False, Raw(bytes(7)), proto=17)
    # TCP, to a listener
    def syn(number, **fields):
        """A SYN from a port of its own with something changed. (SYN with FIN is left out: RFC 9293 lets a host take it.)"""
        segment = TCP(sport=6000 + number, dport=7001, flags="S", seq=1, options=[("MSS", 1400)])
        for key, value in fields.items():
            setattr(segment, key, value)
        return segment
    wrong = ({"dataofs": 4}, {"dataofs": 15}, {"chksum": 0xdead}, {"flags": ""}, {"flags": "FPU"}, {"flags": "SR"})
    for number, fields in enumerate(wrong):
        c.ip(False, syn(number, **fields))
    c.ip(False, Raw(bytes(syn(9))[:19]), proto=6)
    for at, options in enumerate((b"\2\0\5\x78", b"\2\4\5", b"\x08\x0a\0\0", b"\2\x09\5\x78", b"\x03\x02\x01\x01")):    # SYN-ACK, not a loop
        k = c.conn(False)
        padded = options + b"\1" * (-len(options) % 4)
        body = bytes(IP(src=C4, dst=B4) / TCP(sport=k.sport, dport=7001, flags="S", seq=k.snd, dataofs=5 + len(padded) // 4) / Raw(padded))
        c.raw(Ether(src=C_MAC, dst=B_MAC) / IP(body))
        k.snd += 1
        k.tx("R")
    # IPv6
    for data in (b"", echo6[:1], echo6[:39], changed(echo6, 0, 0x40), changed(echo6, 0, 0x70), changed(echo6, 4, 0xff, 0xff),
                 changed(echo6, 4, 0, 3)):
        ethernet("86dd", data)
    for src in ("::1", "ff02::1", B6):
        c.eth(IPv6(src=src, dst=B6) / ICMPv6EchoRequest(id=9, seq=8))
    for dst in ("::1", "ff02::77"):
        c.eth(IPv6(src=C6, dst=dst) / ICMPv6EchoRequest(id=9, seq=9))
    six = lambda payload: c.eth(IPv6(src=C6, dst=B6) / payload)
    ping = ICMPv6EchoRequest(id=9, seq=10, data=b"behind headers")
    six(IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]) / ping)    # plain: answered
    six(IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / ping)
    six(IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / ping)
    for otype in (0x1e, 0x5e, 0x9e, 0xde):                              # unknown: skip, drop, report, report
        six(IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=otype, optdata=b"1234")]) / ping)
        six(IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=otype, optdata=b"1234")]) / ping)
    six(IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / ping)              # hop-by-hop is not first
    six(IPv6ExtHdrRouting(type=0, segleft=1, addresses=[C6]) / ping)    # RFC 5095
    six(IPv6ExtHdrRouting(type=77, segleft=0) / ping)                   # unknown, nothing left: skipped
    c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=60) / Raw(b"\x3a\xff\1\4\0\0\0\0"))     # header beyond the packet
    c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=60) / Raw(b"\x3a\0\x1e\xff\0\0\0\0"))    # option beyond its header
    c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=60) / Raw(b"\x3c\0\1\4\0\0\0\0" * 6))    # a chain without an end
    c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=59) / Raw(b"nothing"))
    c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=253) / Raw(b"unknown protocol"))
    # ICMPv6 and neighbour discovery
    icmp = echo6[40:]
    for data in (icmp[:4], icmp[:7], changed(icmp, 2, 0xde, 0xad)):
        c.raw(Ether(src=C_MAC, dst=B_MAC) / IPv6(src=C6, dst=B6, nh=58) / Raw(data))
    six(ICMPv6Unknown(type=150, msgbody=b"unknown, informational"))
    solicit = lambda **f: IPv6(src=C6, dst=GROUP, hlim=255) / ICMPv6ND_NS(**{"tgt": B6, **f})
    for packet in (solicit() / Raw(b"\1\0\0\0\0\0\0\0"), solicit() / Raw(b"\1\2" + bytes(6)), solicit(tgt="ff02::1"), solicit(code=1)):
        c.eth(packet, dst=GROUP_MAC)
    # UDP and TCP over IPv6
    for length in (7, 13, 2000):
        six(UDP(sport=9, dport=7, len=length) / b"1234")
    six(UDP(sport=9, dport=7, chksum=0xdead) / b"1234")
    six(UDP(sport=9, dport=7, chksum=0) / b"no checksum")               # IPv6 forbids it
    for number, fields in enumerate(wrong):
        six(syn(number, **fields))
    ping_from_c(c, False, 99)                                           # still there
    ping_from_c(c, True, 99)

# file, function, link, neighbours, tcpdump's options, comment for pcapng
CAPTURES = {
    "arp": (arp, (), "live", (), None),
    "nd": (nd, (), "live", ("--time-stamp-precision=nano",), "Neighbour discovery between two hosts; host B is 2001:db8:1::2"),
    "ping4": (ping4, (), "permanent", ("--time-stamp-precision=nano",), None),
    "ping6": (ping6, (), "permanent", (), None),
    "udp": (udp, (), "permanent", (), None),
    "tcp-transfer": (tcp_transfer, (), "permanent", (), None),
    "tcp-loss": (tcp_loss, ("--loss", "0.03", "--delay", "5", "--seed", "11"), "permanent", (), None),
    "resets": (resets, (), "permanent", (), None),
    "fragments": (fragments, (), "permanent", (), None),
    "malformed": (malformed, (), "permanent", (), None),
}

def make(name):
    function, wire, neighbors, options, comment = CAPTURES[name]
    path = os.path.join(HERE, f"{name}.pcap")
    with tempfile.TemporaryDirectory() as scratch:
        raw = os.path.join(scratch, "raw.pcap")
        with Bed(wire, neighbors) as bed, Tcpdump(raw, *options):
            function(bed)
        if comment is None:
            os.replace(raw, path) if os.stat(scratch).st_dev == os.stat(HERE).st_dev else sh(f"cp {raw} {path}")
        else:
            path += "ng"
            sh(f"editcap -F pcapng --capture-comment '{comment}' {raw} {path}")
    os.chmod(path, 0o644)
    print(f"{path}: {os.path.getsize(path)} bytes", flush=True)

if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        sys.exit(serve())
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import (HBHOptUnknown, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                    ICMPv6NDOptSrcLLAddr, ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                    IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
    from scapy.layers.l2 import ARP, Ether
    from scapy.packet import Raw
    for name in sys.argv[1:] or CAPTURES:
        make(name)
