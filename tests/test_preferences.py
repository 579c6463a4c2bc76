"""Preferences are saved with a version and an audit row, and apply from the next run on."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from oneroster_sync import database
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.preferences import (
    DateOrder,
    Delimiter,
    Encoding,
    PauseWindow,
    Preferences,
    Profile,
    Scope,
    TeacherPermission,
    Weekday,
)
from oneroster_sync.sites.preferences_store import (
    NoSuchAdminError,
    PreferencesConflictError,
    UnknownSiteError,
)
from oneroster_sync.sites.thresholds import Guards, Limit
from oneroster_sync.sources.url import After
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from conftest import Site


def load(site: Site) -> Preferences:
    """Return a site's preferences."""
    with database.engine().connect() as connection:
        return preferences_store.load(connection, site.name)


def save(chosen: Preferences, actor: str = "Ann") -> Preferences:
    """Save preferences as a person does."""
    with database.engine().begin() as connection:
        return preferences_store.save(connection, chosen, actor=actor, now=now())


def write(statement: str, site: Site) -> None:
    """Change a site's records directly, as the platform does."""
    with database.engine().begin() as connection:
        connection.execute(sa.text(statement), {"site": site.name})


def test_new_site_has_the_defaults(site: Site) -> None:
    """A new site syncs all on weekdays at two, with guards, credited to its first administrator."""
    chosen = load(site)
    assert chosen == Preferences(site=site.name, version=1, credited_admin="admin@district.example")
    assert chosen.scope is Scope.USERS_AND_COURSES
    assert chosen.teacher_permission is TeacherPermission.UNITS_AND_LESSONS
    assert len(chosen.days) == 5
    assert chosen.guards.users == Limit(percent=10, minimum=5, cap=None)


def test_everything_that_is_saved_is_loaded(site: Site) -> None:
    """Every setting is loaded as it was saved, with the next version."""
    chosen = Preferences(
        site=site.name,
        version=1,
        credited_admin="admin@district.example",
        days=(Weekday.SUNDAY, Weekday.MONDAY),
        time_utc=dt.time(23, 59),
        pause_windows=(
            PauseWindow(
                first_on=dt.date(2027, 6, 12), last_on=dt.date(2027, 8, 20), note="Summer ☀"
            ),
        ),
        scope=Scope.USERS,
        teacher_permission=TeacherPermission.LESSONS_ONLY,
        profile=Profile.STRICT,
        assignment_roles=("teacher", "aide"),
        adopt_accounts=True,
        guards=Guards(users=Limit(percent=2.5, minimum=1, cap=7), error_percent=1),
        source="s3://exports/it's here",
        source_connection="sis.s3-1",
        source_pattern="OneRoster *.zip",
        source_after=After.MOVE,
        encoding=Encoding.WINDOWS_1252,
        delimiter=Delimiter.TAB,
        date_order=DateOrder.DAY_FIRST,
    )
    saved = save(chosen)
    assert saved.version == 2
    assert load(site) == saved
    assert preferences_store.read(site.name) == saved
    assert saved.model_copy(update={"version": 1}) == chosen


@pytest.mark.case("b27")
def test_second_of_two_savers_is_refused(site: Site) -> None:
    """A person who saves over a newer version is refused, and nothing changes."""
    mine, theirs = load(site), load(site)
    save(theirs.model_copy(update={"scope": Scope.USERS}))
    with pytest.raises(PreferencesConflictError, match="read them again"):
        save(mine.model_copy(update={"profile": Profile.STRICT}))
    assert load(site).scope is Scope.USERS
    assert load(site).profile is Profile.TOLERANT


@pytest.mark.case("b27")
def test_second_of_two_simultaneous_savers_is_refused(site: Site) -> None:
    """If two people save at the same moment, the second is refused and the first is kept."""
    mine = load(site)
    errors: list[Exception] = []

    def save_mine() -> None:
        try:
            save(mine.model_copy(update={"profile": Profile.STRICT}))
        except PreferencesConflictError as error:
            errors.append(error)

    second = threading.Thread(target=save_mine)
    with database.engine().begin() as connection:
        theirs = mine.model_copy(update={"scope": Scope.USERS})
        preferences_store.save(connection, theirs, actor="Bob", now=now())
        second.start()
        second.join(timeout=1)
    second.join()
    assert len(errors) == 1
    assert load(site).scope is Scope.USERS


@pytest.mark.case("c17")
def test_saving_is_audited(site: Site) -> None:
    """Each save is an event with the person, the time, and the old and new values of changes."""
    save(load(site).model_copy(update={"scope": Scope.USERS}), actor="Ann on the page")
    events = site.rows(
        "select actor, event, details, at from events where site = :site order by id"
    )
    assert [event[:2] for event in events] == [
        (f"init of {site.name}", "preferences_saved"),
        ("Ann on the page", "preferences_saved"),
    ]
    assert events[1][2] == {"scope": ["users_and_courses", "users"], "version": [1, 2]}
    assert events[0][3] <= events[1][3] <= now()


def test_another_credited_admin_is_audited(site: Site) -> None:
    """The audit also has the change of the credited admin."""
    other = "boss@x.org"
    site.sync(changed(SCHOOL, "users.csv", "ann@x.org", other))
    save(load(site).model_copy(update={"credited_admin": "Boss@X.org"}))
    ((details,),) = site.rows(
        "select details from events where site = :site order by id desc limit 1"
    )
    assert set(details) >= {"version"}
    assert any("admin" in name for name in details), details
    assert load(site).credited_admin == other


@pytest.mark.parametrize("admin", ["nobody@x.org", "cec@x.org", ""])
def test_credited_admin_must_be_an_active_account(site: Site, admin: str) -> None:
    """Only an active account of this site can be the credited admin."""
    package = changed(SCHOOL, "users.csv", "cec,true", "cec,false")
    site.sync({"users.csv": package["users.csv"]})
    with pytest.raises(NoSuchAdminError, match=site.name):
        save(load(site).model_copy(update={"credited_admin": admin}))
    assert load(site).version == 1


def test_credited_admin_of_another_site_is_unknown_here(site: Site) -> None:
    """An account of another site can't be the credited admin."""
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "other@district.example")
    with pytest.raises(NoSuchAdminError):
        save(load(site).model_copy(update={"credited_admin": "other@district.example"}))


def test_site_that_was_not_made_is_unknown() -> None:
    """Preferences of an unknown site can't be loaded, and the error says what to do."""
    with (
        database.engine().connect() as connection,
        pytest.raises(UnknownSiteError, match="oneroster init --site atlantis --admin EMAIL"),
    ):
        preferences_store.load(connection, "atlantis")
    assert preferences_store.read("atlantis") is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("days", ()),
        ("days", ("someday",)),
        ("time_utc", dt.time(2, 0, 30)),
        ("time_utc", dt.time(2, 0, tzinfo=dt.UTC)),
        ("scope", "courses"),
        ("scope", "everything"),
        ("profile", "lenient"),
        ("teacher_permission", "all"),
        ("assignment_roles", ("aide",)),
        ("assignment_roles", ("teacher", "student")),
        ("guards", {"users": {"percent": 101}}),
        ("guards", {"users": {"minimum": 0}}),
        ("guards", {"users": {"cap": -1}}),
        ("guards", {"error_percent": -1}),
        ("guards", {"unknown": 1}),
        ("pause_windows", [{"first_on": "2027-06-02", "last_on": "2027-06-01"}]),
        ("site", "no spaces"),
        ("unknown", 1),
    ],
)
def test_what_makes_no_sense_is_refused(setting: str, value: object) -> None:
    """An invalid setting is refused and named."""
    given = {"site": "s", setting: value}
    with pytest.raises(ValidationError, match=setting.split(".", maxsplit=1)[0]):
        Preferences.model_validate(given)


def test_command_line_shows_and_changes_them(site: Site) -> None:
    """`oneroster preferences` shows all settings, and changes those that --set names."""
    code, shown = site.command("preferences")
    assert (code, shown["scope"], shown["version"]) == (0, "users_and_courses", 1)
    code, shown = site.command(
        "preferences",
        *("--set", "scope=users"),
        *("--set", "time_utc=07:30"),
        *("--set", 'days=["friday"]'),
        *("--set", "adopt_accounts=true"),
    )
    assert code == 0
    assert load(site) == Preferences.model_validate(shown)
    assert (shown["scope"], shown["time_utc"], shown["days"]) == ("users", "07:30", ["friday"])
    assert shown["adopt_accounts"] is True
    assert shown["version"] == 2
    actors = site.rows("select actor from events where site = :site order by id desc limit 1")
    assert "on the command line" in actors[0][0]


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("scope=everything", 2),
        ("colour=blue", 2),
        ("scope", 2),
        ("version=7", 1),
        ("credited_admin=nobody@x.org", 1),
    ],
)
def test_command_line_refuses_with_a_sentence(site: Site, setting: str, code: int) -> None:
    """An invalid --set ends with a sentence and changes nothing."""
    before = load(site)
    found, output = run_command(site, "preferences", "--set", setting)
    assert found == code
    assert "Error: " in output
    assert load(site) == before


def test_preferences_of_another_site_are_out_of_reach(site: Site) -> None:
    """--set changes only the named site."""
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "admin@district.example")
    run_command(site, "preferences", "--set", f"site={other.name}", "--set", "scope=users")
    assert load(other).scope is Scope.USERS_AND_COURSES


@pytest.mark.case("b30")
def test_run_without_a_credited_admin_reads_nothing(site: Site) -> None:
    """While the credited admin is inactive, a run fails with a sentence and opens no package."""
    write("update users set status = 'inactive' where site = :site", site)
    code, run = site.command("sync", "/nowhere/at/all.zip")
    assert (code, run["outcome"]) == (1, "failed")
    assert run["reasons"] == [
        "the credited administrator is missing or inactive; choose another one"
    ]
    assert run["counts"] is None
    assert site.findings(run) == []


@pytest.mark.case("b26")
def test_run_keeps_the_preferences_of_its_beginning(site: Site) -> None:
    """A run's record keeps the preferences with which it started."""
    run = site.sync({"users.csv": SCHOOL["users.csv"]}, "--profile", "tolerant")
    save(load(site).model_copy(update={"scope": Scope.USERS}))
    ((kept,),) = site.rows("select preferences from runs where run_id::text = :r", r=run["run_id"])
    assert kept["scope"] == "users_and_courses"
    assert site.sync({"users.csv": SCHOOL["users.csv"]})["scope"] == "users"


def permissions(site: Site) -> dict[tuple[str, str], tuple[bool, bool]]:
    """Return which user may edit the units and lessons of which course."""
    query = (
        "select u.sourced_id, c.sourced_id, p.may_edit_units, p.may_edit_lessons "
        "from teacher_permissions p join users u on u.id = p.user_id "
        "join courses c on c.id = p.course_id where p.site = :site"
    )
    return {(user, course): (units, lessons) for user, course, units, lessons in site.rows(query)}


def test_teacher_permission_counts_at_once_and_for_all(site: Site) -> None:
    """A changed permission applies to every course of OneRoster at once, without a run."""
    site.sync(SCHOOL)
    assert permissions(site) == {("ann", "maths"): (True, True), ("bob", "art"): (True, True)}
    site.command("preferences", "--set", "teacher_permission=lessons_only")
    assert permissions(site) == {("ann", "maths"): (False, True), ("bob", "art"): (False, True)}
    site.command("preferences", "--set", "teacher_permission=units_and_lessons")
    assert set(permissions(site).values()) == {(True, True)}


def test_hand_made_courses_are_outside_the_permission(site: Site) -> None:
    """The permission applies to courses of OneRoster; hand-made ones keep full permission."""
    site.sync(SCHOOL)
    site.command("preferences", "--set", "teacher_permission=lessons_only")
    write("update courses set managed = false where site = :site and sourced_id = 'art'", site)
    assert permissions(site) == {("ann", "maths"): (False, True), ("bob", "art"): (True, True)}


def test_inactive_and_removed_records_give_no_permission(site: Site) -> None:
    """Inactive users, removed courses and removed assignments give no permission."""
    package = changed(SCHOOL, "enrollments.csv", "e3,a1,cec,aide", "e3,m1,cec,teacher")
    site.sync(package)
    assert len(permissions(site)) == 3
    gone = changed(package, "users.csv", "cec,true", "cec,false")
    gone = changed(gone, "courses.csv", "art,Art,A1\n", "")
    gone = changed(gone, "enrollments.csv", "e1,m1,ann,teacher\n", "")
    site.sync(gone)
    assert site.assignments()["ann", "maths"] == "removed"
    assert site.assignments()["cec", "maths"] == "active"
    assert permissions(site) == {}
