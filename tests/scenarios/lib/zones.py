"""Zone texts, keys and record sets that tests share."""
import base64
import re
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype


@dataclass(frozen=True)
class Key:
    """A TSIG key. `algorithm` as in configuration files: hmac-sha256, hmac-md5, ..."""
    name: str = "transfer.key."
    algorithm: str = "hmac-sha256"
    secret: str = base64.b64encode(b"a secret of thirty-two octets...").decode()

    @property
    def wire_algorithm(self):
        """The algorithm's name as it goes over the wire (RFC 8945 section 6)."""
        return "hmac-md5.sig-alg.reg.int." if self.algorithm == "hmac-md5" else self.algorithm + "."


def soa(serial, refresh=3600, retry=600, expire=86400, minimum=300, origin="@"):
    return f"{origin} 3600 IN SOA ns1 hostmaster {serial} {refresh} {retry} {expire} {minimum}\n"


def zone_text(origin, serial, body="", **timers):
    """A small whole zone: SOA, one name server, and a TXT that names the serial, then `body`."""
    return (f"$ORIGIN {origin}\n$TTL 3600\n" + soa(serial, **timers)
            + f"@ NS ns1\nns1 A 192.0.2.1\nversion 60 TXT \"{serial}\"\n" + body)


def hosts(count, serial=0):
    """`count` host records; their addresses depend on the serial, so that versions differ in every record."""
    return "".join(f"h{i} A 10.{(i >> 16) & 255}.{(i >> 8) & 255}.{i & 255}\n" for i in range(count)) + \
        f"serial TXT \"v{serial}\"\n"


def as_unknown(text, origin, types):
    """The zone text with the records of these types in RFC 3597 form, for servers that do not know them."""
    wanted, lines = {dns.rdatatype.from_text(t) for t in types}, []
    for line in text.splitlines():
        fields = re.match(r"(\S+\s+(?:\d+\s+)?)([A-Z0-9]+)(?:\s+(?!\\#)(.*))?$", line)
        if fields and not line.startswith("$") and _number(fields[2]) in wanted:
            rdata = dns.rdata.from_text("IN", fields[2], fields[3] or "", dns.name.from_text(origin), relativize=False).to_wire()
            line = f"{fields[1]}TYPE{_number(fields[2])} \\# {len(rdata)} {rdata.hex()}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def without_owners(text, owners):
    """The zone text without the lines of these owners."""
    return "\n".join(line for line in text.splitlines() if line.split(" ")[0] not in owners) + "\n"


def _number(mnemonic):
    try:
        return dns.rdatatype.from_text(mnemonic)
    except dns.exception.DNSException:
        return None
