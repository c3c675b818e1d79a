"""What the examples say of other servers, those servers accept: each snippet goes to its server's own checker."""

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SQLITE_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


def snippets(example):
    """The parts of the comment, by the word that names them: "named.conf", "commands"."""
    text = (EXAMPLES / example).read_text()
    parts = re.findall(r"^# --- (\S+) at .*\n((?:^#(?! ---).*\n)+)", text, re.MULTILINE)
    assert parts, example
    return {name: re.sub(r"^# ?", "", body, flags=re.MULTILINE) for name, body in parts}


def accepted(*command, program=None):
    program = shutil.which(program or command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_bind(tmp_path):
    parts = snippets("behind-bind.yaml")
    (tmp_path / "named.conf").write_text(parts["named.conf"])
    (tmp_path / "zone").write_text(parts["catalog.example.zone"])
    accepted("named-checkconf", tmp_path / "named.conf")
    accepted("named-checkzone", "catalog.example", tmp_path / "zone")


def test_knot(tmp_path):
    (tmp_path / "knot.conf").write_text(snippets("behind-knot.yaml")["knot.conf"])
    accepted("knotc", "-c", tmp_path / "knot.conf", "conf-check")


def test_nsd(tmp_path):
    parts = snippets("behind-nsd.yaml")
    (tmp_path / "nsd.conf").write_text(parts["nsd.conf"])
    (tmp_path / "zone").write_text(parts["catalog.example.zone"])
    accepted("nsd-checkconf", tmp_path / "nsd.conf")
    accepted("nsd-checkzone", "catalog.example", tmp_path / "zone")


def test_powerdns(tmp_path):
    if not SQLITE_SCHEMA.exists():
        pytest.skip("PowerDNS's backend for SQLite is not installed")
    parts = snippets("behind-powerdns.yaml")
    database = tmp_path / "pdns.sqlite3"
    with sqlite3.connect(database) as created:
        created.executescript(SQLITE_SCHEMA.read_text())
    created.close()
    config = parts["pdns.conf"].replace("/var/lib/powerdns/pdns.sqlite3", str(database))
    (tmp_path / "pdns.conf").write_text(config)
    accepted("pdns_server", f"--config-dir={tmp_path}", "--config=check")
    for line in parts["commands"].splitlines():
        program, *arguments = line.split()
        assert program == "pdnsutil"
        accepted("pdnsutil", f"--config-dir={tmp_path}", *arguments)
    shown = accepted("pdnsutil", f"--config-dir={tmp_path}", "show-zone", "catalog.example")
    assert "Producer" in shown or "PRODUCER" in shown, shown
