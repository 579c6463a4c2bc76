"""Runs of mappings go through the six stages of a package, with guards, audit and undo."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync import database, pipeline, runs
from oneroster_sync.notifications.freshness import newest_package
from oneroster_sync.runs import Trigger
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.summary import format_outcome, format_type
from oneroster_sync.sources import uploads
from oneroster_sync.standard.kinds import Kind
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from conftest import Site

IDS = """\
kind,oldSourcedId,newSourcedId
user,ann,2-ann
course,maths,2-maths
"""
RENAMED = {
    "users.csv": SCHOOL["users.csv"].replace("\nann,", "\n2-ann,"),
    "courses.csv": SCHOOL["courses.csv"].replace("\nmaths,", "\n2-maths,"),
    "classes.csv": SCHOOL["classes.csv"].replace(",maths\n", ",2-maths\n"),
    "enrollments.csv": SCHOOL["enrollments.csv"].replace(",ann,", ",2-ann,"),
}
"""The school as its SIS exports it after the changes in IDS."""
LINKS = "email,sourcedId\nann@x.org,u1\nadmin@district.example,boss\n"
_ACCOUNT = """
insert into users (site, given_name, email, login, role, status, managed)
values (%s, 'Ann', 'ann@x.org', 'ann@x.org', 'teacher', 'active', false)
"""


def written(site: Site, text: str) -> Path:
    """Write a mapping to a file whose name the user chose."""
    path = site.folder / f"my {uuid.uuid4().hex}.csv"
    path.write_text(text, "utf-8")
    return path


def mapped(site: Site, kind: str, text: str, *options: str) -> dict[str, Any]:
    """Sync a mapping and return the run."""
    return site.command("sync", written(site, text), "--kind", kind, *options)[1]


def kept(site: Site) -> list[list[tuple[Any, ...]]]:
    """Return all rows of a site."""
    query = "select to_jsonb(t) - 'updated_at' from {} t where site = :site order by t::text"
    tables = ("users", "courses", "enrollments", "classes", "roles")
    return [
        *(site.rows(query.format(table)) for table in tables),
        sorted(site.assignments().items()),
    ]


def audit(site: Site, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the audit's values of each change of a run."""
    query = (
        "select kind, action, sourced_id, reason, file, row from changes where run_id::text = :r"
    )
    return site.rows(f"{query} order by id", r=run["run_id"])


def test_ids_change_records_and_their_references(site: Site) -> None:
    """Records keep their numbers under new sourcedIds, and the next export changes nothing."""
    site.sync(SCHOOL)
    ids = "select id, email, status from users where site = :site order by id"
    people, pairs = site.rows(ids), len(site.assignments())

    run = mapped(site, "ids", IDS)

    assert run["outcome"] == "succeeded"
    assert (run["counts"]["users"]["rekeyed"], run["counts"]["courses"]["rekeyed"]) == (1, 1)
    assert site.rows(ids) == people
    assert len(site.assignments()) == pairs
    assert site.assignments()["2-ann", "2-maths"] == "active"
    assert audit(site, run) == [
        ("user", "rekey", "2-ann", "named in ids.csv", "ids.csv", 2),
        ("course", "rekey", "2-maths", "named in ids.csv", "ids.csv", 3),
    ]
    assert "ids.csv row 2" in run_command(site, "explain", "2-ann")[1]
    assert site.sync(RENAMED)["outcome"] == "no_changes"


def test_links_adopt_accounts(site: Site) -> None:
    """A linked account becomes managed; the credited administrator is only linked."""
    with database.engine().begin() as connection:
        connection.exec_driver_sql(_ACCOUNT, (site.name,))

    run = mapped(site, "links", LINKS)

    assert (run["outcome"], run["counts"]["users"]["adopted"]) == ("succeeded", 2)
    assert site.codes(run) == {"mapping.credited_admin"}
    found = "select sourced_id, managed from users where site = :site order by 1"
    assert site.rows(found) == [("boss", False), ("u1", True)]
    assert audit(site, run)[1] == ("user", "adopt", "u1", "named in links.csv", "links.csv", 2)
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "succeeded"
    assert site.rows(found) == [(None, False), (None, False)]
    assert mapped(site, "links", LINKS)["counts"]["users"]["adopted"] == 2
    again = mapped(site, "links", LINKS)
    assert (again["outcome"], site.codes(again)) == ("no_changes", {"mapping.already_so"})


def test_undo_gives_the_sourced_ids_back(site: Site) -> None:
    """An undo restores records, enrollments and classes, and the old export changes nothing."""
    site.sync(SCHOOL)
    before = kept(site)
    run = mapped(site, "ids", IDS)
    assert kept(site) != before
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "succeeded"
    assert kept(site) == before
    assert site.sync(SCHOOL)["outcome"] == "no_changes"


def test_same_mapping_again_changes_nothing(site: Site) -> None:
    """A second run of the same mapping changes nothing and has warnings instead of errors."""
    site.sync(SCHOOL)
    first = mapped(site, "ids", IDS)
    after = kept(site)
    again = mapped(site, "ids", IDS)
    assert (first["outcome"], again["outcome"]) == ("succeeded", "no_changes")
    assert site.codes(again) == {"mapping.already_so"}
    assert again["findings"]["errors"] == 0
    assert kept(site) == after


def test_retry_does_nothing_twice(site: Site) -> None:
    """A retry of the same run from any stage changes nothing further."""
    site.sync(SCHOOL)
    request = pipeline.Request(
        run_id=str(uuid.uuid4()),
        site=site.name,
        package=str(written(site, IDS)),
        trigger=Trigger.UPLOAD,
        requested_by="the test",
        kind=Kind.IDS,
    )
    run = pipeline.sync(request, clock=now)
    after, audited = kept(site), audit(site, {"run_id": run.run_id})
    again = pipeline.sync(request, clock=now)
    assert (again.applied_at, again.outcome) == (run.applied_at, "succeeded")
    assert kept(site) == after
    assert audit(site, {"run_id": run.run_id}) == audited
    begun = pipeline.begin(replace(request, run_id=str(uuid.uuid4())), now=now())
    for _ in range(2):
        begun = pipeline.extract(begun, Kind.IDS)
        begun = pipeline.diff(pipeline.validate(begun))
    assert pipeline.apply(pipeline.review(begun, now=now()), now=now()).outcome == "no_changes"


def test_rows_that_can_not_be_used_are_left_out(site: Site) -> None:
    """Unusable rows are left out, counted by record type and reported; the others are applied."""
    site.sync(SCHOOL)
    run = mapped(site, "ids", f"{IDS}user,nobody,x\ncourse,nothing,x\nuser,bob,cec\ngroup,a,b\n")
    assert run["outcome"] == "succeeded_with_errors"
    assert (run["counts"]["users"]["errors"], run["counts"]["courses"]["errors"]) == (3, 1)
    assert site.findings(run) == [
        ("row.invalid_enum", "ids.csv", 7),
        ("mapping.unknown_record", "ids.csv", 4),
        ("mapping.unknown_record", "ids.csv", 5),
        ("mapping.sourced_id_taken", "ids.csv", 6),
    ]
    assert set(site.users()) == {"2-ann", "bob", "cec"}


@pytest.mark.parametrize("row", ["user,nobody,x", "group,a,b"], ids=["unknown", "broken"])
def test_strict_rejects_all_or_nothing(site: Site, row: str) -> None:
    """In strict, one unusable row rejects the whole mapping, whichever stage finds it."""
    site.sync(SCHOOL)
    before = kept(site)
    run = mapped(site, "ids", f"{IDS}{row}\n", "--profile", "strict")
    assert (run["outcome"], run["counts"], run["plan_hash"]) == ("rejected", None, None)
    assert run["reasons"]
    assert kept(site) == before


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("ids", LINKS, "upload.wrong_kind"),
        ("links", IDS, "upload.wrong_kind"),
        ("ids", SCHOOL["users.csv"], "upload.wrong_kind"),
        ("links", "mail,id\n", "schema.no_known_column"),
        ("links", "mail,sourcedId\nx@x.org,bob\n", "schema.missing_header"),
        ("ids", "kind,oldSourcedId\nuser,bob\n", "schema.missing_header"),
        ("ids", "", "zip.empty"),
    ],
)
def test_other_file_is_rejected(site: Site, kind: str, text: str, code: str) -> None:
    """A file that is no mapping of this kind is rejected with the reason."""
    run = mapped(site, kind, text)
    assert (run["outcome"], site.codes(run)) == ("rejected", {code})


def test_package_is_no_mapping(site: Site) -> None:
    """A folder or a missing path is rejected as a mapping."""
    package = site.package(SCHOOL)
    for path, code in ((package, "upload.wrong_kind"), (package / "no.csv", "upload.not_found")):
        _, run = site.command("sync", path, "--kind", "ids")
        assert (run["outcome"], site.codes(run)) == ("rejected", {code})


def full(prefix: str, count: int) -> str:
    """Return a users.csv of numbered teachers."""
    header = "sourcedId,enabledUser,role,username,givenName,familyName,email"
    rows = (f"{prefix}{n},true,teacher,u{n},Given{n},Family{n},u{n}@x.org" for n in range(count))
    return csv_text(header, *rows)


def test_mass_mapping_is_held_and_approved(site: Site) -> None:
    """A mapping of many sourcedIds is held, and an approval applies exactly this plan."""
    site.sync({"users.csv": full("u", 12)})
    text = csv_text(IDS.splitlines()[0], *(f"user,u{n},x{n}" for n in range(12)))
    code, run = site.command("sync", written(site, text), "--kind", "ids")
    assert (code, run["outcome"]) == (3, "held")
    assert [reason.split(":")[0] for reason in run["reasons"]] == ["guard.identity_shift"]
    assert set(site.users()) == {f"u{n}" for n in range(12)}
    approved = site.command("approve", run["run_id"])[1]
    assert (approved["outcome"], approved["counts"]["users"]["rekeyed"]) == ("succeeded", 12)
    assert set(site.users()) == {f"x{n}" for n in range(12)}
    assert site.sync({"users.csv": full("x", 12)})["outcome"] == "no_changes"


def test_mapping_of_mostly_wrong_rows_is_held(site: Site) -> None:
    """A mapping with many unusable rows, as of another district, is held."""
    site.sync({"users.csv": full("u", 12)})
    wrong = (f"user,other{n},x{n}" for n in range(6))
    text = csv_text(IDS.splitlines()[0], "user,u1,new", *wrong)
    run = mapped(site, "ids", text)
    assert run["outcome"] == "held"
    assert "guard.error_rate" in run["reasons"][0]
    assert "new" not in site.users()


def test_held_mapping_waits_while_packages_come(site: Site) -> None:
    """A package supersedes a held mapping only when it was applied."""
    users = {"users.csv": full("u", 12)}
    site.sync(users)
    text = csv_text(IDS.splitlines()[0], *(f"user,u{n},x{n}" for n in range(12)))
    held = mapped(site, "ids", text)
    assert site.sync(users)["outcome"] == "no_changes"
    assert mapped(site, "links", "email,sourcedId\n")["outcome"] == "no_changes"
    assert runs.find(held["run_id"]).outcome == "held"
    site.sync(changed(users, "users.csv", "Given3", "Gwen"))
    assert runs.find(held["run_id"]).outcome == "superseded"


def test_mapping_is_no_package(site: Site) -> None:
    """A mapping does not count as a package of the site, and has no report of suites."""
    site.sync(SCHOOL)
    run = mapped(site, "ids", IDS)
    record = runs.find(run["run_id"])
    with database.engine().connect() as connection:
        newest = newest_package(connection, site.name, now=now())
    assert newest.run_id != record.run_id
    assert newest.again == 0
    assert (record.kind, record.oneroster_version) == ("ids", None)
    assert record.sha256
    assert not RunFolder.of(site.name, record.run_id).path.joinpath("report.json").exists()


@pytest.mark.parametrize(
    ("kind", "what"), [("ids", "New sourcedIds"), ("links", "Links of accounts")]
)
def test_lists_show_the_kind_of_a_mapping(site: Site, kind: str, what: str) -> None:
    """Lists show the kind of a mapping run, and its outcome text says "file"."""
    run = runs.find(mapped(site, kind, IDS if kind == "ids" else LINKS)["run_id"])
    assert format_type(run) == f"{what}, command line"
    assert format_type(replace(run, trigger=Trigger.UPLOAD)) == f"{what}, manual upload"
    nothing = runs.find(mapped(site, kind, IDS[:31] if kind == "ids" else LINKS[:16])["run_id"])
    assert format_outcome(nothing).startswith("Nothing to do: the roster already matches the file")


def test_uploaded_mapping_goes_when_its_run_has_ended(site: Site) -> None:
    """An uploaded mapping is stored under a fixed name and deleted when its run ends."""
    with uploads.Receiving(site.name, Kind.LINKS) as receiving:
        receiving.write(LINKS.encode())
        taken = receiving.finish()
    assert taken.package.endswith("/links.csv")
    request = pipeline.Request(
        site=site.name,
        package=taken.package,
        trigger=Trigger.UPLOAD,
        requested_by="the test",
        kind=Kind.LINKS,
    )
    assert pipeline.sync(request, clock=now).counts is not None
    assert not Path(taken.package).exists()


def test_log_of_a_mapping_has_no_address(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The log names rows and sourcedIds, but no addresses."""
    caplog.set_level(logging.INFO, logger="oneroster")
    mapped(site, "links", f"{LINKS}zq@x.org,zqid\nzq@x.org,zqother\nzq2@x.org,=1+1,x\n")
    assert "links.csv" in caplog.text
    assert "mapping.named_twice" in caplog.text
    assert "@x.org" not in caplog.text
