"""`understudy compare`: a primary that says the same, ones that do not, and none."""
import json
import socket
import subprocess
import threading
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest

from lib.peers import Bind, Knot, Nsd
from lib.ports import free_port
from lib.understudy import Understudy
from lib.zones import Key, hosts, zone_text

ZONE = "rich.example."
RICH = (Path(__file__).parent / "data" / "rich.zone").read_text()


def serve(stage, primary=Knot, zone=ZONE, text=RICH, **options):
    peer = primary(stage, {zone: text}, **options).start()
    us = Understudy(stage).primary(peer).zone(zone).start()
    us.wait_serial(zone, 1)
    return peer, us


def compare(us, *arguments, status=0, zone=ZONE):
    done = us.cli("compare", zone, *arguments, check=False)
    assert done.status == status, done.text
    return done


class Liar(threading.Thread):
    """Passes UDP queries on to a real server, and what it answers through `lie`."""

    def __init__(self, stage, server, lie):
        super().__init__(daemon=True)
        self.port, self.server, self.lie = free_port(), server, lie
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        stage.on_close(self.socket.close)
        self.start()

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(65535)
            except OSError:
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(2)
                s.connect(("127.0.0.1", self.server.port))
                s.send(query)
                self.socket.sendto(self.lie(query, s.recv(65535)), client)


@pytest.mark.parametrize("primary", [Knot, Nsd, Bind], ids=lambda kind: kind.name)
def test_the_same(stage, primary):
    text = RICH.replace("self           CNAME self", "").replace("loop1          CNAME loop2", "")  # BIND: SERVFAIL
    text = text.replace("dnameself      DNAME dnameself", "")
    peer, us = serve(stage, primary, text=text)
    done = compare(us)
    assert f"there 127.0.0.1@{peer.port}" in done.out and "serial 1 here, 1 there" in done.out
    assert " 0 different, 0 with other TTLs only, 0 without an answer" in done.out and "compare again" not in done.out


@pytest.mark.parametrize("options", [(), ("-n",), ("-n", "-p")], ids=["nsec", "nsec3", "opt-out"])
@pytest.mark.parametrize("primary", [Knot, Nsd, Bind], ids=lambda kind: kind.name)
def test_the_same_signed(stage, primary, options):
    """Wildcards, empty non-terminals, delegations with and without names of their own above them."""
    zone = "signed.example."
    body = hosts(30) + ("host A 192.0.2.1\nsub.below.host NS ns.test.\n*.w A 192.0.2.2\nx.y.z A 192.0.2.3\nalias CNAME host\n"
                        "cut NS ns.cut\nns.cut A 192.0.2.4\nlonely.p.q NS ns.test.\n")
    peer, us = serve(stage, primary, zone=zone, text=sign(stage, zone, body, *options))
    done = compare(us, zone=zone)
    assert " 0 different, 0 with other TTLs only, 0 without an answer" in done.out


def test_a_primary_with_another_zone(stage):
    knot, us = serve(stage)
    changed = RICH.replace("192.0.2.3", "192.0.2.33").replace("short          30 A", "short          31 A")
    other = Knot(stage, {ZONE: changed.replace("alias          CNAME www\n", "")}).start()
    done = compare(us, "--against", f"127.0.0.1@{other.port}", status=1)
    for line in (f"www.{ZONE} A", f"  answer: only here: www.{ZONE} A 192.0.2.3 (TTL 3600)",
                 f"  answer: only there: www.{ZONE} A 192.0.2.33 (TTL 3600)", f"  answer: TTL 30 here, 31 there: short.{ZONE} A 192.0.2.5",
                 f"alias.{ZONE} CNAME", "  code: NOERROR here, NXDOMAIN there"):
        assert f"{line}\n" in done.out, done.out
    assert f"www.{ZONE} A no-edns\n" in done.out and ", 2 with other TTLs only" in done.out
    compare(us)  # with its own primary it agrees


def test_a_primary_that_lies(stage, tmp_path):
    knot, us = serve(stage)
    file = tmp_path / "queries"
    file.write_text("www A\nmail A\nnothing A\n")
    servfail = Liar(stage, knot, lambda query, reply: reply[:3] + b"\x02" + reply[4:] if b"\3www\4rich" in query else reply)
    done = compare(us, "--queries", file, "--against", f"127.0.0.1@{servfail.port}", status=1)
    assert ": 2 the same, 1 different" in done.out and f"www.{ZONE} A\n  code: NOERROR here, SERVFAIL there" in done.out
    not_aa = Liar(stage, knot, lambda query, reply: reply[:2] + bytes([reply[2] & ~4]) + reply[3:])
    assert "flag AA: set here, clear there" in compare(us, "--queries", file, "--against", f"127.0.0.1@{not_aa.port}", status=1).out


def test_queries_from_a_file(stage, tmp_path):
    knot, us = serve(stage)
    file = tmp_path / "queries"
    file.write_text(f"# three\nwww A\nnothing.{ZONE} AAAA\nwww TXT no-edns\n")
    assert "\n3 asked: 3 the same" in compare(us, "--queries", file).out
    file.write_text("www A\nwww WRONG\n")
    assert f"{file}:2: a line is NAME TYPE" in compare(us, "--queries", file, status=2).err


def sh(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def json_of(us, *arguments, status=0):
    return json.loads(compare(us, "-o", "json", *arguments, status=status).out)


def test_json(stage, tmp_path):
    knot, us = serve(stage)
    file = tmp_path / "queries"
    file.write_text("www A\nshort A\nalias CNAME\n")
    found = json_of(us, "--queries", file)
    assert (found["zone"], found["there"], found["questions"]) == (ZONE, f"127.0.0.1@{knot.port}", [])
    assert (found["asked"], found["same"], found["different"], found["steady"]) == (3, 3, 0, True)
    changed = RICH.replace("192.0.2.3", "192.0.2.33").replace("short          30 A", "short          31 A")
    other = Knot(stage, {ZONE: changed.replace("alias          CNAME www\n", "")}).start()
    found = json_of(us, "--queries", file, "--against", f"127.0.0.1@{other.port}", status=1)
    by_name = {row["name"]: row for row in found["questions"]}
    assert by_name[f"www.{ZONE}"]["differences"] == [
        {"what": "answer", "record": f"www.{ZONE} A 192.0.2.3", "ttl_here": 3600, "ttl_there": None},
        {"what": "answer", "record": f"www.{ZONE} A 192.0.2.33", "ttl_here": None, "ttl_there": 3600}]
    assert by_name[f"short.{ZONE}"]["differences"] == [
        {"what": "answer", "record": f"short.{ZONE} A 192.0.2.5", "ttl_here": 30, "ttl_there": 31}]
    assert by_name[f"alias.{ZONE}"]["differences"][0] == {"what": "code", "here": "NOERROR", "there": "NXDOMAIN"}
    assert (found["asked"], found["different"], found["ttl_only"], found["primary"]) == (3, 2, 1, None)
    silent = compare(us, "-o", "json", "--queries", file, "--against", f"127.0.0.1@{free_port()}", status=2)
    assert silent.out == ""


def sign(stage, zone, body, *options):
    """A signed zone as text."""
    folder = Path(stage.folder("sign"))
    (folder / "plain.zone").write_text(zone_text(zone, 1, body))
    key = sh(folder, "ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone)
    sh(folder, "ldns-signzone", *options, "-f", "signed.zone", "plain.zone", key)
    return (folder / "signed.zone").read_text()


def test_a_proof_with_a_hole_is_a_difference(stage, tmp_path):
    """The other primary's chain lacks a record, so that it answers with the one before, which does not cover the name."""
    zone = "signed.example."
    text = sign(stage, zone, "aa A 192.0.2.1\nmm A 192.0.2.2\n")
    knot, us = serve(stage, zone=zone, text=text)
    hole = "".join(line for line in text.splitlines(True) if not (line.startswith("aa.") and "NSEC" in line))
    other = Knot(stage, {zone: hole}).start()
    file = tmp_path / "queries"
    file.write_text("bb A\nmm A\n")
    arguments = ("--queries", file, "--against", f"127.0.0.1@{other.port}")
    done = compare(us, *arguments, zone=zone, status=1)
    assert "2 asked: 1 the same, 1 different" in done.out
    assert f"bb.{zone} A\n  proof of absence: the other server: the name bb.{zone} is not covered\n" in done.out
    found = json.loads(compare(us, "-o", "json", *arguments, zone=zone, status=1).out)
    assert found["other_proofs"] == 0 and len(found["questions"]) == 1 and found["questions"][0]["proofs"] == []
    judged, *records = found["questions"][0]["differences"]
    assert judged == {"what": "proof of absence", "here": None, "there": f"the name bb.{zone} is not covered"}
    assert {(row["record"].split()[1], row["ttl_there"] is None) for row in records} == {("NSEC", True), ("RRSIG", True)}
    assert all(row["record"].startswith(f"aa.{zone} ") and row["what"] == "proof of absence" for row in records)


def test_a_wrong_closest_encloser_is_a_difference(stage, tmp_path):
    """An insecure delegation under opt-out, whose proof is made to begin at the apex: the name below that is there."""
    zone, cut = "signed.example.", "sub.below.h7"
    knot, us = serve(stage, zone=zone, text=sign(stage, zone, hosts(30) + f"{cut} NS ns.test.\n", "-n", "-p"))
    data = dns.zone.from_xfr(dns.query.xfr("127.0.0.1", zone, port=knot.port, relativize=False), relativize=False)

    def proof(name):
        chain = data.find_rdataset(zone, "NSEC3PARAM")[0]
        owner = dns.name.from_text(f"{dns.dnssec.nsec3_hash(name, chain.salt, chain.iterations, 'SHA1')}.{zone}")
        of_record = data.find_rdataset(owner, "NSEC3"), data.find_rdataset(owner, "RRSIG", "NSEC3")
        return [dns.rrset.from_rdata_list(owner, records.ttl, records) for records in of_record]

    def lie(query, reply):
        message = dns.message.from_wire(reply)
        kept = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS]
        message.authority = kept + proof(zone) + proof(f"h7.{zone}") if kept else message.authority
        return message.to_wire()

    assert proof(f"h7.{zone}")[0][0].flags == 1  # opt-out
    liar = Liar(stage, knot, lie)
    file = tmp_path / "queries"
    file.write_text(f"www.{cut} A\nnothing A\n")
    assert "2 asked: 2 the same" in compare(us, "--queries", file, zone=zone).out
    done = compare(us, "--queries", file, "--against", f"127.0.0.1@{liar.port}", zone=zone, status=1)
    assert "2 asked: 1 the same, 1 different" in done.out
    assert f"www.{cut}.{zone} A\n  proof of absence: the other server: the next closer name below.h7.{zone} is not covered\n" in done.out


def test_other_serials_are_said(stage):
    knot, us = serve(stage, text=zone_text("rich.example.", 1))
    newer = Knot(stage, {ZONE: zone_text("rich.example.", 2)}).start()
    done = compare(us, "--against", f"127.0.0.1@{newer.port}", status=1)
    assert "serial 1 here, 2 there" in done.out and "compare again" in done.out


def test_limit(stage):
    knot, us = serve(stage, text=zone_text(ZONE, 1, hosts(3000)))
    done = compare(us, "--limit", "500")
    assert "500 of " in done.out and "\n500 asked: 500 the same" in done.out


def test_signed_questions(stage):
    """A primary that answers only who signs."""
    key = Key()
    knot, us = serve(stage, key=key)
    us.write_config()
    done = us.cli("--config", us.config_path, "compare", ZONE, "--tsig", key.name, check=False)
    assert done.status == 0, done.text
    assert "name it with --config" in compare(us, "--tsig", key.name, status=2).err
    missing = us.cli("--config", us.config_path, "compare", ZONE, "--tsig", "other.", check=False)
    assert missing.status == 2 and "has no key other." in missing.err


def test_it_cannot_be_told(stage):
    knot, us = serve(stage)
    compare(us, "--against", f"127.0.0.1@{free_port()}", status=2)
    assert "has no such zone" in compare(us, zone="absent.", status=2).err
    assert us.cli("compare", check=False).status == 2
    knot.stop()
    assert "there" not in compare(us, status=2).out
