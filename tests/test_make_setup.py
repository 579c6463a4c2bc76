"""`make setup` installs once, again when the pins change, and from scratch after an interruption.

A stand-in for Python notes what it is asked to do, so that nothing is downloaded here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

MAKE = shutil.which("make") or "make"

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(shutil.which("make") is None, reason="needs make"),
]

STAND_IN = """\
#!/bin/sh
case "$*" in
    --version) echo "Python $VERSION" ;;
    "-c "*) case "$VERSION" in 3.11*|3.12*|3.13*) exit 0 ;; esac; exit 1 ;;
    "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python; echo venv >> calls ;;
    "-m pip "*) echo pip >> calls; exit "${PIP_FAILS:-0}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout with nothing in it but what the setup reads."""
    folder = tmp_path / "with space"
    folder.mkdir()
    shutil.copy(PROJECT / "Makefile", folder)
    (folder / "requirements.txt").write_text("one==1\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "python").write_text(STAND_IN)
    (folder / "python").chmod(0o755)
    return folder


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make with the stand-in for Python."""
    return subprocess.run(
        [MAKE, "PYTHON=./python", *arguments],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "VERSION": "3.12.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(checkout: Path) -> list[str]:
    """Return what the stand-in was asked to do since the last question."""
    notes = checkout / "calls"
    told = notes.read_text().split() if notes.exists() else []
    notes.unlink(missing_ok=True)
    return told


def test_it_installs_once(checkout: Path) -> None:
    """The second setup does nothing and says nothing."""
    assert make(checkout, "setup").returncode == 0
    assert calls(checkout) == ["venv", "pip", "pip"]
    again = make(checkout, "setup")
    assert (again.returncode, again.stdout, calls(checkout)) == (0, "", [])


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_it_installs_again_when_the_pins_change(checkout: Path, name: str) -> None:
    """A change of content counts, a change of time does not."""
    make(checkout, "setup")
    calls(checkout)
    os.utime(checkout / name, (1, 1))
    make(checkout, "setup")
    assert calls(checkout) == []
    (checkout / name).write_text("two==2\n")
    make(checkout, "setup")
    assert calls(checkout) == ["pip", "pip"]


def test_it_begins_from_scratch_after_an_interruption(checkout: Path) -> None:
    """Packages that may be half there are thrown away."""
    assert make(checkout, "setup", PIP_FAILS="1").returncode != 0
    assert calls(checkout) == ["venv", "pip"]
    assert make(checkout, "setup").returncode == 0
    assert calls(checkout) == ["venv", "pip", "pip"]


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    """Scripts of a virtual environment name its old place."""
    make(checkout, "setup")
    calls(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    make(moved, "setup")
    assert calls(moved) == ["venv", "pip", "pip"]


def test_a_wrong_python_is_refused_in_plain_words(checkout: Path) -> None:
    """The message says what is needed, what was found, and what to type."""
    refused = make(checkout, "demo", VERSION="3.9.2")
    assert refused.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13; found: Python 3.9.2" in refused.stderr
    assert "make PYTHON=/path/to/python3.12 demo" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_the_list_shows_every_target(checkout: Path) -> None:
    """`make` alone explains what there is."""
    told = make(checkout).stdout
    phony = re.search(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert f"make {target} " in told
