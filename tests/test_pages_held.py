"""The page of a held run: the visible decision, its consequence, and held-back removals.

Also all pages, for users with low vision and users without a mouse.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser import browsing, log_in, press, reach, visit
from live import running, wait_for
from measures import CUT_TEXTS, HAS_SETTLED
from towns import HOME, Town, district, packed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from live import Live

SLOW_MS = 90_000
SECTIONS = ("source", "syncs", "limits", "notifications", "advanced")
AIRFLOWS = "[data-testid='nav-sidebar']"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A running Airflow."""
    with running() as airflow:
        yield airflow


@pytest.fixture(scope="module")
def waits(live: Live) -> dict[str, Any]:
    """A held run, whose package lacks half of the teachers of the package before."""
    assert live.follow(live.admin.upload(packed(district())))["outcome"] == "succeeded"
    run = live.follow(live.admin.upload(packed(district(lacks=10))))
    assert run["outcome"] == "held", run["sentence"]
    return run


def test_the_decision_stays_in_sight_and_names_its_consequence(
    live: Live, waits: dict[str, Any]
) -> None:
    """The decision is visible on each tab; a school links to its changes, and these to a CSV."""
    with browsing(height=600) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{waits['run_id']}")
        approve = page.get_by_role("button", name="Approve: deactivate 10 users…")
        expect(approve).to_be_in_viewport()
        page.get_by_role("link", name="Lake School").click()
        page.wait_for_url(re.compile("tab=changes&school=lake"))
        expect(page.get_by_role("heading", name="Approval required")).to_have_count(0)
        expect(approve).to_be_in_viewport()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows.nth(1)).to_contain_text("Lake School")
        expect(rows.nth(1)).to_contain_text("teacher · t0@x.org")
        page.get_by_label("Kind").select_option("Users")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download CSV").click()
        found = list(csv.DictReader(download.value.path().open(encoding="utf-8-sig")))
        assert [(row["school"], row["role"], row["action"]) for row in found] == [
            ("Lake School", "teacher", "deactivate")
        ] * 10
        assert {row["email"] for row in found} == {f"t{n}@x.org" for n in range(10)}
        approve.click()
        confirm = page.get_by_role("alertdialog")
        expect(confirm.get_by_role("button", name="Approve: deactivate 10 users")).to_be_visible()
        expect(confirm.get_by_role("row", name=re.compile("Reactivated"))).to_have_count(0)


@pytest.fixture(scope="module")
def places(live: Live, waits: dict[str, Any]) -> list[str]:
    """All of our pages: with data, empty, of what failed or was only checked, and of nothing."""
    live.oneroster("init", "--site", "empty", "--admin", "admin@example.org")
    rejected = live.follow(live.admin.upload(b"PK this is no zip"))
    check = live.admin.ask(
        "POST", "sites/default/uploads?kind=package&check_only=true", content=packed(district())
    )
    assert live.follow(check)["is_preview"]
    live.oneroster("init", "--site", "gone", "--admin", "admin@example.org")
    failed = live.oneroster("sync", str(live.home / "gone.zip"), "--site", "gone")
    ended = "update runs set outcome = 'failed' where run_id = %s returning 1"
    live.rows(ended, failed["run_id"])
    live.oneroster("sites", "archive", "gone")
    teacher = live.admin.get("sites/default/records", q="t15")["records"][0]["id"]
    site = f"{HOME}/sites/default"
    tabs = ("overview", "changes", "findings", "compare", "report", "accounts", "log")
    return [
        f"{HOME}/sites",
        site,
        f"{HOME}/runs/{waits['run_id']}",
        f"{site}/preferences",
        *(f"{site}/preferences?section={name}" for name in SECTIONS),
        f"{site}/upload",
        f"{site}/why?q=lee",
        f"{site}/why/user/{teacher}",
        f"{HOME}/why?q=lee",
        f"{HOME}/sites/empty",
        f"{HOME}/sites/empty/upload",
        f"{site}/reports",
        f"{HOME}/sites/empty/reports",
        *(f"{HOME}/runs/{waits['run_id']}?tab={tab}" for tab in tabs),
        *(f"{HOME}/runs/{one['run_id']}" for one in (rejected, check, failed)),
        *(f"{HOME}/runs/{failed['run_id']}?tab={tab}" for tab in ("changes", "report")),
        *(f"{HOME}/sites/{name}" for name in ("gone", "nowhere")),
        f"{HOME}/sites/empty/preferences",
        f"{HOME}/why",
        f"{site}/why?q=nobody",
        f"{HOME}/docs",
        *(f"{HOME}/docs/{page}" for page in ("guide/held-run", "reference/findings")),
        f"{HOME}/nowhere",
    ]


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 420)])
def test_the_first_pages_have_no_barrier(
    live: Live, waits: dict[str, Any], theme: str, width: int
) -> None:
    """The pages that people see most have no barrier; a long test visits all pages."""
    site = f"{HOME}/sites/default"
    run = f"{HOME}/runs/{waits['run_id']}"
    look(live, [f"{HOME}/sites", site, run, f"{site}/preferences"], theme, width)


@pytest.mark.long  # a minute of a processor for each theme and width
@pytest.mark.parametrize("width", [1440, 420])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_barrier(live: Live, places: list[str], theme: str, width: int) -> None:
    """No page breaks axe's rules for contrast, names and roles, or cuts a text off."""
    look(live, places, theme, width)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_what_is_wrong_or_special_can_be_read(live: Live, theme: str) -> None:
    """Errors beside settings, notes in the calendar and a dialog pass axe's rules too."""
    with browsing(theme) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites/default/preferences?section=limits")
        page.get_by_text("Raise the limits for removals", exact=True).click()
        page.get_by_label("Approval expires after").fill("0")
        page.keyboard.press("Control+s")
        page.get_by_text("Not saved").wait_for()
        assert barriers(page) == []
        page.get_by_role("link", name="Schedule").click()
        page.get_by_text("May remove up to 50 %, for one run").wait_for()
        assert barriers(page) == []
        page.get_by_role("link", name="Sites").click()
        page.get_by_role("alertdialog").get_by_text("Leave without saving?").wait_for()
        assert barriers(page) == []
        page.get_by_role("button", name="Leave without saving").click()
        page.wait_for_url("**/sites")


def test_flows_need_no_mouse(live: Live, waits: dict[str, Any], tmp_path: Path) -> None:
    """Each of these flows is usable with the keyboard alone."""
    package = tmp_path / "same.zip"
    package.write_bytes(packed(district()))
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites/default/preferences")
        switch = page.get_by_role("checkbox", name="Sync off")
        press(page, switch, "Space")
        press(page, page.get_by_role("button", name="Cancel"), "Escape")
        expect(switch).to_be_focused()
        press(page, page.get_by_role("button", name="Sun", exact=True), "Space")
        expect(page.get_by_text("1 change is not saved")).to_be_visible()
        press(page, page.get_by_role("button", name="Discard", exact=True), "Enter")
        calendar = page.get_by_role("region", name="Calendar")
        day = calendar.locator("[role=gridcell][tabindex='0']")
        today = str(day.get_attribute("aria-label"))
        press(page, day, "ArrowRight")
        expect(day).to_be_focused()
        assert day.get_attribute("aria-label") != today
        visit(page, f"{live.origin}{HOME}/runs/{waits['run_id']}?tab=findings")
        with page.expect_download():
            press(page, page.get_by_role("link", name=re.compile("CSV")))
        visit(page, f"{live.origin}{HOME}/sites/default/why")
        press(page, page.get_by_role("searchbox"), "l")
        page.keyboard.type("ee 15")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Kim Lee 15").wait_for()
        visit(page, f"{live.origin}{HOME}/sites/default/upload")
        page.get_by_text("Choose OneRoster.zip").wait_for()
        with page.expect_file_chooser() as chooser:
            press(page, page.get_by_role("button", name=re.compile("OneRoster.zip")), "Enter")
        chooser.value.set_files(package)
        reach(page, page.get_by_role("button", name="Upload and sync"))
        visit(page, f"{live.origin}{HOME}/runs/{waits['run_id']}")
        press(page, page.get_by_role("button", name=re.compile("^Approve: .*…$")), "Enter")
        asked = page.get_by_role("alertdialog")
        reach(page, asked.get_by_role("button", name=re.compile("^Approve: ")))
        page.keyboard.press("Escape")
        expect(asked).to_have_count(0)
        visit(page, f"{live.origin}{HOME}/runs/{earlier(live, waits)}")
        press(page, page.get_by_role("button", name="Undo…"), "Enter")
        reach(page, page.get_by_role("button", name="Undo", exact=True))


def test_a_pause_needs_no_mouse(live: Live) -> None:
    """A pause is added, changed and removed with the keyboard alone, and saved with Ctrl+S."""

    def saved() -> list[tuple[str, str, str]]:
        page.get_by_text(re.compile("^Saved[.]")).first.wait_for()
        pauses = live.admin.get("sites/default/preferences")["settings"]["pause_windows"]
        return [(one["first_on"], one["last_on"], one["note"]) for one in pauses]

    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites/default/preferences")
        press(page, page.get_by_role("button", name="+ Add a pause"))
        expect(page.get_by_label("First day", exact=True)).to_be_focused()
        page.keyboard.type("06062027")  # the order of day and month is the browser's
        reach(page, page.get_by_label("Last day", exact=True))
        page.keyboard.type("08082027")
        reach(page, page.get_by_label("Note", exact=True))
        page.keyboard.type("Summer")
        page.keyboard.press("Control+s")
        assert saved() == [("2027-06-06", "2027-08-08", "Summer")]
        page.keyboard.type(" break")
        page.keyboard.press("Control+s")
        assert saved() == [("2027-06-06", "2027-08-08", "Summer break")]
        press(page, page.get_by_role("button", name="Remove pause 1"))
        page.keyboard.press("Control+s")
        assert saved() == []


def test_some_removals_are_held_back_and_decided_about_later(
    live: Live, waits: dict[str, Any]
) -> None:
    """Both plans are previewed; exactly the first is applied, and the other is held again.

    This and the undo of what was applied are usable with the keyboard alone.
    """
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{waits['run_id']}")
        press(page, page.get_by_role("button", name="Approve and hold back…"))
        asked = page.get_by_role("alertdialog")
        approve = asked.get_by_role("button", name=re.compile("^Approve"))
        expect(approve).to_be_disabled()
        press(page, asked.get_by_role("checkbox", name="All deactivated users (10)"), "Space")
        now = asked.get_by_role("region", name="Applied now")
        expect(now.get_by_role("row", name=re.compile("removed 0 0 10"))).to_be_visible()
        rest = asked.get_by_role("region", name="Held back for another decision")
        expect(rest.get_by_role("row", name=re.compile("removed 10 0 0"))).to_be_visible()
        first_hash = now.get_by_role("code").get_attribute("title")
        expect(approve).to_have_text("Approve: remove 10 course assignments")
        assert barriers(page) == []
        press(page, approve)
        page.get_by_text("Part of the plan approved").wait_for()
        sentence = "Applied after approval by admin: 10 course assignments removed."
        page.get_by_text(sentence).first.wait_for(timeout=SLOW_MS)
    done = live.decided(waits["run_id"])
    assert done["plan_hash"] == first_hash != waits["plan_hash"]
    query = "select count(*) from users where site = 'default' and status = 'active'"
    assert live.rows(query) == [(21,)]

    def brought() -> dict[str, Any] | None:
        id_ = live.admin.get(f"runs/{waits['run_id']}")["removals_run"]
        run: dict[str, Any] | None = live.admin.get(f"runs/{id_}") if id_ else None
        return run if run and run["outcome"] == "held" else None

    later = wait_for(brought)
    assert later["counts"]["users"]["deactivated"] == 10
    assert "guard.held_back" in [hold["code"] for hold in later["holds"]]
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{waits['run_id']}")
        press(page, page.get_by_role("button", name="Undo…"))
        undo = page.get_by_role("alertdialog").get_by_role("button", name="Undo", exact=True)
        expect(undo).to_be_enabled()
        press(page, undo)
        page.get_by_text("Undo requested").wait_for()
        page.wait_for_url(re.compile("dag_run_id=undo__"))


def test_reports_have_the_roster_over_time_and_who_decided(live: Live, tmp_path: Path) -> None:
    """The reports show the roster over time with a table, and decisions with reasons."""
    town = Town(live, tmp_path, "vale")
    town.sync()
    held = town.sync(lacks=12)
    live.oneroster("approve", held["run_id"], "--site", town.name, "--reason", "Summer staff left")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{town.home}/reports")
        line = page.get_by_role("img", name=re.compile("^Active users after 2 runs: 21 on "))
        expect(line).to_be_visible()
        page.get_by_text("Show as a table").click()
        newest = page.get_by_role("table", name=re.compile("^Active records")).get_by_role("row")
        expect(newest.nth(1).get_by_role("cell").nth(3)).to_have_text("9")
        decided = page.get_by_role("table", name=re.compile("^Decisions of "))
        expect(decided).to_contain_text("12 users deactivated")
        expect(decided).to_contain_text("Summer staff left")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download CSV").click()
        assert held["run_id"] in download.value.path().read_text("utf-8")


def test_history_begins_with_a_sentence_and_ends_in_a_button(live: Live, tmp_path: Path) -> None:
    """The history of a deactivated person has the reason and a reactivation with a preview."""
    town = Town(live, tmp_path, "glade")
    town.sync()
    run = town.sync(lacks=4)
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites")
        page.get_by_role("link", name="Find a person…").click()
        box = page.get_by_role("searchbox", name="Family name, e-mail address, sourcedId or title")
        box.fill("Kim Lee 0")
        box.press("Enter")
        row = page.get_by_role("row").filter(has_text="glade").filter(has_text="Kim Lee 0")
        row.get_by_role("link").click()
        expect(
            page.get_by_text(re.compile(r"^Deactivated on \d+ \w+ \d{4} because "))
        ).to_have_text(re.compile("users.csv of glade.zip no longer contained this person"))
        expect(page.get_by_text("Lake School").first).to_be_visible()
        expect(page.get_by_text("No courses are assigned to this person.")).to_be_visible()
        page.get_by_role("button", name="Reactivate…").click()
        dialog = page.get_by_role("alertdialog")
        expect(dialog).to_contain_text("The next sync takes this back unless the SIS lists")
        expect(dialog.get_by_role("row", name=re.compile("^Reactivated 1"))).to_be_visible()
        expect(dialog.get_by_role("button", name="Reactivate")).to_be_enabled()
        page.keyboard.press("Escape")
    undone = live.oneroster("undo", run["run_id"], "--record", "t0", "--site", town.name)
    assert undone["counts"]["users"]["reactivated"] == 1
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{town.home}/why?q=t0")
        expect(page.get_by_text(re.compile("undid run"))).to_be_visible()
        expect(page.get_by_role("link", name="Course 0")).to_be_visible()
        expect(page.get_by_role("button", name="Reactivate…")).to_have_count(0)


def look(live: Live, places: list[str], theme: str, width: int) -> None:
    """Visit pages, and check that axe finds nothing and that all of each text can be read."""
    with browsing(theme, width, ignoring=("status of 404",)) as page:
        log_in(page, live.origin)
        for place in places:
            visit(page, live.origin + place)
            page.get_by_role("heading", level=1).wait_for()
            assert barriers(page) == [], place
            assert page.get_by_role("main").count() == 1, place
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, place
            assert page.evaluate(CUT_TEXTS) == [], place


def barriers(page: Page) -> list[str]:
    """Return axe's violations in our part of a page, without Airflow's own sidebar."""
    page.wait_for_function(HAS_SETTLED)
    found = Axe().run(page, {"exclude": [[AIRFLOWS]]}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def earlier(live: Live, run: dict[str, Any]) -> str:
    """Return the id of a run before another one."""
    runs = live.admin.get("sites/default/runs")["runs"]
    return next(str(one["run_id"]) for one in runs if one["started_at"] < run["started_at"])
