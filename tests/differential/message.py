"""Queries written and responses read octet by octet, strictly and independently of the code under test.

A response is reduced to what its meaning depends on: names in lower case and without compression, records as tuples
(owner, type, TTL, RDATA) in three lists. Whatever no response may have (octets behind the end, forward pointers, names
compressed where RFC 3597 section 4 forbids it) is a ValueError.
"""
import struct
from dataclasses import dataclass

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "DNAME": 39,
         "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "CDS": 59,
         "CDNSKEY": 60, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64, "HTTPS": 65, "ANY": 255, "CAA": 257, "TYPE65280": 65280}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 9: "NOTAUTH"}
AA, TC = 0x0400, 0x0200

# What RDATA begins with: octets and names, in order; what follows is taken as it is.
_LAYOUT = {2: "n", 5: "n", 12: "n", 39: "n", 6: "nn", 15: "2n", 33: "6n", 46: "Rn", 47: "n", 64: "2n", 65: "2n", 35: "4tttn"}
_MAY_COMPRESS = {2, 5, 6, 12, 15}


def text_of(wire):
    """A name in presentation form."""
    out, at = [], 0
    while wire[at]:
        label = wire[at + 1:at + 1 + wire[at]]
        out.append("".join(chr(c) if chr(c).isalnum() and c < 128 or c in b"-_*" else f"\\{c:03d}" for c in label))
        at += 1 + wire[at]
    return ".".join(out) + "."


def query(ident, name, rdtype, *, flags=0, size=None, do=False):
    """One question; `size` is the UDP size of an OPT record, None for none."""
    head = struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 0 if size is None else 1) + name + struct.pack("!HH", rdtype, 1)
    return head if size is None else head + struct.pack("!BHHIH", 0, 41, size, 0x8000 if do else 0, 0)


def _read_name(wire, at, known, compress=True):
    labels, start, end, limit = [], at, None, at
    while True:
        length = wire[at]
        if length >= 192:
            target = (length & 63) << 8 | wire[at + 1]
            if not compress:
                raise ValueError("a name is compressed that must not be")
            if target >= limit:
                raise ValueError("a pointer that does not point backwards")
            end = at + 2 if end is None else end
            rest = known.get(target)
            if rest is not None:
                name = b"".join(labels) + rest
                break
            at = limit = target
        elif length > 63:
            raise ValueError("a label of an unknown kind")
        elif length == 0:
            end = at + 1 if end is None else end
            name = b"".join(labels) + b"\0"
            break
        else:
            labels.append(wire[at:at + 1 + length])
            at += 1 + length
    if len(name) > 255:
        raise ValueError("a name of more than 255 octets")
    name = name.lower()  # no length is a letter
    known[start] = name
    return name, end


def _read_rdata(wire, at, rdtype, length, known):
    end = at + length
    layout = _LAYOUT.get(rdtype)
    if layout is None:
        return wire[at:end]
    out, compress = [], rdtype in _MAY_COMPRESS
    for part in layout:
        if part == "n":
            name, at = _read_name(wire, at, known, compress)
            out.append(name)
        else:
            size = 18 if part == "R" else wire[at] + 1 if part == "t" else int(part)
            out.append(wire[at:at + size])
            at += size
    if at > end:
        raise ValueError("RDATA that is longer than it says")
    return b"".join(out) + wire[at:end]


@dataclass(slots=True)
class Response:
    flags: int
    rcode: int
    question: bytes
    sections: tuple  # answer, authority, additional: lists of (owner, type, ttl, rdata)
    edns: tuple | None  # (size, flags, options)
    size: int

    @property
    def repeats(self):
        """Whether a section has a record twice."""
        return any(len(set(section)) != len(section) for section in self.sections)

    @property
    def aa(self):
        return bool(self.flags & AA)

    @property
    def tc(self):
        return bool(self.flags & TC)


def parse(wire):
    try:
        return _parse(wire)
    except (IndexError, struct.error):
        raise ValueError("a message that is cut off") from None


def _parse(wire):
    _, flags, questions, *counts = struct.unpack_from("!HHHHHH", wire)
    at, known, edns, rcode = 12, {}, None, flags & 15
    if not flags & 0x8000:
        raise ValueError("a response without QR")
    for _ in range(questions):
        _, end = _read_name(wire, at, known)
        at = end + 4
    question, sections = wire[12:at], ([], [], [])
    for section, count in zip(sections, counts):
        for _ in range(count):
            owner, at = _read_name(wire, at, known)
            rdtype, klass, ttl, length = struct.unpack_from("!HHIH", wire, at)
            at += 10
            if at + length > len(wire):
                raise ValueError("RDATA that is cut off")
            if rdtype == 41:
                if edns is not None or owner != b"\0" or section is not sections[2]:
                    raise ValueError("an OPT record that is out of place")
                edns = (klass, ttl & 0xFFFF, wire[at:at + length])
                rcode |= ttl >> 24 << 4
            else:
                if klass != 1:
                    raise ValueError("a record of another class")
                section.append((owner, rdtype, ttl, _read_rdata(wire, at, rdtype, length, known)))
            at += length
    if at != len(wire):
        raise ValueError(f"{len(wire) - at} octets behind the end")
    return Response(flags, rcode, question, sections, edns, len(wire))


def record_text(record):
    owner, rdtype, ttl, rdata = record
    what = NAMES.get(rdtype, f"TYPE{rdtype}")
    if rdtype in (2, 5, 12, 39):
        data = text_of(rdata)
    elif rdtype == 1:
        data = ".".join(map(str, rdata))
    elif rdtype == 46:
        covered, _, labels = struct.unpack_from("!HBB", rdata)
        data = f"{NAMES.get(covered, covered)} labels={labels} tag={rdata[16] << 8 | rdata[17]}"
    elif rdtype == 47:
        end = 0
        while rdata[end]:
            end += 1 + rdata[end]
        data = f"{text_of(rdata[:end + 1])} {_bitmap_text(rdata[end + 1:])}"
    elif rdtype == 50:
        at = 5 + rdata[4]
        next_hash = rdata[at + 1:at + 1 + rdata[at]]
        data = f"flags={rdata[1]} next={_base32hex(next_hash)} {_bitmap_text(rdata[at + 1 + rdata[at]:])}"
    else:
        data = rdata.hex() if len(rdata) < 40 else f"{rdata[:16].hex()}... ({len(rdata)} octets)"
    return f"{text_of(owner)} {ttl} {what} {data}"


def _base32hex(octets):
    digits = "0123456789abcdefghijklmnopqrstuv"
    number = int.from_bytes(octets, "big")
    return "".join(digits[number >> shift & 31] for shift in range(len(octets) * 8 - 5, -1, -5))


def _bitmap_text(octets):
    out, at = [], 0
    while at + 1 < len(octets):
        window, length = octets[at], octets[at + 1]
        for i, octet in enumerate(octets[at + 2:at + 2 + length]):
            out += [NAMES.get(t, f"TYPE{t}") for bit in range(8) if octet & 0x80 >> bit for t in [window << 8 | i << 3 | bit]]
        at += 2 + length
    return " ".join(out)


def response_lines(response):
    """A response as text for people, for reports of differences."""
    if response is None:
        return ["no response"]
    if isinstance(response, ValueError):
        return [f"unreadable: {response}"]
    flags = "".join(f" {name}" for bit, name in ((AA, "aa"), (TC, "tc")) if response.flags & bit)
    lines = [f"{RCODES.get(response.rcode, response.rcode)}{flags}", f"size {response.size}"]
    for title, section in zip(("answer", "authority", "additional"), response.sections):
        lines += sorted(f"{title}: {record_text(r)}" for r in section)
    return lines
