"""Messages built octet by octet, so that a test can make each mistake that a primary can make."""
import base64
import functools
import hashlib
import hmac
import struct
import time

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

IN, CH = 1, 3
SOA, IXFR, AXFR, TSIG = 6, 251, 252, 250
RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200


def name(text):
    return dns.name.from_text(text).to_wire()


def rr(owner, rdtype, rdata, ttl=3600, klass=IN):
    """One record, uncompressed; `rdata` is text in zone file form, or octets taken as they are."""
    number = dns.rdatatype.from_text(rdtype)
    if isinstance(rdata, str):
        rdata = dns.rdata.from_text(dns.rdataclass.IN, number, rdata, relativize=False).to_wire()
    return name(owner) + struct.pack("!HHIH", number, klass, ttl, len(rdata)) + rdata


def soa_rr(zone, serial, refresh=3600, retry=600, expire=86400, minimum=300, ttl=3600, mname="ns1."):
    return rr(zone, "SOA", f"{mname} hostmaster. {serial} {refresh} {retry} {expire} {minimum}", ttl)


@functools.lru_cache(maxsize=1 << 18)
def _host(zone, number):
    """An A record without its address, for quick making of large versions."""
    return rr(f"h{number}.{zone.lstrip('.')}", "A", b"\0\0\0\0")[:-4]


class Version:
    """One version of a zone: the SOA and the other records, each as octets."""

    def __init__(self, zone, serial, hosts=20, extra=(), stamp=None, **timers):
        self.zone, self.serial = zone, serial
        self.soa = soa_rr(zone, serial, **timers)
        stamp = struct.pack("!I", serial if stamp is None else stamp)
        self.body = [rr(zone, "NS", f"ns1.{zone.lstrip('.')}"), rr(f"ns1.{zone.lstrip('.')}", "A", "192.0.2.1")]
        # Every host's address is the serial, so that a mixture of two versions shows in any record.
        self.body += [_host(zone, i) + stamp for i in range(hosts)]
        self.body += list(extra)

    @property
    def records(self):
        return [self.soa, *self.body, self.soa]


def differences(old, new):
    """One difference sequence (RFC 1995 section 4): what goes and what comes, each behind its SOA."""
    return [old.soa, *(r for r in old.body if r not in set(new.body)), new.soa, *(r for r in new.body if r not in set(old.body))]


def message(query, records=(), *, ident=None, flags=RESPONSE | AUTHORITATIVE, rcode=0, question=True, count=None, tail=b""):
    """A response. `question`: True repeats the query's, False leaves it out, octets are taken as they are."""
    ident = query.ident if ident is None else ident
    section = query.question if question is True else (question or b"")
    count = len(records) if count is None else count
    return struct.pack("!HHHHHH", ident, flags | rcode, 1 if section else 0, count, 0, 0) + section + b"".join(records) + tail


def messages(query, records, per_message=7, question_always=False, question=True, **options):
    """The records split over messages, as a primary would send them: the question is in the first one."""
    records = list(records)
    for at in range(0, len(records), per_message):
        section = question if at == 0 or question_always else False
        yield message(query, records[at:at + per_message], question=section, **options)


DIGESTS = {"hmac-md5": hashlib.md5, "hmac-sha1": hashlib.sha1, "hmac-sha224": hashlib.sha224, "hmac-sha256": hashlib.sha256,
           "hmac-sha384": hashlib.sha384, "hmac-sha512": hashlib.sha512}


class Signer:
    """Signs the messages of one response stream (RFC 8945 section 5.3.1), rightly or with a chosen fault."""

    def __init__(self, key, request_mac):
        self.key, self.prior, self.pending, self.first = key, request_mac, b"", True

    def unsigned(self, wire):
        """The message as it is; the next signature covers it."""
        self.pending += wire
        return wire

    def sign(self, wire, *, mac_octets=None, shift=0, corrupt=False, key_name=None, algorithm=None, error=0, fudge=300):
        at = int(time.time()) + shift
        stamp = struct.pack("!HIH", at >> 32, at & 0xFFFFFFFF, fudge)
        owner = name((key_name or self.key.name).lower())
        algorithm_name = name(algorithm or self.key.wire_algorithm)
        variables = owner + struct.pack("!HI", 255, 0) + algorithm_name + stamp + struct.pack("!HH", error, 0)
        data = struct.pack("!H", len(self.prior)) + self.prior + self.pending + wire + (variables if self.first else stamp)
        mac = hmac.new(base64.b64decode(self.key.secret), data, DIGESTS[self.key.algorithm]).digest()
        if corrupt:
            mac = bytes([mac[0] ^ 1]) + mac[1:]
        if mac_octets is not None:
            mac = mac[:mac_octets]
        self.prior, self.pending, self.first = mac, b"", False
        rdata = algorithm_name + stamp + struct.pack("!H", len(mac)) + mac + wire[:2] + struct.pack("!HH", error, 0)
        record = owner + struct.pack("!HHIH", TSIG, 255, 0, len(rdata)) + rdata
        additional = struct.unpack("!H", wire[10:12])[0] + 1
        return wire[:10] + struct.pack("!H", additional) + wire[12:] + record
