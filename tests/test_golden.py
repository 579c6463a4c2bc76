"""Golden packages: the roster after a package, as a person derived it from the rules.

A case is a folder of `golden/`:

* `expected.json` has the topic of the case, the outcome, and the roster after it; * `before/`,
`before-2/` … are synced first, in this order; * `package/` is the package; if it is a lone CSV, the
file itself is synced.

Counts that are not written are zero. Every case ends with the same package once more: its plan must
be empty, or exactly the plan that is already held.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from golden.held import held_by
from oneroster_sync import database

if TYPE_CHECKING:
    from conftest import Site

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/expected.json"))
_ACCOUNT = """
insert into users (site, given_name, family_name, email, login, username, role, status, managed)
values (:site, :given_name, :family_name, :email, :email, :email, :role, 'active', false)
"""


def package_of(folder: Path) -> Path:
    """Return the folder, or the file itself if it is the only one."""
    files = sorted(folder.iterdir())
    return files[0] if len(files) == 1 else folder


def result_of(site: Site, run: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a run, in the format of `expected.json`."""
    counts = {
        kind: {word: number for word, number in numbers.items() if number}
        for kind, numbers in run["counts"].items()
    }
    found = sorted(site.findings(run), key=str)
    return {"outcome": run["outcome"], "counts": counts, "findings": [list(one) for one in found]}


@pytest.mark.parametrize("case", CASES)
def test_golden_package(site: Site, case: str) -> None:
    """A package leads to the expected result, and once more to no changes."""
    expected = json.loads((GOLDEN / case / "expected.json").read_text("utf-8"))
    for account in expected.get("accounts", []):
        with database.engine().begin() as connection:
            connection.execute(sa.text(_ACCOUNT), {"site": site.name, **account})
    for before in sorted((GOLDEN / case).glob("before*")):
        assert site.sync(package_of(before))["outcome"] == "succeeded"
    package = package_of(GOLDEN / case / "package")

    run = site.sync(package, *expected.get("options", []))

    wanted = {key: expected[key] for key in ("outcome", "counts", "findings")}
    wanted["findings"] = sorted(wanted["findings"], key=lambda one: str(tuple(one)))
    assert result_of(site, run) == wanted
    state = {key: expected[key] for key in ("users", "courses", "assignments")}
    assert held_by(site) == state

    again = site.sync(package, *expected.get("options", []))

    if expected["outcome"] == "held":
        assert (again["outcome"], again["plan_hash"]) == ("held", run["plan_hash"])
    else:
        ends = "succeeded_with_errors" if run["findings"]["errors"] else "no_changes"
        assert again["outcome"] == ends
    assert held_by(site) == state


def test_every_folder_is_a_case() -> None:
    """No case is left out because its expectations are missing or its folder is misspelt."""
    folders = {path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name[0] not in "_."}

    assert folders == set(CASES)
    for case in CASES:
        parts = {path.name for path in (GOLDEN / case).iterdir()}
        assert parts <= {"expected.json", "package", "before", "before-2"}
        assert "package" in parts
