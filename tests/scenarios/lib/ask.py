"""Questions to servers, and comparison of what they say."""
import collections
import socket
import struct
import subprocess

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import dns.wire

from .process import wait_until

HOST = "127.0.0.1"


def keyring(key):
    return dns.tsigkeyring.from_text({key.name: (key.wire_algorithm, key.secret)})


def query(port, name, rdtype="A", tcp=False, timeout=3.0, recursion=False, **options):
    """The response to one question, as a dns.message.Message. Options: want_dnssec, payload, use_edns, rdclass, ..."""
    message = dns.message.make_query(name, rdtype, **options)
    if not recursion:
        message.flags &= ~dns.flags.RD
    return exchange(port, message, tcp, timeout)


def exchange(port, message, tcp=False, timeout=3.0):
    ask = dns.query.tcp if tcp else dns.query.udp
    return ask(message, HOST, timeout, port=port)


def udp(port, wire, timeout=2.0, source=None):
    """Sends octets, returns the octets of the reply, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        s.settimeout(timeout)
        s.connect((HOST, port))  # so that a closed port is known at once
        try:
            s.send(wire)
            return s.recv(65535)
        except (socket.timeout, ConnectionRefusedError):
            return None


def tcp_connect(port, timeout=5.0):
    return socket.create_connection((HOST, port), timeout)


def tcp_send(s, wire):
    s.sendall(struct.pack("!H", len(wire)) + wire)


def tcp_receive(s):
    """One message from a stream, or None at its end."""
    head = _exactly(s, 2)
    return _exactly(s, struct.unpack("!H", head)[0]) if head else None


def _exactly(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(count - len(data))
        if not part:
            return None
        data += part
    return data


def soa_query(zone, ident=4242):
    return struct.pack("!HHHHHH", ident, 0, 1, 0, 0, 0) + dns.name.from_text(zone).to_wire() + struct.pack("!HH", 6, 1)


def soa_serial(port, zone, timeout=0.5):
    """(rcode, serial or None) of the zone's SOA, or None without a reply. Cheap enough for a loop."""
    wire = udp(port, soa_query(zone), timeout)
    if wire is None:
        return None
    rcode = wire[3] & 15
    try:
        records = read_records(wire)
    except dns.exception.DNSException:
        return rcode, None
    return rcode, next((soa_number(r) for r in records if r.type == 6), None)


def serial(port, zone, timeout=0.5):
    """The serial that the server answers with, or None if it does not answer with one."""
    got = soa_serial(port, zone, timeout)
    return got[1] if got and got[0] == 0 else None


def rcode(port, zone, timeout=2.0):
    got = soa_serial(port, zone, timeout)
    return got[0] if got else None


def wait_serial(port, zone, wanted, timeout=10.0):
    """Waits until the server answers with this serial."""
    last = []

    def look():
        last[:] = [soa_serial(port, zone)]
        return last[0] and last[0][1] == wanted and last[0][0] == 0
    wait_until(look, timeout, lambda: f"serial {wanted} of {zone} at port {port}; (rcode, serial) is {last[0]}")


def notify_message(zone, serial=None, ident=4243):
    message = dns.message.make_query(zone, "SOA", id=ident)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    if serial is not None:
        message.answer.append(dns.rrset.from_text(zone, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
    return message


def notify(port, zone, serial=None, key=None, source=None, timeout=2.0):
    """Sends NOTIFY; the response code, or None without a reply."""
    message = notify_message(zone, serial)
    if key:
        message.use_tsig(keyring(key), keyname=key.name)
    wire = udp(port, message.to_wire(), timeout, source)
    return wire[3] & 15 if wire else None


# Records one by one, as they came. dnspython's messages join records to sets and so hide order and duplicates.
Record = collections.namedtuple("Record", "owner type klass ttl rdata")


def read_records(wire, sections=(True, False, False)):
    """The records of the chosen sections (answer, authority, additional); RDATA uncompressed."""
    parser = dns.wire.Parser(wire)
    counts = parser.get_struct("!HHHHHH")[2:]
    for _ in range(counts[0]):
        parser.get_name()
        parser.get_struct("!HH")
    records = []
    for count, wanted in zip(counts[1:], sections):
        for _ in range(count):
            owner = parser.get_name()
            rdtype, klass, ttl, length = parser.get_struct("!HHIH")
            if wanted:
                with parser.restrict_to(length):
                    rdata = dns.rdata.from_wire_parser(klass, rdtype, parser).to_wire()
                records.append(Record(str(owner).lower(), rdtype, klass, ttl, rdata))
            else:
                parser.get_bytes(length)
    return records


def soa_number(record):
    """The serial inside a SOA record."""
    parser = dns.wire.Parser(record.rdata)
    parser.get_name()
    parser.get_name()
    return parser.get_uint32()


def axfr_messages(port, zone, key=None, timeout=20.0):
    """The messages of one AXFR as octets; signatures are checked when there is a key."""
    question = dns.message.make_query(zone, "AXFR")
    question.flags &= ~dns.flags.RD
    ring = keyring(key) if key else None
    if key:
        question.use_tsig(ring, keyname=key.name)
    messages, soas, context = [], 0, None
    with tcp_connect(port, timeout) as s:
        tcp_send(s, question.to_wire())
        while soas < 2:
            wire = tcp_receive(s)
            assert wire is not None, f"AXFR of {zone} from port {port} ended after {len(messages)} messages"
            if key:
                parsed = dns.message.from_wire(wire, ring, request_mac=question.mac, xfr=True, multi=True,
                                               tsig_ctx=context, one_rr_per_rrset=True)
                context = parsed.tsig_ctx
            assert wire[3] & 15 == 0, f"AXFR of {zone} from port {port}: {dns.rcode.to_text(wire[3] & 15)}"
            messages.append(wire)
            records = read_records(wire)
            soas += sum(r.type == 6 and r.owner == zone.lower() for r in records)
    if key:
        assert parsed.had_tsig, "the last message of a signed transfer carries no signature (RFC 8945 section 5.3.1)"
    return messages


# Ports of other people's servers that reset connections when they take a new version (NSD replaces its processes). Ours is
# never among them.
may_reset = set()


def axfr(port, zone, key=None, timeout=20.0):
    """All records of the zone in order, without the closing SOA."""
    try:
        wires = axfr_messages(port, zone, key, timeout)
    except ConnectionResetError:
        if port not in may_reset:
            raise
        wires = axfr_messages(port, zone, key, timeout)
    records = [r for wire in wires for r in read_records(wire)]
    assert records[0].type == 6 and records[-1] == records[0], "a transfer opens and closes with the same SOA"
    return records[:-1]


def axfr_rcode(port, zone, key=None):
    """The response code of an AXFR request; 0 means that it was answered."""
    question = dns.message.make_query(zone, "AXFR")
    if key:
        question.use_tsig(keyring(key), keyname=key.name)
    with tcp_connect(port) as s:
        tcp_send(s, question.to_wire())
        wire = tcp_receive(s)
    return wire[3] & 15 if wire else None


def assert_same_zone(port, other, zone, key=None, other_key=None, without=()):
    """Both servers hold the same records, one by one. `without` names types that one of them cannot hold."""
    skip = {dns.rdatatype.from_text(t) for t in without}
    ours, theirs = (collections.Counter(r for r in axfr(p, zone, k) if r.type not in skip)
                    for p, k in ((port, key), (other, other_key)))
    assert_same_records(ours, theirs)


def assert_same_records(ours, theirs):
    ours, theirs = collections.Counter(ours), collections.Counter(theirs)
    extra, missing = list((ours - theirs).elements()), list((theirs - ours).elements())
    assert not extra and not missing, f"{len(extra)} records too many: {extra[:5]}; {len(missing)} missing: {missing[:5]}"


def kdig_axfr(port, zone):
    """The records as kdig prints them, sorted: for zones too large to be read with dnspython in reasonable time."""
    out = subprocess.run(["kdig", "+noall", "+answer", "+noidn", "+timeout=60", f"@{HOST}", "-p", str(port), zone, "AXFR"],
                         capture_output=True, text=True, check=True, timeout=120).stdout
    return sorted(" ".join(line.split(None, 4)) for line in out.splitlines() if line and line[0] != ";")
