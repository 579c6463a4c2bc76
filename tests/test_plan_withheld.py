"""Plans in two parts: pending removals while the rest is applied, and syncs that only add."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync.stages.diff.partial import additions_only, without_removals
from roster_of import SCHOOL, plan_of, roster_of, run_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site
    from oneroster_sync.stages.diff.plan import Plan

HEADER = "sourcedId,enabledUser,role,username,givenName,familyName,email"


def staff(ids: Iterable[int], *more: str) -> dict[str, str]:
    """Return a users.csv of numbered teachers and of the additional rows."""
    rows = (f"u{n},true,teacher,u{n},Given{n},Family{n},u{n}@x.org" for n in ids)
    return {"users.csv": csv_text(HEADER, *rows, *more)}


def moves(plan: Plan) -> list[tuple[str, str]]:
    """Return the changes of a plan to users."""
    return [(row["action"], row["sourced_id"]) for row in plan.users.to_pylist()]


@pytest.fixture
def waits(site: Site) -> Site:
    """A site of twenty teachers with pending removals enabled."""
    site.sync(staff(range(20)))
    site.command("preferences", "--set", f"guards={json.dumps({'removals_wait': True})}")
    return site


def test_both_parts_are_the_whole() -> None:
    """The part for now and the part for later together have each change of the plan once."""
    roster = roster_of(users="sourced_id,given_name,email\na,A,a@x.org\nb,B,b@x.org")
    plan = plan_of(
        roster, {"users.csv": "sourcedId,givenName,email\na,Ann,a@x.org\nc,C,c@x.org"}
    ).plan
    now, later = without_removals(plan)
    assert moves(now) == [("update", "a"), ("add", "c")]
    assert moves(later) == [("deactivate", "b")]
    now, later = additions_only(plan)
    assert moves(now) == [("add", "c")]
    assert moves(later) == [("update", "a"), ("deactivate", "b")]


def test_addition_that_needs_a_pending_login_is_pending() -> None:
    """An addition that needs the login of a pending removal is pending too."""
    roster = roster_of(users="sourced_id,email\nold,info@x.org\nann,ann@x.org")
    package = {"users.csv": "sourcedId,email\nann,other@x.org\nnew,info@x.org\nbob,ann@x.org"}
    plan = plan_of(roster, package).plan
    now, later = without_removals(plan)
    assert moves(now) == [("update", "ann"), ("add", "bob")]
    assert moves(later) == [("add", "new"), ("deactivate", "old")]
    now, later = additions_only(plan)
    assert moves(now) == []
    assert len(moves(later)) == 4


def test_assignments_of_pending_users_are_pending() -> None:
    """Assignments of a pending user are pending too."""
    roster = roster_of(
        users="sourced_id,email\nold,info@x.org",
        courses="sourced_id,title\nart,Art",
        classes="sourced_id,course_sourced_id\na1,art",
    )
    package = {
        "users.csv": "sourcedId,email\nnew,info@x.org",
        "classes.csv": "sourcedId,courseSourcedId\na1,art",
        "enrollments.csv": "sourcedId,classSourcedId,userSourcedId,role\ne,a1,new,teacher",
    }
    now, later = without_removals(plan_of(roster, package).plan)
    assert now.assignments.num_rows == 0
    assert later.assignments["user_sourced_id"].to_pylist() == ["new"]


def test_rest_is_applied_while_removals_are_pending(waits: Site) -> None:
    """Additions are applied at once; a removal is pending until a person approves it."""
    package = staff(range(12), "new,true,teacher,new,New,Comer,new@x.org")
    code, run = waits.command("sync", waits.package(package))

    assert (code, run["outcome"]) == (3, "succeeded")
    assert waits.users()["new"] == "active"
    assert waits.users()["u19"] == "active"
    assert run["counts"]["users"] == {**run["counts"]["users"], "added": 1, "deactivated": 0}
    assert run["withheld"]["why"] == "removals_wait"
    assert run["withheld"]["users"] == {"deactivated": 8}
    removals = run["removals"]
    assert removals["outcome"] == "held"
    assert removals["counts"]["users"]["deactivated"] == 8
    assert removals["reasons"][0].startswith("guard.removals: 8 of 21 users")

    done = waits.command("approve", removals["run_id"])[1]
    assert done["outcome"] == "succeeded"
    assert sorted(u for u, status in waits.users().items() if status == "inactive") == sorted(
        f"u{n}" for n in range(12, 20)
    )
    assert waits.sync(package)["outcome"] == "no_changes"


def test_removals_are_counted_and_audited_once(waits: Site) -> None:
    """Both runs together audit each change of the package once."""
    run = waits.sync(staff(range(12), "new,true,teacher,new,New,Comer,new@x.org"))
    waits.command("approve", run["removals"]["run_id"])
    audited = dict(
        waits.rows(
            "select run_id::text, count(*) from changes where site = :site "
            "and run_id::text = any(:runs) group by 1",
            runs=[run["run_id"], run["removals"]["run_id"]],
        )
    )
    assert audited == {run["run_id"]: 1, run["removals"]["run_id"]: 8}


def test_plan_with_only_removals_is_held_whole(waits: Site) -> None:
    """A plan with only removals is held as a whole."""
    code, run = waits.command("sync", waits.package(staff(range(12))))
    assert (code, run["outcome"]) == (3, "held")
    assert "removals" not in run
    assert run["withheld"] is None


def test_other_reasons_hold_everything(waits: Site) -> None:
    """A package that may be another site's is held as a whole, including additions."""
    run = waits.sync(staff(range(3), "new,true,teacher,new,New,Comer,new@x.org"))
    assert run["outcome"] == "held"
    assert "new" not in waits.users()


def test_discarded_removals_change_nobody(waits: Site) -> None:
    """Users of discarded pending removals stay active, and the next package is held again."""
    package = staff(range(12), "new,true,teacher,new,New,Comer,new@x.org")
    run = waits.sync(package)
    waits.command("discard", run["removals"]["run_id"])
    assert waits.users()["u19"] == "active"
    assert waits.sync(package)["outcome"] == "held"


def test_outdated_removals_are_not_applied(waits: Site) -> None:
    """A user who returned before the decision is not removed by it."""
    run = waits.sync(staff(range(12), "new,true,teacher,new,New,Comer,new@x.org"))
    waits.sync(staff(range(13), "new,true,teacher,new,New,Comer,new@x.org"))
    code, _ = waits.command("approve", run["removals"]["run_id"])
    assert code == 1, "a newer plan was made since"
    assert waits.users()["u12"] == "active"


def rolling_over(site: Site, until: dt.date) -> Site:
    """Let syncs only add until a day."""
    site.command("preferences", "--set", f"create_only_until={json.dumps(until.isoformat())}")
    return site


def test_syncs_only_add_during_a_rollover(site: Site) -> None:
    """During a rollover users and courses are added; none is changed, deactivated or removed."""
    site.sync(SCHOOL)
    before = site.rows("select * from users where site = :site order by id")
    rolling_over(site, dt.datetime.now(dt.UTC).date())
    package = {
        "users.csv": f"{HEADER}\nann,true,teacher,alee,Anna,Lee,ann@x.org\n"
        "new,true,teacher,new,New,Comer,new@x.org\n",
        "courses.csv": "sourcedId,title,courseCode\nart,Arts,A1\nbio,Biology,B1\n",
        "classes.csv": "sourcedId,title,courseSourcedId\nb1,Bio 1,bio\n",
        "enrollments.csv": "sourcedId,classSourcedId,userSourcedId,role\ne9,b1,new,teacher\n",
    }
    run = site.sync(package)
    assert run["outcome"] == "succeeded"
    withheld: dict[str, Any] = run["withheld"]
    assert withheld["why"] == "create_only"
    assert withheld["users"] == {"updated": 1, "deactivated": 2}
    assert withheld["courses"] == {"updated": 1, "removed": 1}
    assert withheld["assignments"] == {"removed": 2}
    after = site.rows("select * from users where site = :site order by id")
    assert after[: len(before)] == before
    assert site.courses() == {"art": "active", "maths": "active", "bio": "active"}
    assert site.assignments()["new", "bio"] == "active"
    assert site.assignments()["bob", "art"] == "active"


def test_rollover_needs_no_decision(site: Site) -> None:
    """Changes that a rollover leaves out need no decision: they are applied after it ends."""
    site.sync(staff(range(20)))
    rolling_over(site, dt.datetime.now(dt.UTC).date())
    run = site.sync(staff(range(12)))
    assert run["outcome"] == "no_changes"
    assert run["withheld"]["users"] == {"deactivated": 8}


def test_rollover_ends_automatically(site: Site) -> None:
    """After its last day the rollover no longer changes a sync."""
    site.sync(staff(range(50)))
    rolling_over(site, dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
    run = site.sync(staff(range(48)))
    assert run["withheld"] is None
    assert run["counts"]["users"]["deactivated"] == 2


def test_command_line_shows_what_is_left_out(site: Site) -> None:
    """The command line shows what a plan leaves out, and until when."""
    site.sync(staff(range(20)))
    today = dt.datetime.now(dt.UTC).date()
    rolling_over(site, today)
    folder = site.package(staff(range(18)))
    _, output = run_command(site, "sync", folder)
    assert f"left out until {today}: users: 2 deactivated" in output
