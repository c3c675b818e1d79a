"""The documents hold what they promise: links lead somewhere, configurations are accepted, commands exist."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNDERSTUDY = Path(os.environ.get("UNDERSTUDY_BIN_DIR", ROOT / "build" / "release" / "bin")) / "understudy"


def documents():
    return sorted(ROOT.glob("*.md")) + sorted((ROOT / "doc").rglob("*.md"))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [t.split("#")[0] for t in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) if "://" not in t]
    missing = [t for t in targets if t and not (document.parent / t).exists()]
    assert missing == []


def check_configuration(path):
    done = subprocess.run([UNDERSTUDY, "conf", "check", path], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_example_configurations_are_accepted(path):
    check_configuration(path)


def test_the_first_configuration_is_accepted(tmp_path):
    found = blocks(ROOT / "README.md", "yaml")
    assert len(found) == 1
    (tmp_path / "first.yaml").write_text(found[0])
    check_configuration(tmp_path / "first.yaml")


def test_programs_of_the_readme_exist():
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    for command in re.findall(r"(?:^|`)((?:\./|scripts/|\.ci/)\w[\w-]*)", text, re.MULTILINE):
        path = ROOT / command
        assert path.is_file() and os.access(path, os.X_OK), command
