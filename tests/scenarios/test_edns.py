"""EDNS options on the wire, with other people's clients and servers as judges: cookies, NSID, zone versions, CHAOS names."""
import os
import re
import struct
import subprocess

import dns.edns
import dns.message
import dns.rcode
import pytest

from lib import ask
from lib.peers import Bind, Knot
from lib.understudy import Understudy
from lib.zones import hosts, zone_text

ZONE = "example."
SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf"
OTHER = "445536bcd2513298075a5d379663c962"
CLIENT = bytes.fromhex("2464c4abcf10c957")
NAME = f"h1.{ZONE}"


def serving(stage, secrets=(SECRET,), **server):
    us = Understudy(stage, http=True)
    us.write("example.zone", zone_text(ZONE, 7, hosts(50)))
    write_secrets(us, *secrets)
    us.zone(ZONE, file="example.zone").option("server", cookie_secret_file="secrets", **server)
    return us.start()


def write_secrets(us, *secrets):
    us.write("secrets", "# for tests\n" + "\n".join(secrets) + "\n")
    os.chmod(os.path.join(us.folder, "secrets"), 0o600)


def asked(port, *options, tcp=False, name=NAME, rdtype="A"):
    """(rcode, {code: content}) of one question with these options."""
    message = dns.message.make_query(name, rdtype, use_edns=0, options=[dns.edns.GenericOption(c, d) for c, d in options])
    response = ask.exchange(port, message, tcp)
    return response.rcode(), {int(o.otype): o.to_wire() for o in response.options}


def cookie_from(port):
    rcode, options = asked(port, (10, CLIENT))
    assert rcode in (dns.rcode.NOERROR, 23) and len(options[10]) == 24, (rcode, options)
    return options[10]


class BindWithCookies(Bind):
    def configure(self):
        super().configure()
        path = os.path.join(self.folder, "named.conf")
        with open(path) as file:
            text = file.read()
        self.write("named.conf", text.replace("options {", f'options {{ answer-cookie yes; require-server-cookie yes; cookie-secret "{SECRET}";', 1))


class KnotWithCookies(Knot):
    def configure(self):
        super().configure()
        path = os.path.join(self.folder, "knot.conf")
        with open(path) as file:
            text = file.read()
        text = text.replace("template:\n", f"mod-cookies:\n  - id: same\n    secret: 0x{SECRET}\n    badcookie-slip: 1\ntemplate:\n", 1)
        self.write("knot.conf", text.replace("  - id: default\n    storage", "  - id: default\n    global-module: mod-cookies/same\n    storage", 1))


@pytest.mark.parametrize("peer_type", [BindWithCookies, KnotWithCookies], ids=["bind", "knot"])
def test_cookies_of_one_address(stage, peer_type):
    """Servers of one address with the same secret take each other's cookies, where they demand one (RFC 9018)."""
    peer = peer_type(stage, {ZONE: zone_text(ZONE, 7, hosts(50))})
    peer._answers = lambda zone: ask.udp(peer.port, ask.soa_query(zone), 0.5) is not None
    peer.start()
    us = serving(stage, cookies="required")
    assert asked(us.port, (10, CLIENT))[0] == 23 and asked(peer.port, (10, CLIENT))[0] == 23, "both demand one"
    ours, theirs = cookie_from(us.port), cookie_from(peer.port)
    assert asked(us.port, (10, theirs)) == (0, {10: theirs})
    assert asked(peer.port, (10, ours))[0] == 0
    bad = theirs[:-1] + bytes([theirs[-1] ^ 1])
    assert asked(us.port, (10, bad))[0] == 23 and asked(peer.port, (10, bad))[0] == 23


def test_dig_accepts_cookies(stage):
    """dig checks that its own cookie comes back, and retries with the server's after BADCOOKIE."""
    us = serving(stage, cookies="required-or-tcp")
    out = subprocess.run(["dig", f"-p{us.port}", "@127.0.0.1", NAME, "A", "+norecurse", "+cookie"], capture_output=True, text=True, timeout=20).stdout
    assert "status: NOERROR" in out and re.search(r"COOKIE: [0-9a-f]{48} \(good\)", out), out
    without = subprocess.run(["dig", f"-p{us.port}", "@127.0.0.1", NAME, "A", "+norecurse", "+nocookie"], capture_output=True, text=True, timeout=20).stdout
    assert "Truncated, retrying in TCP mode" in without and "status: NOERROR" in without, without


def test_secrets_roll_over(stage):
    """RFC 9018 section 5: the new secret is accepted, then makes cookies, then is the only one; no client is refused before that."""
    us = serving(stage, cookies="required")
    old = cookie_from(us.port)
    write_secrets(us, SECRET, OTHER)
    assert "secrets in it" in us.reload().out
    assert asked(us.port, (10, old)) == (0, {10: old})
    write_secrets(us, OTHER, SECRET)
    us.reload()
    rcode, options = asked(us.port, (10, old))
    assert rcode == 0 and options[10] != old, "still good, and one of the new secret comes back"
    write_secrets(us, OTHER)
    us.reload()
    assert asked(us.port, (10, old))[0] == 23
    assert asked(us.port, (10, options[10])) == (0, {10: options[10]})
    write_secrets(us, "not a secret")
    refused = us.cli("conf", "reload", check=False)
    assert refused.status == 1 and "secrets:2" in refused.text and "not a secret" not in refused.text, refused.text
    assert asked(us.port, (10, options[10]))[0] == 0, "the server goes on with what it has"


def test_own_secret_survives_a_reload(stage):
    us = Understudy(stage)
    us.write("example.zone", zone_text(ZONE, 7, hosts(5)))
    us.zone(ZONE, file="example.zone").start()
    made = cookie_from(us.port)
    us.option("server", udp_max_size=1400).reload()
    assert asked(us.port, (10, made)) == (0, {10: made})


def test_metrics_count_cookies(stage):
    us = serving(stage)
    good = cookie_from(us.port)
    asked(us.port, (10, good))
    asked(us.port, (10, good[:-1] + b"\0\0"))
    metrics = us.get("/metrics")[1]
    for verdict in ("client", "good", "bad"):
        assert f'understudy_cookies_total{{cookie="{verdict}"}} 1' in metrics, [l for l in metrics.splitlines() if "cookies" in l]


def test_identity(stage):
    """NSID and the CHAOS names say what is configured; nothing is said where nothing is."""
    us = serving(stage, nsid="ams-3.ns", identity="hostname", version="shy")
    assert asked(us.port, (3, b""))[1] == {3: b"ams-3.ns"}
    out = subprocess.run(["kdig", "-p", str(us.port), "@127.0.0.1", "+nsid", "id.server.", "TXT", "CH"], capture_output=True, text=True, timeout=20).stdout
    assert f'"{os.uname().nodename}"' in out and "ams-3.ns" in out, out
    for name in ("version.bind.", "version.server."):
        response = us.query(name, "TXT", rdclass="CH")
        assert response.answer[0].to_text() == f'{name} 0 CH TXT "shy"'
    us.config["server"].pop("nsid")
    us.config["server"].pop("version")
    us.reload()
    assert asked(us.port, (3, b""))[1] == {}
    assert us.query("version.bind.", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED


def test_zone_version_follows_the_zone(stage):
    us = serving(stage)
    assert asked(us.port, (19, b""))[1] == {19: struct.pack("!BBI", 1, 0, 7)}
    us.write("example.zone", zone_text(ZONE, 8, hosts(50)))
    us.cli("zone", "refresh", ZONE)
    us.wait_serial(ZONE, 8)
    for tcp in (False, True):
        assert asked(us.port, (19, b""), tcp=tcp)[1] == {19: struct.pack("!BBI", 1, 0, 8)}


def test_reporting_channel(stage):
    """RFC 9567: answers name the agent; a report to a zone of ours is answered as any name is, and names nobody."""
    us = serving(stage, report_channel=f"er.{ZONE}")
    agent = b"\2er\7example\0"
    assert asked(us.port)[1] == {18: agent}
    assert asked(us.port, name="gone.example.")[1] == {18: agent}
    report = f"_er.1.broken.test.7._er.er.{ZONE}"
    assert asked(us.port, name=report, rdtype="TXT") == (dns.rcode.NXDOMAIN, {})
    assert not us.query(NAME).options, "who does not speak EDNS is told nothing"
