"""DNS over TCP as RFC 7766 and RFC 9210 ask for it: many queries on one connection, in any pieces, and none starved."""
import multiprocessing
import select
import socket
import struct
import time

import dns.edns
import dns.message
import dns.rdatatype
import pytest

from lib import ask
from lib.process import wait_until
from lib.understudy import Understudy
from lib.zones import hosts, zone_text

ZONE = "example."


def serving(stage, records=200, **server):
    us = Understudy(stage)
    us.write("example.zone", zone_text(ZONE, 1, hosts(records)))
    us.zone(ZONE, file="example.zone").allow("127.0.0.0/8").option("server", **server)
    return us.start().wait_serial(ZONE, 1)


def query(ident, name=f"h1.{ZONE}", rdtype="A", **options):
    message = dns.message.make_query(name, rdtype, **options)
    message.id = ident
    return message.to_wire()


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def ident(wire):
    return struct.unpack("!H", wire[:2])[0]


def test_one_connection_many_queries(stage):
    us = serving(stage)
    with ask.tcp_connect(us.port) as s:
        for i in range(200):
            ask.tcp_send(s, query(i))
            assert ident(ask.tcp_receive(s)) == i


def test_pipelined_queries_in_any_pieces(stage):
    """Octet by octet, cut inside the length, many in one segment: every query is answered."""
    us = serving(stage)
    stream = b"".join(framed(query(i)) for i in range(60))
    for size in (1, 2, 3, 7, 33, 1000, len(stream)):
        with ask.tcp_connect(us.port) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(stream), size):
                s.sendall(stream[at:at + size])
            assert sorted(ident(ask.tcp_receive(s)) for _ in range(60)) == list(range(60)), size


def test_answers_overtake_a_transfer(stage):
    """A question asked behind an AXFR is answered before the transfer has ended (RFC 7766 section 6.2.1.1)."""
    us = serving(stage, records=60_000)
    with ask.tcp_connect(us.port) as s:
        s.sendall(framed(query(1, ZONE, "AXFR")) + framed(query(2)))
        order = []
        while order.count(2) == 0 or order[-1] == 2:
            order.append(ident(ask.tcp_receive(s)))
        assert order[-1] == 1 and 2 in order, order[-20:]


def test_half_closed(stage):
    """Who has nothing more to ask shuts down its side, and still gets all its answers, a transfer too."""
    us = serving(stage, records=5_000)
    with ask.tcp_connect(us.port) as s:
        s.sendall(b"".join(framed(query(i)) for i in range(500)) + framed(query(1000, ZONE, "AXFR")))
        s.shutdown(socket.SHUT_WR)
        answers = []
        while (wire := ask.tcp_receive(s)) is not None:
            answers.append(wire)
        assert [ident(wire) for wire in answers if ident(wire) < 1000] == list(range(500))
        records = [r for wire in answers if ident(wire) == 1000 for r in ask.read_records(wire)]
        assert sum(r.type == dns.rdatatype.SOA for r in records) == 2 and len(records) > 5_000


def keepalive(us, s):
    """The idle time that the server tells, in seconds."""
    ask.tcp_send(s, query(1, options=[dns.edns.GenericOption(11, b"")]))
    response = dns.message.from_wire(ask.tcp_receive(s))
    return next(struct.unpack("!H", o.to_wire())[0] / 10 for o in response.options if o.otype == 11)


def test_keepalive_follows_load(stage):
    """RFC 7828: what a client is told shrinks as connections become few; the server keeps to it."""
    us = serving(stage, tcp_max_clients=20, tcp_max_clients_per_address=20, tcp_idle_timeout="8s")
    first = ask.tcp_connect(us.port)
    assert keepalive(us, first) == 8.0
    others = [ask.tcp_connect(us.port) for _ in range(14)]
    for s in others:
        ask.tcp_send(s, query(1))
        ask.tcp_receive(s)
    assert keepalive(us, first) == 4.0
    more = [ask.tcp_connect(us.port) for _ in range(5)]
    for s in more:
        ask.tcp_send(s, query(1))
        ask.tcp_receive(s)
    assert keepalive(us, first) == 0.0
    # Long before the 8 s of an idle server, and no more of them than it takes to be one again.
    closed, _, _ = select.select(others, [], [], 5)
    assert closed and closed[0].recv(1) == b""
    by_udp = us.query(f"h1.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(11, b"")])
    assert not by_udp.options, "never by UDP"
    for s in [first, *others, *more]:
        s.close()


def test_limit_per_address(stage):
    us = serving(stage, tcp_max_clients_per_address=3)
    clients = [ask.tcp_connect(us.port) for _ in range(3)]
    for s in clients:
        ask.tcp_send(s, query(1))
        assert ask.tcp_receive(s)
    with ask.tcp_connect(us.port) as fourth:
        try:
            ask.tcp_send(fourth, query(1))
            assert ask.tcp_receive(fourth) is None
        except OSError:
            pass  # closed before it could send
    with socket.create_connection((ask.HOST, us.port), 5, source_address=("127.0.0.9", 0)) as other:
        ask.tcp_send(other, query(1))
        assert ask.tcp_receive(other)
    for s in clients:
        s.close()


def be_greedy(port, reads, octets):
    """Pipelines as many queries as the server takes; reads the answers, or never does. Ends when it is closed."""
    block = b"".join(framed(query(i)) for i in range(3000))
    at = 0
    with ask.tcp_connect(port) as s:
        s.setblocking(False)
        try:
            while True:
                readable, writable, _ = select.select([s] if reads else [], [s], [], 1)
                if readable:
                    taken = s.recv(1 << 20)
                    if not taken:
                        return
                    octets.value += len(taken)
                if writable:
                    at = (at + s.send(block[at:])) % len(block)
        except OSError:
            pass


class Greedy:
    """A client of that kind in a process of its own, so that it takes no time of the one that measures."""

    def __init__(self, us, reads):
        self.octets = multiprocessing.Value("Q", 0)
        self.process = multiprocessing.Process(target=be_greedy, args=(us.port, reads, self.octets), daemon=True)
        self.process.start()

    def end(self):
        self.process.terminate()
        self.process.join(5)


def latencies(us, count=100):
    times = []
    with ask.tcp_connect(us.port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(count):
            begun = time.monotonic()
            ask.tcp_send(s, query(i))
            assert ident(ask.tcp_receive(s)) == i
            times.append(time.monotonic() - begun)
            time.sleep(0.002)
    return sorted(times)


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "never-reads"])
def test_greedy_clients_do_not_starve_others(stage, reads):
    """Several clients with thousands of queries in flight: another one on the same worker is answered quickly."""
    us = serving(stage, workers=1, tcp_write_timeout="60s")
    greedy = [Greedy(us, reads) for _ in range(4)]
    try:
        if reads:
            wait_until(lambda: all(g.octets.value > 100_000 for g in greedy), 20, "the greedy clients are being answered")
        else:
            time.sleep(0.5)
        times = latencies(us)
    finally:
        for g in greedy:
            g.end()
    assert us.alive()
    print(f"median {times[len(times) // 2] * 1000:.1f} ms, largest {times[-1] * 1000:.1f} ms")
    assert times[len(times) // 2] < 0.05, f"median {times[len(times) // 2]:.3f} s"
    assert times[len(times) * 9 // 10] < 0.5, f"nine of ten within {times[len(times) * 9 // 10]:.3f} s"


def test_one_that_never_reads_is_closed(stage):
    us = serving(stage, tcp_write_timeout="500ms")
    stuck = Greedy(us, reads=False)
    wait_until(lambda: not stuck.process.is_alive(), 10, "the connection that takes nothing is closed")
    assert us.memory_mib() < 400
    stuck.end()
    us.assert_serves(ZONE, 1)
