"""`make setup` installs once, again after a change of pins, and anew after an interruption.

A stand-in for Python records its calls, so that the tests download nothing.
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
    "-m pip "*"-r "*)
        echo "pip:${*##*-r }" >> calls; sleep "${PIP_TAKES:-0}"; exit "${PIP_FAILS:-0}" ;;
    "-m pip "*) echo pip >> calls; exit "${PIP_FAILS:-0}" ;;
esac
"""

ADDED = ["pip:requirements.txt", "pip"]
FRESH = ["venv", *ADDED]
"""The calls of a whole setup: a virtual environment, all pinned packages, the project itself."""
FOR_USERS = ["venv", "pip:deploy/requirements-local.txt", "pip"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with only the files that the setup reads."""
    folder = tmp_path / "with space"
    folder.mkdir()
    shutil.copy(PROJECT / "Makefile", folder)
    (folder / "requirements.txt").write_text("one==1\n")
    (folder / "deploy").mkdir()
    (folder / "deploy" / "requirements-local.txt").write_text("one==1\n")
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
    """Return the stand-in's calls since the last question."""
    notes = checkout / "calls"
    recorded = notes.read_text().split() if notes.exists() else []
    notes.unlink(missing_ok=True)
    return recorded


def test_it_installs_once(checkout: Path) -> None:
    """A second setup does nothing and prints nothing."""
    assert make(checkout, "setup").returncode == 0
    assert calls(checkout) == FRESH
    again = make(checkout, "setup")
    assert (again.returncode, again.stdout, calls(checkout)) == (0, "", [])


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_it_installs_again_when_the_pins_change(checkout: Path, name: str) -> None:
    """A changed content of the pins installs again; a changed time does not."""
    make(checkout, "setup")
    calls(checkout)
    os.utime(checkout / name, (1, 1))
    make(checkout, "setup")
    assert calls(checkout) == []
    (checkout / name).write_text("two==2\n")
    make(checkout, "setup")
    assert calls(checkout) == ADDED


def test_it_begins_from_scratch_after_an_interruption(checkout: Path) -> None:
    """After an interrupted setup, the next one starts with a new virtual environment."""
    assert make(checkout, "setup", PIP_FAILS="1").returncode != 0
    assert calls(checkout) == FRESH[:2]
    assert make(checkout, "setup").returncode == 0
    assert calls(checkout) == FRESH


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    """A moved checkout gets a new virtual environment, because its scripts name the old path."""
    make(checkout, "setup")
    calls(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    make(moved, "setup")
    assert calls(moved) == FRESH


def test_a_wrong_python_is_refused_in_plain_words(checkout: Path) -> None:
    """The error gives the needed Python, the found one, and the command to type."""
    refused = make(checkout, "demo", VERSION="3.9.2")
    assert refused.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13; found: Python 3.9.2" in refused.stderr
    assert "make PYTHON=/path/to/python3.12 demo" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_users_get_what_they_need_and_the_tests_add_the_rest(checkout: Path) -> None:
    """`make users` installs no test library, and a whole setup serves users too."""
    assert make(checkout, "users").returncode == 0
    assert calls(checkout) == FOR_USERS
    make(checkout, "users")
    assert calls(checkout) == []
    make(checkout, "setup")
    assert calls(checkout) == ADDED
    make(checkout, "users")
    assert calls(checkout) == []


def test_two_setups_take_turns(checkout: Path) -> None:
    """Of two setups at once, the second waits for the first and then does nothing."""
    environment = {"PATH": os.environ["PATH"], "VERSION": "3.12.1", "PIP_TAKES": "1"}
    both = [
        subprocess.Popen(
            [MAKE, "PYTHON=./python", "setup"],
            cwd=checkout,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [one.wait(50) for one in both] == [0, 0]
    assert calls(checkout) == FRESH


def test_the_list_shows_every_target(checkout: Path) -> None:
    """`make` alone lists every target."""
    output = make(checkout).stdout
    phony = re.search(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert f"make {target} " in output
