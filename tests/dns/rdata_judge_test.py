"""Other implementations judge tests/dns/rdata_samples.txt: text and wire form of every record in it must belong together.

The unit tests hold our code to that list, so a list that both BIND and dnspython agree with shows that we do, too."""
import pathlib
import subprocess

import dns.name
import dns.rdata

SAMPLES = pathlib.Path(__file__).with_name("rdata_samples.txt")
ORIGIN = "example."

# Records that BIND 9.18 refuses in text, and why; dnspython alone judges them.
BIND_REFUSES = {
    "IPSECKEY 10 1 0 192.0.2.38": "wants a key even where there is none",
    "NSEC x.": "wants at least one type",
    'SVCB 1 . ohttp tls-supported-groups="29,23"': "does not know these keys",
}
# The same for dnspython 2.3; BIND alone judges them.
DNSPYTHON_REFUSES = {
    "IPSECKEY 10 1 0 192.0.2.38": "wants a key even where there is none",
    'URI 10 1 ""': "wants a target",
}
DNSPYTHON_REFUSES_KEYS = ("dohpath=", "ohttp")  # parameter keys without a name there
# Types that dnspython treats as opaque.
DNSPYTHON_LACKS = {"MD", "MF", "MB", "MG", "MR", "MINFO", "NULL", "WKS", "SIG", "KEY", "NXT", "RKEY", "TALINK", "NINFO",
                   "DSYNC", "RESINFO", "WALLET", "TA", "DLV", "AVC", "TYPE65280"}


def samples():
    for line in SAMPLES.read_text().splitlines():
        if not line.startswith("#"):
            record, wire, *_ = line.split(" | ")
            kind, _, text = record.partition(" ")
            yield kind, text, wire.strip("-")


def test_bind_agrees():
    differences = []
    for kind, text, wire in samples():
        run = subprocess.run(["named-rrchecker", "-u", "-o", ORIGIN], input=f"IN {kind} {text}\n", capture_output=True,
                             text=True, timeout=20)
        record = f"{kind} {text}".strip()
        if record in BIND_REFUSES:
            assert run.returncode != 0, f"BIND takes {record} now: remove it from BIND_REFUSES"
            continue
        # CLASS1 TYPE15 \# 10 000A044D61696C017800
        found = "".join(run.stdout.split()[4:]).lower()
        if run.returncode != 0 or found != wire:
            differences.append(f"{record}\n  list {wire}\n  BIND {found} {run.stderr}")
    assert not differences, "\n".join(differences)


def test_dnspython_agrees():
    differences, judged = [], 0
    for kind, text, wire in samples():
        record = f"{kind} {text}".strip()
        if kind in DNSPYTHON_LACKS or text.startswith("\\#"):
            continue
        if record in DNSPYTHON_REFUSES or (kind == "SVCB" and any(key in text for key in DNSPYTHON_REFUSES_KEYS)):
            continue
        try:
            rdata = dns.rdata.from_text("IN", kind, text, origin=dns.name.from_text(ORIGIN), relativize=False)
            found = rdata.to_wire().hex()
            back = dns.rdata.from_wire("IN", kind, bytes.fromhex(wire), 0, len(wire) // 2)
            assert back.to_wire().hex() == wire
        except Exception as error:  # noqa: BLE001: whatever it refuses is a difference
            found = repr(error)
        judged += 1
        if found != wire:
            differences.append(f"{record}\n  list      {wire}\n  dnspython {found}")
    assert not differences, "\n".join(differences)
    assert judged > 60
