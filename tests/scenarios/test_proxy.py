"""Behind a load balancer: the PROXY protocol, version 2, from listed addresses only; dnsdist as a real balancer."""
import ipaddress
import os
import socket
import struct

import dns.message
import dns.rcode
import pytest

from lib import ask
from lib.ports import free_port
from lib.process import Server, wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import Understudy
from lib.wire import Version
from lib.zones import hosts, zone_text

ZONE = "example."
NAME = f"h1.{ZONE}"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
BALANCER = "127.0.0.2"


def header(client, port=5353, transport=1, command=1):
    address = ipaddress.ip_address(client)
    ours = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    body = address.packed + ours.packed + struct.pack("!HH", port, 53)
    kind = (0x10 if address.version == 4 else 0x20) | transport
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack("!H", len(body)) + body


def serving(stage, *rules, proxy_from=(BALANCER,)):
    us = Understudy(stage, http=True)
    us.write("example.zone", zone_text(ZONE, 1, hosts(50)))
    us.zone(ZONE, file="example.zone", allow_transfer=list(rules)).option("server", proxy_from=list(proxy_from))
    return us.start()


def query(name=NAME, rdtype="A"):
    return dns.message.make_query(name, rdtype).to_wire()


def by_tcp(us, octets, source=BALANCER):
    """What comes back to these octets: one message, or None."""
    with socket.create_connection((ask.HOST, us.port), 5, source_address=(source, 0)) as s:
        try:
            s.sendall(octets)
            return ask.tcp_receive(s)
        except OSError:
            return None


def rcode(wire):
    return wire and dns.rcode.to_text(wire[3] & 15)


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def test_rules_see_the_client(stage):
    """Who may transfer is decided by the address in the header, not by the balancer's."""
    us = serving(stage, "192.0.2.7", "2001:db8::/32")
    axfr = framed(query(ZONE, "AXFR"))
    for client, verdict in (("192.0.2.7", "NOERROR"), ("192.0.2.8", "REFUSED"), ("2001:db8::1", "NOERROR"), ("2001:db9::1", "REFUSED")):
        assert rcode(by_tcp(us, header(client) + axfr)) == verdict, client
    us.wait_log(r"refused AXFR to 192\.0\.2\.8@5353")
    assert rcode(by_tcp(us, header("192.0.2.7", command=0) + axfr)) == "REFUSED", "LOCAL is the balancer itself"


def test_without_a_header(stage):
    us = serving(stage)
    assert ask.udp(us.port, query(), 0.3, BALANCER) is None
    assert by_tcp(us, framed(query())) is None
    us.wait_log(r"UDP: a datagram from 127\.0\.0\.2@.* no PROXY protocol header.*proxy-from")
    us.wait_log(r"TCP: a connection from 127\.0\.0\.2@.* PROXY protocol header")
    assert rcode(ask.udp(us.port, header("192.0.2.1", transport=2) + query(), 2, BALANCER)) == "NOERROR"
    metrics = us.get("/metrics")[1]
    for transport in ("udp", "tcp"):
        assert f'understudy_without_proxy_header_total{{transport="{transport}"}} 1' in metrics


def test_from_others_it_is_garbage(stage):
    """Nobody else can say who asks: a header from an address that is not listed is a message that cannot be read."""
    us = serving(stage, "192.0.2.7")
    assert rcode(by_tcp(us, header("192.0.2.7") + framed(query(ZONE, "AXFR")), "127.0.0.3")) != "NOERROR"
    wire = ask.udp(us.port, header("192.0.2.7", transport=2) + query(), 0.5, "127.0.0.3")
    assert rcode(wire) != "NOERROR"
    assert us.query(NAME).answer and us.query(NAME, tcp=True).answer, "and who sends none is served"


def test_notify_through_a_balancer(stage):
    """NOTIFY is believed from the primary that the header names, by UDP and TCP."""
    primary = ScriptedPrimary(stage, ZONE, serial=1)
    us = Understudy(stage).primary(primary).option("server", proxy_from=[BALANCER])
    us.zone(ZONE, allow_notify=["192.0.2.7"]).start()
    wait_until(lambda: us.serial(ZONE) == 1, 10, "the zone is there")
    notify = ask.notify_message(ZONE, 2).to_wire()
    assert rcode(ask.udp(us.port, header("192.0.2.8", transport=2) + notify, 2, BALANCER)) == "REFUSED"
    primary.versions[ZONE] = Version(ZONE, 2)
    assert rcode(ask.udp(us.port, header("192.0.2.7", transport=2) + notify, 2, BALANCER)) == "NOERROR"
    us.wait_serial(ZONE, 2)
    primary.versions[ZONE] = Version(ZONE, 3)
    assert rcode(by_tcp(us, header("192.0.2.7") + framed(ask.notify_message(ZONE, 3).to_wire()))) == "NOERROR"
    us.wait_serial(ZONE, 3)


class Dnsdist(Server):
    """A balancer in front of one server, which it tells the client's address."""
    name = "dnsdist"

    def __init__(self, stage, backend):
        super().__init__(stage, "dnsdist")
        self.port = free_port()
        self.write("dnsdist.conf", f"""setLocal("127.0.0.1:{self.port}")
setACL({{"127.0.0.0/8"}})
newServer({{address="127.0.0.1:{backend}", source="{BALANCER}", useProxyProtocol=true, checkInterval=1, checkName="{NAME}"}})
setSecurityPollSuffix("")
""")

    def start(self):
        self.spawn("dnsdist", "--supervised", "--disable-syslog", "-C", os.path.join(self.folder, "dnsdist.conf"))
        wait_until(lambda: ask.serial(self.port, ZONE) is not None, 15, "dnsdist forwards and its health check is answered")
        return self


def test_dnsdist(stage):
    us = serving(stage, "127.0.0.7")
    balancer = Dnsdist(stage, us.port).start()
    for tcp in (False, True):
        assert ask.query(balancer.port, NAME, tcp=tcp).answer
    for source, verdict in (("127.0.0.7", "NOERROR"), ("127.0.0.8", "REFUSED")):
        with socket.create_connection((ask.HOST, balancer.port), 5, source_address=(source, 0)) as s:
            ask.tcp_send(s, query(ZONE, "AXFR"))
            assert rcode(ask.tcp_receive(s)) == verdict, source
    us.wait_log(r"refused AXFR to 127\.0\.0\.8@")
    assert "no PROXY protocol header" not in us.log()
