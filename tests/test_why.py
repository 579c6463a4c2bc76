"""Why a record is as it is: search finds the record, and its history explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import database, runs
from oneroster_sync.roster import history, record_search
from oneroster_sync.sites import preferences_store
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

HEADER = "sourcedId,enabledUser,role,username,givenName,familyName,email"
STAFF = {"users.csv": SCHOOL["users.csv"]}


def found(site: Site, term: str, limit: int = 20) -> list[str]:
    """Return the labels of the records that a search finds."""
    with database.engine().connect() as connection:
        return [
            record["label"] for record in record_search.search(connection, site.name, term, limit)
        ]


def story(site: Site, term: str, kind: str = "user") -> dict[str, Any]:
    """Return the history of the record with a sourcedId."""
    with database.engine().connect() as connection:
        (record,) = (
            record
            for record in record_search.search(connection, site.name, term, 20)
            if record["sourced_id"] == term and record["kind"] == kind
        )
        details = history.read_record(connection, site.name, kind, record["id"])
    assert details is not None
    return details


def write(site: Site, statement: str) -> None:
    """Change a site's records directly, as the platform does."""
    with database.engine().begin() as connection:
        connection.execute(sa.text(statement), {"site": site.name})


@pytest.mark.parametrize(
    ("term", "labels"),
    [
        ("ann", ["Ann Lee"]),
        ("ANN LEE", ["Ann Lee"]),
        ("lee", ["Ann Lee"]),
        ("ann@x.org", ["Ann Lee"]),
        ("Ann@X.org", ["Ann Lee"]),
        ("x.org", ["Ann Lee", "Bob Ray", "Cec Poe"]),
        ("art", ["Art"]),
        ("M1", ["Maths"]),
        ("maths", ["Maths"]),
        ("a", ["admin@district.example", "Ann Lee", "Art", "Bob Ray", "Maths"]),
        ("nobody", []),
        ("%", []),
        ("_", []),
        ("x_org", []),
        ("\\", []),
        ("' or '1'='1", []),
    ],
)
def test_search_finds_names_addresses_codes_and_ids(
    site: Site, term: str, labels: list[str]
) -> None:
    """A part of a name, e-mail, title or code finds a record, in any case, without wildcards."""
    site.sync(SCHOOL)
    assert sorted(found(site, term), key=str.casefold) == labels


@pytest.mark.case("c10")
def test_signs_of_patterns_are_searched_for_as_they_are(site: Site) -> None:
    """%, _ and the backslash are searched literally."""
    rows = ["p,true,teacher,p,100%,Sure,p@x.org", "u,true,teacher,u,snake_case,Lee,u@x.org"]
    rows += ["b,true,teacher,b,back\\slash,Lee,b@x.org", "o,true,teacher,o,100,Lee,o@x.org"]
    site.sync({"users.csv": "\n".join([HEADER, *rows]) + "\n"})
    assert found(site, "0%") == ["100% Sure"]
    assert found(site, "e_c") == ["snake_case Lee"]
    assert found(site, "k\\s") == ["back\\slash Lee"]


def test_exact_match_comes_first(site: Site) -> None:
    """A record with exactly this sourcedId or e-mail comes before those that contain it."""
    rows = ["zed,true,teacher,z,Zed,Zed,ann@y.org", "x,true,teacher,x,Ann,Zedler,x@x.org"]
    site.sync({"users.csv": "\n".join([HEADER, *rows]) + "\n"})
    assert found(site, "zed") == ["Zed Zed", "Ann Zedler"]
    assert found(site, "ann@y.org") == ["Zed Zed"]
    assert found(site, "zed", limit=1) == ["Zed Zed"]


def test_who_is_gone_is_found(site: Site) -> None:
    """Inactive users and removed courses are found, because people ask about them."""
    site.sync(SCHOOL)
    gone = changed(SCHOOL, "users.csv", "bob,true", "bob,false")
    site.sync(changed(gone, "courses.csv", "art,Art,A1\n", ""))
    assert found(site, "bob") == ["Bob Ray"]
    assert found(site, "art") == ["Art"]
    assert story(site, "bob")["status"] == "inactive"
    assert story(site, "art", "course")["status"] == "removed"


def test_other_sites_are_not_found(site: Site) -> None:
    """Neither a search nor an id leads to a record of another site."""
    site.sync(STAFF)
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "admin@district.example")
    assert found(other, "ann") == []
    record = story(site, "ann")
    with database.engine().connect() as connection:
        assert history.read_record(connection, other.name, "user", record["id"]) is None
        assert history.read_record(connection, site.name, "course", 2**62) is None


def test_history_has_all_changes_newest_first(site: Site) -> None:
    """Each change has its time, run, reason, row, requester and credited admin."""
    runs = [
        site.sync(package)
        for package in (STAFF, changed(STAFF, "users.csv", "Bob,Ray", "Robert,Ray"))
    ]
    record = story(site, "bob")
    assert (record["label"], record["email"], record["role"]) == (
        "Robert Ray",
        "bob@x.org",
        "teacher",
    )
    assert record["protected"] is None
    update, add = record["changes"]
    assert [update["run_id"], add["run_id"]] == [runs[1]["run_id"], runs[0]["run_id"]]
    assert update["made_at"] > add["made_at"]
    assert update["fields"] == [
        {"field": "given_name", "label": "given name", "before": "Bob", "after": "Robert"}
    ]
    assert (update["action"], update["file"], update["row"]) == ("update", "users.csv", 3)
    assert update["requested_by"] == runs[1]["requested_by"]
    assert update["credited_to"] == "admin@district.example"


def test_assignments_name_their_other_end(site: Site) -> None:
    """An assignment names the course for a user, and the user for a course."""
    site.sync(SCHOOL)
    (of_bob,) = (c for c in story(site, "bob")["changes"] if c["kind"] == "assignment")
    (of_art,) = (c for c in story(site, "art", "course")["changes"] if c["kind"] == "assignment")
    assert (of_bob["other"], of_art["other"]) == ("Art", "Bob Ray")
    assert all(c["other"] is None for c in story(site, "bob")["changes"] if c["kind"] == "user")


def test_findings_about_the_record_say_what_to_do(site: Site) -> None:
    """Findings about the record have their run, their meaning and a hint."""
    site.sync(STAFF)
    run = site.sync(changed(STAFF, "users.csv", "Bob,Ray", ",Ray"))
    (finding,) = story(site, "bob")["findings"]
    assert (finding["code"], finding["run_id"]) == ("row.missing_required_value", run["run_id"])
    assert finding["meaning"].endswith(".")
    assert finding["hint"].endswith(".")
    assert story(site, "ann")["findings"] == []


def test_story_says_what_protects_a_record(site: Site) -> None:
    """The history names what protects the credited admin and hand-made records."""
    site.sync(SCHOOL)
    write(site, "update courses set managed = false where site = :site and sourced_id = 'art'")
    site.command("preferences", "--set", "credited_admin=ann@x.org")
    by_hand = "it was made by hand and is not managed by the sync"
    assert story(site, "ann")["protected"] == "it is the credited administrator"
    assert story(site, "bob")["protected"] is None
    assert story(site, "maths", "course")["protected"] is None
    assert story(site, "art", "course")["protected"] == by_hand
    with database.engine().connect() as connection:
        (admin,) = record_search.search(connection, site.name, "admin@district.example", 20)
        record = history.read_record(connection, site.name, "user", admin["id"])
    assert record is not None
    assert record["protected"] == by_hand


def accounts(site: Site, term: str, limit: int = 20) -> list[str]:
    """Return the e-mails of the accounts that can be credited."""
    with database.engine().connect() as connection:
        found = preferences_store.accounts(connection, site.name, term, limit)
    return [account["email"] for account in found]


def test_accounts_that_can_be_credited(site: Site) -> None:
    """Active accounts with an e-mail can be credited; administrators come first."""
    package = changed(STAFF, "users.csv", "bob,true,teacher", "bob,true,administrator")
    package = changed(package, "users.csv", "cec,true", "cec,false")
    site.sync(package)
    assert accounts(site, "") == ["bob@x.org", "admin@district.example", "ann@x.org"]
    assert accounts(site, "ANN lee") == ["ann@x.org"]
    assert accounts(site, "", limit=1) == ["bob@x.org"]
    assert [accounts(site, term) for term in ("cec", "%", "_", "\\")] == [[], [], [], []]


def everywhere(*sites: Site, term: str, limit: int = 20) -> list[tuple[str, str | None]]:
    """Return site and label of the records that a search in these sites finds."""
    with database.engine().connect() as connection:
        names = [site.name for site in sites]
        found = record_search.search_sites(connection, names, term, limit)
    return [(record["site"], record["label"]) for record in found]


@pytest.fixture
def two(site: Site) -> tuple[Site, Site]:
    """Return two sites, each with the same school."""
    other = type(site)(f"{site.name}-b", site.folder / "b")
    other.folder.mkdir()
    other.command("init", "--admin", "admin@district.example")
    for each in (site, other):
        each.sync(SCHOOL)
    return site, other


@pytest.mark.parametrize(
    ("term", "label"),
    [
        *[(term, "Ann Lee") for term in ("Ann L", "LEE", "Lee, An", "ann", "Ann@X.org")],
        *[(term, "Maths") for term in ("maths", "MA")],
    ],
)
def test_search_in_many_sites_finds_beginnings_and_what_is_meant_exactly(
    two: tuple[Site, Site], term: str, label: str
) -> None:
    """A name, a family name, a title, an e-mail and a sourcedId find records of each site."""
    one, other = two
    assert everywhere(one, other, term=term) == [(one.name, label), (other.name, label)]


def test_search_in_many_sites_keeps_to_those_that_one_may_see(two: tuple[Site, Site]) -> None:
    """Only the named sites are searched; one letter or a middle part finds nothing."""
    one, other = two
    assert everywhere(other, term="ann") == [(other.name, "Ann Lee")]
    assert everywhere(term="ann") == []
    assert everywhere(one, term="a") == []
    assert everywhere(one, term="nn") == []
    assert everywhere(one, other, term="Bob Lee") == []
    assert everywhere(one, term="%") == everywhere(one, term="__") == []
    assert everywhere(one, other, term="ann", limit=1) == [(one.name, "Ann Lee")]


def test_search_in_many_sites_asks_indexes(site: Site) -> None:
    """The search in many sites scans no whole table, however many people there are."""
    asked: list[str] = []
    with database.engine().connect() as connection:
        connection.exec_driver_sql("set local enable_seqscan = off")

        class Explaining:
            def execute(self, query: Any, bound: Any) -> Any:
                plan = connection.execute(sa.text(f"explain {query.text}"), bound)
                asked.extend(row[0] for row in plan)
                return connection.execute(query, bound)

        # With so many sites, an index that begins with the site is never the cheaper one.
        sites = [site.name, *(f"elsewhere-{number}" for number in range(500))]
        record_search.search_sites(Explaining(), sites, "ann", 20)  # type: ignore[arg-type]
    plan = "\n".join(asked)
    assert "Seq Scan" not in plan, plan
    for index in ("users_by_family_name", "courses_by_title"):
        assert index in plan, plan


def test_story_begins_with_one_sentence(site: Site) -> None:
    """The first sentence has the last change, its time, its reason, and its approval."""
    rows = [f"u{n},true,teacher,u{n},Given,Family,u{n}@x.org" for n in range(8)]
    everybody = {"users.csv": "\n".join([HEADER, *rows]) + "\n"}
    site.sync(everybody)
    first = story(site, "u0")
    assert first["sentence"].startswith("Added on ")
    assert "because users.csv of package-0 contained this person." in first["sentence"]
    assert (first["undoes"], first["schools"]) == (None, [])
    held = site.sync({"users.csv": "\n".join([HEADER, rows[7]]) + "\n"})
    assert held["outcome"] == "held"
    site.command("approve", held["run_id"], "--reason", "Summer staff left.")
    record = story(site, "u0")
    by = runs.find(held["run_id"]).decided_by
    assert record["sentence"].startswith("Deactivated on ")
    assert record["sentence"].endswith(
        f" because users.csv of package-1 no longer contained this person; approved by {by}: "
        "“Summer staff left”."
    )
    assert record["undoes"] == held["run_id"]
    code, undone = site.command("undo", held["run_id"], "--record", "u0")
    assert (code, undone["outcome"]) == (0, "succeeded")
    back = story(site, "u0")
    assert f"undid run {held['run_id'][:8]}" in back["sentence"]
    assert (back["status"], back["undoes"]) == ("active", None)


def test_story_names_schools_and_what_is_current(site: Site) -> None:
    """A person's history has schools and current courses, a course's has its current people."""
    orgs = {"orgs.csv": "sourcedId,name,type\nlake,Lake School,school\nhill,Hill School,school\n"}
    users = "sourcedId,orgSourcedIds,enabledUser,role,givenName,familyName,email\n"
    users += 'ann,"hill,lake",true,teacher,Ann,Lee,ann@x.org\n'
    users += "bob,lake,true,teacher,Bob,Ray,bob@x.org\n"
    site.sync({**SCHOOL, **orgs, "users.csv": users})
    record = story(site, "ann")
    assert record["schools"] == ["Hill School", "Lake School"]
    fields = [field for change in record["changes"] for field in change["fields"]]
    assert "Hill School, Lake School" in [field["after"] for field in fields]
    assert [(one["kind"], one["label"]) for one in record["current"]] == [("course", "Maths")]
    assert record["current_total"] == 1
    course = story(site, "maths", "course")
    assert [(one["kind"], one["label"]) for one in course["current"]] == [("user", "Ann Lee")]
    without = changed(SCHOOL, "enrollments.csv", "e1,m1,ann,teacher\n", "")
    site.sync({**without, **orgs, "users.csv": users})
    assert story(site, "ann")["current"] == []
