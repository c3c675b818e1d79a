"""Signs generated zones with other people's tools: ldns-signzone and dnssec-signzone in turn, so that one's habits do not
decide what is tested. And makes of their output what no signer leaves behind: both chains at once, as between two steps of a
roll, and chains with holes."""
import concurrent.futures
import os
import random
import subprocess
from pathlib import Path

LDNS = {"nsec": [], "nsec3": ["-n", "-t", "0"], "nsec3-salt": ["-n", "-t", "0", "-s", "cafe"], "nsec3-optout": ["-n", "-t", "0", "-p"],
        "nsec3-optout-salt": ["-n", "-t", "0", "-p", "-s", "0102"], "nsec3-iterations": ["-n", "-t", "5", "-s", "abcd"],
        "nsec3-costly": ["-n", "-t", "160", "-s", "abcd"]}
BIND = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "nsec3-salt": ["-3", "cafe", "-H", "0"], "nsec3-optout": ["-3", "-", "-H", "0", "-A"],
        "nsec3-optout-salt": ["-3", "0102", "-H", "0", "-A"], "nsec3-iterations": ["-3", "abcd", "-H", "5"]}


def words_of(line):
    """Owner, TTL, class, type and so on."""
    return [*line.split(), "", "", "", "", ""]


def both_chains(first, second):
    """All records of both, each once; signatures are from both times of signing."""
    return "\n".join(dict.fromkeys([*first, *second])) + "\n"


def with_holes(lines, name):
    """A fifth of the chain's records are missing, with their signatures, but the apex's is there."""
    rng, gone = random.Random(name), set()
    for line in lines:
        owner, _, _, rdtype, *rest = words_of(line)
        if rdtype in ("NSEC", "NSEC3") and "SOA" not in rest and rng.random() < 0.2:
            gone.add((owner, rdtype))
    kept = [line for line in lines if (w := words_of(line)) and (w[0], w[4] if w[3] == "RRSIG" else w[3]) not in gone]
    return "\n".join(kept) + "\n"


class Signer:
    """One key for all zones: its tag does not depend on the owner."""

    def __init__(self, folder):
        self.folder = Path(folder)
        base = self._run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "key.test")
        self._public = (self.folder / f"{base}.key").read_text()
        self._private = (self.folder / f"{base}.private").read_text()
        self._suffix = base[base.index("+"):]

    def _run(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def sign(self, number, zone):
        """The signed text of a zone."""
        if zone.denial == "unsigned":
            return zone.text()
        owner = zone.name.lower()
        base = f"K{owner}{self._suffix}"
        (self.folder / f"{base}.key").write_text(self._public.replace("key.test.", owner))
        (self.folder / f"{base}.private").write_text(self._private)
        plain, signed = f"{owner}plain", f"{owner}signed"
        (self.folder / plain).write_text(zone.text())
        if zone.denial == "both-chains":
            return both_chains(*(self._sign_by_lines(owner, options, plain, base) for options in (LDNS["nsec"], LDNS["nsec3-salt"])))
        if not zone.is_sound:
            return with_holes(self._sign_by_lines(owner, LDNS[zone.denial.removesuffix("-holes")], plain, base), zone.name)
        if (zone.signer or ("ldns", "bind")[number % 2]) == "ldns":
            self._run("ldns-signzone", "-o", owner, *LDNS[zone.denial], "-f", signed, plain, base)
        else:
            with open(self.folder / plain, "a", encoding="utf-8") as text:
                text.write(self._public.replace("key.test.", owner))
            self._run("dnssec-signzone", "-n", "1", "-P", "-z", "-O", "full", "-o", owner, *BIND[zone.denial], "-f", signed, plain, base)
        return (self.folder / signed).read_text()

    def _sign_by_lines(self, owner, options, plain, base):
        """A record a line."""
        self._run("ldns-signzone", "-o", owner, *options, "-f", f"{owner}lines", plain, base)
        return (self.folder / f"{owner}lines").read_text().splitlines()

    def sign_all(self, zones):
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(self.sign, range(len(zones)), zones))
