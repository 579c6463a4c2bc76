"""Account matching in Airflow: from a package to a report, to links, to managed accounts.

All tests look at one Airflow after the same steps.
"""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from live import UPLOAD, running
from roster_of import SCHOOL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

pytestmark = pytest.mark.long
START = f"/api/v2/dags/{UPLOAD}/dagRuns"
_ACCOUNT = """
insert into users (site, username, given_name, family_name, email, login, role, status, managed)
values ('default', %s, %s, %s, %s, %s, 'teacher', 'active', false) returning id
"""
_MANAGED = "select sourced_id, email, managed from users where email = any(%s) order by email"
BY_HAND = [
    ("alee", "=Annie", "Lee", "ann@x.org"),
    ("bob", "Bob", "Ray", "bob@old.org"),
    ("zed", "Zed", "Fox", "zed@x.org"),
]
"""Ann has the login of a person of the package, Bob the name of one, Zed neither."""


def zipped(texts: dict[str, str]) -> bytes:
    """Return a zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@dataclass
class Story:
    """An Airflow and the results of the steps.

    Attributes:
        live: The Airflow.
        held: The run of the package while it was held.
        first: The same run after its approval.
        report: Its account matching report, from the API.
        csv: The same report as a download.
        linked: The run of the download after a person removed a line.
        after: A second run of the same package.
    """

    live: Live
    held: dict[str, Any]
    first: dict[str, Any]
    report: dict[str, Any]
    csv: str
    linked: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """Make accounts, sync a package, upload links made from its report, and sync again."""
    with running() as live:
        for account in BY_HAND:
            live.rows(_ACCOUNT, *account, account[-1])
        package = zipped({**SCHOOL, "users.csv": SCHOOL["users.csv"].replace("Ann,", "=Annie,")})
        started = live.admin.upload(package)
        held = live.follow(started)
        decision = {"plan_hash": held["plan_hash"], "reason": "Bob gets a second account"}
        live.admin.post(f"runs/{held['run_id']}/approve", decision)
        first = live.follow(started)
        where = f"runs/{first['run_id']}/adoption"
        report = live.admin.get(where)
        text = live.admin.send("GET", f"{where}.csv").text
        kept = [line for line in text.splitlines() if not line.startswith("bob@")]
        linked = live.follow(live.admin.upload("\r\n".join(kept).encode(), "links"))
        after = live.follow(live.admin.upload(package))
        yield Story(live, held, first, report, text, linked, after)


def test_first_sync_with_look_alikes_is_held(story: Story) -> None:
    """A first sync with look-alikes is held, and its sentence names their number."""
    (hold,) = story.held["holds"]
    assert (hold["code"], hold["kind"], hold["found"]) == ("guard.look_alikes", "accounts", 1)
    assert story.held["outcome"] == "held"
    assert "1 of 4 accounts made by hand look like new people" in story.held["sentence"]


def test_first_sync_links_accounts_and_manages_none(story: Story) -> None:
    """A first sync links accounts with a person's login, and makes no earlier account managed."""
    assert story.first["outcome"] == "succeeded"
    assert story.first["counts"]["users"]["adopted"] == 1
    changes = story.live.admin.get(f"runs/{story.first['run_id']}/changes", action="adopt")
    (change,) = changes["changes"]
    assert [field["field"] for field in change["fields"]] == ["sourced_id"]


def test_report_lists_accounts_with_their_match(story: Story) -> None:
    """The report lists each account with its name, the kind of match, and the matching person."""
    rows = [
        (one["how"], one["account"]["email"], one["sourced_id"], one["person"])
        for one in story.report["accounts"]
    ]
    assert rows == [
        ("login", "ann@x.org", "ann", None),
        ("name", "bob@old.org", "bob", "Bob Ray"),
        ("orphan", "admin@example.org", None, None),
        ("orphan", "zed@x.org", None, None),
    ]
    assert story.report["counts"] == {"login": 1, "name": 1, "mailbox": 0, "linked": 0, "orphan": 2}
    assert story.report["next"] is None
    ann, _, admin, _ = (one["account"] for one in story.report["accounts"])
    assert (ann["name"], ann["role"], ann["status"]) == ("=Annie Lee", "teacher", "active")
    assert (ann["managed"], ann["credited"], admin["credited"]) == (False, False, True)


def test_report_comes_page_by_page(story: Story) -> None:
    """The cursor leads through the pages of the report, of one kind of match and of all."""
    where = f"runs/{story.first['run_id']}/adoption"
    first = story.live.admin.get(where, limit=3)
    rest = story.live.admin.get(where, limit=3, after=first["next"])
    assert [len(first["accounts"]), len(rest["accounts"]), rest["next"]] == [3, 1, None]
    orphans = story.live.admin.get(where, how="orphan", limit=1)
    assert orphans["counts"] == story.report["counts"]
    assert [one["account"]["email"] for one in orphans["accounts"]] == ["admin@example.org"]
    assert story.live.admin.get(where, how="orphan", after=orphans["next"])["next"] is None
    story.live.admin.get(where, how="perhaps", expect=422)


def test_download_is_a_links_file(story: Story) -> None:
    """The download has the columns of links.csv and names for a person, and no formula."""
    rows = list(csv.reader(io.StringIO(story.csv.removeprefix("\ufeff"))))
    assert rows == [
        ["email", "sourcedId", "match", "accountName", "personName"],
        ["ann@x.org", "ann", "login", "'=Annie Lee", ""],
        ["bob@old.org", "bob", "name", "Bob Ray", "Bob Ray"],
        ["admin@example.org", "", "orphan", "", ""],
        ["zed@x.org", "", "orphan", "Zed Fox", ""],
    ]
    answer = story.live.admin.send("GET", f"runs/{story.first['run_id']}/adoption.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")


def test_links_adopt_whom_the_site_names(story: Story) -> None:
    """The edited download is a run like any other, and its accounts become managed."""
    assert (story.linked["outcome"], story.linked["type"]) == (
        "succeeded",
        "Links of accounts, manual upload",
    )
    assert story.linked["counts"]["users"]["adopted"] == 1
    assert story.linked["dag_run"]["state"] == "success"
    assert story.linked["has"]["report"] is False
    changes = story.live.admin.get(f"runs/{story.linked['run_id']}/changes")["changes"]
    assert [(c["action"], c["file"], c["row"], c["reason"]) for c in changes] == [
        ("adopt", "links.csv", 2, "named in links.csv")
    ]
    by_hand = [account[-1] for account in BY_HAND]
    assert story.live.rows(_MANAGED, by_hand) == [
        ("ann", "ann@x.org", True),
        (None, "bob@old.org", False),
        (None, "zed@x.org", False),
    ]
    assert story.live.uploads() == []


def test_next_sync_changes_nothing(story: Story) -> None:
    """A second sync of the same package finds the accounts as the links left them."""
    assert story.after["outcome"] == "no_changes"
    report = story.live.admin.get(f"runs/{story.after['run_id']}/adoption")
    # Bob was not linked before the first sync and has two accounts now: the old one has no match.
    assert report["counts"] == {"login": 0, "name": 0, "mailbox": 0, "linked": 0, "orphan": 3}


def test_mapping_of_ids_runs_as_well(story: Story) -> None:
    """An ids.csv goes through the same tasks, and an undo takes it back like any run."""
    content = b"kind,oldSourcedId,newSourcedId\nuser,cec,2-cec\nuser,nobody,x\n"
    run = story.live.follow(story.live.admin.upload(content, "ids"))
    assert (run["outcome"], run["type"]) == (
        "succeeded_with_errors",
        "New sourcedIds, manual upload",
    )
    assert run["counts"]["users"]["rekeyed"] == 1
    (finding,) = story.live.admin.get(f"runs/{run['run_id']}/findings")["findings"]
    assert (finding["code"], finding["row"]) == ("mapping.unknown_record", 3)
    assert story.live.admin.get(f"runs/{run['run_id']}/adoption")["accounts"] == []
    undone = story.live.oneroster("undo", run["run_id"])
    assert undone["counts"]["users"]["rekeyed"] == 1


def test_preview_of_the_command_line_has_a_report_too(story: Story) -> None:
    """A preview reports matching accounts before a plan is applied, and the API shows them."""
    package = story.live.home / "preview"
    package.mkdir()
    for name, text in SCHOOL.items():
        (package / name).write_text(text.replace("cec", "dee").replace("Cec,Poe", "Zed,Fox"))
    preview = story.live.oneroster("plan", str(package))
    named = story.live.admin.get(f"runs/{preview['run_id']}/adoption", how="name")["accounts"]
    assert [(one["sourced_id"], one["person"]) for one in named] == [("dee", "Zed Fox")]


@pytest.mark.parametrize("kind", ["ids", "links"])
def test_operators_may_not_upload_mappings(story: Story, kind: str) -> None:
    """Only an administrator may upload a mapping, by our API or by Airflow's."""
    op = story.live.person("op")
    refused = op.upload(b"email,sourcedId\n", kind, expect=403)
    assert refused["code"] == "permission.administer"
    conf = {"package": str(story.live.home / "links.csv"), "kind": kind}
    refused = op.post(START, {"logical_date": None, "conf": conf}, expect=403)
    assert refused["code"] == "permission.administer"


def test_other_files_are_named(story: Story) -> None:
    """A file of another kind is refused and named before a run begins."""
    for kind, content, what in (
        ("links", SCHOOL["users.csv"], "this is users.csv"),
        ("ids", "email,sourcedId\n", "this is links.csv"),
        ("users", "kind,oldSourcedId,newSourcedId\n", "this is ids.csv"),
    ):
        refused = story.live.admin.upload(content.encode(), kind, expect=415)
        assert what in refused["detail"]


def test_viewers_see_no_account(story: Story) -> None:
    """The report names persons, so viewers can't read it."""
    viewer = story.live.person("viewer")
    for path in ("adoption", "adoption.csv"):
        viewer.get(f"runs/{story.first['run_id']}/{path}", expect=403)


def test_expired_report_is_gone(story: Story) -> None:
    """An expired report answers 410; a report of an unknown run answers 404."""
    folder = story.live.home / "storage" / "runs" / "default" / story.after["run_id"]
    shutil.rmtree(folder)
    for path in ("adoption", "adoption.csv"):
        gone = story.live.admin.get(f"runs/{story.after['run_id']}/{path}", expect=410)
        assert "no longer exists" in gone["detail"]
        story.live.admin.get(f"runs/{'0' * 8}-0000-0000-0000-{'0' * 12}/{path}", expect=404)
