"""A delta that is not applied at once stays pending: it is not lost, nor applied twice."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from golden.school import SCHOOL, SCHOOL_1_2, as_delta, changed
from oneroster_sync import database, pipeline, runs
from oneroster_sync.notifications.rules import of_site
from oneroster_sync.operations import approval, retention
from oneroster_sync.operations.erasure import erase
from oneroster_sync.pipeline import Request, begin
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.settings import Keeping
from oneroster_sync.standard.kinds import Kind
from roster_of import now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site
    from golden.school import Texts

pytestmark = pytest.mark.case("b45")
DAY = "2026-09-{:02}T08:00:00.000Z"
HELD = ("guards.users.percent=10", "guards.users.minimum=1")


def user(sourced_id: str, given: str, day: int | str, status: str = "active") -> str:
    """Return a row of users.csv, last modified on a day of September or at a time given as text."""
    stamp = DAY.format(day) if isinstance(day, int) else day
    return (
        f"{sourced_id},{status},{stamp},true,s,teacher,{sourced_id},,{given},Lee,,,"
        f"{sourced_id}@example.org,,,,,"
    )


def gone(sourced_id: str, day: int) -> str:
    """Return a row of users.csv that removes a user."""
    return f"{sourced_id},tobedeleted,{DAY.format(day)}" + "," * 15


def delta(*rows: str, **files: Iterable[str]) -> Texts:
    """Return a delta of users and of other files."""
    return as_delta(SCHOOL, **({"users": rows} if rows else {}), **files)


def prefer(site: Site, *settings: str) -> None:
    """Change preferences of a site."""
    for setting in settings:
        site.command("preferences", "--set", setting)


def pending(site: Site) -> list[tuple[str, str]]:
    """Return file and state of the pending deltas."""
    query = "select file, state from pending_deltas where site = :site order by id"
    return [(file, state) for file, state in site.rows(query)]


def outcome(site: Site, run: dict[str, Any]) -> str:
    """Return the current outcome of a run's record."""
    return str(site.rows("select outcome from runs where run_id::text = :r", r=run["run_id"])[0][0])


def given_name(site: Site, sourced_id: str) -> str | None:
    """Return a user's given name, or None for an unknown user."""
    query = "select given_name from users where site = :site and sourced_id = :id"
    found = site.rows(query, id=sourced_id)
    return found[0][0] if found else None


def extracted_only(site: Site, texts: Texts, *, ended: bool = True) -> str:
    """End a run after it has read its package, as if its process were killed."""
    request = Request(
        run_id=str(uuid.uuid4()),
        site=site.name,
        package=str(site.package(texts)),
        trigger=Trigger.UPLOAD,
        requested_by="the test",
    )
    run = pipeline.extract(begin(request, now=now()), Kind.PACKAGE)
    if ended:
        pipeline.record(run, now=now())
    return run.run_id


@pytest.fixture
def school(site: Site) -> Site:
    """Return the small school, in which every removal of a user is held."""
    prefer(site, *HELD)
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    return site


def test_held_delta_is_part_of_the_next_plan(school: Site) -> None:
    """A held delta is folded with the next one, held again, and applied once after approval."""
    first = school.sync(delta(gone("bob", 3), user("eve", "Eve", 3)))
    assert (first["outcome"], pending(school)) == ("held", [("users", "pending")])

    second = school.sync(delta(user("ann", "Anna", 4)))

    assert second["outcome"] == "held"
    assert second["counts"]["users"]["deactivated"] == 1
    assert second["counts"]["users"]["added"] == 1
    assert second["counts"]["users"]["updated"] == 1
    assert outcome(school, first) == "superseded"
    assert school.command("approve", second["run_id"])[1]["outcome"] == "succeeded"
    assert (school.users()["bob"], school.users()["eve"]) == ("inactive", "active")
    assert given_name(school, "ann") == "Anna"
    assert pending(school) == []
    lines = school.command("explain", "eve")[1]["records"][0]["changes"]
    assert [(c["run_id"], c["file"], c["row"]) for c in lines] == [
        (second["run_id"], "users.csv", None)
    ]


def test_newest_row_counts_whatever_came_first(school: Site) -> None:
    """The row with the newest dateLastModified counts; a later row can correct a held one."""
    held = school.sync(delta(gone("bob", 5), user("ann", "Older", 3), user("cat", "Newer", 9)))
    assert held["outcome"] == "held"

    run = school.sync(delta(user("bob", "Bobby", 6), user("ann", "Anna", 4), user("cat", "Kit", 8)))

    assert (run["outcome"], outcome(school, held)) == ("succeeded", "superseded")
    assert school.users()["bob"] == "active"
    names = [given_name(school, who) for who in ("bob", "ann", "cat")]
    assert names == ["Bobby", "Anna", "Newer"]
    assert pending(school) == []


def test_row_without_a_moment_counts_by_its_arrival(school: Site) -> None:
    """A row without a readable time has the time of the package's arrival."""
    extracted_only(
        school, delta(user("ann", "First", "soon"), user("bob", "Late", "2099-01-01T00:00:00Z"))
    )
    run = school.sync(delta(user("ann", "Second", "soon"), user("bob", "Early", "soon")))
    assert run["outcome"] == "succeeded"
    assert [given_name(school, who) for who in ("ann", "bob")] == ["Second", "Late"]


def test_run_that_ends_after_extract_loses_nothing(school: Site) -> None:
    """A run that is killed after extract leaves its delta to the next run."""
    failed = extracted_only(school, delta(user("eve", "Eve", 3)))
    assert runs.find(failed).outcome is Outcome.FAILED
    killed = extracted_only(school, delta(user("fay", "Fay", 3)), ended=False)

    run = school.sync(delta(user("gil", "Gil", 4)))

    assert run["outcome"] == "succeeded"
    assert run["counts"]["users"]["added"] == 2, "a run that has not ended keeps its own delta"
    pipeline.skip(runs.find(killed), "the test ends it")
    assert school.sync(delta(user("gil", "Gilda", 5)))["counts"]["users"]["added"] == 1
    assert {"eve", "fay", "gil"} <= school.users().keys()
    assert pending(school) == []


def test_expired_plan_leaves_its_delta_pending(school: Site) -> None:
    """A held plan that expires leaves its delta pending, and the next plan has its changes."""
    held = school.sync(delta(gone("bob", 3)))
    late = now() + dt.timedelta(days=9)
    assert approval.expire(held["run_id"], now=late).outcome is Outcome.DISCARDED
    assert pending(school) == [("users", "pending")]
    again = school.sync(delta(user("ann", "Anna", 4)))
    assert (again["outcome"], again["counts"]["users"]["deactivated"]) == ("held", 1)


def test_discarded_delta_never_comes_back(school: Site) -> None:
    """A discarded delta is never applied, and later runs warn about its missing changes."""
    held = school.sync(delta(gone("bob", 3), user("eve", "Eve", 3)))
    school.command("discard", held["run_id"])
    assert pending(school) == [("users", "discarded")]
    sentence = school.command("history")[1]["runs"][0]
    assert sentence["outcome"] == "discarded"

    run = school.sync(delta(user("ann", "Anna", 4)))

    assert run["outcome"] == "succeeded"
    assert (school.users()["bob"], given_name(school, "eve")) == ("active", None)
    assert "package.changes_discarded" in school.codes(run)
    school.sync(SCHOOL)
    assert pending(school) == []
    assert "package.changes_discarded" not in school.codes(school.sync(delta(user("ann", "An", 5))))


def test_delta_of_a_failed_run_can_be_discarded(school: Site) -> None:
    """A person can discard the delta of a failed run, although no plan is held."""
    failed = extracted_only(school, delta(user("eve", "Eve", 3)))
    code, run = school.command("discard", failed)
    assert (code, run["outcome"]) == (1, "failed")
    assert pending(school) == [("users", "discarded")]
    events = school.rows("select event from events where site = :site order by id desc limit 1")
    assert events == [("delta_discarded",)]
    school.sync(delta(user("ann", "Anna", 4)))
    assert "eve" not in school.users()


def test_applied_bulk_file_ends_what_is_pending(school: Site) -> None:
    """A bulk file ends pending deltas of its kind when it is applied, not when it is read."""
    extracted_only(
        school,
        delta(
            user("ann", "Pending", 3),
            courses=[
                f"maths,active,{DAY.format(3)},,Pending,,,s,,",
            ],
        ),
    )
    three = "".join(SCHOOL["users.csv"].splitlines(keepends=True)[:-5])
    users = {"users.csv": three}
    held = school.sync(users)
    assert (held["outcome"], len(pending(school))) == ("held", 2)

    assert school.command("approve", held["run_id"])[1]["outcome"] == "succeeded"

    assert pending(school) == []
    assert given_name(school, "ann") == "Ann"
    titles = school.rows("select title from courses where site = :site and sourced_id = 'maths'")
    assert titles == [("Pending",)], "a delta of a kind without a bulk file is folded"


def test_later_delta_survives_the_approval_of_an_older_bulk_file(school: Site) -> None:
    """A delta that was read after a bulk file stays pending after the bulk file is applied."""
    three = "".join(SCHOOL["users.csv"].splitlines(keepends=True)[:-5])
    held = school.sync({"users.csv": three})
    extracted_only(school, delta(user("ann", "Anna", 3)))
    assert school.command("approve", held["run_id"])[1]["outcome"] == "succeeded"
    assert pending(school) == [("users", "pending")]


def test_part_that_was_held_stays_held(site: Site) -> None:
    """Guards judge each delta of a plan by itself, so that other rows can't clear it."""
    prefer(site, "guards.additions.minimum=1000")
    site.sync(SCHOOL)
    broken = [
        f"x{n},active,{DAY.format(3)},true,s,teacher,x{n},,,Lee,,,x{n}@example.org,,,,,"
        for n in range(6)
    ]
    first = site.sync(delta(user("ann", "Anna", 3), *broken))
    assert first["outcome"] == "held"

    second = site.sync(delta(*(user(f"new{n}", "New", 4) for n in range(200))))

    assert second["outcome"] == "held"
    (reason,) = [one for one in second["reasons"] if one.startswith("guard.error_rate")]
    assert reason.startswith("guard.error_rate: 6 of 7 users.csv")
    assert "alone" in reason


def test_create_only_keeps_what_it_left_out(school: Site) -> None:
    """Changes that add-only mode leaves out are applied after it ends."""
    prefer(school, f"create_only_until={now().date()}")
    run = school.sync(delta(user("ann", "Anna", 3), user("eve", "Eve", 3)))
    assert (given_name(school, "ann"), given_name(school, "eve")) == ("Ann", "Eve")
    assert (run["withheld"]["why"], pending(school)) == ("create_only", [("users", "pending")])

    prefer(school, "create_only_until=null")
    school.sync(delta(user("fay", "Fay", 4)))

    assert given_name(school, "ann") == "Anna"
    assert pending(school) == []


def test_undo_drops_what_the_run_left_pending(school: Site) -> None:
    """An undo also drops the changes that the run left pending."""
    prefer(school, "guards.users.minimum=5", f"create_only_until={now().date()}")
    run = school.sync(delta(user("ann", "Anna", 3), user("eve", "Eve", 3), user("fay", "Fay", 3)))
    school.command("undo", run["run_id"], "--record", "eve")
    assert pending(school) == [("users", "pending")]
    prefer(school, "create_only_until=null")

    school.sync(delta(user("gil", "Gil", 4)))

    assert (school.users()["eve"], given_name(school, "ann")) == ("inactive", "Anna")
    prefer(school, f"create_only_until={now().date()}")
    run = school.sync(delta(user("ann", "Ann", 5), user("hal", "Hal", 5)))
    school.command("undo", run["run_id"])
    prefer(school, "create_only_until=null")
    school.sync(delta(user("gil", "Gilda", 6)))
    assert (school.users()["hal"], given_name(school, "ann")) == ("inactive", "Anna")


def test_removals_that_wait_are_kept(school: Site) -> None:
    """A delta stays pending while its removals are held; a newer plan has them too."""
    prefer(school, "guards.removals_wait=true")
    school.sync(delta(gone("bob", 3), user("eve", "Eve", 3)))
    waiting = school.command("history")[1]["runs"][0]
    assert (waiting["outcome"], school.users()["eve"]) == ("held", "active")
    assert pending(school) == [("users", "pending")]

    school.sync(delta(user("ann", "Anna", 4)))

    newest = school.command("history")[1]["runs"][0]
    assert outcome(school, waiting) == "superseded"
    assert (newest["outcome"], newest["counts"]["users"]["deactivated"]) == ("held", 1)
    assert school.command("approve", newest["run_id"])[1]["outcome"] == "succeeded"
    assert (school.users()["bob"], pending(school)) == ("inactive", [])


def test_discarded_removals_are_dropped(school: Site) -> None:
    """Discarded pending removals do not return with the next delta."""
    prefer(school, "guards.removals_wait=true")
    school.sync(delta(gone("bob", 3)))
    waiting = school.command("history")[1]["runs"][0]
    school.command("discard", waiting["run_id"])
    assert school.sync(delta(user("ann", "Anna", 4)))["outcome"] == "succeeded"
    assert school.users()["bob"] == "active"


def test_preview_and_rejected_package_leave_nothing(school: Site) -> None:
    """A preview and a rejected package leave no pending delta."""
    school.command("plan", school.package(delta(user("eve", "Eve", 3))))
    assert pending(school) == []
    wrong = delta(user("eve", "Eve", "soon"))
    assert school.sync(wrong, "--profile", "strict")["outcome"] == "rejected"
    assert pending(school) == []


def test_too_many_and_too_old_put_the_site_out_of_step(
    school: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After pending deltas expire, removals by delta are held until a bulk file is applied."""
    monkeypatch.setenv("ONEROSTER_KEEP_PENDING_PACKAGES", "2")
    prefer(school, "guards.users.percent=90")
    for day in (2, 3, 4):
        extracted_only(school, delta(user(f"new{day}", "New", day)))
    assert [state for _, state in pending(school)] == ["expired", "pending", "pending"]

    run = school.sync(delta(gone("bob", 5)))

    assert run["outcome"] == "held"
    assert [reason.partition(":")[0] for reason in run["reasons"]] == ["guard.out_of_step"]
    assert "package.out_of_step" in school.codes(run)
    school.command("discard", run["run_id"])
    assert school.sync(delta(user("ann", "Anna", 6)))["outcome"] == "succeeded"
    school.sync(SCHOOL)
    assert school.sync(delta(gone("bob", 9)))["outcome"] == "succeeded"
    extracted_only(school, delta(user("cat", "Kit", 9)))
    later = now() + dt.timedelta(days=31)
    retention.delete_expired(school.name, now=later, keeping=Keeping())
    assert pending(school) == [("users", "expired")]


def test_missing_changes_are_notified(school: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daily watch notifies about a discarded delta, and then about a site out of step."""
    prefer(school, 'notices.topics=["stale"]')
    school.command("discard", school.sync(delta(gone("bob", 3)))["run_id"])

    def read_notices() -> list[str]:
        with database.engine().connect() as connection:
            found = of_site(connection, school.name, base_url="https://x", now=now())
        return [one.message.text() for one in found]

    (text,) = read_notices()
    assert "a person discarded a delta" in text
    assert "ask the SIS for a bulk file of users.csv" in text
    monkeypatch.setenv("ONEROSTER_KEEP_PENDING_PACKAGES", "1")
    for day in (4, 5):
        extracted_only(school, delta(user("ann", "Anna", day)))
    (text,) = read_notices()
    assert "Out of step" in text
    assert "ask the SIS for a bulk file of users.csv" in text
    school.sync(SCHOOL)
    assert read_notices() == []


def test_erased_person_is_in_no_pending_delta(school: Site) -> None:
    """An erasure removes a person's rows from pending deltas, and keeps other rows."""
    school.sync(delta(gone("bob", 3)))
    school.command("approve", school.command("history")[1]["runs"][0]["run_id"])
    rows = [f"bob-m1,active,{DAY.format(9)},m1,s,bob,teacher,,,"]
    extracted_only(
        school, delta(user("bob", "Robert", 9), user("ann", "Anna", 9), enrollments=rows)
    )

    erase(school.name, "bob", by="a test", now=now())

    held = school.rows("select rows from pending_deltas where site = :site")
    assert all(b"bob" not in bytes(row) for (row,) in held)
    run = school.sync(delta(user("cat", "Kit", 9)))
    assert (run["counts"]["users"]["added"], given_name(school, "ann")) == (0, "Anna")


def test_columns_that_only_one_delta_has_are_not_blanked(school: Site) -> None:
    """A column missing in one delta keeps the value of an older delta or of the roster."""
    stamp = DAY.format(3)
    extracted_only(school, delta(courses=[f"new,active,{stamp},y,New,N1,09,s,Music,"]))
    short = "sourcedId,status,dateLastModified,title,orgSourcedId\n"
    short += f"new,active,{DAY.format(4)},Newer,s\n"
    short += f"maths,active,{DAY.format(4)},Sums,s\n"

    run = school.sync({**delta(courses=[]), "courses.csv": short})

    assert run["outcome"] == "succeeded"
    query = (
        "select sourced_id, title, course_code, grades, subjects from courses "
        "where site = :site and sourced_id <> 'art' order by 1"
    )
    assert school.rows(query) == [
        ("maths", "Sums", "M1", "09,10", "Maths"),
        ("new", "Newer", "N1", "09", "Music"),
    ]


def test_user_with_a_pending_role_is_staff(site: Site) -> None:
    """In 1.2 a user whose role is in a pending delta is staff, and is not dropped."""
    site.sync(SCHOOL_1_2)
    columns = SCHOOL_1_2["users.csv"].split("\n", 1)[0].count(",")
    extracted_only(
        site,
        as_delta(SCHOOL_1_2, roles=[f"r-eve,active,{DAY.format(3)},eve,primary,teacher,,,s,"]),
    )
    eve = f"eve,active,{DAY.format(4)},true,eve,,Eve,Lee,,,eve@example.org"
    eve += "," * (columns - eve.count(","))

    run = site.sync(as_delta(SCHOOL_1_2, users=[eve]))

    assert run["outcome"] == "succeeded"
    assert given_name(site, "eve") == "Eve"


def test_pending_delta_is_a_reason_to_judge_again(school: Site) -> None:
    """A package without changes is judged again, not reused, while a delta is pending."""
    same = changed(SCHOOL, "manifest.csv", "file.users,bulk", "file.users,absent")
    del same["users.csv"]
    for _ in range(2):
        assert school.sync(same)["outcome"] == "no_changes"
    extracted_only(school, delta(user("ann", "Anna", 3)))
    assert school.sync(same)["outcome"] == "succeeded"
    assert given_name(school, "ann") == "Anna"
