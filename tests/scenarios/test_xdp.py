"""AF_XDP: queries that are taken before the kernel's network stack, between two network namespaces made for the test.

Where the machine does not allow it, these tests are skipped, and say why.
"""
import glob
import re
import signal
import socket
import struct
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from lib.network import V4, V6, Wire, why_not
from lib.process import wait_until
from lib.understudy import Understudy
from lib.zones import hosts, zone_text

ZONE = "example."
NAME = f"h1.{ZONE}"
PORT = 53
REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"AF_XDP IS NOT TESTED: {REASON}")

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8
TAKEN = "AF_XDP: us0: native mode"


def texts(owner, size):
    """TXT records of one name with about `size` octets in all."""
    return [f'{owner} 300 IN TXT "{i:03}{"x" * 197}"' for i in range(size // 212)]


class Served:
    """Ours in the server's namespace, with a small zone."""

    def __init__(self, stage, net=None, **options):
        self.net = net or Wire(stage)
        self.us = Understudy(stage, http=True)
        self.us.write("example.zone", zone_text(ZONE, 1, hosts(50)) + "\n".join(texts("middle", 1300) + texts("large", 3000)) + "\n")
        self.us.zone(ZONE, file="example.zone")
        self.us.option("server", listen=[f"0.0.0.0@{PORT}", f"::@{PORT}"], xdp=[self.net.device], workers=1, **options)

    def start(self, *prefix, mode=TAKEN):
        mark = self.us.log_mark()
        self.us.start(prefix=(*self.net.server.prefix, *prefix))
        if mode not in self.us.log(mark):
            refusal = re.search(r"AF_XDP: .*(not used.*)", self.us.log(mark))
            if refusal and ("no AF_XDP" in refusal[1] or "kernel does not take" in refusal[1]):
                pytest.skip(f"AF_XDP IS NOT TESTED: {refusal[1]}")
            raise AssertionError(f"no '{mode}' in:\n{self.us.log(mark)}")
        return self

    def ask(self, message=None, host=V4[0], tcp=False, timeout=3.0):
        message = message or dns.message.make_query(NAME, "A")
        with self.net.client.entered():
            return (dns.query.tcp if tcp else dns.query.udp)(message, host, timeout, port=PORT)

    def assert_answers(self, host=V4[0], tcp=False):
        answer = self.ask(host=host, tcp=tcp)
        assert answer.rcode() == dns.rcode.NOERROR and len(answer.answer) == 1, answer

    def metrics(self):
        """All values by name with labels."""
        with self.net.server.entered():
            _, text = self.us.get("/metrics")
        return {name: float(value) for name, value in re.findall(r"^(understudy_xdp\S+) (\S+)$", text, re.MULTILINE)}

    def counted(self, what, **labels):
        """A sum over the queues."""
        return sum(value for name, value in self.metrics().items()
                   if name.startswith(f"understudy_xdp_{what}_total{{") and all(f'{k}="{v}"' in name for k, v in labels.items()))


def checksum(octets, start=0):
    octets += b"\0" * (len(octets) % 2)
    total = start + sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def assert_right_checksums(ip):
    """Those of an IP packet with UDP in it, which must have one."""
    if ip[0] >> 4 == 4:
        assert checksum(ip[:20]) == 0xffff
        addresses, udp = ip[12:20], ip[20:struct.unpack("!H", ip[2:4])[0]]
    else:
        addresses, udp = ip[8:40], ip[40:40 + struct.unpack("!H", ip[4:6])[0]]
    assert udp[6:8] != b"\0\0"
    assert checksum(addresses + struct.pack("!HH", 17, len(udp)) + udp) == 0xffff


def udp_packet(wire, source_port, v6=False, dscp=0):
    """The IP packet of a query from the client to the server."""
    udp = struct.pack("!HHHH", source_port, PORT, 8 + len(wire), 0) + wire
    family, pair = (socket.AF_INET6, V6) if v6 else (socket.AF_INET, V4)
    addresses = socket.inet_pton(family, pair[1]) + socket.inet_pton(family, pair[0])
    sum_ = ~checksum(addresses + struct.pack("!HH", 17, len(udp)) + udp) & 0xffff or 0xffff
    udp = udp[:6] + struct.pack("!H", sum_) + udp[8:]
    if v6:
        return struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp
    head = struct.pack("!BBHHHBBH", 0x45, dscp, 20 + len(udp), 7, 0, 64, 17, 0) + addresses
    return head[:10] + struct.pack("!H", ~checksum(head) & 0xffff) + head[12:] + udp


class RawLink:
    """Frames on the client's interface."""

    def __init__(self, net):
        self.net = net
        with net.client.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((net.client_device, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.settimeout(3)
        self.macs = net.mac(net.server) + net.mac(net.client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, packet, tags=b""):
        self.socket.send(self.macs + tags + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet)

    def answer(self, port):
        """The IP packet that goes to that UDP port, and the numbers of its VLAN tags, outermost first."""
        end = time.monotonic() + 3
        while time.monotonic() < end:
            frame, extra, _, address = self.socket.recvmsg(4096, 256)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            tags = []
            for level, kind, data in extra:  # the kernel takes the outermost tag off
                status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and status & (1 << 4):
                    tags.append(tci & 0xfff)
            at = 12
            while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
                tags.append(struct.unpack("!H", frame[at + 2:at + 4])[0] & 0xfff)
                at += 4
            ip = frame[at + 2:]
            udp_at = 40 if frame[at:at + 2] == b"\x86\xdd" else 20
            if frame[at:at + 2] in (b"\x08\x00", b"\x86\xdd") and ip[udp_at + 2:udp_at + 4] == struct.pack("!H", port):
                return ip, tags
        raise AssertionError("no answer")


def test_answers_both_families_and_counts(stage):
    served = Served(stage).start()
    for _ in range(10):
        served.assert_answers(V4[0])
        served.assert_answers(V6[0])
    wait_until(lambda: served.counted("received") == served.counted("answered") == 20, what="what was answered is counted")
    assert served.counted("dropped") == 0
    assert served.counted("passed") > 0  # neighbour solicitations, for one
    assert served.counted("wakeups") > 0
    assert any('interface="us0",mode="native",copies="yes"' in name for name in served.metrics())
    with served.net.client.entered():
        out = subprocess.run(["dig", f"@{V4[0]}", NAME, "A", "+cookie", "+nsid"], capture_output=True, text=True).stdout
    assert "COOKIE:" in out and "(good)" in out and "NOERROR" in out


@pytest.mark.parametrize("v6", [False, True])
def test_checksums_are_right_for_answers_of_any_length(stage, v6):
    served = Served(stage).start()
    names = [NAME, f"nx.{ZONE}", f"a.nx.{ZONE}", f"ab.nx.{ZONE}", f"middle.{ZONE}", ZONE]
    with RawLink(served.net) as link:
        for i, name in enumerate(names):
            query = dns.message.make_query(name, "TXT", payload=1232)
            link.send(udp_packet(query.to_wire(), 40000 + i, v6))
            packet, tags = link.answer(40000 + i)
            assert_right_checksums(packet)
            assert tags == []
            assert packet[7 if v6 else 8] == 64  # hops
            assert dns.message.from_wire(packet[(40 if v6 else 20) + 8:]).id == query.id
    wait_until(lambda: served.counted("answered") == len(names), what="what was answered is counted")


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("tags", [[(0x8100, 5)], [(0x88a8, 7), (0x8100, 4094)]])
def test_vlan_tags_come_back(stage, v6, tags):
    served = Served(stage).start()
    query = dns.message.make_query(NAME, "A")
    with RawLink(served.net) as link:
        link.send(udp_packet(query.to_wire(), 40001, v6), b"".join(struct.pack("!HH", *tag) for tag in tags))
        packet, back = link.answer(40001)
    assert_right_checksums(packet)
    assert back == [number for _, number in tags]
    assert dns.message.from_wire(packet[(40 if v6 else 20) + 8:]).answer


def test_large_answers_are_truncated_to_one_packet(stage):
    served = Served(stage, udp_max_size=4096).start()
    for host, largest in ((V4[0], 1472), (V6[0], 1452)):
        large = dns.message.make_query(f"large.{ZONE}", "TXT", payload=4096)
        answer = served.ask(large, host)
        assert answer.flags & dns.flags.TC and len(answer.to_wire()) <= largest
        answer = served.ask(large, host, tcp=True)
        assert not answer.flags & dns.flags.TC and len(answer.to_wire()) > 2500
        answer = served.ask(dns.message.make_query(f"middle.{ZONE}", "TXT", payload=4096), host)
        assert not answer.flags & dns.flags.TC and 1200 < len(answer.to_wire()) <= largest
        answer = served.ask(dns.message.make_query(f"middle.{ZONE}", "TXT"), host)
        assert answer.flags & dns.flags.TC and len(answer.to_wire()) <= 512
    wait_until(lambda: served.counted("answered") == 6, what="what was answered is counted")


def test_all_else_goes_by_the_kernel(stage):
    served = Served(stage).start()

    def ask_with(family, host, setup, padding=0):
        query = dns.message.make_query(NAME, "A", use_edns=0, payload=1232,
                                       options=[dns.edns.GenericOption(12, b"\0" * padding)] if padding else [])
        with served.net.client.entered(), socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            setup(s)
            s.sendto(query.to_wire(max_size=4096), (host, PORT))
            assert dns.message.from_wire(s.recv(4096)).answer

    served.assert_answers(tcp=True)
    served.assert_answers(V6[0], tcp=True)
    for family, host in ((socket.AF_INET, V4[0]), (socket.AF_INET6, V6[0])):
        ask_with(family, host, lambda s: None, padding=1700)  # two fragments
    ask_with(socket.AF_INET, V4[0], lambda s: s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01\x01\x01\x01"))
    ask_with(socket.AF_INET6, V6[0],
             lambda s: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0])))
    with served.net.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((V4[0], PORT + 1))
        s.send(b"nobody listens here")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)  # the kernel's word: port unreachable
    assert served.counted("received") == 0
    assert served.counted("passed") >= 20


def test_what_nobody_can_have_sent_is_dropped(stage):
    served = Served(stage).start()
    query = dns.message.make_query(NAME, "A").to_wire()
    good = udp_packet(query, 40001)
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    with RawLink(served.net) as link:
        link.send(damaged)
        link.send(udp_packet(query, 0))
        loopback = bytearray(good)
        loopback[12:16] = bytes([127, 0, 0, 1])
        loopback[10:12] = b"\0\0"
        loopback[10:12] = struct.pack("!H", ~checksum(bytes(loopback[:20])) & 0xffff)
        link.send(bytes(loopback))
        no_checksum = good[:26] + b"\0\0" + good[28:]
        link.send(no_checksum)  # as IPv4 allows
        packet, _ = link.answer(40001)
        assert_right_checksums(packet)
    wait_until(lambda: served.counted("received") == 4, what="four frames")
    assert served.counted("dropped", reason="checksum") == 1
    assert served.counted("dropped", reason="forged") == 2
    wait_until(lambda: served.counted("answered") == 1, what="what was answered is counted")


def test_stops_and_dies_without_a_trace(stage):
    served = Served(stage).start()
    served.assert_answers()
    assert "understudy" in served.net.program()
    served.us.stop()
    assert served.net.program() == ""
    for _ in range(3):
        served.start()
        assert "understudy" in served.net.program()
        served.assert_answers()
        served.us.kill()
        wait_until(lambda: served.net.program() == "", 2, "the kernel took the program off")
    served.start()
    served.assert_answers()
    wait_until(lambda: served.counted("answered") == 1, what="what was answered is counted")


def test_another_program_is_named_and_left_alone(stage):
    first = Served(stage).start()
    second = Served(stage, net=first.net)
    second.us.option("server", listen=[f"{V4[0]}@5353"])
    second.start(mode="AF_XDP: us0: not used, sockets answer what it receives: refused: another XDP program is attached: understudy (id")
    first.assert_answers()
    with first.net.client.entered():
        assert dns.query.udp(dns.message.make_query(NAME, "A"), V4[0], 3, port=5353).answer
    wait_until(lambda: first.counted("answered") == 1, what="what was answered is counted")
    assert second.metrics() == {}


@pytest.mark.parametrize("missing, says", [("bpf,-net_admin,-net_raw,-sys_admin", "CAP_BPF and CAP_NET_ADMIN are needed"),
                                           ("net_raw", "CAP_NET_RAW is needed")])
def test_serves_by_sockets_without_privileges(stage, missing, says):
    served = Served(stage)
    served.start("setpriv", f"--bounding-set=-{missing}", mode=says)
    served.assert_answers()
    served.assert_answers(V6[0])
    assert served.net.program() == "" and served.metrics() == {}


def test_the_capabilities_of_the_manual_are_enough(stage):
    served = Served(stage)
    needed = "+net_bind_service,+bpf,+net_admin,+net_raw,+ipc_lock"
    subprocess.run(["chmod", "-R", "a+rwX", stage.root], check=True)
    served.start("setpriv", "--reuid=65534", "--clear-groups", f"--bounding-set=-all,{needed}", f"--inh-caps=-all,{needed}",
                 f"--ambient-caps=-all,{needed}", "--no-new-privs")
    served.assert_answers()
    wait_until(lambda: served.counted("answered") == 1, what="what was answered is counted")


def test_an_interface_that_is_not_there_is_no_obstacle(stage):
    served = Served(stage)
    served.us.option("server", xdp=["nothere0", "lo", served.net.device])
    served.start()
    assert "AF_XDP: nothere0: not used" in served.us.log()
    assert "AF_XDP: lo: not used" in served.us.log()
    served.assert_answers()
    wait_until(lambda: served.counted("answered") == 1, what="what was answered is counted")


def test_addresses_that_come_later_are_taken(stage):
    served = Served(stage, user="nobody")
    subprocess.run(["chmod", "-R", "a+rwX", stage.root], check=True)
    served.start()
    served.assert_answers()
    for later in ("10.53.0.77", "fd53::77"):
        before = served.counted("answered")
        served.net.add_address(served.net.server, served.net.device, f"{later}/{'64' if ':' in later else '24'}")

        def taken():
            served.assert_answers(later)
            return served.counted("answered") > before
        wait_until(taken, what=f"{later} is answered by AF_XDP")
    served.net.server.run("ip", "address", "del", "10.53.0.77/24", "dev", served.net.device)


def test_listed_addresses_only(stage):
    served = Served(stage)
    served.us.option("server", listen=[f"{V4[0]}@{PORT}"])
    served.start()
    served.assert_answers()
    with pytest.raises(Exception):
        served.ask(host=V6[0], timeout=0.3)
    wait_until(lambda: served.counted("received") == 1, what="what was answered is counted")


def test_generic_mode_where_the_driver_cannot(stage):
    served = Served(stage, net=Wire(stage, mtu=9000), udp_max_size=4096)  # too long for native frames
    served.start(mode="AF_XDP: us0: generic mode")
    for host in (V4[0], V6[0]):
        served.assert_answers(host)
        answer = served.ask(dns.message.make_query(f"large.{ZONE}", "TXT", payload=4096), host)
        assert answer.flags & dns.flags.TC and len(answer.to_wire()) <= 1600
    wait_until(lambda: served.counted("answered") == 4, what="what was answered is counted")


def test_a_queue_each(stage):
    served = Served(stage, net=Wire(stage, queues=2))
    served.start(mode="AF_XDP: us0: native mode, 2 queues")
    for _ in range(40):  # the client's ports spread them
        served.assert_answers()
    wait_until(lambda: served.counted("answered") == 40, what="what was answered is counted")
    assert served.counted("answered", queue=0) > 0 and served.counted("answered", queue=1) > 0
    threads = subprocess.run(["ps", "-L", "-o", "comm=", "-p", str(served.us.pid)], capture_output=True, text=True).stdout
    assert {"us-xdp-us0-0", "us-xdp-us0-1"} <= set(threads.split())


def test_many_at_once_lose_none(stage):
    served = Served(stage).start()
    queries = [dns.message.make_query(f"h{i % 50}.{ZONE}", "A").to_wire() for i in range(2000)]
    with served.net.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.settimeout(3)
        s.connect((V4[0], PORT))
        for start in range(0, len(queries), 100):  # what a socket's default buffer holds
            for query in queries[start:start + 100]:
                s.send(query)
            for _ in range(100):
                assert s.recv(4096)
    wait_until(lambda: served.counted("answered") == 2000, what="what was answered is counted")
    assert served.counted("dropped") == 0


def test_goes_on_after_the_interface_was_down(stage):
    served = Served(stage)
    served.net.server.run("ip", "link", "set", served.net.device, "down")
    served.start()
    for round_ in range(1, 4):
        served.net.server.run("ip", "link", "set", served.net.device, "up")
        served.assert_answers()
        wait_until(lambda: served.counted("answered") == round_, what="what was answered is counted")
        served.net.server.run("ip", "link", "set", served.net.device, "down")
    used = _cpu_seconds(served.us.pid)
    time.sleep(0.5)
    assert _cpu_seconds(served.us.pid) - used < 0.25


def test_follows_the_mtu(stage):
    served = Served(stage, udp_max_size=4096).start()
    middle = dns.message.make_query(f"middle.{ZONE}", "TXT", payload=4096)
    assert not served.ask(middle).flags & dns.flags.TC
    for side, device in ((served.net.server, served.net.device), (served.net.client, served.net.client_device)):
        side.run("ip", "link", "set", device, "mtu", "1280")

    def truncated():
        answer = served.ask(middle)
        return answer.flags & dns.flags.TC and len(answer.to_wire()) <= 1252
    wait_until(truncated, what="answers of at most 1280 octets")
    assert served.counted("dropped") == 0


def test_goes_on_when_the_interface_goes(stage):
    served = Served(stage).start()
    served.assert_answers()
    served.net.server.run("ip", "link", "delete", served.net.device)
    served.us.wait_log("AF_XDP: us0: the interface is gone")
    assert served.us.alive()
    used = _cpu_seconds(served.us.pid)
    time.sleep(0.5)
    assert _cpu_seconds(served.us.pid) - used < 0.25
    served.us.signal(signal.SIGTERM)
    assert served.us.process.wait(20) == 0


def _cpu_seconds(pid):
    """Of all threads."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as file:
            total += int(file.read().split()[0])
    return total / 1e9


def test_balancers_speak_for_clients(stage):
    served = Served(stage, proxy_from=[V4[1]]).start()
    query = dns.message.make_query(NAME, "A").to_wire()
    header = bytes.fromhex("0d0a0d0a000d0a515549540a2112000c") + bytes([192, 0, 2, 7, *map(int, V4[0].split("."))]) + struct.pack("!HH", 5000, 53)
    with served.net.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((V4[0], PORT))
        s.send(query)  # without a header: dropped
        s.send(header + query)
        assert dns.message.from_wire(s.recv(4096)).answer
    served.assert_answers(V6[0])
    wait_until(lambda: served.counted("received") == 3 and served.counted("answered") == 2, what="what was answered is counted")
