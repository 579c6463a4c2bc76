"""The public Python API that scripts may use, independent of the modules behind it."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import subprocess
import sys
import typing
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import oneroster_sync
from oneroster_sync import (
    NotHeldError,
    OtherPlanError,
    Outcome,
    PreferenceNameError,
    Request,
    approve,
    change_preferences,
    create_site,
    discard,
    pending_removals,
    preview,
    sync,
    undo,
)
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/python-api.md"
NIGHT = dt.datetime(2026, 11, 2, 2, tzinfo=dt.UTC)


def clock() -> dt.datetime:
    """Return a time in the past, so that a use of another clock shows."""
    return NIGHT


def asks(site: Site, package: dict[str, str]) -> Request:
    """Return the request of a script."""
    return Request(site=site.name, package=str(site.package(package)), requested_by="a script")


SMALLER = changed(SCHOOL, "users.csv", "bob,true,teacher,bray,Bob,Ray,bob@x.org\n", "")
SMALLER = changed(SMALLER, "enrollments.csv", "e2,a1,bob,teacher\n", "")


def test_script_syncs_previews_and_takes_back(site: Site) -> None:
    """A script can sync, preview and undo like the command line, at the time of its clock."""
    run = sync(asks(site, SCHOOL), clock=clock)
    assert (run.outcome, run.applied_at) == (Outcome.SUCCEEDED, NIGHT)
    seen = preview(asks(site, SMALLER), clock=clock)
    assert seen.counts is not None
    assert seen.counts["users"]["deactivated"] == 1
    assert site.users()["bob"] == "active"
    second = sync(asks(site, SMALLER), clock=clock)
    back, left = undo(
        Request(site=site.name, requested_by="a script", undoes=second.run_id), clock=clock
    )
    assert (back.outcome, back.undoes, left) == (Outcome.SUCCEEDED, second.run_id, [])
    assert site.users()["bob"] == "active"
    times = site.rows("select distinct made_at from changes where site = :site")
    assert times == [(NIGHT,)]


def test_script_decides_about_a_held_plan(site: Site) -> None:
    """A held plan is approved by its hash or discarded; only the first decision counts."""
    change_preferences(site.name, {"guards.users.minimum": 1}, by="Ann", clock=clock)
    sync(asks(site, SCHOOL), clock=clock)
    first = sync(asks(site, SMALLER), clock=clock)
    assert first.outcome is Outcome.HELD
    with pytest.raises(OtherPlanError):
        approve(first.run_id, by="Ann", clock=clock, plan_hash="0" * 64)
    assert discard(first.run_id, by="Ann", clock=clock).outcome is Outcome.DISCARDED
    with pytest.raises(NotHeldError):
        approve(first.run_id, by="Bob", clock=clock)
    second = sync(asks(site, SMALLER), clock=clock)
    done = approve(second.run_id, by="Ann", clock=clock, plan_hash=second.plan_hash)
    assert (done.plan_hash, done.decided_by, done.applied_at) == (second.plan_hash, "Ann", NIGHT)
    assert site.users()["bob"] == "inactive"


def test_script_requests_pending_removals(site: Site) -> None:
    """If the rest of a plan is applied, the pending removals are another request."""
    limits = {"guards.users.minimum": 1, "guards.removals_wait": True}
    change_preferences(site.name, limits, by="Ann", clock=clock)
    sync(asks(site, SCHOOL), clock=clock)
    run = sync(asks(site, changed(SMALLER, "courses.csv", "Maths", "Mathematics")), clock=clock)
    request = pending_removals(run, str(uuid.uuid4()))
    assert request is not None
    assert sync(request, clock=clock).outcome is Outcome.HELD


def test_undo_of_nothing_is_a_mistake() -> None:
    """An undo without a run is refused, and does not become a sync of the source."""
    with pytest.raises(ValueError, match="undoes"):
        undo(Request(site="default", requested_by="a script"), clock=clock)


def test_site_is_made_once(site: Site) -> None:
    """`create_site` does not change an existing site."""
    assert not create_site(site.name, admin="other@district.example", clock=clock)


@pytest.mark.parametrize("name", ["site", "scope.part", "guards.users.percent.part"])
def test_preference_that_does_not_exist_is_refused(site: Site, name: str) -> None:
    """An unknown name of a preference is refused."""
    with pytest.raises(PreferenceNameError):
        change_preferences(site.name, {name: 1}, by="Ann", clock=clock)


def test_import_is_light() -> None:
    """`import oneroster_sync` loads no other module, because schedulers import it often."""
    code = "import sys, oneroster_sync; print(*sorted(m for m in sys.modules if 'oneroster' in m"
    code += " or m in {'pyarrow', 'sqlalchemy', 'pydantic'}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    # Editable installs add a finder to the modules.
    ours = [name for name in result.stdout.split() if not name.startswith("__editable__")]
    assert ours == ["oneroster_sync"]


def test_every_public_name_is_documented_and_typed() -> None:
    """The page documents every public name, and every function has types and a docstring."""
    page = PAGE.read_text("utf-8")
    for name in oneroster_sync.__all__:
        found = getattr(oneroster_sync, name)
        assert re.search(rf"\b{name}\b", page), f"{name} is not on the page"
        if inspect.isfunction(found):
            inspect.signature(found)
            assert "return" in found.__annotations__, name
            assert found.__doc__, name
    assert typing.get_args(oneroster_sync.Clock)


def test_commands_write_by_the_api_alone() -> None:
    """The commands that change a roster use only this API."""
    commands = Path(oneroster_sync.__file__).parent / "cli/runs.py"
    found = re.findall(
        r"oneroster_sync\.(pipeline|operations\.approval|stages\.apply|stages\.\w+\.stage)\b"
        r"|import (pipeline|approval|stages)",
        commands.read_text("utf-8"),
    )
    assert found == []
